"""Reads the lists of the guest's physical memory manager, however damaged they are.

Every page of the chain and every slot is visited at most once, and the chain has an end: a page is
added only when nearly all slots are in use, each by a range of at least one frame. So the work is
bounded by the managed memory, whatever the guest left there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from uniSMP.checks.pmm_layout import (
    ALLOCATED_HEAD_SYMBOL,
    FIRST_PAGE_SYMBOL,
    FREE_HEAD_SYMBOL,
    NEXT_HEAD_SYMBOL,
    NODES_PER_PAGE,
    NodeWords,
    PmmLists,
    RangeNode,
    Reader,
    read_page,
    read_word,
)


@dataclass(slots=True)
class Walk:
    """What was found.

    Attributes:
        lists: everything that could be reached; a list ends where it is damaged.
        violations: one line for each fault met on the way, in order.
    """

    lists: PmmLists
    violations: list[str]


@dataclass(slots=True)
class _Slots:
    """The slots of all metadata pages, and which list each was met on."""

    words: list[NodeWords] = field(default_factory=list)
    owner: dict[int, str] = field(default_factory=dict)


def walk(read: Reader, symbols: Mapping[str, int], managed: Sequence[range]) -> Walk:
    """Read the manager's state out of guest RAM.

    Args:
        read: returns bytes of guest RAM by physical address; may raise a UniSMPError outside it.
        symbols: physical addresses of the manager's global words.
        managed: the managed ranges of frames; metadata pages elsewhere are not followed.

    Raises:
        ConfigError: a symbol is missing, or lies outside the RAM.
    """
    violations: list[str] = []
    slots = _Slots()
    frames = _read_chain(read, read_word(read, symbols, FIRST_PAGE_SYMBOL), managed, slots)
    violations += frames.violations
    heads = {
        "free": FREE_HEAD_SYMBOL,
        "allocd": ALLOCATED_HEAD_SYMBOL,
        "next": NEXT_HEAD_SYMBOL,
    }
    nodes = {
        name: _read_list(name, read_word(read, symbols, symbol), slots, violations)
        for name, symbol in heads.items()
    }
    violations += _lost_slots(slots)
    spare = tuple(node.node_index for node in nodes["next"])
    lists = PmmLists(nodes["free"], nodes["allocd"], spare, frames.frames)
    return Walk(lists, violations)


@dataclass(frozen=True, slots=True)
class _Chain:
    frames: tuple[int, ...]
    violations: tuple[str, ...]


def _read_chain(read: Reader, frame: int, managed: Sequence[range], slots: _Slots) -> _Chain:
    """Fill `slots` with the pages of the chain that begins at `frame`."""
    frames: dict[int, None] = {}
    violations: list[str] = []
    most = sum(map(len, managed)) // (NODES_PER_PAGE - 1) + 2
    while frame or not frames:
        what = f"metadata page {len(frames)} (frame {frame:#x})"
        fault = None
        if frame in frames:
            fault = f"{what} was met before: the chain of metadata pages is a cycle"
        elif not any(frame in each for each in managed):
            fault = f"{what} is not managed memory"
        elif len(frames) >= most:
            fault = f"{what} is one more than the managed memory can need"
        page = None if fault else read_page(read, frame)
        if page is None:
            violations.append(fault or f"{what} cannot be read")
            break
        if page[0].frames != len(frames):
            violations.append(f"{what} has ordinal {page[0].frames:#x} in its slot 0")
        frames[frame] = None
        slots.words.extend(page)
        frame = page[0].base
    return _Chain(tuple(frames), tuple(violations))


def _read_list(
    name: str, index: int, slots: _Slots, violations: list[str]
) -> tuple[RangeNode, ...]:
    """Return the nodes of one list from node `index` on, as far as it is sound."""
    nodes: list[RangeNode] = []
    while index:
        fault = _fault_of_index(name, index, slots)
        if fault:
            violations.append(fault)
            break
        slots.owner[index] = name
        words = slots.words[index]
        if words.self_index != index:
            violations.append(f"{name}: node {index:#x} has self_idx {words.self_index:#x}")
        nodes.append(RangeNode(index, words.base, words.frames))
        index = words.next
    return tuple(nodes)


def _fault_of_index(name: str, index: int, slots: _Slots) -> str | None:
    if index >= len(slots.words):
        pages = len(slots.words) // NODES_PER_PAGE
        return f"{name}: node {index:#x} lies outside the {pages} metadata pages"
    if index % NODES_PER_PAGE == 0:
        return f"{name}: node {index:#x} is a reserved slot"
    owner = slots.owner.get(index)
    if owner == name:
        return f"{name}: node {index:#x} was met before: the list is a cycle"
    if owner is not None:
        return f"{name}: node {index:#x} is on list {owner} too"
    return None


def _lost_slots(slots: _Slots) -> list[str]:
    lost = [
        index
        for index in range(len(slots.words))
        if index % NODES_PER_PAGE and index not in slots.owner
    ]
    if not lost:
        return []
    return [f"{len(lost)} metadata slots are on no list, the first is {lost[0]:#x}"]
