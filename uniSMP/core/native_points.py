"""Lets a core go on past places where it would stop for somebody to choose who goes on.

Only while somebody explores (`native_state.POINTS`), and only as long as the choice would be the
same: the core has done nothing to a device, and no core that waits for memory has got or lost what
it waits for.
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import pointer
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
LEFT = 0
"""So many places may be gone past."""
DEVICES = 1
"""Accesses to devices when the core began."""
RAM = 2
RAM_BYTES = 3
"""Host address of RAM, and its size."""
RESTS = 4
REST_COUNT = 5
"""Host address of the linear addresses that nobody goes past, and how many there are."""
WAITERS = 6
"""Number of cores that wait."""
_FIRST = 7
PLACES, VALUES, COUNT, HAS_CHANGED = range(4)
WAITER_WORDS = 4
"""A core that waits: host addresses of physical addresses and of the bytes found there, how many,
and whether one had changed when the core began."""
_MOST_BYTES = 1 << 40


def words(cores: int) -> int:
    """Return the length of the table for so many cores."""
    return _FIRST + cores * WAITER_WORDS


_MOST_WORDS = words(256)


@njit(cache=_CACHE)
def has_changed(ram: Any, places: Any, values: Any) -> bool:  # noqa: ANN401
    """Return whether a byte has another value than it had."""
    differ = 0
    for index in range(len(places)):
        differ += ram[places[index]] != values[index]
    return differ > 0


@njit(cache=_CACHE)
def add_waiter(table: Any, ram: Any, places: Any, values: Any) -> None:  # noqa: ANN401
    """Enter a core that waits."""
    at = _FIRST + table[WAITERS] * WAITER_WORDS
    table[at + PLACES] = places.ctypes.data
    table[at + VALUES] = values.ctypes.data
    table[at + COUNT] = len(places)
    table[at + HAS_CHANGED] = has_changed(ram, places, values)
    table[WAITERS] += 1


@njit(cache=_CACHE)
def _is_choice_same(state: Any, table: Any) -> bool:  # noqa: ANN401
    if table[DEVICES] != state[ns.DEVICES]:
        return False
    ram = carray(pointer(np.uint64(table[RAM])), (_MOST_BYTES,), np.uint8)
    for number in range(table[WAITERS]):
        at = _FIRST + number * WAITER_WORDS
        count = table[at + COUNT]
        places = carray(pointer(np.uint64(table[at + PLACES])), (count,), np.int64)
        values = carray(pointer(np.uint64(table[at + VALUES])), (count,), np.uint8)
        if has_changed(ram, places, values) != (table[at + HAS_CHANGED] != 0):
            return False
    return True


@njit(cache=_CACHE)
def goes_past(state: Any, start: int) -> bool:  # noqa: ANN401
    """Return whether a core goes on although it stands at a place, `start`; note that it does."""
    table = carray(pointer(np.uint64(state[ns.POINTS])), (_MOST_WORDS,), np.int64)
    if table[LEFT] <= 0:
        return False
    rests = carray(pointer(np.uint64(table[RESTS])), (table[REST_COUNT],), np.int64)
    for index in range(table[REST_COUNT]):
        if rests[index] == start:
            return False
    if not _is_choice_same(state, table):
        return False
    table[LEFT] -= 1
    state[ns.PASSED] = state[ns.RETIRED]
    return True
