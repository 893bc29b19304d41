"""From what raised an interrupt to the handler that took it: arrows between events.

An arrow begins at an IPI, at an interrupt that a chip raised, or at a timer that fired. It ends
where the IOAPIC takes the line, where a core enters the handler of the vector, or takes the INIT
or start-up. Requests that became one end in the same handler.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

MOST_ENDS = 4
"""So many arrows end in one handler at most: the newest."""
KINDS = (
    "ipi_sent", "interrupt_raised", "timer_fired", "interrupt_accepted", "interrupt_delivered",
    "init", "start_up",
)  # fmt: skip
_INIT, _START_UP, _NMI, _PIC = 256, 257, 258, 259
"""Where no vector tells which request was taken."""
_BY_MODE = {"INIT": _INIT, "start-up": _START_UP, "NMI": _NMI, "ExtINT": _PIC}
_MACHINE = -1


@dataclass(frozen=True, slots=True)
class Event:
    """One event of KINDS; the attributes are its columns."""

    kind: str
    core: int | None
    vector: int | None
    source: str | None
    mode: str | None
    targets: Sequence[int] | None


class Flows:
    """The arrows of a trace; events are told in order."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: dict[tuple[int, int], list[int]] = defaultdict(list)
        self._timers: dict[int, int] = {}
        self._line: tuple[str | None, int] = None, 0

    def follow(self, event: Event) -> tuple[int, Sequence[int]]:
        """Return the arrow that begins at an event (0: none) and those that end there."""
        begun, ended = 0, self._ends_of(event)
        match event.kind:
            case "ipi_sent" | "interrupt_raised":
                begun = self._begin(event)
            case "timer_fired" if event.core is not None:
                begun = self._timers[event.core] = self._next()
            case "interrupt_accepted" if event.source == "apic timer":
                self._accept_timer(event)
        return begun, ended

    def _ends_of(self, event: Event) -> Sequence[int]:
        """Return the arrows that end at an event."""
        match event.kind:
            case "interrupt_raised" if event.targets is not None:
                return self._end_line(event)
            case "interrupt_delivered":
                return self._end(event.core, _request(event))
            case "init":
                return self._end(event.core, _INIT)
            case "start_up":
                return self._end(event.core, _START_UP)
        return ()

    def _next(self) -> int:
        self._last += 1
        return self._last

    def _begin(self, event: Event) -> int:
        arrow = self._next()
        if event.targets is None:  # a line rises, to the 8259A and the IOAPIC
            self._wait(_MACHINE, _PIC, arrow)
            self._line = event.source, arrow
            return arrow
        request = _BY_MODE.get(event.mode or "", event.vector)
        for core in event.targets:
            self._wait(core, request or 0, arrow)
        return arrow

    def _end_line(self, event: Event) -> Sequence[int]:
        """The IOAPIC took the line that rose last: its arrow ends there, not at the 8259A."""
        source, arrow = self._line
        waiting = self._waiting[_MACHINE, _PIC]
        if source != event.source or arrow not in waiting:
            return ()
        waiting.remove(arrow)
        return (arrow,)

    def _accept_timer(self, event: Event) -> None:
        """The timer's arrow becomes one for the vector that it asks for."""
        if event.core is not None and event.core in self._timers:
            self._wait(event.core, event.vector or 0, self._timers.pop(event.core))

    def _wait(self, core: int, request: int, arrow: int) -> None:
        waiting = self._waiting[core, request]
        waiting.append(arrow)
        del waiting[:-MOST_ENDS]

    def _end(self, core: int | None, request: int) -> Sequence[int]:
        if core is None:
            return ()
        arrows = self._waiting.pop((core, request), [])
        if request == _PIC:
            arrows += self._waiting.pop((_MACHINE, _PIC), [])
        return arrows[-MOST_ENDS:]


def _request(event: Event) -> int:
    """Return which request a delivery answers."""
    return {"pic": _PIC, "nmi": _NMI}.get(event.source or "", event.vector or 0)
