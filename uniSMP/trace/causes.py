"""Which event brought about which: the story of an interrupt from its sender to its EOI.

The table of events has no such column; it follows from the order of events. Where the cause lies
outside of the selection, there is none.
"""

from collections.abc import Callable
from typing import NamedTuple

import pyarrow as pa

NO_CAUSE = -1
_COLUMNS = ("kind", "core", "vector", "source", "mode", "targets")
_MODES = {"init": "INIT", "start_up": "start-up", "nmi": "NMI", "smi": "SMI"}
_BEGINNINGS = {"slice_end": "slice_begin", "wake": "halt"}


class _Event(NamedTuple):
    kind: str
    core: int | None
    vector: int | None
    source: str | None
    mode: str | None
    targets: list[int] | None


class _Causes:
    """What has happened so far, as numbers of events."""

    def __init__(self) -> None:
        self._raised: dict[tuple[str | None, int | None], int] = {}
        self._modes: dict[tuple[str, int | None], int] = {}
        self._lines: dict[str | None, int] = {}
        self._last_line = NO_CAUSE
        self._fired: dict[int | None, int] = {}
        self._accepted: dict[tuple[int | None, int | None], int] = {}
        self._nmi: dict[int | None, int] = {}
        self._in_service: dict[tuple[int | None, int | None], int] = {}
        self._open: dict[tuple[str, int | None], int] = {}
        self._ended = NO_CAUSE

    def take(self, number: int, event: _Event) -> int:
        """Take the next event; return the number of its cause."""
        take = _TAKERS.get(event.kind)
        return NO_CAUSE if take is None else take(self, number, event)

    def take_begin(self, number: int, event: _Event) -> int:
        """A slice or a halt begins."""
        self._open[event.kind, event.core] = number
        return NO_CAUSE

    def take_end(self, _number: int, event: _Event) -> int:
        """It ends."""
        return self._open.pop((_BEGINNINGS[event.kind], event.core), NO_CAUSE)

    def take_fired(self, number: int, event: _Event) -> int:
        """A local timer fires: its interrupt is accepted next."""
        self._fired[event.core] = number
        return NO_CAUSE

    def take_raised(self, number: int, event: _Event) -> int:
        """An IRQ line that rises is the cause of the IOAPIC's message."""
        if event.vector is None:
            self._lines[event.source] = self._last_line = number
            return NO_CAUSE
        self._raised[event.source, event.vector] = number
        for core in event.targets or ():
            self._modes[event.mode or "", core] = number
        return self._lines.get(event.source, NO_CAUSE)

    def take_accepted(self, number: int, event: _Event) -> int:
        """A local APIC takes a request."""
        if event.kind == "interrupt_accepted":
            self._accepted[event.core, event.vector] = number
        if event.source == "apic timer":
            return self._fired.get(event.core, NO_CAUSE)
        return self._raised.get((event.source, event.vector), NO_CAUSE)

    def take_delivered(self, number: int, event: _Event) -> int:
        """A core enters a handler."""
        self._in_service[event.core, event.vector] = number
        if event.source == "pic":
            return self._last_line
        if event.source == "nmi":
            return self._nmi.pop(event.core, NO_CAUSE)
        return self._accepted.pop((event.core, event.vector), NO_CAUSE)

    def take_eoi(self, number: int, event: _Event) -> int:
        """A handler ends its interrupt."""
        self._ended = number
        return self._in_service.pop((event.core, event.vector), NO_CAUSE)

    def take_broadcast(self, _number: int, _event: _Event) -> int:
        """The IOAPIC is told of an EOI."""
        return self._ended

    def take_arrived(self, number: int, event: _Event) -> int:
        """INIT, start-up, NMI or SMI reaches a core."""
        if event.kind == "nmi":
            self._nmi[event.core] = number
        return self._modes.get((_MODES[event.kind], event.core), NO_CAUSE)


_TAKERS: dict[str, Callable[[_Causes, int, _Event], int]] = {
    "slice_begin": _Causes.take_begin,
    "halt": _Causes.take_begin,
    "slice_end": _Causes.take_end,
    "wake": _Causes.take_end,
    "interrupt_raised": _Causes.take_raised,
    "ipi_sent": _Causes.take_raised,
    "timer_fired": _Causes.take_fired,
    "interrupt_accepted": _Causes.take_accepted,
    "interrupt_merged": _Causes.take_accepted,
    "interrupt_delivered": _Causes.take_delivered,
    "eoi": _Causes.take_eoi,
    "eoi_broadcast": _Causes.take_broadcast,
    **dict.fromkeys(_MODES, _Causes.take_arrived),
}


def find_causes(events: pa.Table) -> list[int]:
    """Return for each event the number of the one that brought it about, or NO_CAUSE."""
    columns = [events.column(name).to_pylist() for name in _COLUMNS]
    causes = _Causes()
    return [
        causes.take(number, _Event(*values))
        for number, values in enumerate(zip(*columns, strict=True))
    ]
