"""Reference model of the guest's physical memory manager, exact to the slot of every node.

Three lists of ranges of frames, `free`, `allocd` (allocated) and `next` (spare metadata slots):
`free` and `allocd` ascend by base and never hold two touching ranges, `next` ascends by index.

Starting:

- I1. The managed ranges are sorted, empty ones dropped, touching ones joined.
- I2. The lowest managed frame becomes metadata page 0; its slots 1-255 go on `next`; a node for it
  goes on `allocd`.
- I3. What is left of each managed range goes on `free`, ascending, each after rule R2.

Every operation:

- R1. Arguments are checked first. `free`: base not a multiple of a page -> MISALIGNED; count 0 ->
  ZERO_COUNT; not wholly inside one allocd range -> NOT_ALLOCATED; a frame of it is a metadata page
  -> METADATA. `alloc` of 0 frames fails. Such a failure changes nothing at all.
- R2. If `next` holds fewer than 2 nodes, the lowest free frame, the head of the first free range,
  becomes a metadata page: it is chained behind the last one, its slots 1-255 go on `next`, then it
  leaves `free` and joins `allocd` (R5). The slots go first because the node may need one of them.
- R3. If there is no free frame the operation goes on; it fails (`alloc` 0, `free` NO_MEMORY) only
  when it needs more slots than `next` has, released ones (R4) counted.
- R4. `alloc` is first fit from the lowest address and takes the head of the range. A node whose
  range disappears goes back to `next` at its place by index; a new node is the head of `next`.
- R5. Leaving comes before joining: the range leaves its list first (its node is released when
  nothing is left; a split keeps the left part in the old node and gives the right part a new one),
  then it joins the other list. Joining: touching both neighbours, the left node grows and the right
  one is released; touching one, that node changes in place; touching none, a new node.
- R6. An operation that fails changes nothing, except that R2 may have added a metadata page.

*Not modelled*: base and count of nodes on `next`; contents of frames.
"""

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

from uniSMP.checks.pmm_layout import FRAME_BYTES, NODES_PER_PAGE, PmmLists, RangeNode
from uniSMP.errors import ConfigError

FRAME_LIMIT = 1 << 32
"""Frame numbers have 32 bits."""
_RESERVE = 2
"""R2: no operation needs more slots than this."""


class PmmError(IntEnum):
    """What `free` returns instead of 0."""

    MISALIGNED = 1
    ZERO_COUNT = 2
    NOT_ALLOCATED = 3
    METADATA = 4
    NO_MEMORY = 5


@dataclass(slots=True)
class Node:
    """A range of `count` frames from frame `base`, in the slot of global index `index`."""

    index: int
    base: int
    count: int

    @property
    def end(self) -> int:
        """The first frame behind the range."""
        return self.base + self.count


