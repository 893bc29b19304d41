"""Failures that the guest reports itself."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.assertions import Assertions
from uniSMP.checks.history import Event

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

WRITE = Event(4, 1, "port_write", rip=0x104, value=3, address=0xF4)
EXIT = Event(4, -1, "exit", value=3)


@pytest.mark.parametrize(
    "events",
    [
        [],
        [Event(4, 1, "port_write", rip=0x104, value=3, address=0xE9)],
        [Event(4, -1, "exit", value=0)],
        [Event(4, -1, "reset")],
    ],
)
def test_guest_that_reports_nothing_or_success_is_sound(events: list[Event]) -> None:
    assert Assertions().examine(history([], cores=2, events=events)) == []


def test_value_other_than_zero_is_a_violation() -> None:
    other = Event(2, 0, "port_write", rip=0x200, value=7, address=0xE9)
    made = history([], cores=2, events=[WRITE, other, EXIT], symbols={"fail": 0x100})
    [found] = Assertions().examine(made)
    assert found.summary == "the guest reports failure 0x3: core 1 at fail+0x4 (0x104)"
    assert (found.step, found.core, found.rips) == (4, 1, (0x104,))
    assert found.key == ("assertions", 3, 0x104)


def test_failure_without_a_known_instruction_is_a_violation_too() -> None:
    [found] = Assertions().examine(history([], cores=1, events=[EXIT]))
    assert (found.summary, found.core, found.rips) == ("the guest reports failure 0x3", -1, ())
