"""How the guest's physical memory manager lies in RAM: nodes, metadata pages, symbols.

A node has 16 bytes: four 32-bit words base, count, next, self index. A metadata page holds 256 of
them. Global index = ordinal of the page * 256 + slot; 0 is the end of a list. Slot 0 of every page
is no node: word 0 is the frame number of the next metadata page (0 = last), word 1 the ordinal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple

from uniSMP.errors import ConfigError, UniSMPError

FRAME_BYTES = 4096
NODES_PER_PAGE = 256
NODE = Struct("<4I")
FIRST_PAGE_SYMBOL = "pmm_first_page"
"""A 32-bit word: the frame number of metadata page 0."""
FREE_HEAD_SYMBOL = "pmm_free_head"
ALLOCATED_HEAD_SYMBOL = "pmm_allocd_head"
NEXT_HEAD_SYMBOL = "pmm_next_head"
"""32-bit words: global index of the first node of each list, 0 when the list is empty."""
MANAGED_SYMBOL = "pmm_managed"
"""Pairs of 64-bit words: first frame number and count of each managed range."""
MANAGED_COUNT_SYMBOL = "pmm_managed_count"
"""A word whose low 32 bits are the number of those pairs."""
_WORD = Struct("<I")
_PAIR = Struct("<QQ")
_MOST_MANAGED_RANGES = 4096

Reader = Callable[[int, int], bytes]
"""Returns so many bytes of guest RAM from a physical address."""


class NodeWords(NamedTuple):
    """The words of one node."""

    base: int
    frames: int
    next: int
    self_index: int


class RangeNode(NamedTuple):
    """A node of `free` or `allocd`: global index, first frame, number of frames."""

    node_index: int
    base: int
    frames: int


@dataclass(frozen=True, slots=True)
class PmmLists:
    """The manager's whole state; two managers with equal lists behave alike from then on.

    Attributes:
        free: nodes of list `free`, in list order.
        allocated: nodes of list `allocd`, in list order.
        spare: global indices on list `next`, in list order.
        metadata_frames: frame of each metadata page, by ordinal.
    """

    free: tuple[RangeNode, ...]
    allocated: tuple[RangeNode, ...]
    spare: tuple[int, ...]
    metadata_frames: tuple[int, ...]


def read_word(read: Reader, symbols: Mapping[str, int], name: str) -> int:
    """Return the 32-bit word at symbol `name`.

    Raises:
        ConfigError: there is no such symbol, or it cannot be read.
    """
    raw = _read_all(read, _address(symbols, name), _WORD.size, name)
    return int(_WORD.unpack(raw)[0])


def read_managed(read: Reader, symbols: Mapping[str, int]) -> tuple[range, ...]:
    """Return the ranges of frames that the guest says it manages.

    Raises:
        ConfigError: the symbols are missing or unreadable, or there are over 4096 ranges.
    """
    count = read_word(read, symbols, MANAGED_COUNT_SYMBOL)
    if count > _MOST_MANAGED_RANGES:
        raise ConfigError(
            f"{MANAGED_COUNT_SYMBOL} is {count:#x}, more than {_MOST_MANAGED_RANGES:#x} ranges: "
            "was the manager initialised?"
        )
    address = _address(symbols, MANAGED_SYMBOL)
    raw = _read_all(read, address, count * _PAIR.size, MANAGED_SYMBOL)
    return tuple(range(base, base + frames) for base, frames in _PAIR.iter_unpack(raw))


def read_page(read: Reader, frame: int) -> tuple[NodeWords, ...] | None:
    """Return the 256 slots of the metadata page in `frame`, or None when it cannot be read."""
    try:
        raw = read(frame * FRAME_BYTES, FRAME_BYTES)
    except UniSMPError:
        return None
    if len(raw) != FRAME_BYTES:
        return None
    return tuple(map(NodeWords._make, NODE.iter_unpack(raw)))


def encode(lists: PmmLists) -> tuple[dict[int, bytes], dict[str, int]]:
    """Return metadata pages by frame, and the 32-bit words by symbol, that say `lists`.

    Nodes on `next` get base and count 0.
    """
    slots = [
        NodeWords(0, 0, 0, index) for index in range(len(lists.metadata_frames) * NODES_PER_PAGE)
    ]
    for ordinal, following in enumerate((*lists.metadata_frames[1:], 0)):
        slots[ordinal * NODES_PER_PAGE] = NodeWords(following, ordinal, 0, 0)
    spare = tuple(RangeNode(index, 0, 0) for index in lists.spare)
    all_lists = (lists.free, lists.allocated, spare)
    for nodes in all_lists:
        next_indices = (*(node.node_index for node in nodes[1:]), 0)
        for node, next_index in zip(nodes, next_indices, strict=False):
            slots[node.node_index] = NodeWords(node.base, node.frames, next_index, node.node_index)
    raw = b"".join(NODE.pack(*slot) for slot in slots)
    pages = {
        frame: raw[ordinal * FRAME_BYTES : (ordinal + 1) * FRAME_BYTES]
        for ordinal, frame in enumerate(lists.metadata_frames)
    }
    words = {FIRST_PAGE_SYMBOL: lists.metadata_frames[0]}
    heads = (FREE_HEAD_SYMBOL, ALLOCATED_HEAD_SYMBOL, NEXT_HEAD_SYMBOL)
    for symbol, nodes in zip(heads, all_lists, strict=True):
        words[symbol] = nodes[0].node_index if nodes else 0
    return pages, words


def _address(symbols: Mapping[str, int], name: str) -> int:
    if name not in symbols:
        raise ConfigError(f"the image has no symbol {name}: check a program that has the manager")
    return symbols[name]


def _read_all(read: Reader, address: int, size_bytes: int, name: str) -> bytes:
    try:
        raw = read(address, size_bytes)
    except UniSMPError as cause:
        raise ConfigError(f"{name} at {address:#x} cannot be read: {cause}") from cause
    if len(raw) != size_bytes:
        raise ConfigError(f"{name} at {address:#x} lies outside the RAM")
    return raw
