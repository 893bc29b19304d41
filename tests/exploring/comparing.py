"""Explores a scene by DPOR, and compares with its plain enumeration."""

from typing import NamedTuple

from enumeration import End, end_of, state_of

from uniSMP.explore.dpor import Dpor
from uniSMP.explore.executor import Executor
from uniSMP.explore.strategy import Performer, Strategy


class Explored(NamedTuple):
    """What came of all executions of a strategy.

    Attributes:
        traces: of those that came to their end, in their order.
        ends: states at their ends.
    """

    traces: list[int]
    ends: set[End]


def perform_all(performer: Performer, strategy: Strategy) -> Explored:
    """Run all executions of a strategy."""
    explored = Explored([], set())
    while (execution := performer.perform(strategy)) is not None:
        if execution.is_complete:
            explored.traces.append(execution.analysis.trace())
            explored.ends.add(end_of(state_of(performer.executor)))
    return explored


def explore(executor: Executor) -> Explored:
    """Run all executions of DPOR."""
    return perform_all(Performer(executor), Dpor(executor))


def is_covered(ends: frozenset[frozenset[End]], explored: Explored) -> bool:
    """Return whether the ends explored are those of plain enumeration, and all of them."""
    reached = [each & explored.ends for each in ends]
    return all(reached) and explored.ends <= frozenset().union(*ends)
