"""SplitMix64: a small pseudo-random generator whose every output is fixed by its seed.

Own code instead of `random.Random`, so that a seed means the same run on every Python version.

Source: G. L. Steele Jr., D. Lea, C. H. Flood, "Fast Splittable Pseudorandom Number Generators",
OOPSLA 2014, figure 17, with the constants of `java.util.SplittableRandom`'s `mix64` variant 13.

*Not modelled*: splitting; the increment is always the golden gamma.
"""

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
