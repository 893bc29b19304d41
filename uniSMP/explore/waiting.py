"""Whether a core that came back with equal registers waits: what it wrote is as it was before.

Such a round has changed nothing but bytes below the stack pointer that it wrote before it read
them, which an interrupt may overwrite at any time. The core goes on when a byte that it read has
another value, or one that it wrote has, so that another round changes it, or when an interrupt
comes for which a round has a window. A round that only repeats
what the core read before, while nobody wrote there, tells nobody anything: it can be taken back.
What it wrote and took back is kept in mind: others may see that, see `leaving`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from uniSMP.arch.exceptions import Fault
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.core import Core
from uniSMP.core.native_points import has_changed
from uniSMP.explore.fabric import MARKS
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
MOST_BYTES = 1 << 14
"""A round that reads more is not taken for waiting."""
_PAGE_MASK = 0xFFF

__all__ = [
    "MOST_BYTES",
    "Waiting",
    "bytes_read",
    "bytes_taken_back",
    "bytes_written",
    "has_changed",
    "has_window",
    "only_repeats",
    "stack_place",
]


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a core does in a round of its wait.

    Attributes:
        reads: physical addresses of the bytes it reads.
        places: of those that it reads or writes: where one has another value it does not wait.
        values: what is there now.
        stirs: physical addresses of bytes that have another value meanwhile.
        accepts: whether an interrupt that comes now is accepted in the next round.
        is_held: whether one was held back in the rounds that were seen.
    """

    reads: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    values: npt.NDArray[np.uint8]
    stirs: npt.NDArray[np.int64]
    accepts: bool
    is_held: bool


def stack_place(core: Core, above: int = 0) -> int:
    """Return the physical address `above` bytes over a core's stack pointer, or 0."""
    context = core.engine.context
    linear = context.register(cx.RSP)
    if not context.is_long_mode:
        linear = linear + context.segment(cx.SS).base & cx.MASK32
    try:
        return core.memory.translate(linear & ~_PAGE_MASK) + (linear & _PAGE_MASK) + above
    except Fault:
        return 0


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
        if kind in (ns.RECORD_ACCESS, ns.RECORD_SYSTEM):
            physical = words[at + 1]
            if word & ns.RECORD_WRITE != 0 and physical <= byte < physical + (word >> 8 & 0xFF):
                value = words[at + 2] >> (8 * (byte - physical)) & 0xFF
        at += _length(word)
    return int(value)


