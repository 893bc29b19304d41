"""The first difference between two traces."""

import sys
from pathlib import Path

import pytest

from uniSMP.trace import comparison
from uniSMP.trace.comparison import describe_runs, first_difference
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parent))
from reading import write


@pytest.fixture(params=[1 << 18, 5])
def batches(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare in batches of any size."""
    monkeypatch.setattr(comparison, "_BATCH_ROWS", request.param)


@pytest.mark.usefixtures("batches")
@pytest.mark.parametrize("level", list(Level))
def test_same_run_twice_is_the_same(tmp_path: Path, level: Level) -> None:
    write(tmp_path / "a", level=level)
    write(tmp_path / "b", level=level)
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        assert first_difference(left, right) is None
        assert describe_runs(left, right) == []


def test_traces_of_other_levels_are_compared_in_what_both_have(tmp_path: Path) -> None:
    write(tmp_path / "a", level=Level.REGISTERS)
    write(tmp_path / "b", level=Level.INSTRUCTIONS)
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        assert first_difference(left, right) is None
        assert describe_runs(left, right) == ["level: registers and instructions"]


@pytest.mark.usefixtures("batches")
@pytest.mark.parametrize("level", [Level.BLOCKS, Level.INSTRUCTIONS])
def test_other_schedule_differs_where_the_other_core_runs(tmp_path: Path, level: Level) -> None:
    write(tmp_path / "a", level=level, quantum=7)
    write(tmp_path / "b", level=level, quantum=9)
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        found = first_difference(left, right)
        assert found is not None
        assert found.step == 7
        assert found.left is not None
        assert found.right is not None
        assert (found.left["core"], found.right["core"]) == (1, 0)
        assert describe_runs(left, right) == ["configuration.quantum: 7 and 9"]


def test_value_that_differs_is_found_in_its_table(tmp_path: Path) -> None:
    source = "_start: nop\nmov eax, [data]\ncli\nhlt\ndata: .long 5\n"
    write(tmp_path / "a", source, level=Level.MEMORY)
    write(tmp_path / "b", source.replace("5", "6"))
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        found = first_difference(left, right)
        assert found is not None
        assert (found.table, found.step) == ("memory", 1)
        assert found.left is not None
        assert found.right is not None
        assert (found.left["value"], found.right["value"]) == (5, 6)


def test_trace_that_ends_earlier_differs_there(tmp_path: Path) -> None:
    write(tmp_path / "a", "_start: nop\nnop\ncli\nhlt\n")
    write(tmp_path / "b", "_start: nop\nnop\ncli\nhlt\n", quantum=100)
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        assert first_difference(left, right) is None
    write(tmp_path / "c", "_start: nop\nnop\nnop\ncli\nhlt\n")
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "c") as right:
        found = first_difference(left, right)
        assert found is not None
        assert (found.table, found.step) == ("executions", 2)


@pytest.mark.parametrize("level", [Level.BLOCKS, Level.INSTRUCTIONS])
def test_other_code_at_the_same_addresses_differs(tmp_path: Path, level: Level) -> None:
    write(tmp_path / "a", "_start: nop\nmov eax, 1\ncli\nhlt\n", level)
    write(tmp_path / "b", "_start: nop\nmov eax, 2\ncli\nhlt\n", level)
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        found = first_difference(left, right)
    assert found is not None
    assert (found.table, found.step) == ("executions", 1)


def test_equal_executions_before_the_difference_are_skipped(tmp_path: Path) -> None:
    write(tmp_path / "a", level=Level.BLOCKS)
    write(tmp_path / "b", level=Level.BLOCKS, quantum=9)
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        found = first_difference(left, right)
        rows = [trace.rows("SELECT * FROM blocks") for trace in (left, right)]
    assert rows[0][0]["code"] == rows[1][0]["code"]
    assert found is not None
    assert found.step == 7
