"""A trace as instructions, accesses and events in their order."""

import sys
from pathlib import Path

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.schema import Level
from uniSMP.trace.story import Item, Story, Wanted
from uniSMP.trace.telling import Columns, Teller, as_json

sys.path.insert(0, str(Path(__file__).parent))
from reading import read


def test_every_instruction_is_told_once_in_order(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        items = [item for item in Story(trace, Wanted()).items() if item.kind == "instruction"]
        assert [item.step for item in items] == list(range(trace.manifest["steps"]))


@pytest.mark.parametrize("page", [1, 2, 3, 17, 1000])
def test_pages_of_any_size_tell_the_same(tmp_path: Path, page: int) -> None:
    with read(tmp_path) as trace:
        story = Story(trace, Wanted())
        told = [(item.step, item.kind, item.text) for item in story.items(page)]
        assert told == [(item.step, item.kind, item.text) for item in story.items()]


def test_instruction_has_its_text_accesses_and_changes(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        items = [item for item in Story(trace, Wanted()).items() if item.kind == "instruction"]
        assert items[0].text == "mov ebx, 0x2000"
        assert {row["register"]: row["value"] for row in items[0].changes}["rbx"] == 0x2000
        locked = items[1]
        assert [row["access"] for row in locked.accesses if row["origin"] == "instruction"] == [
            "locked read",
            "locked write",
        ]


def test_events_stand_before_what_runs_at_their_step(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        kinds = [item.kind for item in Story(trace, Wanted(first_step=7, end_step=8)).items()]
        assert kinds == ["slice_end", "slice_begin", "access", "instruction"]


def test_cores_addresses_and_data_choose(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        start = trace.symbols["again"]
        of_core = Story(trace, Wanted(core_ids=(1,))).items()
        assert {item.core for item in of_core} <= {1, None}
        placed = list(Story(trace, Wanted(addresses=((start, start + 1),))).items())
        assert {item.row["rip"] for item in placed} == {start}
        touching = list(Story(trace, Wanted(data=((0x2048, 0x2049),))).items())
        assert {item.core for item in touching} == {1}
        assert {item.text for item in touching} == {"mov qword ptr [rbx + rdi*8 + 0x40], rdi"}


def test_changed_code_is_shown_as_it_was_executed(tmp_path: Path) -> None:
    source = (
        "_start: mov al, 1\ncmp al, 2\nje end\nmov byte ptr [_start + 1], 2\njmp _start\n"
        "end: cli\nhlt\n"
    )
    with read(tmp_path, source=source) as trace:
        wanted = Wanted(core_ids=(0,))
        texts = [item.text for item in Story(trace, wanted).items() if item.kind == "instruction"]
        assert texts[0] == "mov al, 1"
        assert "mov al, 2" in texts


def test_blocks_are_told_where_there_are_no_instructions(tmp_path: Path) -> None:
    with read(tmp_path, Level.BLOCKS) as trace:
        items = [item for item in Story(trace, Wanted()).items() if item.kind == "execution"]
        assert sum(item.row["count"] for item in items) == trace.manifest["steps"]


def test_events_alone_are_told_at_level_events(tmp_path: Path) -> None:
    with read(tmp_path, Level.EVENTS) as trace:
        assert {item.kind for item in Story(trace, Wanted()).items()} >= {"slice_begin", "exit"}


def test_lines_name_place_text_and_accesses(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        teller = Teller(trace)
        item = next(each for each in Story(trace, Wanted(first_step=1)).items() if each.text)
        lines = teller.lines(item)
        assert lines[0].split()[:4] == ["1", "0", "again", "lock"]
        assert "[0x2000] -> 0x00000000 (locked)" in [line.strip() for line in lines]
        assert "[0x2000] <- 0x00000001 (locked)" in [line.strip() for line in lines]


def test_columns_put_each_core_in_its_own(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        columns = Columns(Teller(trace), [0, 1], 80)
        items = [item for item in Story(trace, Wanted()).items() if item.kind == "instruction"]
        first = columns.line(next(item for item in items if item.core == 0))
        other = columns.line(next(item for item in items if item.core == 1))
        assert other.index("mov") - first.index("mov") == 34
        assert max(len(first), len(other)) <= 80


def test_columns_begin_with_titles_and_leave_out_what_no_core_did(tmp_path: Path) -> None:
    items = [Item(0, None, "reset", {}), Item(5, 1, "halt", {"rip": 0x99})]
    with read(tmp_path) as trace:
        told = list(Columns(Teller(trace), [0, 1], 40).tell(items))
    assert told == [
        ["       step core 0          core 1", "          5                 -- halt at 0x99"]
    ]


def test_sparse_choice_finds_the_code_of_each_instruction(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        start = trace.symbols["again"]
        items = list(Story(trace, Wanted(addresses=((start, start + 1),))).items())
        (count,) = trace.rows(f"SELECT count(*) AS n FROM instructions WHERE rip = {start}")  # noqa: S608 - our own number
    assert len(items) == count["n"] > 10
    assert {item.text for item in items} == {"lock inc dword ptr [rbx]"}
    assert {tuple(row["access"] for row in item.accesses if row["origin"] == "instruction")
        for item in items} == {("locked read", "locked write")}  # fmt: skip


def test_access_stands_beside_the_core_that_made_it(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        items = list(Story(trace, Wanted()).items())
    owners = {(item.core, row["core"]) for item in items for row in item.accesses + item.changes}
    strays = [item for item in items if item.kind == "access"]
    assert owners == {(0, 0), (1, 1)}
    assert {row["origin"] for item in strays for row in item.accesses} == {"page walk"}


def test_addresses_at_the_end_of_the_address_space_choose(tmp_path: Path) -> None:
    top = (1 << 64) - 1
    with read(tmp_path) as trace:
        wanted = Wanted(addresses=((top - 1, top),), data=((top - 7, top),))
        assert list(Story(trace, wanted).items()) == []


def test_block_that_reaches_into_the_addresses_is_told(tmp_path: Path) -> None:
    with read(tmp_path, Level.BLOCKS) as trace:
        inside = trace.symbols["_start"] + 1
        items = list(Story(trace, Wanted(addresses=((inside, inside + 1),))).items())
    assert [item.row["rip"] for item in items] == [inside - 1, inside - 1]


def test_accesses_are_refused_where_none_were_traced(tmp_path: Path) -> None:
    with (
        read(tmp_path, Level.BLOCKS) as trace,
        pytest.raises(ConfigError, match="level memory"),
    ):
        Story(trace, Wanted(data=((0, 1),)))


def test_lines_fit_the_width(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        teller = Teller(trace, 80)
        lines = [line for item in Story(trace, Wanted()).items() for line in teller.lines(item)]
    assert max(map(len, lines)) <= 80
    assert any("rax=0x0" in line for line in lines)


def test_json_has_what_the_line_has(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        item = next(each for each in Story(trace, Wanted(first_step=1)).items() if each.text)
        row = as_json(item, trace)
        assert (row["step"], row["text"]) == (1, "lock inc dword ptr [rbx]")
        assert row["symbol"] == "again"
        assert row["memory"][0]["value"] == 0
