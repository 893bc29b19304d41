"""Changes of present page-table entries."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniSMP.checks.history import PAGE_WALK, WRITE, FlagRows
from uniSMP.checks.memory_at import MemoryAt
from uniSMP.checks.page_table_changes import ABSENT, EntryChange, PageTableChanges

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history
from page_tables import DIRECTORY, POINTERS, ROOT, SPARE, TABLE, memory


def write(address: int, value: int, size: int = 8, step: int = 5) -> Access:
    return Access(step, 0, 0x100, address, size, WRITE, value)


def changes(*accesses: Access, root: int = ROOT, since: int = 0) -> list[EntryChange]:
    given = history([], cores=1, accesses=accesses, memory=memory())
    cr3 = FlagRows(np.array([0, since]), np.zeros(2, np.uint8), np.array([0, root]))
    given = replace(given, cr3=cr3)
    assert given.accesses is not None
    return PageTableChanges(given, given.accesses, MemoryAt(given)).find()


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (write(TABLE + 8, 0xD003), EntryChange(0, ROOT, 0x1000, 0x1000, 0xA000, 0xD000)),
        (write(TABLE + 8, 0), EntryChange(0, ROOT, 0x1000, 0x1000, 0xA000, ABSENT)),
        (write(TABLE + 8, 0xA002, 4), EntryChange(0, ROOT, 0x1000, 0x1000, 0xA000, ABSENT)),
        (write(TABLE + 8, 0, 1), EntryChange(0, ROOT, 0x1000, 0x1000, 0xA000, ABSENT)),
        (
            write(DIRECTORY + 8, 0x600083),
            EntryChange(0, ROOT, 0x200000, 0x200000, 0x400000, 0x600000),
        ),
        (
            write(DIRECTORY + 8, SPARE | 3),
            EntryChange(0, ROOT, 0x200000, 0x200000, 0x400000, ABSENT),
        ),
        (write(DIRECTORY, SPARE | 3), EntryChange(0, ROOT, 0, 0x200000, ABSENT, ABSENT)),
        (write(ROOT, 0), EntryChange(0, ROOT, 0, 1 << 39, ABSENT, ABSENT)),
    ],
)
def test_change_of_a_present_entry_is_found(access: Access, expected: EntryChange) -> None:
    assert changes(access) == [expected]


@pytest.mark.parametrize(
    "access",
    [
        write(TABLE + 8, 0xA063),  # accessed and dirty
        write(TABLE + 8, 0xA001),  # permissions are not looked at
        write(TABLE + 24, 0xD003),  # absent before
        write(SPARE + 8, 0),  # no table
        Access(5, 0, 0, TABLE + 8, 8, WRITE | PAGE_WALK, 0xA023),
        Access(5, 0, 0x100, TABLE + 8, 8, 0, 0),
    ],
)
def test_other_accesses_change_nothing(access: Access) -> None:
    assert changes(access) == []


def test_write_to_two_entries_changes_both() -> None:
    found = changes(write(TABLE + 12, 0x9003_0000_0001))
    assert [(each.linear, each.before, each.after) for each in found] == [
        (0x1000, 0xA000, 0x1_0000_A000),
        (0x2000, 0xB000, 0x9000),
    ]


def test_table_that_is_linked_in_is_followed_from_then_on() -> None:
    accesses = [
        write(SPARE + 16, 0xE003, step=1),
        write(POINTERS + 8, DIRECTORY | 3, step=2),
        write(DIRECTORY + 16, SPARE | 3, step=3),
        write(SPARE + 16, 0, step=4),
    ]
    assert [(each.row, each.linear, each.before) for each in changes(*accesses)] == [
        (3, 0x402000, 0xE000),
        (3, 0x40402000, 0xE000),
    ]


def test_high_addresses_are_negative() -> None:
    accesses = [write(ROOT + 511 * 8, POINTERS | 3), write(TABLE + 8, 0)]
    assert sorted(each.linear for each in changes(*accesses)) == [-(1 << 39) + 0x1000, 0x1000]


def test_table_that_leads_to_itself_is_followed_once() -> None:
    accesses = [write(ROOT + 8, ROOT | 3), write(ROOT + 8, 0)]
    assert len(changes(*accesses)) > 0


def test_tables_count_from_when_cr3_leads_to_them() -> None:
    accesses = [write(TABLE + 8, 0xD003, step=1), write(TABLE + 8, 0, step=3)]
    found = changes(*accesses, since=2)
    assert [(each.row, each.before) for each in found] == [(1, 0xD000)]


def test_no_root_no_changes() -> None:
    assert changes(write(TABLE + 8, 0), root=0) == []
