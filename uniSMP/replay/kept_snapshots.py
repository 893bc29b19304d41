"""The snapshots of one run, by the moments at which they were taken."""

from bisect import bisect_right
from dataclasses import dataclass

from uniSMP.machine.exact_run import RowPlace
from uniSMP.machine.parts import MachineParts
from uniSMP.machine.snapshot import Snapshot, SnapshotStore, StoreIsFullError
from uniSMP.machine.written_pages import RamTracking
from uniSMP.replay.chunks import RunEnd
from uniSMP.replay.history import Position

_FIRST_INTERVAL = 100_000


@dataclass(frozen=True, slots=True)
class Place:
    """What must be known, beside the machine, to go on from a moment.

    Attributes:
        items: how many of the history's items came before.
        mark: the last row's.
        row: the row under way.
        is_between_runs: whether no run is under way.
        ending: how the last one ended, or None.
    """

    items: int
    mark: int
    row: RowPlace
    is_between_runs: bool
    ending: RunEnd | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A snapshot and its moment."""

    position: Position
    place: Place
    snapshot: Snapshot


class KeptSnapshots:
    """Snapshots in the order of their moments; thinned out when there are too many.

    Args:
        parts: the machine.
        tracking: says which pages were written.

    Attributes:
        interval: instructions between two of them.
        kept: all of them.
    """

    def __init__(self, parts: MachineParts, tracking: RamTracking) -> None:
        self._store = SnapshotStore(parts, tracking)
        self.interval = _FIRST_INTERVAL
        self.kept: list[Kept] = []

    def _place(self, position: Position) -> int:
        return bisect_right(self.kept, position, key=lambda kept: kept.position)

    def nearest(self, position: Position) -> Kept:
        """Return the last one that is not behind a moment."""
        return self.kept[self._place(position) - 1]

    def is_due(self, position: Position, step: int) -> bool:
        """Return whether one is wanted at a moment, at a step."""
        return step - self.nearest(position).snapshot.step >= self.interval

    def keep(self, position: Position, place: Place) -> None:
        """Take one of the machine as it stands, and make room for it; none where there is none."""
        while len(self.kept) >= self._store.most_snapshots:
            self._thin_out()
        try:
            snapshot = self._store.take()
        except StoreIsFullError:
            self._thin_out()
            return
        self.kept.insert(self._place(position), Kept(position, place, snapshot))

    def _thin_out(self) -> None:
        """Drop every second one but the first, and keep them twice as far apart."""
        for kept in self.kept[1::2]:
            self._store.drop(kept.snapshot)
        self.kept = self.kept[::2]
        self.interval *= 2

    def drop_behind(self, position: Position) -> None:
        """Drop those behind a moment."""
        first = self._place(position)
        for kept in self.kept[first:]:
            self._store.drop(kept.snapshot)
        del self.kept[first:]

    def restore(self, kept: Kept) -> None:
        """Put the machine back to one of them."""
        self._store.restore(kept.snapshot)

    def close(self) -> None:
        """Track no more."""
        self._store.close()
