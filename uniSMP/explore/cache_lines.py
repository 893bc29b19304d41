"""Cache lines that move between cores, under MESI with caches that never evict.

Each core has one private cache of unlimited size with lines of 64 bytes at physical addresses. A
line is in one of the states Modified, Exclusive, Shared, Invalid in each of them:

- A read of a line that is Invalid here makes it Shared here and wherever else it is, or Exclusive
  where no other cache has it. A modified copy is written back on the way, which counts nothing.
- A write makes it Modified here and Invalid everywhere else.
- Both halves of a locked instruction are writes: the core asks for the line once, to own it.
- An access across the end of a line is one to each of the two lines, the lower first.

What is counted, for the access that brings it about:

- *transfer*: the line was Invalid here, and another cache had it: it comes from there, for a read
  or a write alike.
- *upgrade*: a write to a line that is Shared here: the others drop their copies, no data moves.

What comes from memory since no cache has it (a line's first use) is neither, and nor is a write to
a line that is Exclusive or Modified here. These are counts of a model, not of a processor: one has
caches that evict, prefetch and speculate.

Source: Papamarcos and Patel, "A low-overhead coherence solution for multiprocessors with private
cache memories" (ISCA 1984).

*Not modelled*: eviction, levels, write buffers, prefetching, devices, instruction fetches.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from uniSMP.errors import ConfigError
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
LINE_BYTES = 64
MOST_CORES = 63
"""The copies of a line are the bits of one signed word."""
_LINE_SHIFT = 6
_NOBODY = -1

Bytes = npt.NDArray[np.uint8]
Signed = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LineTraffic:
    """What each of some accesses brought about: 0, 1, or 2 where two lines were accessed.

    Attributes:
        transfers: lines that came from another core's cache.
        upgrades: lines of which other cores dropped their copies, while this core had its own.
    """

    transfers: Bytes
    upgrades: Bytes


@njit(cache=_CACHE, nogil=True)
def _access(core: int, line: int, is_write: bool, copies: Any, owners: Any) -> tuple[int, int]:  # noqa: ANN401, FBT001
    """Access one line; return its transfers and upgrades.

    `copies` has a bit for each cache that has the line, `owners` the core that has it Modified or
    Exclusive; which of the two makes no difference to what is counted.
    """
    own = np.int64(1) << core
    held = copies[line]
    if owners[line] == core:
        return 0, 0
    is_here = held & own != 0
    if is_write:
        copies[line], owners[line] = own, core
        return (0, 1) if is_here else (1 if held else 0, 0)
    if is_here:
        return 0, 0
    copies[line] = held | own
    owners[line] = _NOBODY if held else core
    return 1 if held else 0, 0


@njit(cache=_CACHE, nogil=True)
def _follow(accesses: Any, copies: Any, owners: Any, transfers: Any, upgrades: Any) -> None:  # noqa: ANN401
    core, physical, size, is_write = accesses
    for row in range(len(core)):
        first = physical[row] >> _LINE_SHIFT
        last = (physical[row] + size[row] - 1) >> _LINE_SHIFT
        for line in range(first, last + 1):
            moved, raised = _access(core[row], line, is_write[row], copies, owners)
            transfers[row] += moved
            upgrades[row] += raised


class CacheLines:
    """The caches of all cores, empty at first.

    Args:
        cores: how many cores there are, 1 to 63.
        memory_bytes: physical addresses are below this.

    Raises:
        ConfigError: there are too many cores.
    """

    def __init__(self, cores: int, memory_bytes: int) -> None:
        if not 1 <= cores <= MOST_CORES:
            raise ConfigError(f"cores = {cores}: the cache model takes 1 to {MOST_CORES}")
        lines = -(-memory_bytes // LINE_BYTES)
        self._memory_bytes = memory_bytes
        self._cores = cores
        self._copies: Signed = np.zeros(lines, dtype=np.int64)
        self._owners: npt.NDArray[np.int8] = np.full(lines, _NOBODY, dtype=np.int8)

    def take(
        self, core: Bytes, physical: Signed, size: Bytes, is_write: npt.NDArray[np.bool_]
    ) -> LineTraffic:
        """Follow accesses, columns of equal length in the order in which they happened.

        Args:
            core: core ids.
            physical: address of the first byte of each.
            size: bytes, 1 to 64.
            is_write: whether it writes, or belongs to a locked instruction.

        Raises:
            ConfigError: a core or an address is none of this machine.
        """
        if len(core) and (
            int(core.max()) >= self._cores
            or int(physical.min()) < 0
            or int((physical + size).max()) > self._memory_bytes
        ):
            raise ConfigError(
                f"accesses outside of {self._cores} cores or {self._memory_bytes:#x} bytes"
            )
        transfers, upgrades = np.zeros((2, len(core)), dtype=np.uint8)
        _follow((core, physical, size, is_write), self._copies, self._owners, transfers, upgrades)
        return LineTraffic(transfers, upgrades)
