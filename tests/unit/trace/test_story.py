"""A trace as instructions, accesses and events in their order."""

import sys
from pathlib import Path

import pytest

from uniSMP.trace.schema import Level
from uniSMP.trace.story import Story, Wanted
from uniSMP.trace.telling import Teller, as_json

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
        teller = Teller(trace)
        items = [item for item in Story(trace, Wanted()).items() if item.kind == "instruction"]
        first = next(item for item in items if item.core == 0)
        other = next(item for item in items if item.core == 1)
        left = teller.column_line(first, [0, 1], 80)
        right = teller.column_line(other, [0, 1], 80)
        assert left is not None
        assert right is not None
        assert right.index("mov") - left.index("mov") == 34
        assert max(len(left), len(right)) <= 80


def test_json_has_what_the_line_has(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        item = next(each for each in Story(trace, Wanted(first_step=1)).items() if each.text)
        row = as_json(item, trace)
        assert (row["step"], row["text"]) == (1, "lock inc dword ptr [rbx]")
        assert row["symbol"] == "again"
        assert row["memory"][0]["value"] == 0
