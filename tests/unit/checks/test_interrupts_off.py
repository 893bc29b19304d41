"""Stretches with IF = 0."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniSMP.checks.history import Event, FlagRows, History
from uniSMP.checks.interrupts_off import InterruptsOff

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

SYMBOLS = {"code": 0x100}


def run_of(*changes: tuple[int, int], events: tuple[Event, ...] = ()) -> History:
    """Return core 1's instructions 0x100 to 0x113, each after one of core 0; changes: step, IF."""
    run = [(core, 0x100 + place) for place in range(20) for core in (0, 1)]
    flags = FlagRows(
        np.array([step for step, _ in changes], np.int64),
        np.ones(len(changes), np.uint8),
        np.array([value << 9 | 2 for _, value in changes], np.int64),
    )
    return replace(history(run, cores=2, symbols=SYMBOLS, events=events), flags=flags)


def found(given: History, most: int) -> list[tuple[int, int]]:
    """Return the first instruction and the step of each violation."""
    return [(each.rips[0], each.step) for each in InterruptsOff(most).examine(given)]


@pytest.mark.parametrize(("most", "expected"), [(5, []), (4, [(0x102, 13)]), (0, [(0x102, 5)])])
def test_stretch_is_counted_in_instructions_of_its_core(
    most: int, expected: list[tuple[int, int]]
) -> None:
    assert found(run_of((0, 1), (5, 0), (15, 1)), most) == expected


def test_stretch_is_told_with_its_beginning() -> None:
    (violation,) = InterruptsOff(4).examine(run_of((0, 1), (5, 0), (15, 1)))
    assert violation.summary == (
        "core 1 executes 5 instructions with IF = 0, 4 are allowed: from code+0x2 (0x102) at "
        "step 5 on"
    )
    assert violation.key == ("interrupts-off", 0x102)


def test_each_stretch_is_counted_alone() -> None:
    changes = (0, 0), (11, 1), (21, 0), (35, 1)
    assert found(run_of(*changes), 5) == [(0x10A, 31)]


def test_stretch_at_the_end_counts() -> None:
    assert found(run_of((0, 1), (31, 0)), 4) == [(0x10F, 39)]


def test_delivery_begins_a_stretch_anew() -> None:
    delivery = Event(21, 1, "interrupt_delivered", 0x109, 0x40, "apic")
    given = run_of((0, 1), (11, 0), (31, 1), events=(delivery,))
    assert found(given, 5) == []
    assert found(given, 4) == [(0x105, 19), (0x10A, 29)]


def test_delivery_to_another_core_does_not() -> None:
    delivery = Event(21, 0, "interrupt_delivered", 0x109, 0x40, "apic")
    assert found(run_of((0, 1), (11, 0), (31, 1), events=(delivery,)), 5) == [(0x105, 21)]


def test_time_before_flags_are_known_does_not_count() -> None:
    assert found(run_of((31, 0)), 5) == []
    assert found(run_of(), 0) == []


def test_delivery_with_no_instruction_behind_it_begins_nothing() -> None:
    delivery = Event(40, 1, "interrupt_delivered", 0x113, 0x40, "apic")
    assert found(run_of((0, 1), (31, 0), events=(delivery,)), 4) == [(0x10F, 39)]