@njit(cache=_CACHE)
def bytes_read(
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
        if kind in (ns.RECORD_ACCESS, ns.RECORD_SYSTEM):
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
def bytes_taken_back(words: Any, begin: int, end: int, ram: Any) -> Any:  # noqa: ANN401
    """Return the addresses of bytes to which a round gave values that they no longer have.

    Args:
        words: the log.
        begin: its length when the round began.
        end: its length now.
        ram: bytes of RAM; all accesses are within.
    """
    count = 0
    found = np.empty(64, dtype=np.int64)
    at = begin
    while at < end:
        word = words[at]
        is_access = word & 3 in (ns.RECORD_ACCESS, ns.RECORD_SYSTEM)
        if is_access and word & ns.RECORD_WRITE != 0:
            first = words[at + 1]
            for byte in range(first, first + (word >> 8 & 0xFF)):
                if words[at + 2] >> 8 * (byte - first) & 0xFF != np.int64(ram[byte]):
                    if count == len(found):
                        found = np.concatenate((found, np.empty_like(found)))
                    found[count] = byte
                    count += 1
        at += _length(word)
    return np.unique(found[:count])


@njit(cache=_CACHE)
def bytes_written(words: Any, begin: int, end: int, stack: int) -> Any:  # noqa: ANN401
    """Return the addresses of the bytes that a round wrote, but for those below the stack pointer.

    Args:
        words: the log.
        begin: its length when the round began.
        end: its length now.
        stack: physical address of the stack pointer; its page is looked at only.
    """
    count = 0
    found = np.empty(64, dtype=np.int64)
    dead_first = stack & ~0xFFF
    at = begin
    while at < end:
        word = words[at]
        is_access = word & 3 in (ns.RECORD_ACCESS, ns.RECORD_SYSTEM)
        if is_access and word & ns.RECORD_WRITE != 0:
            first = words[at + 1]
            for byte in range(first, first + (word >> 8 & 0xFF)):
                if not dead_first <= byte < stack:
                    if count == len(found):
                        found = np.concatenate((found, np.empty_like(found)))
                    found[count] = byte
                    count += 1
        at += _length(word)
    return np.unique(found[:count])


@njit(cache=_CACHE)
def has_window(words: Any, begin: int, end: int, core: int) -> bool:  # noqa: ANN401
    """Return whether a core began a block with IF = 1 in a part of the log."""
    at = begin
    while at < end:
        word = words[at]
        if word & 3 == ns.RECORD_BLOCK and words[at + 1] > 0:
            is_own = word >> 4 & ns.RECORD_CORES == core
            if is_own and word & ns.RECORD_IF != 0:
                return True
        at += _length(word)
    return False


@njit(cache=_CACHE)
def _inputs(words: Any, begin: int, end: int) -> Any:  # noqa: ANN401
    """Return (address, bytes, value) of what a round read before it wrote there."""
    found = np.empty((end - begin, 3), dtype=np.int64)
    written = np.empty((end - begin, 2), dtype=np.int64)
    count = writes = 0
    at = begin
    while at < end:
        word = words[at]
        kind = word & 3
        if kind in (ns.RECORD_ACCESS, ns.RECORD_SYSTEM):
            first, size = words[at + 1], word >> 8 & 0xFF
            if word & ns.RECORD_WRITE != 0:
                written[writes, 0], written[writes, 1] = first, first + size
                writes += 1
            else:
                is_own = False
                for index in range(writes):
                    is_own |= written[index, 0] <= first and first + size <= written[index, 1]
                if not is_own:
                    found[count, 0], found[count, 1], found[count, 2] = first, size, words[at + 2]
                    count += 1
        at += _length(word)
    return found[:count]


@njit(cache=_CACHE)
def _low_bytes(size: int) -> int:
    return -1 if size >= 8 else (1 << 8 * size) - 1  # noqa: PLR2004 - a word


@njit(cache=_CACHE)
def _agrees(first: int, size: int, value: int, start: int, length: int, wanted: int) -> bool:
    """Return whether two accesses have the same bytes where they overlap."""
    begin, end = max(first, start), min(first + size, start + length)
    for byte in range(begin, end):
        if (value >> 8 * (byte - first) ^ wanted >> 8 * (byte - start)) & 0xFF != 0:
            return False
    return True


@njit(cache=_CACHE)
def only_repeats(words: Any, begin: int, end: int, core: int) -> bool:  # noqa: ANN401
    """Return whether a core knew all that a round read: it read or wrote it, and it is still so.

    Args:
        words: the log.
        begin: its length when the round began.
        end: its length now.
        core: the core.
    """
    inputs = _inputs(words, begin, end)
    is_known = np.zeros(len(inputs), dtype=np.bool_)
    at = owner = 0
    while at < begin:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK:
            owner = word >> 4 & ns.RECORD_CORES
        elif kind != ns.RECORD_REGISTER:
            doer = owner if kind == ns.RECORD_ACCESS else word >> 16 & ns.RECORD_CORES
            first, size = words[at + 1], word >> 8 & 0xFF
            writes = word & ns.RECORD_WRITE != 0
            for index in range(len(inputs)):
                start, length = inputs[index, 0], inputs[index, 1]
                if first < start + length and start < first + size:
                    if doer == core and first <= start and start + length <= first + size:
                        value = words[at + 2] >> (8 * (start - first))
                        differs = (value ^ inputs[index, 2]) & _low_bytes(length)
                        is_known[index] = differs == 0
                    elif writes and not _agrees(
                        *(first, size, words[at + 2], start, length, inputs[index, 2])
                    ):
                        is_known[index] = False
        at += _length(word)
    return bool(is_known.all())
