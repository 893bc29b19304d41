"""A hash of where an execution ended: registers of all cores, and what RAM differs in."""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.core.native_batch import fold_mark
from uniSMP.explore.executor import Executor
from uniSMP.explore.fabric import MARKS
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_FACTOR = np.uint64(0x9E37_79B9_7F4A_7C15)


@njit(cache=_CACHE)
def _written(words: Any, count: int, ram: Any, origin: Any) -> Any:  # noqa: ANN401
    """Return the addresses of bytes that were written and differ, ascending, each once."""
    found = np.empty(count * 4 + 8, dtype=np.int64)
    number = at = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind in (ns.RECORD_BLOCK, ns.RECORD_REGISTER):
            at += 2
            continue
        physical = words[at + 1]
        if word & ns.RECORD_WRITE != 0 and physical < MARKS:
            for byte in range(physical, min(physical + (word >> 8 & 0xFF), len(ram))):
                if ram[byte] != origin[byte]:
                    found[number] = byte
                    number += 1
        at += 4 if kind == ns.RECORD_ACCESS else 5
    return np.unique(found[:number])


@njit(cache=_CACHE)
def _fold(places: Any, ram: Any, start: int) -> int:  # noqa: ANN401
    total = np.uint64(start)
    for place in places:
        total = (total ^ np.uint64(place << 8 | np.int64(ram[place]))) * _FACTOR
        total ^= total >> np.uint64(29)
    return int(np.int64(total))


def final_state(executor: Executor) -> int:
    """Return the hash, 0 to 2^64 - 1; how long it took to get there does not count."""
    log = executor.log
    ram = executor.machine.parts.ram.bytes
    places = _written(log.words, int(log.head[ns.LOG_COUNT]), ram, executor.origin)
    number = 0
    for core in executor.cores:
        state = core.engine.state
        retired = state[ns.RETIRED]
        state[ns.RETIRED] = 0
        number = fold_mark(state, number)
        state[ns.RETIRED] = retired
    return int(_fold(places, ram, number)) & 0xFFFF_FFFF_FFFF_FFFF
