"""Locks of handlers that are held with IF = 1 elsewhere."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniSMP.checks.history import LOCKED, WRITE, Event, FlagRows, History
from uniSMP.checks.lock_discipline import LockDiscipline
from uniSMP.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

WORD = 0x2000
CODE = 0x10
MEMORY = bytes(0x10) + b"\x90" * 0x50
SYMBOLS = {"word": WORD, "code": CODE}


def taken(step: int, core: int, rip: int) -> list[Access]:
    kinds = (LOCKED, 0), (LOCKED | WRITE, 1)
    return [Access(step, core, rip, WORD, 4, kind, value) for kind, value in kinds]


def run_of(
    *flags: tuple[int, int], given_at: int = 4, kind: str = "interrupt_delivered"
) -> History:
    """Return a history: core 0 takes at step 1, core 1 in a handler from step 6 on at step 7.

    Flags are those of core 0: step, IF.
    """
    run = [(0, CODE + step) for step in range(6)] + [(1, CODE + step) for step in range(6, 10)]
    accesses = [
        *taken(1, 0, CODE + 1),
        Access(given_at, 0, CODE + given_at, WORD, 4, WRITE, 0),
        *taken(7, 1, CODE + 7),
    ]
    rows = FlagRows(
        np.array([step for step, _ in flags], np.int64),
        np.zeros(len(flags), np.uint8),
        np.array([value << 9 for _, value in flags], np.int64),
    )
    given = history(
        run,
        cores=2,
        symbols=SYMBOLS,
        accesses=accesses,
        events=[Event(6, 1, kind, CODE, 0x40, "apic")],
        memory=MEMORY,
    )
    return replace(given, flags=rows)


@pytest.mark.parametrize("flags", [[(0, 1)], [(0, 1), (2, 0)], [(0, 0), (3, 1)], [(0, 0), (4, 1)]])
def test_lock_that_is_held_with_interrupts_on_at_some_instruction_is_reported(
    flags: list[tuple[int, int]],
) -> None:
    (found,) = LockDiscipline().examine(run_of(*flags))
    assert found.summary == (
        "the lock at word (0x2000) is taken in an interrupt handler (core 1, code+0x7 (0x17)), and "
        "held with IF = 1 outside (core 0, taken at code+0x1 (0x11))"
    )
    assert found.key == ("lock-discipline", WORD, CODE + 7, CODE + 1)
    assert found.step == 7


@pytest.mark.parametrize("flags", [[(0, 0)], [(0, 1), (1, 0)], [(0, 0), (5, 1)], []])
def test_lock_that_is_held_with_interrupts_off_is_fine(flags: list[tuple[int, int]]) -> None:
    assert LockDiscipline().examine(run_of(*flags)) == []


@pytest.mark.parametrize("kind", ["software_interrupt", "exception"])
def test_handler_of_an_instruction_is_no_interrupt_handler(kind: str) -> None:
    assert LockDiscipline().examine(run_of((0, 1), kind=kind)) == []


def test_given_lock_is_looked_at_alone() -> None:
    given = run_of((0, 1))
    assert len(LockDiscipline(["word"]).examine(given)) == 1
    assert LockDiscipline(["0x3000"]).examine(given) == []


def test_unknown_lock_is_refused() -> None:
    with pytest.raises(ConfigError, match="no symbol nothing"):
        LockDiscipline(["nothing"]).examine(run_of((0, 1)))
