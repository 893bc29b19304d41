"""Sleep sets: processes that need not run before something happens that their next event minds.

Source: Godefroid, "Partial-Order Methods for the Verification of Concurrent Systems" (LNCS 1032),
chapter 5.
"""

from typing import Any

from numba import njit

from uniSMP.explore.collecting import A_CORE, A_EVENT, A_MASK, A_STEP, A_WORD, A_WRITE, DELIVERED
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
    return accesses[row:end].copy()


@njit(cache=_CACHE)
def wakes_at(accesses: Any, kinds: Any, entry: Any, row: int, core: int, is_delivery: bool) -> int:  # noqa: ANN401, FBT001
    """Return the row that wakes a sleeper, or NEVER.

    Args:
        accesses: of the execution.
        kinds: of its accesses.
        entry: the sleeper's next accesses; where it has none nothing wakes it but a delivery.
        row: from which on it sleeps.
        core: its core.
        is_delivery: whether it is a delivery; its own core's events wake it. Others are woken by a
            delivery on their core.
    """
    for index in range(row, len(accesses)):
        if accesses[index, A_CORE] == core:
            if is_delivery and accesses[index, A_EVENT] >= 0:
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
