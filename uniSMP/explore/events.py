"""Finds in accesses what matters to others: shared words, events, and what cores are kept from.

See `collecting` for what these are.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.explore.collecting import (
    A_AGENT,
    A_BEFORE,
    A_CORE,
    A_EVENT,
    A_MASK,
    A_OPEN,
    A_STEP,
    A_VALUE,
    A_WORD,
    A_WRITE,
    ACCESS_WORDS,
    DELIVERED,
    E_BEFORE,
    E_CORE,
    E_DEPTH,
    E_END,
    E_FIRST,
    E_KIND,
    E_OPEN,
    E_POSITION,
    E_STEP,
    E_TAKEN,
    E_VECTOR,
    EVENT_WORDS,
    INSTRUCTION,
    is_step,
    is_window,
)
from uniSMP.explore.fabric import DELIVERY, SENT
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)


@njit(cache=_CACHE)
def _slot(keys: Any, word: int, mask: int) -> int:  # noqa: ANN401
    """Return where a word stands, or would stand, in an open hash table."""
    place = np.int64((np.uint64(word) * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(40)) & mask
    while keys[place] >= 0 and keys[place] != word:
        place = (place + 1) & mask
    return int(place)


@njit(cache=_CACHE)
def find_shared(accesses: Any) -> tuple[Any, int]:  # noqa: ANN401
    """Return for each access whether its word is shared, and the number of shared words.

    Also chains the accesses of each word.
    """
    count = len(accesses)
    size = 16
    while size < 2 * count:
        size *= 2
    keys = np.full(size, -1, dtype=np.int64)
    agents = np.empty(size, dtype=np.int64)
    is_many = np.zeros(size, dtype=np.bool_)
    is_written = np.zeros(size, dtype=np.bool_)
    latest = np.full(size, -1, dtype=np.int64)
    places = np.empty(count, dtype=np.int64)
    for row in range(count):
        place = _slot(keys, accesses[row, A_WORD], size - 1)
        if keys[place] < 0:
            keys[place] = accesses[row, A_WORD]
            agents[place] = accesses[row, A_AGENT]
        elif agents[place] != accesses[row, A_AGENT]:
            is_many[place] = True
        if accesses[row, A_WRITE] != 0:
            is_written[place] = True
        accesses[row, A_BEFORE] = latest[place]
        latest[place] = row
        places[row] = place
    shared = np.empty(count, dtype=np.bool_)
    for row in range(count):
        is_shared = is_many[places[row]] and is_written[places[row]]
        shared[row] = is_shared and not is_window(accesses[row, A_WORD])
    number = 0
    for place in range(size):
        number += is_many[place] and is_written[place] and not is_window(keys[place])
    return shared, number


@njit(cache=_CACHE)
def _interrupted(accesses: Any, kinds: Any, pending: Any) -> Any:  # noqa: ANN401
    """Return for each core whether an interrupt was sent or delivered to it, or is pending."""
    found = pending.copy()
    for row in range(len(accesses)):
        word = accesses[row, A_WORD]
        if word >> 9 == SENT >> 12:
            found[word - (SENT >> 3)] = True
        elif kinds[row, 0] == DELIVERED:
            found[accesses[row, A_CORE]] = True
    return found


@njit(cache=_CACHE)
def find_events(accesses: Any, kinds: Any, shared: Any, pending: Any) -> Any:  # noqa: ANN401
    """Return the events, in order, and note in each access which it belongs to.

    Args:
        accesses: from `read_log`.
        kinds: from `read_log`.
        shared: from `find_shared`.
        pending: for each core, whether an interrupt waits for it in the end.
    """
    count = len(accesses)
    events = np.empty((count + 1, EVENT_WORDS), dtype=np.int64)
    last = np.full(len(pending), -1, dtype=np.int64)
    interrupted = _interrupted(accesses, kinds, pending)
    number = taken = 0
    row = 0
    while row < count:
        core, step, kind = accesses[row, A_CORE], accesses[row, A_STEP], kinds[row, 0]
        end = row
        is_event = kind != INSTRUCTION
        while (
            end < count
            and accesses[end, A_CORE] == core
            and accesses[end, A_STEP] == step
            and kinds[end, 0] == kind
            and (end == row or accesses[end, A_WORD] >> 9 != DELIVERY >> 12)
        ):
            is_change = accesses[end, A_WRITE] != 0 and is_window(accesses[end, A_WORD])
            is_event = is_event or shared[end] or (is_change and interrupted[core])
            is_event = is_event or (is_step(accesses[end, A_WORD]) and interrupted[core])
            is_event = is_event or accesses[end, A_WORD] >> 9 == SENT >> 12
            end += 1
        if is_event:
            event = events[number]
            event[E_CORE], event[E_STEP], event[E_KIND] = core, step, kind
            event[E_FIRST], event[E_END] = row, end
            event[E_DEPTH] = kinds[row, 1]
            event[E_BEFORE] = last[core]
            event[E_POSITION] = 1 if last[core] < 0 else events[last[core], E_POSITION] + 1
            event[E_OPEN] = accesses[row, A_OPEN]
            event[E_TAKEN] = taken
            event[E_VECTOR] = accesses[row, A_VALUE]
            for index in range(row, end):
                accesses[index, A_EVENT] = number
            last[core] = number
            number += 1
            taken += kind == DELIVERED
        row = end
    return events[:number]


def delivery(core: int, vector: int) -> Any:  # noqa: ANN401
    """Return the accesses of a delivery that did not happen; A_EVENT is its kind."""
    rows = np.zeros((2, ACCESS_WORDS), dtype=np.int64)
    rows[:, A_WORD] = (DELIVERY >> 3) + core, (SENT >> 3) + core
    rows[:, A_MASK] = 0xFF
    rows[:, A_WRITE] = 1
    rows[:, A_CORE] = core
    rows[:, A_EVENT] = DELIVERED
    rows[:, A_VALUE] = vector
    return rows


def reads(core: int, places: Any) -> Any:  # noqa: ANN401
    """Return the accesses of an instruction that did not happen and would read these bytes."""
    places = places[places >= 0]
    words = np.unique(places >> 3)
    rows = np.zeros((len(words), ACCESS_WORDS), dtype=np.int64)
    rows[:, A_WORD] = words
    for row, word in zip(rows, words, strict=True):
        row[A_MASK] = np.bitwise_or.reduce(1 << (places[places >> 3 == word] & 7))
    rows[:, A_CORE] = core
    rows[:, A_EVENT] = INSTRUCTION
    return rows


def with_others(accesses: Any, events: Any, others: list[Any]) -> tuple[Any, Any]:  # noqa: ANN401
    """Return accesses and events with others behind them, each of which follows the real ones."""
    new_accesses, new_events = [accesses], [events]
    first = len(accesses)
    for number, rows in enumerate(others, len(events)):
        core, kind = rows[0, A_CORE], rows[0, A_EVENT]
        own = np.flatnonzero(events[:, E_CORE] == core)
        event = np.zeros((1, EVENT_WORDS), dtype=np.int64)
        event[0, [E_CORE, E_KIND, E_FIRST, E_END]] = core, kind, first, first + len(rows)
        event[0, E_BEFORE] = own[-1] if len(own) else -1
        event[0, E_POSITION] = len(own) + 1
        event[0, E_VECTOR] = rows[0, A_VALUE]
        added = rows.copy()
        added[:, A_EVENT] = number
        for row in added:
            before = np.flatnonzero(accesses[:, A_WORD] == row[A_WORD])
            row[A_BEFORE] = before[-1] if len(before) else -1
        new_accesses.append(added)
        new_events.append(event)
        first += len(rows)
    return np.concatenate(new_accesses), np.concatenate(new_events)
