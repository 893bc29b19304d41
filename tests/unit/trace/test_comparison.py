"""The first difference between two traces."""

import sys
from pathlib import Path

import pytest

from uniSMP.trace import comparison
from uniSMP.trace.comparison import describe_runs, first_difference
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parent))
from reading import GUEST, write


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
    write(tmp_path / "a", level=Level.MEMORY)
    write(tmp_path / "b", GUEST.replace("cmp dword ptr [rbx], 20", "cmp dword ptr [rbx], 21"))
    write(tmp_path / "c", GUEST.replace("[rbx + rdi * 8 + 64], rdi", "[rbx + rdi * 8 + 64], rbx"))
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "c") as right:
        found = first_difference(left, right)
        assert found is not None
        assert (found.table, found.step) == ("memory", 3)
        assert found.left is not None
        assert found.right is not None
        assert (found.left["value"], found.right["value"]) == (0, 0x2000)


def test_trace_that_ends_earlier_differs_there(tmp_path: Path) -> None:
    write(tmp_path / "a", "_start: nop\nnop\ncli\nhlt\n")
    write(tmp_path / "b", "_start: nop\nnop\ncli\nhlt\n", quantum=100)
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "b") as right:
        assert first_difference(left, right) is None
    write(tmp_path / "c", "_start: nop\nnop\nnop\ncli\nhlt\n")
    with Trace(tmp_path / "a") as left, Trace(tmp_path / "c") as right:
        found = first_difference(left, right)
        assert found is not None
        assert found.step == 4
