"""The six invariants of the guest's physical memory manager, judged from its bytes in RAM.

1. Every metadata slot but the reserved ones is on exactly one list.
2. `free` and `allocd` ascend strictly by base, `next` ascends strictly by slot index.
3. Within a list no two neighbours touch.
4. A walk of one list never meets a node of another; no cycle; every self index is right.
5. Free and allocated ranges are disjoint, and together are exactly the managed memory.
6. The metadata pages are themselves allocated.

They hold whenever no operation of the manager is in progress. 1 and 4 are found by the walk, the
others here.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from uniSMP.checks.pmm_layout import RangeNode, Reader
from uniSMP.checks.pmm_walk import walk

LONGEST_REPORT = 64
"""More violations than this are counted, not listed."""


def check(read: Reader, symbols: Mapping[str, int], managed: Sequence[range]) -> list[str]:
    """Return every violation as one line; an empty list when all invariants hold.

    Args:
        read: returns bytes of guest RAM by physical address; may raise a UniSMPError outside it.
        symbols: physical addresses of the manager's global words.
        managed: the ranges of frames that the manager was given.

    Raises:
        ConfigError: a symbol is missing, or lies outside the RAM.
    """
    walked = walk(read, symbols, managed)
    lists = walked.lists
    violations = [
        *walked.violations,
        *_order_of_ranges("free", lists.free),
        *_order_of_ranges("allocd", lists.allocated),
        *_order_of_slots(lists.spare),
        *_conservation([*lists.free, *lists.allocated], managed),
        *_self_management(lists.metadata_frames, lists.allocated),
    ]
    if len(violations) > LONGEST_REPORT:
        hidden = len(violations) - LONGEST_REPORT
        return [*violations[:LONGEST_REPORT], f"and {hidden} more violations"]
    return violations


def _order_of_ranges(name: str, nodes: Sequence[RangeNode]) -> Iterator[str]:
    for node in nodes:
        if node.frames == 0:
            yield f"{name}: node {node.node_index:#x} at frame {node.base:#x} has count 0"
    for left, right in pairwise(nodes):
        if right.base <= left.base:
            yield (
                f"{name}: node {right.node_index:#x} at frame {right.base:#x} follows node "
                f"{left.node_index:#x} at frame {left.base:#x}: bases must ascend"
            )
        elif left.base + left.frames == right.base:
            yield (
                f"{name}: nodes {left.node_index:#x} and {right.node_index:#x} touch at frame "
                f"{right.base:#x}: they must be one"
            )


def _order_of_slots(spare: Sequence[int]) -> Iterator[str]:
    for left, right in pairwise(spare):
        if right <= left:
            yield f"next: slot {right:#x} follows slot {left:#x}: slots must ascend"


def _conservation(nodes: Sequence[RangeNode], managed: Sequence[range]) -> Iterator[str]:
    """Compare the union of all ranges with the managed memory, frame by frame range."""
    covered: list[range] = []
    for node in sorted(nodes, key=lambda node: (node.base, node.frames)):
        start, end = node.base, node.base + node.frames
        if covered and start < covered[-1].stop:
            yield f"frame {start:#x} is in two ranges, one of them of node {node.node_index:#x}"
            start = covered[-1].stop
        if start < end:
            covered.append(range(start, end))
    yield from (
        f"frames {_shown(gap)} are lost: on neither list" for gap in _minus(managed, covered)
    )
    yield from (
        f"frames {_shown(gap)} are listed, but not managed" for gap in _minus(covered, managed)
    )


def _minus(whole: Sequence[range], parts: Sequence[range]) -> Iterator[range]:
    """Return the pieces of `whole` outside `parts`; both may come in any order."""
    ordered = sorted(parts, key=lambda each: each.start)
    place = 0
    for each in sorted(whole, key=lambda each: each.start):
        start = each.start
        while place < len(ordered) and ordered[place].stop <= start:
            place += 1
        ahead = place
        while ahead < len(ordered) and ordered[ahead].start < each.stop:
            if start < ordered[ahead].start:
                yield range(start, ordered[ahead].start)
            start = max(start, ordered[ahead].stop)
            ahead += 1
        if start < each.stop:
            yield range(start, each.stop)


def _self_management(
    metadata_frames: Sequence[int], allocated: Sequence[RangeNode]
) -> Iterator[str]:
    for ordinal, frame in enumerate(metadata_frames):
        if not any(node.base <= frame < node.base + node.frames for node in allocated):
            yield f"metadata page {ordinal} (frame {frame:#x}) is not an allocated range"


def _shown(frames: range) -> str:
    return f"{frames.start:#x} to {frames.stop - 1:#x}"
