"""A random runnable core for a random time; the seed fixes every choice."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from uniSMP.schedule.policy import Slice, check_quantum
from uniSMP.schedule.prng import SplitMix64


class SeededRandom:
    """Uniform choice of the core, then of a budget from 1 to `quantum`.

    Args:
        seed: 0 to 2**64 - 1.
        quantum: largest budget, in instructions (1 to 2**32).

    Raises:
        ConfigError: the seed or the quantum is out of range.

    Attributes:
        seed: what the schedule was made from, to be shown when a run fails.
    """

    name = "random"

    def __init__(self, seed: int, quantum: int) -> None:
        self._generator = SplitMix64(seed)
        self._quantum_instructions = check_quantum(quantum)
        self.seed = seed
        self._states: Sequence[int] = ()

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        """Return a slice for any of `runnable`, drawing the core first and the budget second."""
        assert runnable, "a schedule is asked only when a core can run"
        core_id = runnable[self._generator.below(len(runnable))]
        return Slice(core_id, 1 + self._generator.below(self._quantum_instructions))

    def plan(
        self, runnable: Sequence[int], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the next slices: core ids, and budgets in instructions."""
        assert runnable, "a schedule is asked only when a core can run"
        limits = (len(runnable), self._quantum_instructions)
        numbers, self._states = self._generator.peek_below(limits, count)
        chosen = np.array(runnable, dtype=np.int64)[numbers[:, 0]]
        return chosen, numbers[:, 1] + 1

    def take(self, count: int) -> None:
        """Advance past the first `count` slices of the last plan."""
        if count:
            self._generator.state = int(self._states[count - 1])
