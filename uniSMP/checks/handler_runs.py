"""When each handler of an interrupt, an exception or INT n ran: from the event to its IRET.

A handler that never returns but switches to another task appears to hold what that task does, up to
an IRET of it. INIT and reset end all handlers.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.checks.executed_code import IRETS, executed_code
from uniSMP.checks.history import Event, History, Signed

ENTRIES = ("interrupt_delivered", "exception", "software_interrupt")
"""Kinds of events that enter a handler; only the first comes from outside of the core."""
_ENDINGS = ("init", "reset")


@dataclass(slots=True)
class HandlerRun:
    """One run of a handler.

    Attributes:
        entry: the event that entered it.
        number: of that event in the history.
        begin_step: step of its first instruction.
        end_step: step behind its IRET; -1 where that was not seen.
        depth: how many handlers of the core it interrupted.
    """

    entry: Event
    number: int
    begin_step: int
    end_step: int
    depth: int

    @property
    def core(self) -> int:
        """Core id."""
        return self.entry.core

    @property
    def is_external(self) -> bool:
        """Whether an interrupt entered it, and no instruction."""
        return self.entry.kind == "interrupt_delivered"

    def holds(self, step: int) -> bool:
        """Return whether an instruction of the core at this step ran in it, or above it."""
        return self.begin_step <= step and (self.end_step < 0 or step < self.end_step)


@functools.lru_cache(maxsize=1)
def handler_runs(history: History) -> tuple[HandlerRun, ...]:
    """Return the handlers entered in a history with events, in the order of their beginnings."""
    runs: list[HandlerRun] = []
    stacks: dict[int, list[HandlerRun]] = {}
    for step, _, core, event, number in sorted(_marks(history), key=lambda mark: mark[:2]):
        stack = stacks.setdefault(core, [])
        if event is None:
            if stack:
                stack.pop().end_step = step
            continue
        if event.kind in _ENDINGS:
            for each in stacks.values() if event.kind == "reset" else (stack,):
                _end(each, step)
            continue
        if stack and _has_failed(stack[-1], event):
            stack.pop().end_step = step
        stack.append(HandlerRun(event, number, step, -1, len(stack)))
        runs.append(stack[-1])
    return tuple(runs)


def are_external(runs: Sequence[HandlerRun], core: int, steps: Signed) -> npt.NDArray[np.bool_]:
    """Return whether each of some instructions of a core ran in a handler of an interrupt.

    Args:
        runs: of one history.
        core: core id.
        steps: of its instructions, ascending.
    """
    inside = np.zeros(len(steps), dtype=np.bool_)
    for run in runs:
        if run.core == core and run.is_external:
            begin, behind = np.searchsorted(steps, [run.begin_step, run.end_step])
            inside[begin : behind if run.end_step >= 0 else None] = True
    return inside


Mark = tuple[int, int, int, Event | None, int]
"""Step, order at that step, core, event (None: an IRET), number of the event."""


def _marks(history: History) -> Iterator[Mark]:
    """Return entries, ends and IRETs; an IRET ends before what happens at the next step."""
    for number, event in enumerate(history.events):
        if event.kind in ENTRIES or event.kind in _ENDINGS:
            yield event.step, number, event.core, event, number
    for row in executed_code(history).rows(IRETS):
        yield history.first_step + int(row) + 1, -1, int(history.core[row]), None, -1


def _end(stack: list[HandlerRun], step: int) -> None:
    for run in stack:
        run.end_step = step
    stack.clear()


def _has_failed(run: HandlerRun, event: Event) -> bool:
    """Return whether an exception arose in the delivery that entered `run`: it ran nothing."""
    return event.kind == "exception" and run.begin_step == event.step and run.entry.rip == event.rip
