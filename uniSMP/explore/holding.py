"""Deliveries that might have come later: what is interrupted goes on first.

A delivery and its handler stand between two events of what they interrupt. That the second of them
comes first is a race like any other, only that the handler's events do not count.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.explore.collecting import (
    A_MASK,
    A_WORD,
    A_WRITE,
    DELIVERED,
    E_BEFORE,
    E_CORE,
    E_DEPTH,
    E_END,
    E_FIRST,
    E_KIND,
    E_POSITION,
    HALTED,
)
from uniSMP.explore.ordering import process
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)


@njit(cache=_CACHE)
def _conflict(accesses: Any, events: Any, left: int, right: int) -> bool:  # noqa: ANN401
    """Return whether two events touch a byte and one of them writes it."""
    for one in range(events[left, E_FIRST], events[left, E_END]):
        for other in range(events[right, E_FIRST], events[right, E_END]):
            if (
                accesses[one, A_WORD] == accesses[other, A_WORD]
                and accesses[one, A_MASK] & accesses[other, A_MASK] != 0
                and (accesses[one, A_WRITE] != 0 or accesses[other, A_WRITE] != 0)
            ):
                return True
    return False


@njit(cache=_CACHE)
def _what_it_interrupts(events: Any, delivery: int) -> int:  # noqa: ANN401
    """Return the first event behind a delivery's handler of what was interrupted, or -1.

    A core that was halted could do nothing without the delivery: -1.
    """
    core, depth = events[delivery, E_CORE], events[delivery, E_DEPTH]
    before = events[delivery, E_BEFORE]
    if before >= 0 and events[before, E_KIND] == HALTED:
        return -1
    for later in range(delivery + 1, len(events)):
        is_own = events[later, E_CORE] == core and events[later, E_KIND] != DELIVERED
        if is_own and events[later, E_DEPTH] < depth:
            return later
    return -1


@njit(cache=_CACHE)
def held_back(  # noqa: C901
    accesses: Any,  # noqa: ANN401
    events: Any,  # noqa: ANN401
    clocks: Any,  # noqa: ANN401
    cores: int,
    new: int,
    real: int,
) -> Any:  # noqa: ANN401
    """Return the deliveries that might have come later, with what must be tried before them.

    That is what begins the events that do not happen after a delivery, and then what it
    interrupted. Rows, `new` and `real` are as those of `order`.
    """
    found = np.empty((len(events), 3), dtype=np.int64)
    number = 0
    for event in range(real):
        if events[event, E_KIND] != DELIVERED:
            continue
        last = _what_it_interrupts(events, event)
        if last < new:
            continue
        core, position = events[event, E_CORE], events[event, E_POSITION]
        begun = np.full(cores, -1, dtype=np.int64)
        mask = 0
        is_initial = True
        for other in range(event + 1, min(last, real)):
            if clocks[other, core] >= position:
                continue
            is_initial = is_initial and not _conflict(accesses, events, other, last)
            owner = events[other, E_CORE]
            if begun[owner] >= 0:
                continue
            is_first = True
            for third in range(cores):
                if third != owner and begun[third] >= 0:
                    is_first &= clocks[other, third] < events[begun[third], E_POSITION]
            begun[owner] = other
            if is_first:
                mask |= 1 << process(events, other, cores)
        if is_initial:
            mask |= 1 << core
        found[number, 0], found[number, 1], found[number, 2] = event, mask, core
        number += 1
    return found[:number]
