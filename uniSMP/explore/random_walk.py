"""Random walk: at every place where cores meet, any of the moves there are, equally likely."""

from uniSMP.explore.executor import Executor
from uniSMP.explore.points import Learnt, enabled
from uniSMP.explore.seeding import generator
from uniSMP.explore.strategy import Execution, Move

_MOST_AHEAD = 64
_MANY = 1 << 30


class RandomWalk:
    """Chooses at random.

    Args:
        learnt: places to choose at.
        seed: of all executions.
        numbers: of the executions to be run; each depends on the seed and its number only.
    """

    name = "random"

    def __init__(self, learnt: Learnt, seed: int, numbers: range) -> None:
        self._learnt = learnt
        self.stepwise = learnt.stepwise
        self._seed = seed
        self._numbers = iter(numbers)
        self._random = generator(seed, 0)
        self._states: list[int] = []

    def new_execution(self) -> bool:
        """Begin the next execution."""
        number = next(self._numbers, None)
        if number is None:
            return False
        self._random = generator(self._seed, number)
        self._states = []
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Return any move."""
        executor.stop_at(self._learnt.addresses)
        random = self._random
        if self._states:  # those of the places that were gone past, and the one before
            random.state = self._states[executor.passed]
            self._states = []
        moves = enabled(executor)
        if not moves:
            return self.next_slice(executor) if executor.pass_time() else None
        if len(moves) == 1:
            return moves[0] if moves[0].takes else moves[0]._replace(passes=_MANY)
        chosen = random.below(len(moves))
        move = moves[chosen]
        return move if move.takes else move._replace(passes=self._ahead(chosen, len(moves)))

    def _ahead(self, chosen: int, moves: int) -> int:
        """Return how often in a row the same move will be chosen, if the moves stay the same."""
        random, states = self._random, self._states
        states.append(random.state)
        while random.below(moves) == chosen and len(states) <= _MOST_AHEAD:
            states.append(random.state)
        return len(states) - 1

    def finished(self, execution: Execution) -> None:
        """Learn nothing: executions do not depend on each other."""
