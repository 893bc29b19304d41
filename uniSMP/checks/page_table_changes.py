"""Changes of present page-table entries, as a history makes them.

The tables below each root that CR3 holds are followed, those that are linked in later too. Accessed
and dirty bits are no changes, nor are permissions. Source: Intel SDM volume 3A, "4-Level Paging".
Not modelled: the other paging modes; a root that lies outside the memory has no tables.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from uniSMP.arch import paging
from uniSMP.checks.history import AccessRows, History
from uniSMP.checks.memory_at import MemoryAt
from uniSMP.errors import UniSMPError

ABSENT = -1
_PAGE_SHIFT, _INDEX_BITS, _ENTRIES = 12, 9, 512
_TOP_LEVEL = 4
_LARGE_LEVELS = (2, 3)
_LINEAR_BITS = 48
_LOW_BITS = 0xFFF


@dataclass(frozen=True, slots=True)
class EntryChange:
    """One present entry that no longer says the same.

    Attributes:
        row: of `History.accesses`: the write.
        root: physical address of the page tables.
        linear: first linear address that the entry translates.
        size_bytes: how many from there on.
        before: physical address they were translated to; ABSENT if the entry led to a table.
        after: and now; ABSENT if the entry is not present, or leads to a table.
    """

    row: int
    root: int
    linear: int
    size_bytes: int
    before: int
    after: int


@dataclass(slots=True)
class _Table:
    """One page of page tables: entries, and where it is used: root, level, first linear address."""

    entries: bytearray
    uses: set[tuple[int, int, int]] = field(default_factory=set)


class PageTableChanges:
    """Follows the page tables of one history.

    Args:
        history: with accesses.
        rows: its accesses.
        memory: of the same history.
    """

    def __init__(self, history: History, rows: AccessRows, memory: MemoryAt) -> None:
        self._history = history
        self._rows = rows
        self._memory = memory
        self._tables: dict[int, _Table] = {}
        self._writes: list[tuple[int, int]] = []

    def find(self) -> list[EntryChange]:
        """Return all changes, in order."""
        roots = iter(self._roots())
        upcoming = next(roots, None)
        found: list[EntryChange] = []
        while upcoming is not None or self._writes:
            if upcoming is not None and (not self._writes or upcoming[0] <= self._writes[0][0]):
                row, root = upcoming
                self._add(root >> _PAGE_SHIFT, row, (root, _TOP_LEVEL, 0))
                upcoming = next(roots, None)
            else:
                row, page = heapq.heappop(self._writes)
                found += self._write(row, page)
        return found

    def _roots(self) -> list[tuple[int, int]]:
        """Return each root, with the first row at which it is in force."""
        cr3 = self._history.cr3
        if cr3 is None:
            return []
        first: dict[int, int] = {}
        for step, value in zip(cr3.step.tolist(), cr3.value.tolist(), strict=True):
            root = value & paging.ADDRESS_MASK
            if root:
                first.setdefault(root, self._memory.row_of(step))
        return sorted((row, root) for root, row in first.items())

    def _add(self, page: int, row: int, use: tuple[int, int, int]) -> None:
        """Follow a table, and those below it, from a row on."""
        table = self._tables.get(page)
        if table is None:
            try:
                content = self._memory.page(page, row)
            except UniSMPError:
                return
            table = self._tables[page] = _Table(bytearray(content.tobytes()))
            writes = self._memory.writes_to(page)
            for write in writes[np.searchsorted(writes, row) :].tolist():
                heapq.heappush(self._writes, (write, page))
        if use in table.uses:
            return
        table.uses.add(use)
        root, level, linear = use
        if level == 1:
            return
        entries = np.frombuffer(bytes(table.entries), dtype=np.uint64)
        for index in np.nonzero(entries & np.uint64(paging.PRESENT))[0].tolist():
            entry = int(entries[index])
            if not _is_leaf(entry, level):
                below = linear + index * _span(level)
                self._add(_frame(entry), row, (root, level - 1, below))

    def _write(self, row: int, page: int) -> Iterator[EntryChange]:
        """Apply one write; return what it changes."""
        rows, table = self._rows, self._tables[page]
        offset, size = int(rows.physical[row]) & _LOW_BITS, int(rows.size[row])
        first, last = offset >> 3, (offset + size - 1) >> 3
        before = [_entry(table, index) for index in range(first, last + 1)]
        value = int(rows.value[row]) & (1 << 8 * size) - 1
        table.entries[offset : offset + size] = value.to_bytes(size, "little")
        for index, old in zip(range(first, last + 1), before, strict=True):
            new = _entry(table, index)
            for root, level, linear in sorted(table.uses):
                yield from self._changed(
                    row, (root, level, linear + index * _span(level)), old, new
                )

    def _changed(
        self, row: int, use: tuple[int, int, int], old: int, new: int
    ) -> Iterator[EntryChange]:
        root, level, linear = use
        is_linked = new & paging.PRESENT and not _is_leaf(new, level)
        if is_linked:
            self._add(_frame(new), row, (root, level - 1, linear))
        if old & paging.PRESENT and not _is_same(old, new, level):
            before = _frame(old) << _PAGE_SHIFT if _is_leaf(old, level) else ABSENT
            is_mapped = new & paging.PRESENT and not is_linked
            after = _frame(new) << _PAGE_SHIFT if is_mapped else ABSENT
            yield EntryChange(row, root, _canonical(linear), _span(level), before, after)


def _entry(table: _Table, index: int) -> int:
    return int.from_bytes(table.entries[8 * index : 8 * index + 8], "little")


def _frame(entry: int) -> int:
    return (entry & paging.ADDRESS_MASK) >> _PAGE_SHIFT


def _span(level: int) -> int:
    """Return how many bytes of linear addresses an entry covers."""
    return 1 << _PAGE_SHIFT + _INDEX_BITS * (level - 1)


def _is_leaf(entry: int, level: int) -> bool:
    return level == 1 or (level in _LARGE_LEVELS and entry & paging.PAGE_SIZE != 0)


def _is_same(old: int, new: int, level: int) -> bool:
    """Return whether two entries lead to the same place."""
    relevant = paging.ADDRESS_MASK | paging.PRESENT
    if level in _LARGE_LEVELS:
        relevant |= paging.PAGE_SIZE
    return (old ^ new) & relevant == 0


def _canonical(linear: int) -> int:
    """Return a linear address as the signed number that it is in columns."""
    return linear - (1 << _LINEAR_BITS) if linear >> (_LINEAR_BITS - 1) else linear
