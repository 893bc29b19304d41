"""Lets a core go past points in one go, as long as whoever chooses would choose it again."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from uniSMP.core import native_points
from uniSMP.core import native_state as ns
from uniSMP.core.core import Core
from uniSMP.explore.waiting import Waiting


class Passing:
    """What compiled code must know to go past points.

    Args:
        ram: bytes of RAM.
        cores: number of cores.
    """

    def __init__(self, ram: npt.NDArray[np.uint8], cores: int) -> None:
        self._ram = ram
        self._table: npt.NDArray[np.int64] = np.zeros(native_points.words(cores), dtype=np.int64)
        self._table[native_points.RAM] = ram.ctypes.data
        self._rests: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._address = self._table.ctypes.data
        self._words = self._table.data
        self._most = 0

    def rest_at(self, addresses: Iterable[int]) -> None:
        """Name the linear addresses that nobody goes past."""
        self._rests = np.array(sorted(addresses), dtype=np.uint64).view(np.int64)
        self._table[native_points.RESTS] = self._rests.ctypes.data
        self._table[native_points.REST_COUNT] = len(self._rests)

    def begin(self, core: Core, most: int, waits: Iterable[Waiting | None]) -> None:
        """Let a core go past so many points; `waits` says what the others wait for."""
        table, words = self._words, core.engine.words
        table[native_points.LEFT] = self._most = most
        if not most:
            return
        table[native_points.DEVICES] = words[ns.DEVICES]
        table[native_points.WAITERS] = 0
        for each in waits:
            if each is not None:
                native_points.add_waiter(self._table, self._ram, each.places, each.values)
        words[ns.POINTS] = self._address

    def end(self, core: Core) -> int:
        """Let it stop at the next one again; return how many it went past."""
        core.engine.words[ns.POINTS] = 0
        return self._most - self._words[native_points.LEFT]
