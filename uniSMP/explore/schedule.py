"""Schedules as the explorer writes them: slices, one after the other."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from uniSMP.machine.slice_log import NMI, NO_VECTOR

__all__ = ["NMI", "NO_VECTOR", "Slice", "cut", "cut_at", "instructions", "switches"]


class Slice(NamedTuple):
    """One core runs.

    Attributes:
        core: its id.
        instructions: retired.
        vector: what is delivered before the first of them: a vector, NMI, or NO_VECTOR.
    """

    core: int
    instructions: int
    vector: int = NO_VECTOR


def cut(slices: Sequence[Slice], steps: int, *, delivers: bool) -> list[Slice]:
    """Return the slices up to where `steps` instructions are retired.

    Args:
        slices: a schedule.
        steps: so many instructions of it are kept.
        delivers: whether a delivery at that very place is kept too.
    """
    kept: list[Slice] = []
    left = steps
    for each in slices:
        is_there = left == 0 and (each.vector == NO_VECTOR or not delivers)
        if is_there and (each.instructions > 0 or each.vector != NO_VECTOR):
            break
        done = min(left, each.instructions)
        if done or each.vector != NO_VECTOR:
            kept.append(each._replace(instructions=done))
        left -= done
        if done < each.instructions:
            break
    return kept


def cut_at(slices: Sequence[Slice], steps: int, deliveries: int) -> list[Slice]:
    """Return the slices up to where so many instructions are retired, and deliveries have happened.

    Args:
        slices: a schedule.
        steps: so many instructions of it are kept.
        deliveries: so many deliveries of it are kept.
    """
    kept: list[Slice] = []
    for each in slices:
        takes = each.vector != NO_VECTOR
        if takes and not deliveries:
            break
        deliveries -= takes
        done = min(steps, each.instructions)
        if done or takes:
            kept.append(each._replace(instructions=done))
        steps -= done
        if done < each.instructions:
            break
    return kept


def switches(slices: Sequence[Slice]) -> int:
    """Return how often another core goes on than the one before."""
    cores = [each.core for each in slices]
    return sum(left != right for left, right in pairwise(cores))


def instructions(slices: Sequence[Slice]) -> int:
    """Return how many instructions are retired."""
    return sum(each.instructions for each in slices)
