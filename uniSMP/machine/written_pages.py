"""Which pages of RAM were written, for several askers who each have their own last time."""

import numpy as np
import numpy.typing as npt

from uniSMP.memory.page_tracking import Pages, WrittenPages, track
from uniSMP.memory.ram import Ram

PAGE_BYTES = 4096


class Asker:
    """One who wants to know.

    Args:
        source: all who share the tracking.
        pages: how many pages there are.
    """

    def __init__(self, source: "RamTracking", pages: int) -> None:
        self._source = source
        self.pending: npt.NDArray[np.bool_] = np.zeros(pages, dtype=np.bool_)

    def take(self) -> Pages:
        """Return the numbers of the pages written since the last call, ascending."""
        self._source.look()
        pages = np.nonzero(self.pending)[0]
        self.pending[pages] = False
        return pages

    def close(self) -> None:
        """Ask no more."""
        self._source.forget(self)


class RamTracking:
    """Tracks writes to RAM while somebody asks.

    Args:
        ram: the machine's RAM.
    """

    def __init__(self, ram: Ram) -> None:
        self._ram = ram
        self._tracking: WrittenPages | None = None
        self._askers: list[Asker] = []

    def ask(self) -> Asker:
        """Return an asker whose last time is now."""
        if self._tracking is None:
            self._tracking = track(self._ram.bytes)
        else:
            self.look()
        asker = Asker(self, self._ram.size_bytes // PAGE_BYTES)
        self._askers.append(asker)
        return asker

    def look(self) -> None:
        """Let every asker know what was written."""
        assert self._tracking is not None
        pages = self._tracking.take()
        for asker in self._askers:
            asker.pending[pages] = True

    def forget(self, asker: Asker) -> None:
        """Drop an asker, and the tracking with the last one."""
        if asker in self._askers:
            self._askers.remove(asker)
        if not self._askers:
            self.close()

    def close(self) -> None:
        """Track no more."""
        if self._tracking is not None:
            self._tracking.close()
            self._tracking = None
