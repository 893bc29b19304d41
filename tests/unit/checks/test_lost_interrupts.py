"""Interrupts that are dropped, held back, or pending at the end."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniSMP.checks.history import Event, FlagRows, History
from uniSMP.checks.lost_interrupts import LostInterrupts

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

ON, OFF = 0x202, 2
TPR = 0xFEE00080
CHECK = LostInterrupts(most_instructions=10, last_instructions=5)


def accepted(step: int, vector: int = 0x40, core: int = 0) -> Event:
    return Event(step, core, "interrupt_accepted", 0x77, vector, "core 1")


def delivered(step: int, vector: int = 0x40, source: str = "apic") -> Event:
    return Event(step, 0, "interrupt_delivered", 0x10, vector, source)


def run_of(instructions: int, *events: Event, flags: int = ON, is_over: bool = False) -> History:
    """Return a history of core 0 whose RFLAGS do not change."""
    given = history([(0, 0x10)] * instructions, cores=2, events=events, is_over=is_over)
    rows = FlagRows(np.array([0]), np.array([0], np.uint8), np.array([flags]))
    return replace(given, flags=rows)


def kinds(given: History) -> list[tuple[str | int, ...]]:
    return [each.key for each in CHECK.examine(given)]


HELD = [("lost-interrupts", "held back", 0x40)]
PENDING = [("lost-interrupts", "pending", 0x40)]


@pytest.mark.parametrize(("instructions", "expected"), [(12, []), (13, HELD), (40, HELD)])
def test_interrupt_is_held_back_after_more_instructions_than_the_bound(
    instructions: int, expected: list[tuple[str | int, ...]]
) -> None:
    assert kinds(run_of(instructions, accepted(2))) == expected


def test_held_back_interrupt_is_told_with_its_source_and_time() -> None:
    found = CHECK.examine(run_of(20, accepted(2)))
    assert [(each.summary, each.step, each.core, each.rips) for each in found] == [
        (
            (
                "vector 0x40 of core 1 was accepted by core 0, but not delivered in 18 "
                "instructions with IF = 1"
            ),
            2,
            0,
            (0x77,),
        )
    ]


@pytest.mark.parametrize(
    "events",
    [
        [accepted(2), delivered(12)],
        [accepted(2), Event(12, 0, "init")],
        [Event(1, 0, "mmio_write", value=0x40, address=TPR), accepted(2)],
        [Event(1, 0, "control_register_write", value=4, detail="cr8"), accepted(2)],
        [delivered(0, 0x4F), accepted(2)],
        [accepted(2, core=1)],
        [],
    ],
)
def test_interrupt_that_was_delivered_or_kept_out_is_not_held_back(events: list[Event]) -> None:
    assert kinds(run_of(30, *events)) == []


@pytest.mark.parametrize(
    "events",
    [
        [delivered(0, 0x3F), accepted(2)],
        [delivered(0, 0x50), accepted(2), Event(9, 0, "eoi", vector=0x50)],
        [accepted(2), delivered(3, source="pic")],
        [
            Event(1, 0, "mmio_write", value=0x40, address=TPR),
            accepted(2),
            Event(9, 0, "mmio_write", value=0x3F, address=TPR),
        ],
    ],
)
def test_interrupt_is_held_back_once_its_priority_suffices(events: list[Event]) -> None:
    assert kinds(run_of(30, *events)) == HELD


def test_time_with_interrupts_off_does_not_count() -> None:
    assert kinds(run_of(30, accepted(2), flags=OFF)) == []


def test_interrupt_that_is_pending_where_nothing_can_happen_any_more_is_lost() -> None:
    assert kinds(run_of(5, accepted(4), flags=OFF, is_over=True)) == PENDING


@pytest.mark.parametrize(("step", "expected"), [(14, PENDING), (15, [])])
def test_interrupt_accepted_just_before_the_guest_ended_the_run_is_not_lost(
    step: int, expected: list[tuple[str | int, ...]]
) -> None:
    events = accepted(step), Event(20, -1, "exit", value=0)
    assert kinds(run_of(20, *events, flags=OFF, is_over=True)) == expected


def sent(vector: int, *targets: int) -> Event:
    return Event(3, 0, "ipi_sent", 0x77, vector, "core 0", targets)


def test_interrupt_that_one_of_its_targets_did_not_take_was_dropped() -> None:
    taken = Event(3, 1, "interrupt_merged", vector=0x40)
    found = CHECK.examine(run_of(5, sent(0x40, 0, 1), taken))
    assert [each.summary for each in found] == [
        "vector 0x40, sent by core 0 at 0x77, was dropped: core 0 did not accept it"
    ]


@pytest.mark.parametrize(
    "events",
    [
        [sent(0x40, 1), Event(3, 1, "interrupt_accepted", vector=0x40)],
        [sent(0, 1), Event(3, 1, "init")],
        [sent(8, 1)],  # a start-up that a running core ignores
        [sent(0x10, 1), Event(3, 1, "start_up", vector=0x10), sent(0x10, 1)],
    ],
)
def test_interrupt_that_was_taken_or_is_none_was_not_dropped(events: list[Event]) -> None:
    assert [key for key in kinds(run_of(5, *events)) if key[1] == "dropped"] == []
