"""The accesses to bytes that cores share, in pieces, and how each piece orders others.

A piece is the part of an access that lies in one word of 8 bytes. A word is shared where two cores
access it and one of them writes; all other accesses are left out. Page walks are no accesses here.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.checks.history import LOCKED, PAGE_WALK, WRITE
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
P_ROW, P_STEP, P_CORE, P_RIP, P_BYTE, P_COUNT, P_KIND = range(7)
PIECE_WORDS = 7
"""A piece: row of the access, its step, core and RIP; the first shared byte, how many; a kind."""
IS_WRITE, ACQUIRES, RELEASES, REPLACES = 1, 2, 4, 8
"""Bits of a kind: write; takes over what the byte's last release published; publishes, added to
what is there or in its place. Without any of the last three it is plain."""
_NONE = -1


@njit(cache=_CACHE)
def _place(keys: Any, word: int) -> int:  # noqa: ANN401
    """Return where a word stands, or would stand, in an open hash table."""
    mask = len(keys) - 1
    place = (word * 0x9E37_79B9 >> 7) & mask
    while keys[place] != _NONE and keys[place] != word:
        place = (place + 1) & mask
    return int(place)


@njit(cache=_CACHE)
def _find_shared(core: Any, physical: Any, size: Any, kind: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Return a hash table of the accessed words and the number of each shared one, or -1."""
    capacity = 16
    while capacity < 4 * len(core):
        capacity *= 2
    keys = np.full(capacity, _NONE, dtype=np.int64)
    owner = np.full(capacity, _NONE, dtype=np.int64)
    state = np.zeros(capacity, dtype=np.uint8)
    for row in range(len(core)):
        if kind[row] & PAGE_WALK != 0:
            continue
        for word in range(physical[row] >> 3, (physical[row] + size[row] - 1 >> 3) + 1):
            place = _place(keys, word)
            if keys[place] == _NONE:
                keys[place], owner[place] = word, core[row]
            state[place] |= (1 if owner[place] != core[row] else 0) | (kind[row] & WRITE) << 1
    numbers = np.full(capacity, _NONE, dtype=np.int64)
    count = 0
    for place in range(capacity):
        if state[place] == 3:  # noqa: PLR2004 - two cores, and a write
            numbers[place] = count
            count += 1
    return keys, numbers


@njit(cache=_CACHE)
def find_pieces(columns: Any, is_atomic: Any, locked_words: bool) -> tuple[Any, int]:  # noqa: ANN401, FBT001
    """Return the pieces of accesses to shared words in their order, and how many bytes there are.

    Args:
        columns: of `AccessRows`: step, core, rip, physical, size, kind.
        is_atomic: for each access, whether it is atomic though plain.
        locked_words: whether aligned plain accesses are atomic to bytes that locked ones access.
    """
    step, core, rip, physical, size, kind = columns
    keys, numbers = _find_shared(core, physical, size, kind)
    shared = 8 * (numbers.max() + 1) if len(numbers) else 0
    pieces = np.empty((2 * len(core), PIECE_WORDS), dtype=np.int64)
    is_locked = np.zeros(shared, dtype=np.bool_)
    count = 0
    for row in range(len(core)):
        if kind[row] & PAGE_WALK != 0:
            continue
        first, end = physical[row], physical[row] + size[row]
        for word in range(first >> 3, (end - 1 >> 3) + 1):
            number = numbers[_place(keys, word)]
            if number == _NONE:
                continue
            begin, behind = max(first, word << 3) & 7, min(end - (word << 3), 8)
            piece = pieces[count]
            piece[P_ROW], piece[P_STEP], piece[P_CORE] = row, step[row], core[row]
            piece[P_RIP], piece[P_BYTE] = rip[row], 8 * number + begin
            piece[P_COUNT] = behind - begin
            piece[P_KIND] = _kind(kind[row], is_atomic[row])
            if kind[row] & LOCKED != 0:
                is_locked[8 * number + begin : 8 * number + behind] = True
            count += 1
    if locked_words:
        for index in range(count):
            piece = pieces[index]
            row = piece[P_ROW]
            locked = is_locked[piece[P_BYTE] : piece[P_BYTE] + piece[P_COUNT]].all()
            if locked and physical[row] % size[row] == 0:
                piece[P_KIND] = _kind(kind[row], True)  # noqa: FBT003
    return pieces[:count], shared


@njit(cache=_CACHE)
def _kind(kind: int, is_atomic: bool) -> int:  # noqa: FBT001
    is_write = kind & WRITE != 0
    if kind & LOCKED != 0:
        return IS_WRITE | ACQUIRES | RELEASES if is_write else ACQUIRES
    if is_atomic:
        return IS_WRITE | REPLACES if is_write else ACQUIRES
    return IS_WRITE if is_write else 0
