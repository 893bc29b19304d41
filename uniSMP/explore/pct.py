"""Probabilistic concurrency testing: random priorities, and d - 1 random places to lower one.

Whoever can be chosen has a priority: each core, and each core's deliveries. The one with the
highest that can do something does it, up to the next place where cores meet. A bug of depth d is
found by an execution with a probability of at least 1 / (n k^(d-1)), where n counts those with
priorities and k the moves of an execution.

Source: Burckhardt, Kothari, Musuvathi, Nagarakatte, "A randomized scheduler with probabilistic
guarantees of finding bugs" (ASPLOS 2010).
"""

from uniSMP.explore.executor import Executor
from uniSMP.explore.points import Learnt, enabled
from uniSMP.explore.seeding import generator
from uniSMP.explore.strategy import Execution, Move

_PATIENCE = 400
"""After so many moves in a row one gives way: it may be waiting in its own fashion."""


_FOREVER = 1 << 62


class Pct:
    """Chooses by priorities.

    Args:
        learnt: places to choose at.
        seed: of all executions.
        numbers: of the executions to be run; each depends on the seed and its number only.
        depth: d, at least 1.
        cores: number of cores.

    Attributes:
        depth: d.
    """

    name = "pct"

    def __init__(
        self, learnt: Learnt, seed: int, numbers: range, *, depth: int, cores: int
    ) -> None:
        self._learnt = learnt
        self.stepwise = learnt.stepwise
        self._seed = seed
        self._numbers = iter(numbers)
        self.depth = depth
        self._cores = cores
        self._priorities: list[int] = []
        self._changes: dict[int, int] = {}
        self._moves = self._lowest = self._in_a_row = 0
        self._last = -1

    @property
    def bound(self) -> float:
        """The least probability that one execution finds a bug of this depth."""
        return 1 / (2.0 * self._cores * float(self._learnt.choices) ** (self.depth - 1))

    def new_execution(self) -> bool:
        """Draw priorities, and where they change."""
        number = next(self._numbers, None)
        if number is None:
            return False
        random = generator(self._seed, number)
        agents, depth = 2 * self._cores, self.depth
        self._priorities = list(range(depth, depth + agents))
        for place in range(agents - 1, 0, -1):
            other = random.below(place + 1)
            self._priorities[place], self._priorities[other] = (
                self._priorities[other],
                self._priorities[place],
            )
        self._changes = {
            1 + random.below(self._learnt.choices): depth - 1 - index for index in range(depth - 1)
        }
        self._moves = self._lowest = self._in_a_row = 0
        self._last = -1
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Return the move of whoever has the highest priority."""
        executor.stop_at(self._learnt.addresses)
        self._moves += executor.passed
        self._in_a_row += executor.passed
        moves = enabled(executor)
        if not moves:
            return self.next_slice(executor) if executor.pass_time() else None
        move = max(moves, key=self._priority)
        agent = self._agent(move)
        self._moves += 1
        change = self._changes.get(self._moves)
        if change is not None:
            self._priorities[agent] = change
            move = max(moves, key=self._priority)
            agent = self._agent(move)
        self._in_a_row = self._in_a_row + 1 if agent == self._last else 0
        self._last = agent
        if self._in_a_row > _PATIENCE:
            self._lowest -= 1
            self._priorities[agent] = self._lowest
            self._in_a_row = 0
            return move
        return move if move.takes else move._replace(passes=self._passes())

    def _passes(self) -> int:
        """Return for how many moves the choice stays the same, if the others' moves do."""
        changes = (place for place in self._changes if place > self._moves)
        until_change = min(changes, default=_FOREVER) - self._moves - 1
        return min(until_change, _PATIENCE - self._in_a_row)

    def _agent(self, move: Move) -> int:
        return move.core + self._cores if move.takes else move.core

    def _priority(self, move: Move) -> int:
        return self._priorities[self._agent(move)]

    def finished(self, execution: Execution) -> None:
        """Learn nothing: executions do not depend on each other."""
