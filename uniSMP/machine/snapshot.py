"""Snapshots of a machine: everything that decides how it goes on.

Cores and chips are copied. RAM is kept by page: pages that did not change between two snapshots are
kept once, pages of zeros not at all. Taking and restoring cost what was written in between.

*Not kept*: translations of linear addresses. A core enters a restored state with an empty TLB, as
after a write to CR3 that flushes everything; a guest that relies on stale entries may tell.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.core.core_parts import CoreImage
from uniSMP.machine.outcome import Ending
from uniSMP.machine.parts import MachineParts
from uniSMP.machine.written_pages import PAGE_BYTES, RamTracking
from uniSMP.memory.page_tracking import used_pages

_MOST_SNAPSHOTS, _FEWEST_SNAPSHOTS = 256, 16
_TABLE_BYTES = 64 << 20
DEFAULT_MEMORY_BYTES = 512 << 20
Slots = npt.NDArray[np.int32]


class StoreIsFullError(Exception):
    """There is no room for the pages of another snapshot."""


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """One machine at one boundary; opaque, but for what is said here.

    Attributes:
        step: instructions retired by all cores.
        slots: for each page of RAM, where its content is kept; 0 is a page of zeros.
    """

    step: int
    slots: Slots
    cores: Sequence[CoreImage]
    board: bytes
    running: int
    idle_ticks: int
    has_nmi: tuple[bool, ...]
    interrupts: Sequence[dict[int, int]]
    console: bytes
    ending: Ending | None
    idle_events: int
    pauses: tuple[int, ...]


class SnapshotStore:
    """Takes, keeps and restores snapshots of one machine, which must not run while it does.

    Args:
        parts: the machine.
        tracking: says which pages were written.
        memory_bytes: most memory that pages may take.
    """

    def __init__(
        self,
        parts: MachineParts,
        tracking: RamTracking,
        memory_bytes: int = DEFAULT_MEMORY_BYTES,
    ) -> None:
        self._parts = parts
        self._written = used_pages(parts.ram.bytes)
        self._asker = tracking.ask()
        pages = parts.ram.size_bytes // PAGE_BYTES
        slots = max(memory_bytes, parts.ram.size_bytes) // PAGE_BYTES + 1
        self._ram = parts.ram.bytes.reshape(-1, PAGE_BYTES)
        self._kept: npt.NDArray[np.uint8] = np.empty((slots, PAGE_BYTES), dtype=np.uint8)
        self._kept[0] = 0
        self._users: npt.NDArray[np.int32] = np.zeros(slots, dtype=np.int32)
        self._users[0] = 1
        self._free: list[int] = list(range(slots - 1, 0, -1))
        self._printed = b""
        self._slots: Slots = np.zeros(pages, dtype=np.int32)

    @property
    def most_snapshots(self) -> int:
        """So many snapshots, each with 4 bytes for a page of RAM, take 64 MiB beside the pages."""
        return max(_FEWEST_SNAPSHOTS, min(_MOST_SNAPSHOTS, _TABLE_BYTES // self._slots.nbytes))

    @property
    def used_bytes(self) -> int:
        """Memory that kept pages take."""
        return (len(self._users) - 1 - len(self._free)) * PAGE_BYTES

    # -- taking --------------------------------------------------------------------------------

    def take(self) -> Snapshot:
        """Return a snapshot of how things stand.

        Raises:
            StoreIsFullError: drop others first.
        """
        self._note_written()
        if len(self._free) + self._given_back() < len(self._written):
            raise StoreIsFullError
        self._keep_written()
        parts, boundary = self._parts, self._parts.loop.boundary
        self._users[self._slots] += 1
        return Snapshot(
            step=parts.clock.steps,
            slots=self._slots.copy(),
            cores=[core.save() for core in parts.cores],
            board=parts.board.save(),
            running=parts.clock.running.core_id,
            idle_ticks=parts.clock.idle_ticks,
            has_nmi=tuple(boundary.has_nmi),
            interrupts=[dict(counts) for counts in boundary.interrupts],
            console=self._console(),
            ending=boundary.ending,
            idle_events=boundary.idle_events,
            pauses=tuple(parts.loop.pauses.tolist()),
        )

    def _console(self) -> bytes:
        """Return what was printed; the same object while nothing more is."""
        console = self._parts.loop.boundary.console
        if len(console) != len(self._printed):
            self._printed = bytes(console)
        return self._printed

    def _note_written(self) -> None:
        self._written = np.union1d(self._written, self._asker.take())

    def _given_back(self) -> int:
        """Return how many slots nobody uses any more once the written pages are kept anew."""
        slots = self._slots[self._written]
        return int(np.count_nonzero((slots != 0) & (self._users[slots] == 1)))

    def _keep_written(self) -> None:
        """Keep the pages that were written since the last snapshot was taken or restored."""
        pages = self._written
        self._written = np.zeros(0, dtype=np.int64)
        if not len(pages):
            return
        self._release(self._slots[pages])
        content = self._ram[pages]
        filled = content.view(np.uint64).any(axis=1)
        self._slots[pages] = 0
        pages = pages[filled]
        slots = [self._free.pop() for _ in range(len(pages))]
        self._kept[slots] = content[filled]
        self._users[slots] = 1  # the machine as it stands uses them too
        self._slots[pages] = slots

    def _release(self, slots: Slots) -> None:
        """Give back what one user used."""
        slots = slots[slots != 0]
        self._users[slots] -= 1
        self._free.extend(slots[self._users[slots] == 0].tolist())

    def drop(self, snapshot: Snapshot) -> None:
        """Forget a snapshot, which must not be used afterwards."""
        self._release(snapshot.slots)

    # -- restoring -----------------------------------------------------------------------------

    def restore(self, snapshot: Snapshot) -> None:
        """Put the machine back to where it was when `snapshot` was taken."""
        self._note_written()
        differs = self._slots != snapshot.slots
        differs[self._written] = True
        pages = np.nonzero(differs)[0]
        self._ram[pages] = self._kept[snapshot.slots[pages]]
        self._users[snapshot.slots] += 1
        self._release(self._slots)
        self._slots = snapshot.slots.copy()
        self._asker.take()  # what was just written
        self._written = np.zeros(0, dtype=np.int64)
        self._restore_rest(snapshot)

    def _restore_rest(self, snapshot: Snapshot) -> None:
        parts, boundary = self._parts, self._parts.loop.boundary
        parts.board.restore(snapshot.board)
        for core, image in zip(parts.cores, snapshot.cores, strict=True):
            core.restore(image)
        parts.clock.restore(parts.cores[snapshot.running], snapshot.idle_ticks)
        boundary.has_nmi[:] = snapshot.has_nmi
        boundary.interrupts[:] = [dict(counts) for counts in snapshot.interrupts]
        boundary.console[:] = self._printed = snapshot.console
        boundary.ending = snapshot.ending
        boundary.idle_events = snapshot.idle_events
        parts.loop.pauses[:] = snapshot.pauses
        parts.coherence.synchronize()

    def close(self) -> None:
        """Track no more."""
        self._asker.close()
