"""The engine's CPU state in place."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.core import context as cx


def make() -> cx.Context:
    return cx.Context(memoryview(bytearray(cx.SIZE_BYTES)))


def test_words_wrap_to_their_width() -> None:
    context = make()
    context.set_quad(cx.CR2, -1)
    context.set_double(cx.HFLAGS, -1)
    assert (context.quad(cx.CR2), context.double(cx.HFLAGS)) == (cx.MASK64, cx.MASK32)


@pytest.mark.parametrize("number", range(16))
def test_register_lies_at_its_number(number: int) -> None:
    context = make()
    context.set_register(number, 0x1_2345_6789 + number)
    assert context.quad(8 * number) == context.register(number) == 0x1_2345_6789 + number
    context.set_register_32(number, 0x1_0000_0002)
    assert context.register(number) == 2


def test_saved_state_restores() -> None:
    context = make()
    context.rip = 5
    saved = context.save()
    context.rip = 6
    context.restore(saved)
    assert context.rip == 5


@settings(derandomize=True, deadline=None)
@given(
    selector=st.integers(0, 0xFFFF),
    base=st.integers(0, cx.MASK64),
    limit=st.integers(0, cx.MASK32),
    flags=st.integers(0, cx.MASK32),
    number=st.integers(0, 5),
)
def test_segment_reads_back(selector: int, base: int, limit: int, flags: int, number: int) -> None:
    context = make()
    segment = cx.Segment(selector, base, limit, flags)
    context.set_segment(number, segment)
    assert context.segment(number) == segment
    assert segment.dpl == flags >> 13 & 3


@pytest.mark.parametrize(
    ("hflags", "bits"),
    [(0, 16), (cx.HF_CS32, 32), (cx.HF_CS64 | cx.HF_CS32, 64), (cx.HF_CS64, 64)],
)
def test_bits_are_the_width_of_the_code(hflags: int, bits: int) -> None:
    context = make()
    context.set_double(cx.HFLAGS, hflags)
    assert context.bits == bits


@pytest.mark.parametrize(
    ("hflags", "expected"),
    [(cx.HF_CS64, 0x1_0000_0FFF), (cx.HF_CS32, 0xFFF), (0, 0xFFF)],
)
def test_linear_rip_wraps_outside_64_bit_code(hflags: int, expected: int) -> None:
    context = make()
    context.set_segment(cx.CS, cx.Segment(0, 0xFFFF_F000, 0, 0))
    context.rip = 0x1FFF
    context.set_double(cx.HFLAGS, hflags)
    assert context.linear_rip == expected


@pytest.mark.parametrize("flags", [2, 0x8D7, 0x400, 0x3202, 0x24_0CD7])
def test_flags_are_kept_in_all_their_places(flags: int) -> None:
    context = make()
    context.set_flags(flags)
    assert context.quad(cx.EFLAGS) == flags | 2
    assert context.quad(cx.CC_SRC) == flags & 0x8D5
    assert context.double(cx.CC_OP) == cx.CC_OP_EFLAGS
    assert context.double(cx.DIRECTION) == {0: 1, 0x400: cx.MASK32}[flags & 0x400]


@pytest.mark.parametrize(
    ("cr0", "efer", "flags", "cs", "ss", "expected"),
    [
        (0x10, 0, 2, (0xF000, 0x9B00), (0, 0x9300), cx.HF_ADDSEG),
        (1, 0, 2, (8, 0xCF9B00), (16, 0xCF9300), cx.HF_PE | cx.HF_CS32 | cx.HF_SS32),
        (1, 0, 2, (8, 0x9B00), (16, 0xCF9300), cx.HF_PE | cx.HF_SS32 | cx.HF_ADDSEG),
        (1, 0, 2, (11, 0xCFFB00), (19, 0xF300), cx.HF_PE | 3 | cx.HF_CS32),
        (1, 0, 0x2_0002, (8, 0xF300), (0, 0xF300), cx.HF_PE | 3 | cx.HF_ADDSEG),
        (9, 0, 2, (8, 0xCF9B00), (16, 0xCF9300), cx.HF_PE | cx.HF_CS32 | cx.HF_SS32 | cx.HF_TS),
        (
            *(1, 0x500, 2, (8, 0xAF9B00), (16, 0xCF9300)),
            cx.HF_PE | cx.HF_LMA | cx.HF_CS64 | cx.HF_CS32 | cx.HF_SS32,
        ),
        (
            *(1, 0x500, 2, (8, 0xCF9B00), (16, 0xCF9300)),
            cx.HF_PE | cx.HF_LMA | cx.HF_CS32 | cx.HF_SS32,
        ),
    ],
)
def test_hflags_follow_from_the_state(
    cr0: int, efer: int, flags: int, cs: tuple[int, int], ss: tuple[int, int], expected: int
) -> None:
    context = make()
    context.set_quad(cx.CR0, cr0)
    context.set_quad(cx.EFER, efer)
    context.set_flags(flags)
    context.set_segment(cx.CS, cx.Segment(cs[0], 0, 0, cs[1]))
    context.set_segment(cx.SS, cx.Segment(ss[0], 0, 0, ss[1]))
    context.update_hflags()
    assert context.double(cx.HFLAGS) == expected


@pytest.mark.parametrize("number", [cx.DS, cx.ES, cx.SS])
def test_segment_with_a_base_makes_the_engine_add_it(number: int) -> None:
    context = make()
    context.set_quad(cx.CR0, 1)
    context.set_segment(cx.CS, cx.Segment(8, 0, 0, 0xCF9B00))
    context.set_segment(number, cx.Segment(16, 0x1000, 0, 0xCF9300))
    context.update_hflags()
    assert context.double(cx.HFLAGS) & cx.HF_ADDSEG


def test_shadow_resume_flag_and_nmi_blocking_are_single_bits() -> None:
    context = make()
    context.set_double(cx.HFLAGS, cx.HF_INHIBIT_IRQ | cx.HF_PE)
    context.set_quad(cx.EFLAGS, 0x1_0202)
    assert context.is_shadowed
    context.clear_shadow()
    context.clear_resume()
    assert (context.double(cx.HFLAGS), context.quad(cx.EFLAGS)) == (cx.HF_PE, 0x202)
    assert not context.is_nmi_blocked
    context.block_nmi()
    assert context.is_nmi_blocked


@pytest.mark.parametrize(
    ("mask", "expected"), [(0xFFFF_FFFF, cx.MASK64), (0xFFEF_FFFF, cx.MASK64 ^ 1 << 20)]
)
def test_a20_mask_covers_64_bits(mask: int, expected: int) -> None:
    context = make()
    context.set_double(cx.A20_MASK, mask)
    assert context.a20_mask == expected
