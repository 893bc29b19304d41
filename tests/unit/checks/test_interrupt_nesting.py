"""Handlers in handlers."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.history import Event, History
from uniSMP.checks.interrupt_nesting import InterruptNesting

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

MEMORY = bytes(0x10) + bytes.fromhex("90 48cf")
NESTED = (
    Event(1, 0, "interrupt_delivered", 0x10, 0x40, "apic"),
    Event(2, 0, "exception", 0x10, 14),
    Event(3, 0, "software_interrupt", 0x10, 0x30),
)


def run_of(*events: Event) -> History:
    run = [(0, 0x10)] * 4 + [(0, 0x11)] * 3 + [(0, 0x10)] * 3
    return history(run, cores=2, events=events, memory=MEMORY)


@pytest.mark.parametrize(("levels", "count"), [(1, 1), (2, 1), (3, 0)])
def test_levels_beyond_the_bound_are_reported_once(levels: int, count: int) -> None:
    assert len(InterruptNesting(levels).examine(run_of(*NESTED))) == count


def test_levels_are_told_from_the_outermost_on() -> None:
    (found,) = InterruptNesting(2).examine(run_of(*NESTED))
    assert found.summary == (
        "core 0 is in 3 handlers at once, 2 are allowed: interrupt 0x40, exception 0xe, int 0x30; "
        "the last entered at 0x10"
    )
    assert (found.step, found.core, found.rips) == (3, 0, (0x10, 0x10, 0x10))


def test_same_nesting_again_is_the_same_violation() -> None:
    again = (
        Event(8, 0, "interrupt_delivered", 0x10, 0x40, "apic"),
        Event(9, 0, "exception", 0x10, 14),
    )
    assert len(InterruptNesting(1).examine(run_of(*NESTED, *again))) == 1


def test_handlers_of_two_cores_do_not_nest() -> None:
    other = Event(2, 1, "interrupt_delivered", 0x10, 0x40, "apic")
    assert InterruptNesting(1).examine(run_of(NESTED[0], other)) == []
