"""Guard ranges and bottoms of stacks."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.guard_pages import GuardPages
from uniSMP.checks.history import DELIVERY, PAGE_WALK, WRITE, Event, Violation

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

PUSH, MOVE = 0x10, 0x11
MEMORY = bytes(0x10) + bytes.fromhex("50 8903")
SYMBOLS = {"guard": 0x2000, "bottom": 0x3000, "top": 0x3100}
RUN = [(0, PUSH), (0, MOVE), (1, PUSH)]


def found(check: GuardPages, *accesses: Access, events: tuple[Event, ...] = ()) -> list[Violation]:
    given = history(RUN, cores=2, symbols=SYMBOLS, accesses=accesses, events=events, memory=MEMORY)
    return check.examine(given)


GUARD = GuardPages(["guard..bottom"])
STACK = GuardPages(stacks=["bottom..top"])


@pytest.mark.parametrize(
    ("address", "size", "count"),
    [(0x1FF8, 8, 0), (0x1FF9, 8, 1), (0x2FFF, 1, 1), (0x3000, 8, 0)],
)
def test_access_that_overlaps_the_guard_range_is_reported(
    address: int, size: int, count: int
) -> None:
    assert len(found(GUARD, Access(0, 0, MOVE, address, size))) == count


@pytest.mark.parametrize(
    ("kind", "beginning"),
    [
        (0, "core 0 at 0x11 reads from the guard range guard..bottom, at guard+0x8 (0x2008)"),
        (WRITE, "core 0 at 0x11 writes to the guard range guard..bottom, at guard+0x8 (0x2008)"),
        (
            WRITE | DELIVERY,
            (
                "a delivery to core 0, interrupted at 0x11, writes to the guard range "
                "guard..bottom, at guard+0x8 (0x2008)"
            ),
        ),
    ],
)
def test_access_to_the_guard_range_is_told(kind: int, beginning: str) -> None:
    (violation,) = found(GUARD, Access(1, 0, MOVE, 0x2008, 8, kind))
    assert violation.summary == beginning
    assert violation.key == ("guard-pages", "guard..bottom", MOVE)


def test_page_walk_is_no_access() -> None:
    assert found(GUARD, Access(0, 0, 0, 0x2008, 8, WRITE | PAGE_WALK)) == []


@pytest.mark.parametrize(
    ("vector", "address", "count"), [(14, 0x2008, 1), (14, 0x3000, 0), (13, 0x2008, 0)]
)
def test_page_fault_in_the_guard_range_is_reported(vector: int, address: int, count: int) -> None:
    fault = Event(1, 0, "exception", MOVE, vector, address=address)
    assert len(found(GUARD, events=(fault,))) == count


def test_same_instruction_again_is_the_same_violation() -> None:
    (violation,) = found(GUARD, Access(1, 0, MOVE, 0x2010, 8), Access(2, 1, MOVE, 0x2008, 8))
    assert violation.step == 1


def push(step: int, address: int, core: int = 0, rip: int = PUSH) -> Access:
    return Access(step, core, rip, address, 8, WRITE)


def test_push_below_the_bottom_is_reported() -> None:
    (violation,) = found(STACK, push(0, 0x3000), push(1, 0x2FF8), push(2, 0x2FF0))
    assert violation.summary == (
        "core 0 at 0x10 pushes below the bottom of the stack bottom..top, at guard+0xff8 (0x2ff8)"
    )
    assert violation.step == 1


def test_delivery_below_the_bottom_is_reported() -> None:
    delivery = Access(1, 0, MOVE, 0x2FF8, 8, WRITE | DELIVERY)
    assert [each.rips for each in found(STACK, push(0, 0x3000), delivery)] == [(MOVE,)]


@pytest.mark.parametrize(
    "accesses",
    [
        [push(0, 0x3008), push(1, 0x3000)],
        [push(0, 0x2FF8)],  # where the stack pointer came from is not known
        [push(0, 0x3000), push(1, 0x2FF8, core=1)],
        [push(0, 0x3100), push(1, 0x2FF8)],  # from another stack
        [push(0, 0x3000), push(1, 0x1FF8)],  # to another stack
        [push(0, 0x3000), push(1, 0x2FF8, rip=MOVE)],
        [push(0, 0x3000), Access(1, 0, PUSH, 0x2FF8, 8)],
    ],
)
def test_pushes_inside_and_to_other_stacks_are_fine(accesses: list[Access]) -> None:
    assert found(STACK, *accesses) == []


@pytest.mark.parametrize(("address", "count"), [(0x2000, 1), (0x1FF8, 0)])
def test_push_a_page_below_the_bottom_still_belongs_to_the_stack(address: int, count: int) -> None:
    assert len(found(STACK, push(0, 0x3000), push(1, address))) == count
