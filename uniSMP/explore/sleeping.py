"""Sleep sets: processes that need not run before something happens that their next event minds.

Source: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems" (LNCS 1032),
chapter 5.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.explore.collecting import (
    A_CORE,
    A_EVENT,
    A_MASK,
    A_STEP,
    A_WORD,
    A_WRITE,
    DELIVERED,
    is_window,
)
from uniSMP.explore.fabric import MARKS
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
NEVER = -1


@njit(cache=_CACHE)
def next_accesses(accesses: Any, kinds: Any, row: int, step: int, core: int) -> Any:  # noqa: ANN401
    """Return the accesses of the instruction or delivery that a core does next; often none.

    Args:
        accesses: of an execution in which the core does it at once.
        kinds: of its accesses.
        row: accesses before.
        step: instructions retired before.
        core: the core.
    """
    end = row
    while (
        end < len(accesses)
        and accesses[end, A_CORE] == core
        and accesses[end, A_STEP] == step
        and kinds[end, 0] == kinds[row, 0]
    ):
        end += 1
    counts = np.zeros(end - row, dtype=np.bool_)
    for index in range(row, end):
        # Where no interrupt comes nobody minds what the core accepts.
        counts[index - row] = accesses[index, A_EVENT] >= 0 or not is_window(
            accesses[index, A_WORD]
        )
    return accesses[row:end][counts]


@njit(cache=_CACHE)
def _is_in(word: int, words: Any) -> bool:  # noqa: ANN401
    place = np.searchsorted(words, word)
    return bool(place < len(words) and words[place] == word)


@njit(cache=_CACHE)
def learn(met: Any, accesses: Any, shared: Any) -> Any:  # noqa: ANN401
    """Return the words in `met`, and those of shared accesses; ascending."""
    count = 0
    for row in range(len(accesses)):
        count += shared[row] and not _is_in(accesses[row, A_WORD], met)
    if count == 0:
        return met
    words = np.empty(len(met) + count, dtype=np.int64)
    words[: len(met)] = met
    count = len(met)
    for row in range(len(accesses)):
        if shared[row] and not _is_in(accesses[row, A_WORD], met):
            words[count] = accesses[row, A_WORD]
            count += 1
    return np.unique(words)


@njit(cache=_CACHE)
def matters(entry: Any, met: Any) -> bool:  # noqa: ANN401
    """Return whether some agent may mind what a process does next; `met` as for `wakes_at`."""
    for row in range(len(entry)):
        word = entry[row, A_WORD]
        if word >= MARKS >> 3 or _is_in(word, met):
            return True
    return False


@njit(cache=_CACHE)
def wakes_at(  # noqa: PLR0913, PLR0917
    accesses: Any,  # noqa: ANN401
    kinds: Any,  # noqa: ANN401
    entry: Any,  # noqa: ANN401
    row: int,
    core: int,
    is_delivery: bool,  # noqa: FBT001
    met: Any,  # noqa: ANN401
) -> int:
    """Return the row that wakes a sleeper, or NEVER.

    Args:
        accesses: of the execution.
        kinds: of its accesses.
        entry: the sleeper's next accesses; where it has none nothing wakes it but a delivery.
        row: from which on it sleeps.
        core: its core.
        is_delivery: whether it is a delivery; its own core's events wake it, and what would be one
            in other executions. Others are woken by a delivery on their core.
        met: words that agents have met in, in other executions too; ascending.
    """
    for index in range(row, len(accesses)):
        if accesses[index, A_CORE] == core:
            if is_delivery and (
                accesses[index, A_EVENT] >= 0 or _is_in(accesses[index, A_WORD], met)
            ):
                return index
            if not is_delivery and kinds[index, 0] == DELIVERED:
                return index
            continue
        word, mask, writes = (
            accesses[index, A_WORD],
            accesses[index, A_MASK],
            accesses[index, A_WRITE],
        )
        for other in range(len(entry)):
            if (
                entry[other, A_WORD] == word
                and entry[other, A_MASK] & mask != 0
                and (writes != 0 or entry[other, A_WRITE] != 0)
            ):
                return index
    return NEVER
