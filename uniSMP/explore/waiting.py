"""Whether a core that came back with equal registers waits: what it wrote is as it was before.

Such a round has changed nothing but bytes below the stack pointer that it wrote before it read
them, which an interrupt may overwrite at any time. It can be taken back, and the core goes on when
a byte that it read has another value.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.native_cache import is_cache_writable
from uniSMP.explore.fabric import MARKS

_CACHE = is_cache_writable(__file__)
MOST_BYTES = 1 << 14
"""A round that reads more is not taken for waiting."""


@njit(cache=_CACHE)
def _length(word: int) -> int:
    kind = word & 3
    if kind == ns.RECORD_ACCESS:
        return 4
    return 5 if kind == ns.RECORD_SYSTEM else 2


@njit(cache=_CACHE)
def _value_before(words: Any, begin: int, byte: int, origin: Any) -> int:  # noqa: ANN401
    """Return the value of a byte when the log was `begin` words long."""
    value = np.int64(origin[byte])
    at = 0
    while at < begin:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_ACCESS or kind == ns.RECORD_SYSTEM:
            physical = words[at + 1]
            if word & ns.RECORD_WRITE != 0 and physical <= byte < physical + (word >> 8 & 0xFF):
                value = words[at + 2] >> (8 * (byte - physical)) & 0xFF
        at += _length(word)
    return int(value)


@njit(cache=_CACHE)
def bytes_read(  # noqa: PLR0913, PLR0917 - arrays
    words: Any,  # noqa: ANN401
    begin: int,
    end: int,
    ram: Any,  # noqa: ANN401
    origin: Any,  # noqa: ANN401
    stack: int,
) -> Any:  # noqa: ANN401
    """Return the addresses of the bytes that a round read, or -1 alone where it is no waiting.

    Args:
        words: the log.
        begin: its length when the round began.
        end: its length now; only the waiting core has run meanwhile.
        ram: bytes of RAM.
        origin: bytes of RAM when the log was empty.
        stack: physical address of the stack pointer; its page is looked at only.
    """
    read = np.empty(MOST_BYTES, dtype=np.int64)
    read[0] = -1
    count = 0
    dead_first = stack & ~0xFFF
    written = np.zeros(0x1000, dtype=np.bool_)
    at = begin
    while at < end:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_ACCESS or kind == ns.RECORD_SYSTEM:
            physical = words[at + 1]
            if physical >= MARKS or physical + 8 > len(ram):
                read[0] = -1
                return read[:1]
            is_write = word & ns.RECORD_WRITE != 0
            for byte in range(physical, physical + (word >> 8 & 0xFF)):
                is_dead = dead_first <= byte < stack
                if is_dead and written[byte & 0xFFF]:
                    continue
                if is_write and is_dead:
                    written[byte & 0xFFF] = True
                    continue
                if is_write:
                    if np.int64(ram[byte]) != _value_before(words, begin, byte, origin):
                        read[0] = -1
                        return read[:1]
                    continue
                if count == MOST_BYTES:
                    read[0] = -1
                    return read[:1]
                read[count] = byte
                count += 1
        at += _length(word)
    return read[:count].copy()


@njit(cache=_CACHE)
def has_changed(ram: Any, places: Any, values: Any) -> bool:  # noqa: ANN401
    """Return whether a byte has another value than it had."""
    for index in range(len(places)):
        if ram[places[index]] != values[index]:
            return True
    return False
