"""A guest image as a loader sees it: what goes where in physical memory, and where to begin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from uniSMP.errors import ImageError

LARGEST_PHYSICAL = 1 << 32
"""A 32-bit boot protocol places nothing at or above 4 GiB."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`size_bytes` at physical `address`: `data`, and zeroes behind it."""

    address: int
    data: bytes
    size_bytes: int

    @property
    def end(self) -> int:
        """The first physical address behind the segment."""
        return self.address + self.size_bytes


@dataclass(frozen=True, slots=True)
class MultibootImage:
    """A kernel to be loaded by the multiboot protocol.

    Attributes:
        segments: ascending by address, disjoint, never empty, all below 4 GiB.
        entry: physical address of the first instruction, inside one of the segments.
        flags: the flags of the multiboot header.
        symbols: linear addresses by name, for traces; empty when the file has none.
    """

    segments: tuple[Segment, ...]
    entry: int
    flags: int
    symbols: Mapping[str, int] = field(default_factory=dict)

    @property
    def end(self) -> int:
        """The first physical address behind the last segment."""
        return self.segments[-1].end


def ordered_segments(segments: Sequence[Segment]) -> tuple[Segment, ...]:
    """Return `segments` ascending by address.

    Raises:
        ImageError: there are none, two overlap, or one reaches past 4 GiB.
    """
    if not segments:
        raise ImageError("the image loads nothing: it has no segment with a size above zero")
    ordered = tuple(sorted(segments, key=lambda segment: segment.address))
    for left, right in pairwise(ordered):
        if right.address < left.end:
            raise ImageError(
                f"the segment at {right.address:#x} overlaps the segment at {left.address:#x}, "
                f"which ends at {left.end:#x}"
            )
    if ordered[-1].end > LARGEST_PHYSICAL:
        raise ImageError(
            f"the segment at {ordered[-1].address:#x} ends at {ordered[-1].end:#x}, "
            "past 4 GiB: link the kernel for lower physical addresses"
        )
    return ordered
