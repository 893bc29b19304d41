"""Happens-before between events, the races in it, and what must be tried to turn one round.

Two events conflict where they touch a byte and one writes it. The pseudo-word of a core's pending
interrupts is read by whoever sends and written by deliveries, so sends commute. A *process* is what
can be chosen: bit c is the next instruction of core c, bit cores + c is a delivery to core c.

Sources: Flanagan and Godefroid, "Dynamic partial-order reduction for model checking software"
(POPL 2005); Abdulla et al., "Source sets: a foundation for optimal dynamic partial order reduction"
(JACM 2017).
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.explore.collecting import (
    A_ADDRESS,
    A_BEFORE,
    A_CORE,
    A_EVENT,
    A_MASK,
    A_VALUE,
    A_WORD,
    A_WRITE,
    DELIVERED,
    E_BEFORE,
    E_CORE,
    E_END,
    E_FIRST,
    E_KIND,
    E_OPEN,
    E_POSITION,
    E_VECTOR,
)
from uniSMP.explore.fabric import NO_VECTOR, SENT
from uniSMP.explore.schedule import NMI
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_MOST_BEFORE = 256
_FACTOR = np.uint64(0x9E37_79B9_7F4A_7C15)
_OTHER_FACTOR = np.uint64(0xD1B5_4A32_D192_ED03)


@njit(cache=_CACHE)
def process(events: Any, event: int, cores: int) -> int:  # noqa: ANN401
    """Return the process of an event."""
    core = events[event, E_CORE]
    return int(core + cores if events[event, E_KIND] == DELIVERED else core)


@njit(cache=_CACHE)
def _conflicts_before(accesses: Any, events: Any, event: int, found: Any) -> int:  # noqa: ANN401
    """Find the events of other cores that directly precede one in conflict; return how many."""
    count = 0
    core = events[event, E_CORE]
    for row in range(events[event, E_FIRST], events[event, E_END]):
        mask, writes = accesses[row, A_MASK], accesses[row, A_WRITE] != 0
        covered = 0
        earlier = accesses[row, A_BEFORE]
        while earlier >= 0 and covered != mask:
            both = mask & accesses[earlier, A_MASK]
            is_write = accesses[earlier, A_WRITE] != 0
            other = accesses[earlier, A_EVENT]
            if both != 0 and (writes or is_write):
                if accesses[earlier, A_CORE] != core and other >= 0 and count < _MOST_BEFORE:
                    known = False
                    for index in range(count):
                        known = known or found[index] == other
                    if not known:
                        found[count] = other
                        count += 1
                if is_write:
                    covered |= both
            earlier = accesses[earlier, A_BEFORE]
    return count


@njit(cache=_CACHE)
def _own_before(events: Any, event: int) -> int:  # noqa: ANN401
    """Return the last event of the core of a delivery before which it might have come, or -1."""
    own = events[event, E_BEFORE]
    vector = events[event, E_VECTOR]
    if vector == NMI:
        return int(own)
    while own >= 0 and events[own, E_OPEN] < 17 - (vector >> 4):
        own = events[own, E_BEFORE]
    return int(own)


@njit(cache=_CACHE)
def _can_be_pending(
    accesses: Any,  # noqa: ANN401
    events: Any,  # noqa: ANN401
    clocks: Any,  # noqa: ANN401
    earlier: int,
    delivery: int,
) -> bool:
    """Return whether something can be pending before an event that a delivery races with.

    That is: it was sent before the delivery, not after that event in happens-before, and not
    delivered before it.
    """
    core = events[delivery, E_CORE]
    owner, position = events[earlier, E_CORE], events[earlier, E_POSITION]
    word = (SENT >> 3) + core
    pending = np.zeros(NO_VECTOR + 1, dtype=np.bool_)
    sent = False
    for row in range(events[delivery, E_FIRST]):
        event = accesses[row, A_EVENT]
        if accesses[row, A_WORD] != word or event < 0:
            continue
        if accesses[row, A_WRITE] == 0:
            if event < earlier or (event > earlier and clocks[event, owner] < position):
                pending[accesses[row, A_VALUE]] = True
            sent = True
        elif event < earlier:
            vector = events[event, E_VECTOR]
            if vector < NO_VECTOR and pending[vector]:
                pending[vector] = False
            else:
                pending[NO_VECTOR] = False
    return not sent or bool(pending.any())


@njit(cache=_CACHE)
def initials(
    events: Any,  # noqa: ANN401
    clocks: Any,  # noqa: ANN401
    first: int,
    last: int,
    cores: int,
    real: int,
) -> int:
    """Return the processes that can begin what must come before `first` to turn a race round.

    That is: the events behind `first` that do not happen after it, and then `last`. Events from
    number `real` on did not happen.
    """
    owner, position = events[first, E_CORE], events[first, E_POSITION]
    begun = np.full(cores, -1, dtype=np.int64)
    mask = 0
    for event in range(first + 1, last + 1):
        if event != last and (clocks[event, owner] >= position or event >= real):
            continue
        core = events[event, E_CORE]
        if begun[core] >= 0:
            continue
        is_initial = True
        for other in range(cores):
            if other != core and begun[other] >= 0:
                is_initial &= clocks[event, other] < events[begun[other], E_POSITION]
        begun[core] = event
        if is_initial:
            mask |= 1 << process(events, event, cores)
    return mask


@njit(cache=_CACHE)
def order(accesses: Any, events: Any, cores: int, new: int, real: int) -> tuple[Any, Any]:  # noqa: ANN401, C901, PLR0912
    """Return the vector clock of each event, and the races.

    Args:
        accesses: see `collecting`.
        events: see `collecting`.
        cores: number of cores.
        new: races whose later event comes before this one are left out.
        real: so many events happened; the others could not, and are what cores were kept from.

    Returns:
        Clocks, a row of positions by core for each event; and rows (earlier event, processes of
        which one must be tried there, the best of them).
    """
    count = len(events)
    clocks = np.zeros((count, cores), dtype=np.int64)
    races = np.empty((64, 3), dtype=np.int64)
    number = 0
    found = np.empty(_MOST_BEFORE + 1, dtype=np.int64)
    for event in range(count):
        core, before = events[event, E_CORE], events[event, E_BEFORE]
        is_delivery = events[event, E_KIND] == DELIVERED
        many = _conflicts_before(accesses, events, event, found)
        own = -1
        if is_delivery:
            own = _own_before(events, event)
            if own >= 0:
                found[many] = own
                many += 1
        if before >= 0:
            for other in range(cores):
                clocks[event, other] = clocks[before, other]
        for index in range(many):
            for other in range(cores):
                clocks[event, other] = max(clocks[event, other], clocks[found[index], other])
        clocks[event, core] = events[event, E_POSITION]
        if event >= new:
            for index in range(many):
                earlier = found[index]
                owner, position = events[earlier, E_CORE], events[earlier, E_POSITION]
                is_race = is_delivery or before < 0 or clocks[before, owner] < position
                for other in range(many):
                    if other != index and clocks[found[other], owner] >= position:
                        is_race = False
                if not is_race:
                    continue
                if is_delivery and not _can_be_pending(accesses, events, clocks, earlier, event):
                    continue
                mask = initials(events, clocks, earlier, event, cores, real)
                best = process(events, event, cores)
                if number == len(races):
                    races = np.concatenate((races, np.empty_like(races)))
                races[number, 0], races[number, 1] = earlier, mask
                races[number, 2] = best
                number += 1
    return clocks, races[:number]


@njit(cache=_CACHE)
def trace_hashes(events: Any, clocks: Any) -> Any:  # noqa: ANN401
    """Return a hash of the Mazurkiewicz trace of the first 0, 1, 2, ... events.

    Equal for executions that differ in nothing else than the order of what is not ordered.
    """
    totals = np.zeros(len(events) + 1, dtype=np.int64)
    total = np.uint64(0)
    for event in range(len(events)):
        one = np.uint64(events[event, E_CORE] * 3 + events[event, E_KIND] + 1) * _FACTOR
        one ^= one >> np.uint64(29)  # or else a kind and a clock might make up for each other
        for core in range(clocks.shape[1]):
            one = (one ^ np.uint64(clocks[event, core])) * _FACTOR
            one ^= one >> np.uint64(29)
        total += one
        totals[event + 1] = np.int64(total)
    return totals


@njit(cache=_CACHE)
def conflicts(accesses: Any, events: Any) -> Any:  # noqa: ANN401
    """Return two numbers for each pair of events in conflict, at most eight pairs an event.

    The first is equal for equal pairs of instructions; the second, where they came in the same
    order, too.
    """
    numbers = np.empty((len(events) * 8, 2), dtype=np.int64)
    count = 0
    found = np.empty(_MOST_BEFORE + 1, dtype=np.int64)
    for event in range(len(events)):
        many = _conflicts_before(accesses, events, event, found)
        here = np.uint64(accesses[events[event, E_FIRST], A_ADDRESS])
        for index in range(min(many, 8)):
            there = np.uint64(accesses[events[found[index], E_FIRST], A_ADDRESS])
            low, high = min(here, there), max(here, there)
            pair = (low * _FACTOR) ^ (high * _OTHER_FACTOR)
            numbers[count, 0] = np.int64(pair)
            numbers[count, 1] = np.int64(pair ^ (there * _FACTOR))
            count += 1
    return numbers[:count]
