"""Every runnable core in turn, each for one full quantum."""

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from uniSMP.schedule.policy import Slice, check_quantum


class RoundRobin:
    """After core i comes the next runnable core in cyclic order of ids.

    Args:
        quantum: budget of every slice, in instructions (1 to 2**32).

    Raises:
        ConfigError: the quantum is out of range.
    """

    name = "round-robin"

    def __init__(self, quantum: int) -> None:
        self._quantum_instructions = check_quantum(quantum)
        self._last_core_id = -1
        self._planned: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        """Return a slice for the runnable core that follows the last one chosen."""
        assert runnable, "a schedule is asked only when a core can run"
        following = bisect_right(runnable, self._last_core_id)
        self._last_core_id = runnable[following % len(runnable)]
        return Slice(self._last_core_id, self._quantum_instructions)

    def plan(
        self, runnable: Sequence[int], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the next slices: core ids, and budgets in instructions."""
        assert runnable, "a schedule is asked only when a core can run"
        following = bisect_right(runnable, self._last_core_id)
        turns = np.arange(following, following + count) % len(runnable)
        self._planned = np.array(runnable, dtype=np.int64)[turns]
        return self._planned, np.full(count, self._quantum_instructions, dtype=np.int64)

    def take(self, count: int) -> None:
        """Advance past the first `count` slices of the last plan."""
        if count:
            self._last_core_id = int(self._planned[count - 1])
