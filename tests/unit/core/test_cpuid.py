"""CPUID leaves (SDM volume 2A, "CPUID")."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.core.cpuid import SIGNATURE, VALID_CR4, cpuid


def leaf(number: int, subleaf: int = 0, core_id: int = 0, cores: int = 4) -> tuple[int, ...]:
    return cpuid(number, subleaf, core_id, cores, has_apic=True)


def test_leaf_0_names_the_vendor_and_the_highest_leaf() -> None:
    eax, ebx, ecx, edx = leaf(0)
    text = b"".join(word.to_bytes(4, "little") for word in (ebx, edx, ecx))
    assert (eax, text) == (0x16, b"GenuineIntel")


@pytest.mark.parametrize(
    ("register", "bit", "is_set"),
    [
        *[(3, bit, True) for bit in (0, 2, 3, 4, 5, 6, 8, 9, 11, 12, 13, 15, 16, 17)],
        *[(3, bit, True) for bit in (19, 23, 24, 25, 26)],
        *[(3, bit, False) for bit in (1, 7, 14, 18, 21, 22, 27, 29, 30, 31)],
        *[(2, bit, True) for bit in (0, 9, 13, 19, 20, 21, 22, 23, 24, 31)],
        *[(2, bit, False) for bit in (1, 3, 5, 6, 12, 17, 25, 26, 27, 28, 29, 30)],
    ],
)
def test_leaf_1_advertises_what_there_is(
    register: int,
    bit: int,
    is_set: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert bool(leaf(1)[register] >> bit & 1) is is_set


def test_leaf_1_has_signature_id_count_and_line_size() -> None:
    eax, ebx, _, _ = leaf(1, core_id=3, cores=6)
    assert eax == SIGNATURE
    assert (ebx >> 24, ebx >> 16 & 0xFF, ebx >> 8 & 0xFF) == (3, 6, 8)


@pytest.mark.parametrize(("cores", "expected"), [(1, 0), (2, 1)])
def test_leaf_1_has_htt_with_more_than_one_core(cores: int, expected: int) -> None:
    assert leaf(1, cores=cores)[3] >> 28 & 1 == expected


def test_leaf_1_without_apic_clears_its_bit() -> None:
    with_apic = cpuid(1, 0, 0, 1, has_apic=True)[3]
    assert with_apic ^ cpuid(1, 0, 0, 1, has_apic=False)[3] == 1 << 9


def test_leaf_2_points_to_leaf_4() -> None:
    assert leaf(2)[0] & 0xFF == 1
    assert leaf(2)[0] >> 8 & 0xFF == 0xFF


@pytest.mark.parametrize(
    ("subleaf", "kind", "level", "size_bytes"),
    [(0, 1, 1, 32 << 10), (1, 2, 1, 32 << 10), (2, 3, 2, 1 << 20)],
)
def test_leaf_4_describes_a_cache(subleaf: int, kind: int, level: int, size_bytes: int) -> None:
    eax, ebx, ecx, _ = leaf(4, subleaf)
    line, partitions, ways = (ebx & 0xFFF) + 1, (ebx >> 12 & 0x3FF) + 1, (ebx >> 22) + 1
    assert (eax & 31, eax >> 5 & 7) == (kind, level)
    assert line * partitions * ways * (ecx + 1) == size_bytes


def test_leaf_4_ends_with_a_null_cache() -> None:
    assert leaf(4, 3) == (0, 0, 0, 0)


@pytest.mark.parametrize(("subleaf", "ebx"), [(0, 1 << 7 | 1 << 20), (1, 0)])
def test_leaf_7_has_smep_and_smap(subleaf: int, ebx: int) -> None:
    assert leaf(7, subleaf) == (0, ebx, 0, 0)


@pytest.mark.parametrize(("cores", "shift"), [(1, 0), (2, 1), (3, 2), (4, 2), (255, 8)])
def test_leaf_b_describes_the_topology(cores: int, shift: int) -> None:
    assert leaf(0xB, 0, 0, cores) == (0, 1, 0x100, 0)
    assert leaf(0xB, 1, 0, cores) == (shift, cores, 0x201, 0)
    assert leaf(0xB, 2, 0, cores) == (0, 0, 2, 0)


@pytest.mark.parametrize("subleaf", [0, 1, 2, 0x105])
def test_leaf_b_always_has_the_x2apic_id(subleaf: int) -> None:
    assert leaf(0xB, subleaf, core_id=3)[3] == 3


def test_leaf_b_beyond_the_levels_repeats_the_subleaf() -> None:
    assert leaf(0xB, 0x105)[2] == 5


def test_leaves_of_the_clock_agree() -> None:
    denominator, numerator, crystal, _ = leaf(0x15)
    assert crystal * numerator // denominator == leaf(0x16)[0] * 1_000_000


@pytest.mark.parametrize("number", [0x17, 0x1000, 0x3FFF_FFFF, 0x8000_0009, 0xFFFF_FFFF])
def test_leaf_beyond_the_highest_gives_the_highest_basic_one(number: int) -> None:
    assert leaf(number) == leaf(0x16)


@pytest.mark.parametrize("number", [3, 5, 6, 8, 9, 0xA, 0xD, 0x14, 0x4000_0001, 0x8000_0005])
def test_leaf_without_content_is_zero(number: int) -> None:
    assert leaf(number) == (0, 0, 0, 0)


def test_hypervisor_leaf_names_the_machine() -> None:
    words = leaf(0x4000_0000)
    text = b"".join(word.to_bytes(4, "little") for word in words[1:])
    assert (words[0], text) == (0x4000_0000, b"uniSMPuniSMP")


def test_extended_leaves_advertise_long_mode_and_its_companions() -> None:
    assert leaf(0x8000_0000)[0] == 0x8000_0008
    assert leaf(0x8000_0001)[3] == sum(1 << bit for bit in (11, 20, 26, 27, 29))
    assert leaf(0x8000_0001)[2] == 1
    assert leaf(0x8000_0007)[3] == 1 << 8
    assert leaf(0x8000_0008)[0] == 48 << 8 | 40


def test_brand_string_is_terminated() -> None:
    words = [word for number in (0x8000_0002, 0x8000_0003, 0x8000_0004) for word in leaf(number)]
    text = b"".join(word.to_bytes(4, "little") for word in words)
    assert text.rstrip(b"\0") == b"uniSMP virtual x86-64 processor"


@pytest.mark.parametrize(("feature", "cr4_bit"), [(7, 20), (20, 21)])
def test_features_of_leaf_7_can_be_switched_on(feature: int, cr4_bit: int) -> None:
    assert leaf(7)[1] >> feature & 1 == VALID_CR4 >> cr4_bit & 1 == 1


@settings(derandomize=True, deadline=None)
@given(
    number=st.integers(0, (1 << 32) - 1),
    subleaf=st.integers(0, (1 << 32) - 1),
    core_id=st.integers(0, 254),
    cores=st.integers(1, 255),
)
def test_any_leaf_gives_four_doublewords(
    number: int, subleaf: int, core_id: int, cores: int
) -> None:
    values = leaf(number, subleaf, core_id, cores)
    assert len(values) == 4
    assert all(0 <= value < 1 << 32 for value in values)
