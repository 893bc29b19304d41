"""Happens-before over the bytes that cores share, with vector clocks, in compiled code.

A piece is the part of an access that lies in one word of 8 bytes. Each core has a vector clock;
what a core did up to its clock c happened before another core's piece once that core knows c. For
each byte stand the last plain write, the last synchronising write, and the plain reads since the
last plain write: one piece while each happened before the next, else one for each core.

Source: Flanagan and Freund, "FastTrack: efficient and precise dynamic race detection" (PLDI 2009).

*Not exact*: of synchronising writes that are unordered among themselves only the last is compared
with the plain accesses that follow.
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
S_STEP, S_CORE, S_SLOT, S_SENDS = range(4)
SIGNAL_WORDS = 4
"""A signal: step, core, slot, and whether it is sent to the slot or taken from there."""
_SYNCHRONISES = ACQUIRES | RELEASES | REPLACES
_NONE, _MANY = -1, -2
_MOST_PAIRS = 256


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


@njit(cache=_CACHE)
def _join(target: Any, source: Any) -> None:  # noqa: ANN401
    for core in range(len(target)):
        target[core] = max(target[core], source[core])


@njit(cache=_CACHE)
def _pass_signals(signals: Any, at: int, step: int, clocks: Any, slots: Any) -> int:  # noqa: ANN401
    """Take account of the signals up to a step; return the number of the next one."""
    while at < len(signals) and signals[at, S_STEP] <= step:
        core, slot = signals[at, S_CORE], signals[at, S_SLOT]
        if signals[at, S_SENDS] != 0:
            _join(slots[slot], clocks[core])
            clocks[core, core] += 1
        else:
            _join(clocks[core], slots[slot])
        at += 1
    return at


@njit(cache=_CACHE)
def _add_race(pieces: Any, earlier: int, later: int, races: Any, count: int) -> int:  # noqa: ANN401
    """Note a race, unless one of these two instructions was found before; return how many."""
    if count == len(races):
        return count
    one, other = pieces[earlier, P_RIP], pieces[later, P_RIP]
    for index in range(count):
        known, behind = pieces[races[index, 0], P_RIP], pieces[races[index, 1], P_RIP]
        if (known == one and behind == other) or (known == other and behind == one):
            return count
    races[count, 0], races[count, 1] = earlier, later
    return count + 1


@njit(cache=_CACHE)
def _is_unordered(pieces: Any, earlier: int, at: Any, known: Any) -> bool:  # noqa: ANN401
    """Return whether a piece did not happen before one of a core with this clock."""
    return bool(earlier != _NONE and known[pieces[earlier, P_CORE]] < at[earlier])


@njit(cache=_CACHE)
def _races_of(
    pieces: Any,  # noqa: ANN401
    index: int,
    clock: Any,  # noqa: ANN401
    bytes_: Any,  # noqa: ANN401
    races: Any,  # noqa: ANN401
    count: int,
) -> int:
    """Compare a piece with those before it; return how many races are known."""
    at, known = clock
    writes, sync_writes, reads, many, own = bytes_
    kind, byte = pieces[index, P_KIND], pieces[index, P_BYTE]
    for place in range(byte, byte + pieces[index, P_COUNT]):
        if _is_unordered(pieces, writes[place], at, known):
            count = _add_race(pieces, writes[place], index, races, count)
        if kind & _SYNCHRONISES == 0 and _is_unordered(pieces, sync_writes[place], at, known):
            count = _add_race(pieces, sync_writes[place], index, races, count)
        if kind & IS_WRITE == 0 or reads[place] == _NONE:
            continue
        if reads[place] != _MANY:
            if _is_unordered(pieces, reads[place], at, known):
                count = _add_race(pieces, reads[place], index, races, count)
            continue
        for core in range(len(known)):
            earlier = many[own[place], core]
            if _is_unordered(pieces, earlier, at, known):
                count = _add_race(pieces, earlier, index, races, count)
    return count


@njit(cache=_CACHE)
def _remember(pieces: Any, index: int, clock: Any, bytes_: Any, used: int) -> int:  # noqa: ANN401
    """Note a piece in its bytes; return how many bytes have had a read for each core."""
    at, known = clock
    writes, sync_writes, reads, many, own = bytes_
    kind, byte = pieces[index, P_KIND], pieces[index, P_BYTE]
    for place in range(byte, byte + pieces[index, P_COUNT]):
        if kind & _SYNCHRONISES != 0:
            if kind & IS_WRITE != 0:
                sync_writes[place] = index
        elif kind & IS_WRITE != 0:
            writes[place] = index
            sync_writes[place] = reads[place] = _NONE
        elif reads[place] == _MANY:
            many[own[place], pieces[index, P_CORE]] = index
        elif not _is_unordered(pieces, reads[place], at, known):
            reads[place] = index
        else:
            if own[place] == _NONE:
                own[place] = used
                used += 1
            many[own[place]] = _NONE
            many[own[place], pieces[reads[place], P_CORE]] = reads[place]
            many[own[place], pieces[index, P_CORE]] = index
            reads[place] = _MANY
    return used


@njit(cache=_CACHE)
def _number_published(pieces: Any, shared: int) -> tuple[Any, int]:  # noqa: ANN401
    """Return for each byte its row in the table of published clocks, or -1, and how many rows."""
    rows = np.full(shared, _NONE, dtype=np.int64)
    count = 0
    for index in range(len(pieces)):
        if pieces[index, P_KIND] & _SYNCHRONISES != 0:
            first = pieces[index, P_BYTE]
            for place in range(first, first + pieces[index, P_COUNT]):
                if rows[place] == _NONE:
                    rows[place] = count
                    count += 1
    return rows, count


@njit(cache=_CACHE)
def _acquire(piece: Any, known: Any, rows: Any, published: Any) -> None:  # noqa: ANN401
    if piece[P_KIND] & ACQUIRES != 0:
        for place in range(piece[P_BYTE], piece[P_BYTE] + piece[P_COUNT]):
            _join(known, published[rows[place]])


@njit(cache=_CACHE)
def _release(piece: Any, known: Any, rows: Any, published: Any) -> None:  # noqa: ANN401
    if piece[P_KIND] & (RELEASES | REPLACES) == 0:
        return
    for place in range(piece[P_BYTE], piece[P_BYTE] + piece[P_COUNT]):
        published[rows[place]] = known
    known[piece[P_CORE]] += 1


@njit(cache=_CACHE)
def find_races(pieces: Any, shared: int, signals: Any, slots: int, cores: int) -> Any:  # noqa: ANN401
    """Return races as pairs of pieces (earlier, later), the first of each two instructions.

    Args:
        pieces: in the order of the run.
        shared: how many bytes they lie in.
        signals: in the order of the run; those of a step come before its pieces.
        slots: how many slots signals use.
        cores: number of cores.
    """
    clocks = np.zeros((cores, cores), dtype=np.int64)
    for core in range(cores):
        clocks[core, core] = 1
    slot_clocks = np.zeros((slots, cores), dtype=np.int64)
    rows, published_count = _number_published(pieces, shared)
    published = np.zeros((published_count, cores), dtype=np.int64)
    writes = np.full(shared, _NONE, dtype=np.int64)
    sync_writes = np.full(shared, _NONE, dtype=np.int64)
    reads = np.full(shared, _NONE, dtype=np.int64)
    own = np.full(shared, _NONE, dtype=np.int64)
    many = np.empty((64, cores), dtype=np.int64)
    at = np.empty(len(pieces), dtype=np.int64)
    races = np.empty((_MOST_PAIRS, 2), dtype=np.int64)
    count = used = signal = 0
    for index in range(len(pieces)):
        piece = pieces[index]
        signal = _pass_signals(signals, signal, piece[P_STEP], clocks, slot_clocks)
        known = clocks[piece[P_CORE]]
        _acquire(piece, known, rows, published)
        at[index] = known[piece[P_CORE]]
        if used + 8 > len(many):
            many = np.concatenate((many, np.empty_like(many)))
        bytes_ = (writes, sync_writes, reads, many, own)
        count = _races_of(pieces, index, (at, known), bytes_, races, count)
        used = _remember(pieces, index, (at, known), bytes_, used)
        _release(piece, known, rows, published)
    return races[:count]
