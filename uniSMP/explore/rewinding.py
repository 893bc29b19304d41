"""Puts RAM back by the log of what was written: cost is that of the writes."""

from typing import Any

from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.explore.fabric import MARKS
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
NOTHING, TABLES = 0, 1
_PAGE_SHIFT = 12


@njit(cache=_CACHE)
def undo_writes(words: Any, count: int, ram: Any, origin: Any, is_table: Any) -> int:  # noqa: ANN401
    """Give every byte that the log says was written the value it has in `origin`.

    Args:
        words: the log.
        count: words of it.
        ram: bytes of RAM.
        origin: bytes of RAM as they shall be.
        is_table: for each page, whether it holds paging structures.

    Returns:
        TABLES where such a page was written, else NOTHING.
    """
    size = len(ram)
    result = NOTHING
    at = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind in (ns.RECORD_BLOCK, ns.RECORD_REGISTER):
            at += 2
            continue
        physical = words[at + 1]
        if word & ns.RECORD_WRITE != 0 and physical < MARKS:
            end = min(physical + (word >> 8 & 0xFF), size)
            for byte in range(physical, end):
                ram[byte] = origin[byte]
            if physical < size and is_table[physical >> _PAGE_SHIFT]:
                result = TABLES
        at += 4 if kind == ns.RECORD_ACCESS else 5
    return result
