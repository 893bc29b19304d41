"""Random numbers of an execution: they depend on the campaign's seed and its number, no more."""

from uniSMP.schedule.prng import SplitMix64

_MASK64 = (1 << 64) - 1


def generator(seed: int, number: int) -> SplitMix64:
    """Return the generator of execution `number`."""
    first = SplitMix64(seed & _MASK64)
    return SplitMix64(first.next_u64() ^ SplitMix64(number).next_u64())
