"""Memory as it was at a step."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.history import LOCKED, WRITE
from uniSMP.checks.memory_at import MemoryAt

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

MEMORY = bytes(range(256)) * 32
ACCESSES = [
    Access(10, 0, 0, 0x100, 4, WRITE, 0x44332211),
    Access(11, 0, 0, 0x102, 1, 0, 0x99),
    Access(12, 1, 0, 0x102, 2, WRITE | LOCKED, 0xBBAA),
    Access(13, 1, 0, 0xFFF, 1, WRITE, 0xEE),
    Access(13, 1, 0, 0x1000, 8, WRITE, -2),
]
READER = MemoryAt(history([], cores=2, accesses=ACCESSES, memory=MEMORY))


@pytest.mark.parametrize(
    ("address", "size", "step", "expected"),
    [
        (0x100, 5, 10, "0001020304"),
        (0x100, 5, 11, "1122334404"),
        (0x100, 5, 12, "1122334404"),
        (0x100, 5, 13, "1122aabb04"),
        (0x0FF, 3, 99, "ff1122"),
        (0xFFE, 11, 13, "feff000102030405060708"),
        (0xFFE, 11, 14, "feeefeffffffffffffff08"),
        (0x2000, 2, 14, "0000"),
    ],
)
def test_bytes_are_those_before_the_step(address: int, size: int, step: int, expected: str) -> None:
    assert READER.read(address, size, step).hex() == expected


def test_memory_without_accesses_stays_as_it_was() -> None:
    assert MemoryAt(history([], cores=1, memory=MEMORY)).read(0x102, 2, 99) == b"\x02\x03"


@pytest.mark.parametrize(("row", "byte"), [(0, 0x02), (1, 0x33), (2, 0x33), (3, 0xAA)])
def test_page_is_as_it_was_before_an_access(row: int, byte: int) -> None:
    assert READER.page(0, row)[0x102] == byte


def test_page_nobody_writes_to_is_constant() -> None:
    assert READER.constant_page(0) is None
    assert READER.constant_page(2) == bytes(4096)
