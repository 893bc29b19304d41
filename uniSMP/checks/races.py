"""Data races: plain accesses of two cores to one byte, one a write, in no order.

Ordered are: what one core does, its interrupt handlers included; a locked instruction or XCHG and
the next one on the same bytes; what came before an IPI and the handler that it enters (NMI, INIT
and start-up too, for which any IPI to that core counts); and what follows from these. Everything
else, that a schedule ran one before the other above all, orders nothing. A locked access and a
plain one to the same byte race like two plain ones.

Atomic by size: aligned plain accesses of 1, 2, 4 or 8 bytes can be declared atomic. On x86 they are
(Intel SDM volume 3A, "Guaranteed Atomic Operations"), and loads are not reordered with loads nor
stores with stores ("Memory Ordering in P6 and More Recent Processor Families"), so such a store
publishes all that its core did before, and a load that reads it takes that over. They race with
others that are not atomic only. Whether a plain load and a plain store together would have to be
one locked instruction is not what this check sees.

What page walks do is no race, nor is the fetching of code.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from uniSMP.checks import vector_clocks as vc
from uniSMP.checks.call_paths import CallPaths
from uniSMP.checks.history import (
    LOCKED,
    WRITE,
    AccessRows,
    Event,
    History,
    Needs,
    Signed,
    Violation,
)
from uniSMP.checks.pieces import P_ROW, find_pieces
from uniSMP.checks.places import Places, resolve, resolve_range
from uniSMP.errors import ConfigError

NAME = "races"
_IS_ATOMIC_SIZE = np.isin(np.arange(256), [1, 2, 4, 8])
_LONGEST = 8
_ANY_VECTOR = -1
_TAKING = {"interrupt_delivered": False, "init": True, "start_up": True, "nmi": True}
"""Events that take over what an IPI brought; whether its vector does not count."""
_MASK64 = (1 << 64) - 1


class Atomic(StrEnum):
    """Which aligned plain accesses are atomic, beside those to declared places."""

    DECLARED = "declared"
    """No others."""
    LOCKED_WORDS = "locked-words"
    """Those to bytes that a locked instruction accesses somewhere in the history."""
    ALIGNED = "aligned"
    """All."""


class Races:
    """Data races.

    Args:
        atomic: places where aligned plain accesses are atomic: a symbol (the 8 bytes from it, or
            up to the next symbol), or "FIRST..BEHIND", each a symbol or an address.
        others: which others are.

    Attributes:
        name: "races".
        needs: accesses and events.
    """

    def __init__(self, atomic: Sequence[str] = (), others: Atomic = Atomic.DECLARED) -> None:
        self.name = NAME
        self.needs = Needs.ACCESSES | Needs.EVENTS
        self._atomic = tuple(atomic)
        self._others = others
        self._known: tuple[Mapping[str, int], list[range]] = ({}, [])

    def examine(self, history: History) -> list[Violation]:
        """Return a violation for each two instructions that race, the earliest first.

        Raises:
            ConfigError: a symbol is missing.
        """
        ranges = self._ranges_of(history.symbols)
        rows = history.accesses
        if rows is None:
            raise ConfigError("races: the history has no accesses")
        pieces, shared = find_pieces(
            (rows.step, rows.core, rows.rip, rows.physical, rows.size, rows.kind),
            self._are_atomic(rows, ranges),
            self._others is Atomic.LOCKED_WORDS,
        )
        signals, slots = _signals(history.events)
        races = vc.find_races(pieces, shared, signals, slots, history.cores)
        if not len(races):
            return []
        telling = _Telling(history, rows)
        return [
            telling.violation(int(pieces[earlier, P_ROW]), int(pieces[later, P_ROW]))
            for earlier, later in races
        ]

    def _ranges_of(self, symbols: Mapping[str, int]) -> list[range]:
        """Return the declared places; many histories have the same symbols."""
        if self._known[0] is not symbols:
            self._known = symbols, [_atomic_range(symbols, text) for text in self._atomic]
        return self._known[1]

    def _are_atomic(self, rows: AccessRows, ranges: Sequence[range]) -> npt.NDArray[np.bool_]:
        """Return for each access whether it is atomic by its size and place."""
        size = rows.size
        is_aligned: npt.NDArray[np.bool_] = rows.physical & (size - np.uint8(1)) == 0
        is_aligned &= _IS_ATOMIC_SIZE[size]
        if self._others is Atomic.ALIGNED:
            return is_aligned
        first = np.where(rows.has_linear, rows.linear, rows.physical).view(np.uint64)
        last = first + (size - np.uint8(1))
        inside = np.zeros(len(first), np.bool_)
        for each in ranges:
            low, high = np.uint64(each.start & _MASK64), np.uint64((each.stop - 1) & _MASK64)
            inside |= (first >= low) & (last <= high)
        inside &= is_aligned
        return inside


def _atomic_range(symbols: Mapping[str, int], text: str) -> range:
    if ".." in text:
        return resolve_range(symbols, text)
    first = resolve(symbols, text)
    above = min((each for each in symbols.values() if each > first), default=first + _LONGEST)
    return range(first, min(above, first + _LONGEST))


def _signals(events: Sequence[Event]) -> tuple[Signed, int]:
    """Return what vector clocks pass along with IPIs, and how many slots that uses."""
    slots: dict[tuple[int, int], int] = {}
    found: list[tuple[int, int, int, bool]] = []
    for event in events:
        if event.kind == "ipi_sent":
            for target in event.targets:
                for vector in (event.vector, _ANY_VECTOR):
                    slot = slots.setdefault((target, vector), len(slots))
                    found.append((event.step, event.core, slot, True))
        elif event.kind in _TAKING:
            is_any = _TAKING[event.kind] or event.source == "nmi"
            key = event.core, _ANY_VECTOR if is_any else event.vector
            if key in slots:
                found.append((event.step, event.core, slots[key], False))
    rows = np.array(found, np.int64).reshape(-1, vc.SIGNAL_WORDS)
    return rows, len(slots)


class _Telling:
    """Puts races into words."""

    def __init__(self, history: History, rows: AccessRows) -> None:
        self._rows = rows
        self._places = Places(history.symbols)
        self._paths = CallPaths(history)

    def violation(self, earlier: int, later: int) -> Violation:
        """Return the race of two accesses as a violation."""
        rows, places = self._rows, self._places
        at = int(max(rows.physical[earlier], rows.physical[later]))
        linear = int(rows.linear[later]) + at - int(rows.physical[later])
        what = places.show(linear) if rows.has_linear[later] else f"{at:#x}"
        where = "" if rows.has_linear[later] and linear == at else f", physical {at:#x}"
        summary = (
            f"data race on {what}{where}: {self._side(earlier)} and {self._side(later)} are in no "
            f"order"
        )
        ends = sorted((self._rip(row), self._verb(row)) for row in (earlier, later))
        key = (NAME, *(part for end in ends for part in end))
        rips = self._rip(earlier), self._rip(later)
        return Violation(NAME, summary, int(rows.step[later]), int(rows.core[later]), key, rips)

    def _rip(self, row: int) -> int:
        return int(self._rows.rip[row]) & _MASK64

    def _verb(self, row: int) -> str:
        kind = int(self._rows.kind[row])
        return ("locked " if kind & LOCKED else "") + ("write" if kind & WRITE else "read")

    def _side(self, row: int) -> str:
        rows = self._rows
        return (
            f"{rows.size[row]}-byte {self._verb(row)} by core {rows.core[row]} at "
            f"{self._places.show(self._rip(row))} [{self._paths.describe(row, self._places)}]"
        )
