"""Which event brought about which: the story of an interrupt from its sender to its EOI.

The table of events has no such column; it follows from the order of events. Where the cause lies
outside of the selection, there is none.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

NO_CAUSE = -1
_COLUMNS = ("kind", "core", "vector", "source", "mode", "targets")
_MODE_KINDS = {"init": "INIT", "start_up": "start-up", "nmi": "NMI", "smi": "SMI"}
_ACCEPTED = ("interrupt_accepted", "interrupt_merged")


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
        self._modes: dict[tuple[str, int], int] = {}
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
        place = (event.core, event.vector)
        match event.kind:
            case "slice_begin" | "halt":
                self._open[event.kind, event.core] = number
            case "slice_end":
                return self._open.pop(("slice_begin", event.core), NO_CAUSE)
            case "wake":
                return self._open.pop(("halt", event.core), NO_CAUSE)
            case "interrupt_raised" | "ipi_sent":
                return self._take_raised(number, event)
            case "timer_fired":
                self._fired[event.core] = number
            case "interrupt_accepted" | "interrupt_merged":
                if event.kind == "interrupt_accepted":
                    self._accepted[place] = number
                return self._cause_of_accepted(event)
            case "interrupt_delivered":
                self._in_service[place] = number
                return self._cause_of_delivered(event)
            case "eoi":
                self._ended = number
                return self._in_service.pop(place, NO_CAUSE)
            case "eoi_broadcast":
                return self._ended
            case "init" | "start_up" | "nmi" | "smi":
                if event.kind == "nmi":
                    self._nmi[event.core] = number
                return self._modes.get((_MODE_KINDS[event.kind], event.core or 0), NO_CAUSE)
        return NO_CAUSE

    def _take_raised(self, number: int, event: _Event) -> int:
        """An IRQ line that rises is the cause of the IOAPIC's message."""
        if event.vector is None:
            self._lines[event.source] = self._last_line = number
            return NO_CAUSE
        self._raised[event.source, event.vector] = number
        for core in event.targets or ():
            self._modes[event.mode or "", core] = number
        return self._lines.get(event.source, NO_CAUSE)

    def _cause_of_accepted(self, event: _Event) -> int:
        if event.source == "apic timer":
            return self._fired.get(event.core, NO_CAUSE)
        return self._raised.get((event.source, event.vector), NO_CAUSE)

    def _cause_of_delivered(self, event: _Event) -> int:
        if event.source == "pic":
            return self._last_line
        if event.source == "nmi":
            return self._nmi.pop(event.core, NO_CAUSE)
        return self._accepted.pop((event.core, event.vector), NO_CAUSE)


def find_causes(events: pa.Table) -> list[int]:
    """Return for each event the number of the one that brought it about, or NO_CAUSE."""
    columns: Sequence[Sequence[Any]] = [events.column(name).to_pylist() for name in _COLUMNS]
    causes = _Causes()
    return [
        causes.take(number, _Event(*values))
        for number, values in enumerate(zip(*columns, strict=True))
    ]
