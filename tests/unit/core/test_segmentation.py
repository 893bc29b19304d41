"""Descriptor tables, and the limits of segments."""

import pytest
from lab import ABSENT_DATA, CONFORMING32, CS32, DS, GDT, LAST, LDT, TR, TR2, Lab, cx

from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.core.segmentation import Segmentation, is_inside, loaded

UP, DOWN_16, DOWN_32, CODE = 0x9300, 0x9700, 0x40_9700, 0x9F00


@pytest.fixture
def segmentation(protected_mode: Lab) -> Segmentation:
    return Segmentation(protected_mode.context, protected_mode.core.memory)


@pytest.mark.parametrize(
    ("flags", "first", "last", "expected"),
    [
        (UP, 0, 0xFFF, True),
        (UP, 0xFFF, 0x1000, False),
        (UP, 0xFFFF_FFFF, 0, False),
        (DOWN_16, 0x1000, 0xFFFF, True),
        (DOWN_16, 0xFFF, 0x1000, False),
        (DOWN_16, 0xFFFF, 0x1_0000, False),
        (DOWN_32, 0x1000, 0xFFFF_FFFF, True),
        (DOWN_32, 0, 1, False),
        (CODE, 0, 0xFFF, True),
        (CODE, 0x1000, 0x1000, False),
    ],
)
def test_inside_depends_on_the_direction(
    flags: int,
    first: int,
    last: int,
    expected: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert is_inside(cx.Segment(0, 0, 0xFFF, flags), first, last) is expected


def test_descriptor_comes_from_the_table_of_its_selector(
    protected_mode: Lab, segmentation: Segmentation
) -> None:
    protected_mode.quad(LDT + 8, 0x0040_9300_0000_1234)
    assert segmentation.descriptor(DS).is_writable_data
    assert segmentation.descriptor(8 | 4).limit == 0x1234


@pytest.mark.parametrize("selector", [LAST + 1, 0x40 | 4, 0xFFF8])
def test_descriptor_beyond_its_table_faults(segmentation: Segmentation, selector: int) -> None:
    with pytest.raises(Fault) as caught:
        segmentation.descriptor(selector, Vector.TS, 1)
    assert (caught.value.vector, caught.value.error_code) == (Vector.TS, (selector & ~3) | 1)


def test_descriptor_without_a_local_table_faults(
    protected_mode: Lab, segmentation: Segmentation
) -> None:
    protected_mode.context.set_table(cx.LDT, cx.Segment(0, 0, 0xFFFF, 0))
    with pytest.raises(Fault):
        segmentation.descriptor(8 | 4)


def test_accessed_bit_is_set_once(protected_mode: Lab, segmentation: Segmentation) -> None:
    segmentation.mark_accessed(CONFORMING32, segmentation.descriptor(CONFORMING32))
    assert protected_mode.memory.read_integer(GDT + CONFORMING32 + 5, 1) == 0x9F
    segmentation.mark_accessed(CONFORMING32, segmentation.descriptor(CONFORMING32))
    assert protected_mode.memory.read_integer(GDT + CONFORMING32 + 5, 1) == 0x9F


def test_busy_bit_is_set_and_cleared(protected_mode: Lab, segmentation: Segmentation) -> None:
    segmentation.set_busy(TR2, busy=True)
    assert protected_mode.memory.read_integer(GDT + TR2 + 5, 1) == 0x8B
    segmentation.set_busy(TR2, busy=False)
    assert protected_mode.memory.read_integer(GDT + TR2 + 5, 1) == 0x89


@pytest.mark.parametrize(
    ("selector", "vector"),
    [(0, Vector.TS), (CS32, Vector.TS), (TR, Vector.TS), (ABSENT_DATA, Vector.SS)],
)
def test_stack_that_cannot_be_loaded_faults(
    segmentation: Segmentation, selector: int, vector: int
) -> None:
    with pytest.raises(Fault) as caught:
        segmentation.load_stack(selector, 0, 0)
    assert (caught.value.vector, caught.value.error_code) == (vector, selector)


def test_loaded_segment_is_accessed(segmentation: Segmentation) -> None:
    segment = loaded(CONFORMING32, segmentation.descriptor(CONFORMING32))
    assert segment == cx.Segment(CONFORMING32, 0, cx.MASK32, 0x00CF_9F00)