class PmmModel:
    """A manager of the frames in `ranges`, freshly started.

    Args:
        ranges: ranges of frame numbers (step 1), disjoint, in any order.

    Raises:
        ConfigError: the ranges are empty, overlap, or are no ranges of 32-bit frame numbers.

    Attributes:
        managed: the managed ranges, joined and ascending.
        free_nodes: list `free`.
        allocated_nodes: list `allocd`.
        spare_slots: list `next`, as global indices.
        metadata_frames: frame of each metadata page, by ordinal.
    """

    def __init__(self, ranges: Iterable[range]) -> None:
        self.managed = _joined(ranges)
        self.free_nodes: list[Node] = []
        self.allocated_nodes: list[Node] = []
        self.spare_slots: list[int] = []
        self.metadata_frames: list[int] = []
        first = self.managed[0].start
        self._chain_metadata_page(first)
        self._join(self.allocated_nodes, first, 1)
        for managed in (self.managed[0][1:], *self.managed[1:]):
            if managed:
                self._secure_slots()
                self._join(self.free_nodes, managed.start, len(managed))

    @property
    def free_ranges(self) -> tuple[range, ...]:
        """The free ranges of frames, ascending."""
        return _ranges(self.free_nodes)

    @property
    def allocated_ranges(self) -> tuple[range, ...]:
        """The allocated ranges of frames, ascending; metadata pages are among them."""
        return _ranges(self.allocated_nodes)

    def lists(self) -> PmmLists:
        """Return the whole state as it must lie in the guest's metadata pages."""
        return PmmLists(
            free=tuple(RangeNode(node.index, node.base, node.count) for node in self.free_nodes),
            allocated=tuple(
                RangeNode(node.index, node.base, node.count) for node in self.allocated_nodes
            ),
            spare=tuple(self.spare_slots),
            metadata_frames=tuple(self.metadata_frames),
        )

    def alloc(self, count: int) -> int:
        """Take `count` frames; return their physical address in bytes, or 0."""
        if count <= 0:
            return 0
        self._secure_slots()
        node = next((node for node in self.free_nodes if node.count >= count), None)
        if node is None:
            return 0
        base = node.base
        is_done = self._move(self.free_nodes, self.allocated_nodes, base, count)
        return base * FRAME_BYTES if is_done else 0

    def free(self, base: int, count: int) -> int:
        """Give back `count` frames from physical address `base`; return 0 or a `PmmError`."""
        if base % FRAME_BYTES:
            return PmmError.MISALIGNED
        if count <= 0:
            return PmmError.ZERO_COUNT
        frame = base // FRAME_BYTES
        if not _holds(self.allocated_nodes, frame, count):
            return PmmError.NOT_ALLOCATED
        if any(frame <= page < frame + count for page in self.metadata_frames):
            return PmmError.METADATA
        self._secure_slots()
        is_done = self._move(self.allocated_nodes, self.free_nodes, frame, count)
        return 0 if is_done else PmmError.NO_MEMORY

    def _secure_slots(self) -> None:
        """Rule R2."""
        if len(self.spare_slots) < _RESERVE and self.free_nodes:
            frame = self.free_nodes[0].base
            self._chain_metadata_page(frame)
            self._leave(self.free_nodes, frame, 1)
            self._join(self.allocated_nodes, frame, 1)

    def _chain_metadata_page(self, frame: int) -> None:
        first_index = len(self.metadata_frames) * NODES_PER_PAGE
        self.metadata_frames.append(frame)
        self.spare_slots.extend(range(first_index + 1, first_index + NODES_PER_PAGE))

    def _move(self, source: list[Node], target: list[Node], base: int, count: int) -> bool:
        """Move a range between lists; return whether there were slots enough (R3)."""
        needed = _slots_to_leave(source, base, count) + _slots_to_join(target, base, count)
        if needed > len(self.spare_slots):
            return False
        self._leave(source, base, count)
        self._join(target, base, count)
        return True

    def _leave(self, nodes: list[Node], base: int, count: int) -> None:
        place = _place(nodes, base)
        node = nodes[place]
        before, after = base - node.base, node.end - base - count
        if before:
            node.count = before
            if after:
                nodes.insert(place + 1, Node(self.spare_slots.pop(0), base + count, after))
        elif after:
            node.base, node.count = base + count, after
        else:
            insort(self.spare_slots, nodes.pop(place).index)

    def _join(self, nodes: list[Node], base: int, count: int) -> None:
        place = _place(nodes, base)
        left, right = _touching(nodes, base, count)
        if left and right:
            left.count += count + right.count
            insort(self.spare_slots, nodes.pop(place + 1).index)
        elif left:
            left.count += count
        elif right:
            right.base, right.count = base, count + right.count
        else:
            nodes.insert(place + 1, Node(self.spare_slots.pop(0), base, count))


def _joined(ranges: Iterable[range]) -> tuple[range, ...]:
    ordered = sorted((each for each in ranges if each), key=lambda each: each.start)
    if not ordered:
        raise ConfigError("the memory manager needs at least one frame")
    for each in ordered:
        if each.step != 1 or each.start < 0 or each.stop > FRAME_LIMIT:
            raise ConfigError(f"{each} is no range of 32-bit frame numbers")
    joined = ordered[:1]
    for left, right in pairwise(ordered):
        if right.start < left.stop:
            raise ConfigError(f"the managed ranges {left} and {right} overlap")
        if right.start == left.stop:
            joined[-1] = range(joined[-1].start, right.stop)
        else:
            joined.append(right)
    return tuple(joined)


def _ranges(nodes: Sequence[Node]) -> tuple[range, ...]:
    return tuple(range(node.base, node.end) for node in nodes)


def _place(nodes: Sequence[Node], base: int) -> int:
    """Return the place of the last node that begins at or below `base`, or -1."""
    return bisect_right(nodes, base, key=lambda node: node.base) - 1


def _holds(nodes: Sequence[Node], base: int, count: int) -> bool:
    place = _place(nodes, base)
    return place >= 0 and base + count <= nodes[place].end


def _touching(nodes: Sequence[Node], base: int, count: int) -> tuple[Node | None, Node | None]:
    place = _place(nodes, base)
    left = nodes[place] if place >= 0 and nodes[place].end == base else None
    is_right = place + 1 < len(nodes) and nodes[place + 1].base == base + count
    return left, nodes[place + 1] if is_right else None


def _slots_to_leave(nodes: Sequence[Node], base: int, count: int) -> int:
    """Return how many slots taking a range out of `nodes` needs; -1 when it releases one."""
    node = nodes[_place(nodes, base)]
    return (node.base < base) + (base + count < node.end) - 1


def _slots_to_join(nodes: Sequence[Node], base: int, count: int) -> int:
    """Return how many slots adding a range to `nodes` needs; -1 when it releases one."""
    return 1 - sum(node is not None for node in _touching(nodes, base, count))
