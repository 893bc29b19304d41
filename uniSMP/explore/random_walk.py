"""Random walk: at every place where cores meet, any of the moves there are, equally likely."""

from uniSMP.explore.executor import Executor
from uniSMP.explore.points import Learnt, enabled
from uniSMP.explore.seeding import generator
from uniSMP.explore.strategy import Execution, Move


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
        self._seed = seed
        self._numbers = iter(numbers)
        self._random = generator(seed, 0)

    def new_execution(self) -> bool:
        """Begin the next execution."""
        number = next(self._numbers, None)
        if number is None:
            return False
        self._random = generator(self._seed, number)
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Return any move."""
        executor.stop_at(self._learnt.addresses)
        moves = enabled(executor)
        if moves:
            return moves[self._random.below(len(moves))]
        return self.next_slice(executor) if executor.pass_time() else None

    def finished(self, execution: Execution) -> None:
        """Learn nothing: executions do not depend on each other."""
