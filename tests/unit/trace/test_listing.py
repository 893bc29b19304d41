"""The listing holds what ran; sources are read from the given folders only."""

from pathlib import Path

import pytest

from uniSMP.trace.listing import make_listing, read_sources
from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import Selection, select_events


def test_instructions_are_those_of_the_blocks(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        listing = make_listing(trace, select_events(trace, Selection()))
        rows = trace.rows(
            "SELECT DISTINCT address + unnest(offsets) AS address FROM blocks ORDER BY address"
        )
        lines = [trace.source_line(address) for address in listing.addresses]
    assert listing.addresses == [row["address"] for row in rows]
    names = [*listing.names, ""]  # -1 is the last one: a line that is not known
    shown = [f"{names[f]}:{n}" for f, n in zip(listing.files, listing.lines, strict=True)]
    assert shown == [line or ":0" for line in lines]
    assert sum(map(bool, lines)) > 100


def test_code_that_did_not_run_in_the_selection_is_not_listed(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        every = make_listing(trace, select_events(trace, Selection()))
        early = make_listing(trace, select_events(trace, Selection(0, 100)))
    assert 0 < len(early.addresses) < len(every.addresses)


def test_source_in_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.asm").write_text("nop\nret\n")
    assert read_sources(["a.asm", "b.asm"], [tmp_path]) == {"a.asm": ["nop", "ret"]}


@pytest.mark.parametrize("name", ["../secret", "{root}/secret", "link", "", "a\0b", "."])
def test_nothing_outside_of_the_folder_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "sources"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    assert read_sources([name.format(root=tmp_path)], [folder]) == {}
