"""Interrupts that are lost: sent or accepted, and never delivered.

- *Dropped*: an interprocessor interrupt that its target's local APIC did not take.
- *Held back*: pending while its core executed more than a bound of instructions at which the
  processor has to take it: IF = 1, and no interrupt of the same or a higher priority class in
  service or kept out by TPR.
- *Pending at the end*: the run is over. Where the guest itself ended it, what was accepted shortly
  before does not count.

Source: Intel SDM volume 3A, "Interrupt Acceptance for Fixed Interrupts" and "Task and Processor
Priorities". Not modelled: interrupts of the 8259A, which no local APIC accepts; TPR as it was
before the history begins (taken as 0).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from uniSMP.checks.apic_events import task_priority
from uniSMP.checks.core_time import ON, CoreTime
from uniSMP.checks.history import Event, History, Needs, Violation
from uniSMP.checks.places import Places
from uniSMP.checks.recorded import flags_of

_FIRST_FIXED = 0x10
_FOREVER = 1 << 62


@dataclass(slots=True)
class _Pending:
    """One request in IRR, and when its core could have taken it."""

    event: Event
    open_since: int
    open_instructions: int = 0


@dataclass(slots=True)
class _Apic:
    """What is known of one local APIC."""

    pending: dict[int, _Pending] = field(default_factory=dict)
    in_service: list[int] = field(default_factory=list)
    task_priority: int = 0

    def lets_in(self, vector: int) -> bool:
        """Return whether the priority class of a vector is above those in service and of TPR."""
        return vector >> 4 > max(self.task_priority, *self.in_service, 0) >> 4


class LostInterrupts:
    """Looks for interrupts that were sent or accepted, and never delivered.

    Args:
        most_instructions: how many instructions a core may execute that could have taken it.
        last_instructions: of all cores; what was accepted so shortly before the guest ended the
            run is not lost.
    """

    name = "lost-interrupts"
    needs = Needs.EVENTS | Needs.FLAGS

    def __init__(self, most_instructions: int = 1000, last_instructions: int = 1000) -> None:
        self._most = most_instructions
        self._last = last_instructions

    def examine(self, history: History) -> list[Violation]:
        """Return what was lost, see `Check.examine`.

        Raises:
            ConfigError: flags are missing.
        """
        flags_of(history, self.name)
        found = [*self._dropped(history), *self._kept(history)]
        return sorted(found, key=lambda violation: violation.step)

    def _dropped(self, history: History) -> Iterator[Violation]:
        starts = {event.vector for event in history.events if event.kind == "start_up"}
        places = Places(history.symbols)
        for number, event in enumerate(history.events):
            if event.kind != "ipi_sent" or event.vector < _FIRST_FIXED or event.vector in starts:
                continue
            taken = _takers(history, number)
            for target in event.targets:
                if target not in taken:
                    yield self._violation(
                        event,
                        f"vector {event.vector:#x}, sent by core {event.core} at "
                        f"{places.show(event.rip)}, was dropped: core {target} did not accept it",
                        "dropped",
                    )

    def _kept(self, history: History) -> Iterator[Violation]:
        for core in range(history.cores):
            yield from self._kept_on(history, core, _OpenTime(CoreTime(history, core)))

    def _kept_on(self, history: History, core: int, time: "_OpenTime") -> Iterator[Violation]:
        """Follow the local APIC of one core."""
        apic = _Apic()
        for event in history.events:
            if event.core == core and _changes_apic(event):
                yield from self._held(apic, core, time, event.step)
                _apply(apic, event)
        yield from self._held(apic, core, time, history.end_step)
        for vector, pending in apic.pending.items():
            if history.is_over and pending.event.step < self._last_step(history):
                yield self._violation(
                    pending.event,
                    f"vector {vector:#x} of {_source(pending.event)} was accepted by core {core}, "
                    "but is still pending at the end of the run",
                    "pending",
                )

    def _held(self, apic: _Apic, core: int, time: "_OpenTime", step: int) -> Iterator[Violation]:
        """Count the time up to a step, in which the APIC did not change."""
        for vector in sorted(apic.pending):
            pending = apic.pending[vector]
            if apic.lets_in(vector):
                pending.open_instructions += time.count(pending.open_since, step)
            pending.open_since = step
            if pending.open_instructions > self._most:
                del apic.pending[vector]
                yield self._violation(
                    pending.event,
                    f"vector {vector:#x} of {_source(pending.event)} was accepted by core {core}, "
                    f"but not delivered in {pending.open_instructions} instructions with IF = 1",
                    "held back",
                )

    def _last_step(self, history: History) -> int:
        """Return the step before which something must be accepted to be lost at the end."""
        if any(event.kind == "exit" for event in history.events):
            return history.end_step - self._last
        return _FOREVER

    def _violation(self, event: Event, summary: str, how: str) -> Violation:
        key = (self.name, how, event.vector)
        return Violation(self.name, summary, event.step, event.core, key, (event.rip,))


class _OpenTime:
    """Counts the instructions of a core that were executed with IF = 1."""

    def __init__(self, time: CoreTime) -> None:
        self._time = time
        is_on = time.interrupt_flag(time.steps) == ON
        self._before = np.concatenate([[0], np.cumsum(is_on)])

    def count(self, begin_step: int, end_step: int) -> int:
        begin, end = self._time.place(begin_step), self._time.place(end_step)
        return int(self._before[end] - self._before[begin])


def _takers(history: History, number: int) -> set[int]:
    """Return the cores whose APIC took the interrupt that an event sent."""
    sent = history.events[number]
    taken = set()
    for event in history.events[number + 1 :]:
        if event.step != sent.step or event.kind == "ipi_sent":
            break
        if event.kind in {"interrupt_accepted", "interrupt_merged", "init", "start_up", "nmi"}:
            taken.add(event.core)
    return taken


def _source(event: Event) -> str:
    return event.source or "an unknown source"


def _changes_apic(event: Event) -> bool:
    kinds = {"interrupt_accepted", "interrupt_delivered", "eoi", "init"}
    return event.kind in kinds or task_priority(event) >= 0


def _apply(apic: _Apic, event: Event) -> None:
    match event.kind:
        case "interrupt_accepted":
            apic.pending[event.vector] = _Pending(event, event.step)
        case "interrupt_delivered" if event.source == "apic":
            apic.pending.pop(event.vector, None)
            apic.in_service.append(event.vector)
        case "eoi":
            apic.in_service = [each for each in apic.in_service if each != event.vector]
        case "init":
            apic.pending.clear()
            apic.in_service.clear()
            apic.task_priority = 0
        case "mmio_write" | "msr_write" | "control_register_write":
            apic.task_priority = task_priority(event)
