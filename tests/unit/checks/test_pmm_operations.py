"""Operations of the manager, read off accesses."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.executed_code import ExecutedCode
from uniSMP.checks.history import History
from uniSMP.checks.pmm_operations import ALLOC, FREE, Operation, manager_runs
from uniSMP.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history, rows
from manager import MEMORY, RUN, SYMBOLS, operation


def run_of(accesses: list[Access], run: list[tuple[int, int]] = RUN) -> History:
    return history(run, cores=2, symbols=SYMBOLS, accesses=accesses, memory=MEMORY)


def operations(given: History, accesses: list[Access]) -> list[Operation]:
    return manager_runs(given, rows(accesses), ExecutedCode(given)).operations


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((ALLOC, 3, 0, 0x5000), Operation(ALLOC, 1, range(5, 8), 0, 4)),
        ((FREE, 0x5000, 2, 0), Operation(FREE, 1, range(5, 7), 0, 4)),
    ],
)
def test_operation_that_succeeded_is_found(
    words: tuple[int, int, int, int], expected: Operation
) -> None:
    accesses = operation(*words)
    assert operations(run_of(accesses), accesses) == [expected]


@pytest.mark.parametrize("words", [(ALLOC, 3, 0, 0), (FREE, 0x5000, 2, 3), (7, 0, 0, 6)])
def test_operation_that_failed_is_left_out(words: tuple[int, int, int, int]) -> None:
    accesses = operation(*words)
    assert operations(run_of(accesses), accesses) == []


def test_operation_that_has_not_ended_is_left_out() -> None:
    accesses = operation(ALLOC, 3, 0, 0x5000)
    assert operations(run_of(accesses, RUN[:4]), accesses) == []


def test_cores_are_inside_from_enter_to_exit() -> None:
    accesses = [Access(step, core, 1, 0x9000) for step in range(12) for core in (0, 1)]
    given = run_of(accesses, RUN + RUN[:5])
    runs = manager_runs(given, rows(accesses), ExecutedCode(given))
    inside = runs.are_inside(rows(accesses)).tolist()
    assert inside[0::2] == [False] * 12
    assert inside[1::2] == [True] * 5 + [False] + [True] * 5 + [False]


def test_visit_that_has_not_ended_lasts_to_the_end() -> None:
    accesses = [Access(step, 1, 1, 0x9000) for step in range(3)]
    given = run_of(accesses, RUN[:3])
    runs = manager_runs(given, rows(accesses), ExecutedCode(given))
    assert runs.are_inside(rows(accesses)).tolist() == [True] * 3


@pytest.mark.parametrize("missing", ["pmm_enter", "pmm_exit"])
def test_guest_without_the_manager_is_refused(missing: str) -> None:
    symbols = {name: address for name, address in SYMBOLS.items() if name != missing}
    given = history(RUN, cores=2, symbols=symbols, accesses=[], memory=MEMORY)
    with pytest.raises(ConfigError, match=f"no symbol {missing}"):
        manager_runs(given, rows([]), ExecutedCode(given))
