"""Use of freed frames."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.freed_frames import FreedFrames
from uniSMP.checks.history import DELIVERY, PAGE_WALK, WRITE, Violation
from uniSMP.checks.pmm_operations import ALLOC, FREE

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history
from manager import MEMORY, RUN, SYMBOLS, operation

OTHER = (0, 0x111)
WHOLE = [*RUN, OTHER, *RUN, OTHER]
"""Operations at steps 0 and 7, core 0 at steps 6 and 13."""
FREED = operation(FREE, 0x5000, 2, 0)


def found(*accesses: Access) -> list[Violation]:
    ordered = sorted(accesses, key=lambda access: access.step)
    given = history(WHOLE, cores=2, symbols=SYMBOLS, accesses=ordered, memory=MEMORY)
    return FreedFrames().examine(given)


@pytest.mark.parametrize(("address", "count"), [(0x4FF8, 0), (0x5000, 1), (0x6FF8, 1), (0x7000, 0)])
def test_access_to_a_freed_frame_is_reported(address: int, count: int) -> None:
    assert len(found(*FREED, Access(6, 0, 0x111, address, 8))) == count


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (0, "core 0 at pmm_exit+0x1 (0x111) reads from 0x5008"),
        (WRITE, "core 0 at pmm_exit+0x1 (0x111) writes to 0x5008"),
        (
            WRITE | DELIVERY,
            "a delivery to core 0, interrupted at pmm_exit+0x1 (0x111), writes to 0x5008",
        ),
    ],
)
def test_access_to_a_freed_frame_is_told(kind: int, expected: str) -> None:
    (violation,) = found(*FREED, Access(6, 0, 0x111, 0x5008, 8, kind))
    assert violation.summary == f"{expected}: frame 0x5 was freed by core 1 at step 0"
    assert (violation.key, violation.step) == (("freed-frames", 0x111), 6)


def test_access_while_the_frame_is_being_freed_is_reported() -> None:
    assert len(found(*FREED, Access(2, 0, 0x111, 0x5000))) == 1


@pytest.mark.parametrize(("step", "count"), [(10, 1), (11, 0), (13, 0)])
def test_frame_is_free_until_its_allocation_ends(step: int, count: int) -> None:
    allocated = operation(ALLOC, 1, 0, 0x5000, step=7)
    assert len(found(*FREED, *allocated, Access(step, 0, 0x111, 0x5000))) == count


def test_rest_of_a_range_stays_free() -> None:
    allocated = operation(ALLOC, 1, 0, 0x5000, step=7)
    assert len(found(*FREED, *allocated, Access(13, 0, 0x111, 0x6000))) == 1


def test_manager_itself_may_use_freed_frames() -> None:
    assert found(*FREED, Access(9, 1, 0x107, 0x5000)) == []


def test_frame_that_the_manager_makes_a_metadata_page_of_is_free_no_more() -> None:
    taken = Access(9, 1, 0x108, 0x5000, 8, WRITE)
    assert found(*FREED, taken, Access(13, 0, 0x111, 0x5008)) == []
    assert len(found(*FREED, taken, Access(6, 0, 0x111, 0x5008))) == 1
    assert len(found(*FREED, taken, Access(13, 0, 0x111, 0x6008))) == 1


def test_page_walks_do_not_count() -> None:
    assert found(*FREED, Access(6, 0, 0, 0x5008, 8, WRITE | PAGE_WALK)) == []


def test_free_that_failed_frees_nothing() -> None:
    assert found(*operation(FREE, 0x5000, 2, 3), Access(6, 0, 0x111, 0x5008)) == []
