"""The page holds the selected rows, and nothing that a guest printed can leave its place."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from uniSMP.trace.html_page import make_page
from uniSMP.trace.packing import unpack
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.selection import Selection
from uniSMP.trace.writer import TraceWriter

NASTY = '</script><script>alert("x")</script>\u2028@data@'


def data_of(page: str) -> dict[str, Any]:
    found = re.search(r'<script id="data"[^>]*>([^<]*)</script>', page)
    assert found is not None
    return unpack(found[1])


@pytest.fixture(scope="module")
def page(ping_trace: Path) -> str:
    with Trace(ping_trace) as trace:
        return make_page(trace, Selection())


@pytest.fixture
def nasty_trace(tmp_path: Path) -> Path:
    writer = TraceWriter(tmp_path / "nasty", Level.EVENTS)
    writer.begin({"target": NASTY, "configuration": {"cores": 1}})
    writer.add("events", {"step": [1], "ticks": [1], "kind": ["console"], "detail": [NASTY]})
    writer.add("symbols", {"address": [1], "name": [NASTY]})
    writer.end({"outcome": "FINISHED"})
    return writer.directory


@pytest.mark.parametrize(
    ("column", "sql"),
    [
        ("step", "step"),
        ("ticks", "ticks"),
        ("kind", "kind"),
        ("core", "coalesce(core, 255)"),
        ("vector", "coalesce(vector, 256)"),
        ("source", "source"),
        ("mode", "mode"),
        ("detail", "detail"),
        ("size", "coalesce(size, 0)"),
        ("rip", "'0x' || lower(hex(rip))"),
        ("address", "'0x' || lower(hex(address))"),
        ("value", "'0x' || lower(hex(value))"),
        ("targets", "array_to_string(targets, ' ')"),
    ],
)
def test_column_is_that_of_the_table(page: str, ping_trace: Path, column: str, sql: str) -> None:
    with Trace(ping_trace) as trace:
        rows = trace.rows(f"SELECT {sql} AS value FROM events")  # noqa: S608 - of this file
    assert data_of(page)["columns"][f"event.{column}"] == [row["value"] for row in rows]


def test_symbols_of_addresses_stand_in_the_order_of_the_addresses(
    page: str, ping_trace: Path
) -> None:
    columns = data_of(page)["columns"]
    distinct = list(dict.fromkeys(rip for rip in columns["event.rip"] if rip is not None))
    with Trace(ping_trace) as trace:
        names = [trace.names.describe(int(rip, 16)) for rip in distinct]
    assert columns["rip.symbol"] == names


def test_page_needs_nothing_else(page: str) -> None:
    shell = re.sub(r'(<script id="data"[^>]*>)[^<]*', r"\1", page)
    assert re.findall(r"https?://|\bsrc=|\bhref=|@import|url\(", shell) == []
    assert "default-src 'none'" in shell


def test_text_of_the_guest_ends_no_element(nasty_trace: Path) -> None:
    with Trace(nasty_trace) as trace:
        page = make_page(trace, Selection())
    data = data_of(page)
    assert page.count("</script>") == 2
    assert data["columns"]["event.detail"] == [NASTY]
    assert data["symbols"] == {NASTY: "0x1"}
    assert "&lt;/script&gt;&lt;script&gt;alert(&quot;x&quot;)" in page


def test_paths_of_the_host_stay_out(page: str, ping_trace: Path) -> None:
    assert str(ping_trace.parent) not in json.dumps(data_of(page))
    assert str(Path.home() / "") not in page


def test_incomplete_trace_is_told(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "cut", Level.EVENTS)
    writer.begin({"target": "cut"})
    writer.add("events", {"step": [1], "ticks": [1], "kind": ["reset"]})
    writer.flush("events")
    with Trace(writer.directory) as trace:
        notes = data_of(make_page(trace, Selection()))["notes"]
    assert any("incomplete" in note for note in notes)


def test_same_trace_gives_the_same_page(page: str, ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        assert make_page(trace, Selection()) == page
