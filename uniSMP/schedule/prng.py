"""SplitMix64: a small pseudo-random generator whose every output is fixed by its seed.

Own code instead of `random.Random`, so that a seed means the same run on every Python version.

Source: G. L. Steele Jr., D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014, figure 17, with the constants of `java.util.SplittableRandom`'s `mix64` variant 13.

*Not modelled*: splitting; the increment is always the golden gamma.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from uniSMP.errors import ConfigError

_MASK = (1 << 64) - 1
_GOLDEN_GAMMA = 0x9E37_79B9_7F4A_7C15
_MIX_1 = 0xBF58_476D_1CE4_E5B9
_MIX_2 = 0x94D0_49BB_1331_11EB


class SplitMix64:
    """A stream of 64-bit numbers.

    Args:
        seed: 0 to 2**64 - 1; equal seeds give equal streams.

    Raises:
        ConfigError: the seed is out of range.

    Attributes:
        state: 64 bits; a generator made from it continues the stream.
    """

    __slots__ = ("state",)

    def __init__(self, seed: int) -> None:
        if not 0 <= seed <= _MASK:
            raise ConfigError(f"a seed of {seed} is out of range: choose 0 to {_MASK}")
        self.state = seed

    def next_u64(self) -> int:
        """Advance, and return a number from 0 to 2**64 - 1."""
        self.state = (self.state + _GOLDEN_GAMMA) & _MASK
        mixed = self.state
        mixed = (mixed ^ mixed >> 30) * _MIX_1 & _MASK
        mixed = (mixed ^ mixed >> 27) * _MIX_2 & _MASK
        return mixed ^ mixed >> 31

    def below(self, limit: int) -> int:
        """Advance, and return a number from 0 to `limit` - 1, each equally likely.

        Outputs past the last multiple of `limit` are rejected, which removes the bias of a bare
        remainder.

        Args:
            limit: 1 to 2**64.

        Raises:
            ConfigError: the limit is out of range.
        """
        if not 1 <= limit <= _MASK + 1:
            raise ConfigError(f"a limit of {limit} is out of range: choose 1 to {_MASK + 1}")
        accepted = (_MASK + 1) // limit * limit
        while (drawn := self.next_u64()) >= accepted:
            pass
        return drawn % limit

    def peek_below(
        self, limits: Sequence[int], rows: int
    ) -> tuple[npt.NDArray[np.int64], Sequence[int]]:
        """Return what `rows` times `below` for each of `limits` would give, and change nothing.

        Args:
            limits: 1 to 2**63 each.
            rows: at least 1.

        Returns:
            Numbers, a row for each repetition, and the state after each row.
        """
        gamma, columns = np.uint64(_GOLDEN_GAMMA), len(limits)
        places = np.arange(1, rows * columns + 1, dtype=np.uint64)
        states = places * gamma + np.uint64(self.state)
        mixed = (states ^ states >> np.uint64(30)) * np.uint64(_MIX_1)
        mixed = (mixed ^ mixed >> np.uint64(27)) * np.uint64(_MIX_2)
        drawn = (mixed ^ mixed >> np.uint64(31)).reshape(rows, columns)
        last = np.array([(_MASK + 1) // limit * limit - 1 for limit in limits], dtype=np.uint64)
        if (drawn > last).any():
            return self._peek_slowly(limits, rows)
        numbers = drawn % np.array(limits, dtype=np.uint64)
        return numbers.astype(np.int64), states[columns - 1 :: columns].tolist()

    def _peek_slowly(
        self, limits: Sequence[int], rows: int
    ) -> tuple[npt.NDArray[np.int64], Sequence[int]]:
        """Do the same where an output is rejected, which moves all that follow."""
        copy = SplitMix64(self.state)
        numbers: list[list[int]] = []
        states: list[int] = []
        for _ in range(rows):
            numbers.append([copy.below(limit) for limit in limits])
            states.append(copy.state)
        return np.array(numbers, dtype=np.int64), states
