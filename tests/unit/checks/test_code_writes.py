"""Stores to executed code."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.code_writes import CodeWrites
from uniSMP.checks.history import DELIVERY, PAGE_WALK, WRITE, Violation
from uniSMP.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

SYMBOLS = {"code": 0x100, "middle": 0x101, "behind": 0x106}
MEMORY = bytes(0x100) + bytes.fromhex("90 b807000000")
"""NOP at 0x100, MOV EAX, 7 at 0x101 to 0x105."""


def found(access: Access, *allowed: str, run: str = "nm") -> list[Violation]:
    """Return what is wrong with one access; "n" executes the NOP, "m" the MOV."""
    rips = [(0, 0x100 if each == "n" else 0x101) for each in run]
    given = history(rips, cores=1, symbols=SYMBOLS, accesses=[access], memory=MEMORY)
    return CodeWrites(allowed).examine(given)


@pytest.mark.parametrize(
    ("address", "size", "expected"),
    [
        (0xFF, 1, []),
        (0xFC, 8, [0x100]),
        (0x100, 1, [0x100]),
        (0x105, 1, [0x101]),
        (0x105, 8, [0x101]),
        (0x106, 1, []),
    ],
)
def test_store_to_any_byte_of_an_instruction_is_reported(
    address: int, size: int, expected: list[int]
) -> None:
    store = Access(1, 0, 0x55, address, size, WRITE)
    assert [each.rips for each in found(store)] == [(0x55, victim) for victim in expected]


@pytest.mark.parametrize(
    ("step", "when"), [(0, "executed later"), (1, "executed later"), (2, "executed before")]
)
def test_store_is_told_with_its_victim(step: int, when: str) -> None:
    (violation,) = found(Access(step, 0, 0x55, 0x102, 4, WRITE), run="nm")
    assert violation.summary == (
        f"core 0 at 0x55 writes 4 bytes to code: the instruction at middle (0x101), {when}"
    )
    assert (violation.key, violation.step) == (("code-writes", 0x55, 0x101), step)


def test_push_of_a_delivery_is_told_as_such() -> None:
    (violation,) = found(Access(1, 0, 0x55, 0x100, 1, WRITE | DELIVERY))
    assert violation.summary.startswith("a delivery to core 0, interrupted at 0x55, writes")


@pytest.mark.parametrize("kind", [0, DELIVERY, WRITE | PAGE_WALK])
def test_reads_and_page_walks_are_fine(kind: int) -> None:
    assert found(Access(1, 0, 0x55, 0x100, 1, kind)) == []


def test_code_that_is_not_executed_may_be_written() -> None:
    assert found(Access(1, 0, 0x55, 0x101, 1, WRITE), run="nn") == []


def test_code_that_is_allowed_to_change_may_be_written() -> None:
    assert found(Access(1, 0, 0x55, 0x101, 1, WRITE), "middle..behind") == []
    assert len(found(Access(1, 0, 0x55, 0x100, 1, WRITE), "middle..behind")) == 1


def test_range_of_unknown_symbols_is_refused() -> None:
    with pytest.raises(ConfigError, match="no symbol nothing"):
        found(Access(1, 0, 0x55, 0x100, 1, WRITE), "code..nothing")


def test_range_ends_before_its_second_address() -> None:
    assert len(found(Access(1, 0, 0x55, 0x101, 1, WRITE), "code..middle")) == 1
