"""EOI: missing, or one too many.

- *Missing*: the handler of an interrupt of the local APIC returns, or goes on for more than a
  bound of instructions, with its vector in service: nothing of its priority class can come again.
- *Twice*: an EOI in a handler whose vector is out of service already ends an outer one's.
- *Spurious*: an EOI with nothing in service.

Source: Intel SDM volume 3A, "Signaling Interrupt Servicing Completion" and "Spurious Interrupt"
(its vector is in SVR and needs no EOI). Not modelled: interrupts of the 8259A; what was in service
before the history begins: an EOI for it is known by its vector, and is right.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.checks.apic_events import is_write_of
from uniSMP.checks.core_time import CoreTime
from uniSMP.checks.handler_runs import HandlerRun, handler_runs
from uniSMP.checks.history import Event, History, Needs, Violation
from uniSMP.checks.places import Places

_SPURIOUS_AFTER_RESET = 0xFF


@dataclass(slots=True)
class _Service:
    """One core: its runs of handlers of APIC interrupts, and the spurious vector."""

    runs: list[HandlerRun] = field(default_factory=list)
    ended: dict[int, int] = field(default_factory=dict)
    """Step of the EOI by number of the run's event."""
    spurious: int = _SPURIOUS_AFTER_RESET


class EndOfInterrupt:
    """Looks for interrupts of a local APIC that get no EOI, and for EOIs that end none.

    Args:
        most_instructions: of its core, that a handler may execute before its EOI.
    """

    name = "end-of-interrupt"
    needs = Needs.EVENTS | Needs.ACCESSES

    def __init__(self, most_instructions: int = 100_000) -> None:
        self._most = most_instructions

    def examine(self, history: History) -> list[Violation]:
        """Return one violation for each handler and each EOI that is wrong, see `Check.examine`."""
        places = Places(history.symbols)
        by_number = {run.number: run for run in handler_runs(history)}
        services = [_Service() for _ in range(history.cores)]
        found: list[Violation] = []
        for number, event in enumerate(history.events):
            if event.core < 0:
                continue
            service = services[event.core]
            if event.kind == "interrupt_delivered" and event.source == "apic":
                if event.vector != service.spurious and number in by_number:
                    service.runs.append(by_number[number])
            elif event.kind == "eoi":
                found += self._ended(service, event, places)
            elif is_write_of(event, Reg.SVR):
                service.spurious = event.value & 0xFF
            elif is_write_of(event, Reg.EOI) and not _is_answered(history, number):
                found.append(self._spurious(event, places))
        for core, service in enumerate(services):
            found += self._missing(service, CoreTime(history, core), history, places)
        return sorted(found, key=lambda violation: violation.step)

    def _ended(self, service: _Service, event: Event, places: Places) -> Iterator[Violation]:
        """Note an EOI; it is for the innermost handler that runs."""
        inside = [run for run in service.runs if run.holds(event.step)]
        for run in reversed(service.runs):
            if run.entry.vector == event.vector and run.number not in service.ended:
                service.ended[run.number] = event.step
                break
        else:
            return
        if inside and run is not inside[-1] and inside[-1].number in service.ended:
            vector = inside[-1].entry.vector
            yield Violation(
                self.name,
                f"core {event.core} writes EOI twice in the handler of vector {vector:#x}, at "
                f"{places.show(event.rip)}: that ends vector {event.vector:#x}, which still runs",
                event.step,
                event.core,
                (self.name, "twice", vector, event.rip),
                (event.rip,),
            )

    def _spurious(self, event: Event, places: Places) -> Violation:
        return Violation(
            self.name,
            f"core {event.core} writes EOI with nothing in service, at {places.show(event.rip)}",
            event.step,
            event.core,
            (self.name, "spurious", event.rip),
            (event.rip,),
        )

    def _missing(
        self, service: _Service, time: CoreTime, history: History, places: Places
    ) -> Iterator[Violation]:
        for run in service.runs:
            returned = run.end_step if run.end_step >= 0 else history.end_step
            end = service.ended.get(run.number, returned)
            late = time.count(run.begin_step, min(end, returned)) > self._most
            is_missing = run.end_step >= 0 and end >= run.end_step
            if not (late or is_missing):
                continue
            place = time.place(run.begin_step)
            handler = int(time.rips[place]) if place < len(time.rips) else run.entry.rip
            how = f"executes {self._most} instructions" if late else "returns"
            step = int(time.steps[place + self._most]) if late else run.end_step - 1
            vector = run.entry.vector
            yield Violation(
                self.name,
                f"the handler of vector {vector:#x} at {places.show(handler)} {how} on core "
                f"{run.core} without EOI: the vector stays in service",
                step,
                run.core,
                (self.name, "missing", vector, handler),
                (handler,),
            )


def _is_answered(history: History, number: int) -> bool:
    """Return whether a write of EOI took a vector out of service."""
    write = history.events[number]
    first, behind = number, number + 1
    while first > 0 and history.events[first - 1].step == write.step:
        first -= 1
    while behind < len(history.events) and history.events[behind].step == write.step:
        behind += 1
    near = history.events[first:behind]
    return any(event.kind == "eoi" and event.core == write.core for event in near)
