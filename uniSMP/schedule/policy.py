"""What a schedule is: it names the core that runs next, and for how long at most."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from uniSMP.errors import ConfigError

SMALLEST_QUANTUM_INSTRUCTIONS = 1
LARGEST_QUANTUM_INSTRUCTIONS = 1 << 32


@dataclass(frozen=True, slots=True)
class Slice:
    """Core `core_id` may retire up to `budget_instructions` (at least 1) before the next choice."""

    core_id: int
    budget_instructions: int


@runtime_checkable
class Schedule(Protocol):
    """A policy: a deterministic function of what it was made from and of the calls so far."""

    @property
    def name(self) -> str:
        """Short name, as on the command line."""

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        """Return the next slice.

        Args:
            runnable: ids of the cores able to run, ascending and never empty.
        """


@runtime_checkable
class PlannedSchedule(Schedule, Protocol):
    """A schedule whose next slices can be asked for before they run.

    `plan` then `take(n)` is the same as n times `next_slice`, as long as the same cores can run.
    """

    def plan(
        self, runnable: Sequence[int], count: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return core ids and budgets in instructions of the next slices, and change nothing.

        Args:
            runnable: ids of the cores able to run, ascending and never empty.
            count: how many slices, at least 1.
        """

    def take(self, count: int) -> None:
        """Advance past the first `count` slices of the last plan."""


def check_quantum(quantum_instructions: int) -> int:
    """Return `quantum_instructions` when it can be a quantum.

    Raises:
        ConfigError: it is not 1 to 2**32 instructions.
    """
    if not (SMALLEST_QUANTUM_INSTRUCTIONS <= quantum_instructions <= LARGEST_QUANTUM_INSTRUCTIONS):
        raise ConfigError(
            f"a quantum of {quantum_instructions} instructions is out of range: choose "
            f"{SMALLEST_QUANTUM_INSTRUCTIONS} to {LARGEST_QUANTUM_INSTRUCTIONS}"
        )
    return quantum_instructions
