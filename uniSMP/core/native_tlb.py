"""Keeps stores to data fast where the page could also be executed.

The engine marks the TLB entry of every executable page "not dirty", which sends each store to it
down a slow path (100 ns instead of 2) that looks for translated code, and it never takes the mark
off. So it is taken off here from pages that hold no code, again and again, because each miss of the
TLB brings it back. A page on which code is met later gets it back by `Engine.protect_code_page`.
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import pointer
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
TABLES = 64
"""Offset, before the CPU state, of the TLBs' (mask, host address) pairs, one for each mode."""
MODES = 3
ENTRY_WORDS = 8
STORE, PHYSICAL, ADDEND = 1, 3, 4
"""Words of an entry: comparator of stores, physical page, host address minus linear address."""
NOT_DIRTY = 0x400
_FLAGS = 0xFFF
_MASK_SHIFT = 6
_SHORTEST = 4_000
LONGEST = 1_000_000
"""Instructions between two looks: few after something was found, twice as many after nothing."""


@njit(cache=_CACHE)
def _strip(state: Any) -> int:  # noqa: ANN401
    """Take the mark off pages of RAM without code; return from how many."""
    code = carray(pointer(np.uint64(state[ns.CODE_PAGES])), (state[ns.RAM_PAGES],), np.uint8)
    found = 0
    for mode in range(MODES):
        place = state[ns.ENV] - TABLES + 16 * mode
        head = carray(pointer(np.uint64(place)), (2,), np.int64)
        entries = (head[0] >> _MASK_SHIFT) + 1
        table = carray(pointer(np.uint64(head[1])), (entries, ENTRY_WORDS), np.int64)
        for index in range(entries):
            store = table[index, STORE]
            if store & _FLAGS != NOT_DIRTY:
                continue
            page = table[index, PHYSICAL] >> 12
            if page < 0 or page >= state[ns.RAM_PAGES] or code[page] != 0:
                continue
            host = table[index, ADDEND] + (store & ~_FLAGS)
            if host == state[ns.RAM] + (page << 12):
                table[index, STORE] = store & ~NOT_DIRTY
                found += 1
    return found


@njit(cache=_CACHE)
def refresh(state: Any) -> int:  # noqa: ANN401
    """Look at the TLB if it is time to; return the instructions until the next look."""
    if state[ns.CODE_PAGES] == 0:
        return LONGEST
    if state[ns.RETIRED] >= state[ns.NEXT_LOOK]:
        interval = 0 if _strip(state) != 0 else 2 * state[ns.LOOK_INTERVAL]
        state[ns.LOOK_INTERVAL] = min(max(interval, _SHORTEST), LONGEST)
        state[ns.NEXT_LOOK] = state[ns.RETIRED] + state[ns.LOOK_INTERVAL]
    return state[ns.NEXT_LOOK] - state[ns.RETIRED]  # type: ignore[no-any-return]  # compiled
