"""Happens-before over the bytes that cores share, with vector clocks, in compiled code.

Each core has a vector clock; what a core did up to its clock c happened before another core's piece
once that core knows c. For each byte stand the last plain write and the plain reads since then: one
piece while each happened before the next, else one for each core; and the last synchronising
accesses of each core.

Source: Flanagan and Freund, "FastTrack: efficient and precise dynamic race detection" (PLDI 2009).
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.checks.pieces import (
    ACQUIRES,
    IS_WRITE,
    P_BYTE,
    P_CORE,
    P_COUNT,
    P_KIND,
    P_RIP,
    P_STEP,
    RELEASES,
    REPLACES,
)
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
S_STEP, S_CORE, S_SLOT, S_SENDS = range(4)
SIGNAL_WORDS = 4
"""A signal: step, core, slot, and whether it is sent to the slot or taken from there."""
_SYNCHRONISES = ACQUIRES | RELEASES | REPLACES
_NONE, _MANY = -1, -2
_MOST_PAIRS = 256


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
def _races_with(
    pieces: Any,  # noqa: ANN401
    index: int,
    earlier: Any,  # noqa: ANN401
    clock: Any,  # noqa: ANN401
    races: Any,  # noqa: ANN401
    count: int,
) -> int:
    """Compare a piece with one of each core; return how many races are known."""
    at, known = clock
    for core in range(len(earlier)):
        if _is_unordered(pieces, earlier[core], at, known):
            count = _add_race(pieces, earlier[core], index, races, count)
    return count


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
    writes, reads, many, own, rows, sync_writes, sync_reads = bytes_
    kind, byte = pieces[index, P_KIND], pieces[index, P_BYTE]
    for place in range(byte, byte + pieces[index, P_COUNT]):
        if _is_unordered(pieces, writes[place], at, known):
            count = _add_race(pieces, writes[place], index, races, count)
        is_synchronised = kind & _SYNCHRONISES == 0 and rows[place] != _NONE
        if is_synchronised:
            count = _races_with(pieces, index, sync_writes[rows[place]], clock, races, count)
        if kind & IS_WRITE == 0:
            continue
        if is_synchronised:
            count = _races_with(pieces, index, sync_reads[rows[place]], clock, races, count)
        if reads[place] == _MANY:
            count = _races_with(pieces, index, many[own[place]], clock, races, count)
        elif _is_unordered(pieces, reads[place], at, known):
            count = _add_race(pieces, reads[place], index, races, count)
    return count


@njit(cache=_CACHE)
def _remember(pieces: Any, index: int, clock: Any, bytes_: Any, used: int) -> int:  # noqa: ANN401
    """Note a piece in its bytes; return how many bytes have had a read for each core."""
    at, known = clock
    writes, reads, many, own, rows, sync_writes, sync_reads = bytes_
    kind, byte, core = pieces[index, P_KIND], pieces[index, P_BYTE], pieces[index, P_CORE]
    for place in range(byte, byte + pieces[index, P_COUNT]):
        if kind & _SYNCHRONISES != 0:
            if kind & IS_WRITE != 0:
                sync_writes[rows[place], core] = index
            else:
                sync_reads[rows[place], core] = index
        elif kind & IS_WRITE != 0:
            writes[place] = index
            reads[place] = _NONE
            if rows[place] != _NONE:
                sync_writes[rows[place]] = sync_reads[rows[place]] = _NONE
        elif reads[place] == _MANY:
            many[own[place], core] = index
        elif not _is_unordered(pieces, reads[place], at, known):
            reads[place] = index
        else:
            if own[place] == _NONE:
                own[place] = used
                used += 1
            many[own[place]] = _NONE
            many[own[place], pieces[reads[place], P_CORE]] = reads[place]
            many[own[place], core] = index
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
    sync_writes = np.full((published_count, cores), _NONE, dtype=np.int64)
    sync_reads = np.full((published_count, cores), _NONE, dtype=np.int64)
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
        bytes_ = (writes, reads, many, own, rows, sync_writes, sync_reads)
        count = _races_of(pieces, index, (at, known), bytes_, races, count)
        used = _remember(pieces, index, (at, known), bytes_, used)
        _release(piece, known, rows, published)
    return races[:count]
