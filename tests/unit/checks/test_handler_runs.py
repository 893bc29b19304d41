"""Runs of handlers, from events and IRETs."""

import sys
from pathlib import Path

import numpy as np

from uniSMP.checks.handler_runs import are_external, handler_runs
from uniSMP.checks.history import Event, History

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

NOP, IRET = 0x10, 0x11
MEMORY = bytes(0x10) + bytes.fromhex("90 48cf")


def delivered(step: int, vector: int, core: int = 0) -> Event:
    return Event(step, core, "interrupt_delivered", NOP, vector, "apic")


def run_of(code: str, *events: Event, core: int = 0) -> History:
    """Return a history of one core: "n" is NOP, "i" is IRET."""
    run = [(core, IRET if each == "i" else NOP) for each in code]
    return history(run, cores=2, events=events, memory=MEMORY)


def told(given: History) -> list[tuple[int, int, int, int]]:
    return [
        (run.entry.vector, run.begin_step, run.end_step, run.depth) for run in handler_runs(given)
    ]


def test_handler_ends_behind_its_iret() -> None:
    assert told(run_of("nnin", delivered(1, 0x40))) == [(0x40, 1, 3, 0)]


def test_handler_whose_end_was_not_seen_has_none() -> None:
    assert told(run_of("nn", delivered(1, 0x40))) == [(0x40, 1, -1, 0)]


def test_handlers_nest() -> None:
    given = run_of("nnnii", delivered(1, 0x40), Event(2, 0, "software_interrupt", NOP, 3))
    assert told(given) == [(0x40, 1, 5, 0), (3, 2, 4, 1)]


def test_handler_that_follows_at_once_is_not_nested() -> None:
    given = run_of("nii", delivered(1, 0x40), delivered(2, 0x41))
    assert told(given) == [(0x40, 1, 2, 0), (0x41, 2, 3, 0)]


def test_iret_without_a_handler_ends_nothing() -> None:
    assert told(run_of("ini", delivered(1, 0x40))) == [(0x40, 1, 3, 0)]


def test_exception_in_a_delivery_replaces_its_handler() -> None:
    failing = Event(1, 0, "exception", NOP, 13)
    assert told(run_of("nni", delivered(1, 0x40), failing)) == [(0x40, 1, 1, 0), (13, 1, 3, 0)]


def test_init_ends_the_handlers_of_its_core_only() -> None:
    events = (delivered(1, 0x40), delivered(1, 0x41, core=1), Event(2, 0, "init"))
    assert told(run_of("nnn", *events)) == [(0x40, 1, 2, 0), (0x41, 1, -1, 0)]


def test_reset_ends_all_handlers() -> None:
    events = (delivered(1, 0x40), delivered(1, 0x41, core=1), Event(2, -1, "reset"))
    assert told(run_of("nnn", *events)) == [(0x40, 1, 2, 0), (0x41, 1, 2, 0)]


def test_steps_in_handlers_of_interrupts_are_external() -> None:
    given = run_of(
        "nnininin",
        delivered(1, 0x40),
        Event(3, 0, "software_interrupt", NOP, 3),
        delivered(6, 0x40),
    )
    runs = handler_runs(given)
    steps = np.arange(8)
    assert are_external(runs, 0, steps).tolist() == [0, 1, 1, 0, 0, 0, 1, 0]
    assert not are_external(runs, 1, steps).any()


def test_handler_holds_the_steps_up_to_its_iret() -> None:
    (run,) = handler_runs(run_of("nnin", delivered(1, 0x40)))
    assert [run.holds(step) for step in range(4)] == [False, True, True, False]
    (unended,) = handler_runs(run_of("nn", delivered(1, 0x40)))
    assert [unended.holds(step) for step in (0, 1, 99)] == [False, True, True]
