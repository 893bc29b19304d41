"""The walk through paging structures (SDM volume 3A, "Paging"): compiled and as Python."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.arch.paging import ERROR_PRESENT, ERROR_RESERVED, ERROR_USER, ERROR_WRITE
from uniSMP.core.page_walk import walk

PG_PE, WP = 0x8000_0001, 0x1_0000
PSE, PAE, SMAP = 1 << 4, 1 << 5, 1 << 21
LMA, NXE = 1 << 10, 1 << 11
RAM_WORDS = 8 * 512
PML4, PDPT, PD, PT = 0x1000, 0x2000, 0x3000, 0x4000
P, W, U, A, D, BIG, NX = 1, 2, 4, 0x20, 0x40, 0x80, 1 << 63
LINEAR = (1 << 39) + (2 << 30) + (3 << 21) + (4 << 12) + 0x567
LOW = (2 << 30) + (3 << 21) + (4 << 12) + 0x567
LONG, PAE_MODE, LEGACY = (PAE, LMA | NXE), (PAE, NXE), (PSE, 0)
RESERVED, DENIED = ERROR_RESERVED | ERROR_PRESENT, ERROR_PRESENT

Words = npt.NDArray[np.uint64]


@pytest.fixture(params=["compiled", "python"])
def walker(request: pytest.FixtureRequest) -> object:
    return {"compiled": walk, "python": walk.py_func}[request.param]


def put(words: Words, address: int, value: int) -> None:
    words[address >> 3] = np.uint64(value)


def long_tables(leaf: int = 0x7000 | P | W | U, upper: int = P | W | U) -> Words:
    words = np.zeros(RAM_WORDS, dtype=np.uint64)
    put(words, PML4 + 8, PDPT | upper)
    put(words, PDPT + 16, PD | upper)
    put(words, PD + 24, PT | upper)
    put(words, PT + 32, leaf)
    return words


def legacy_tables(leaf: int, directory: int | None = None) -> Words:
    words = np.zeros(RAM_WORDS, dtype=np.uint64)
    doubles = words.view(np.uint32)
    doubles[PD // 4 + (LOW >> 22)] = PT | P | W | U if directory is None else directory
    doubles[PT // 4 + (LOW >> 12 & 1023)] = leaf
    return words


def do(
    walker: object,
    words: Words,
    access: int = 0,
    mode: tuple[int, int] = LONG,
    **more: int,
) -> int:
    root = {LONG: PML4, PAE_MODE: PDPT, LEGACY: PD}[mode]
    linear = more.get("linear", LINEAR if mode == LONG else LOW)
    cr0 = PG_PE | more.get("cr0", 0)
    cr4 = mode[0] | more.get("cr4", 0)
    efer = mode[1] & ~more.get("without", 0)
    return int(walker(words, linear, access, cr0, root, cr4, efer))  # type: ignore[operator]


def test_walk_without_paging_is_the_identity_of_32_bits(walker: object) -> None:
    words = np.zeros(1, dtype=np.uint64)
    assert walker(words, 0x1_2345_6789, 0, 1, 0, 0, 0) == 0x2345_6789  # type: ignore[operator]


def test_walk_of_four_levels_finds_the_page(walker: object) -> None:
    assert do(walker, long_tables()) == 0x7567


@pytest.mark.parametrize(("access", "leaf_bits"), [(0, A), (ERROR_WRITE, A | D)])
def test_walk_sets_accessed_everywhere_and_dirty_in_the_leaf(
    walker: object, access: int, leaf_bits: int
) -> None:
    words = long_tables()
    do(walker, words, access)
    places = (PML4 + 8, PDPT + 16, PD + 24, PT + 32)
    bits = [int(words[place >> 3]) & (A | D) for place in places]
    assert bits == [A, A, A, leaf_bits]


@pytest.mark.parametrize("place", [PML4 + 8, PDPT + 16, PD + 24, PT + 32])
@pytest.mark.parametrize("access", [0, ERROR_WRITE, ERROR_USER, ERROR_WRITE | ERROR_USER])
def test_walk_of_an_entry_that_is_not_present_faults(
    walker: object, place: int, access: int
) -> None:
    words = long_tables()
    put(words, place, int(words[place >> 3]) & ~P)
    before = words.copy()
    assert do(walker, words, access) == -1 - access
    assert (words == before).all()


@pytest.mark.parametrize("place", [PML4 + 8, PDPT + 16, PD + 24, PT + 32])
@pytest.mark.parametrize("bit", [40, 51])
def test_walk_of_reserved_address_bits_faults(walker: object, place: int, bit: int) -> None:
    words = long_tables()
    put(words, place, int(words[place >> 3]) | 1 << bit)
    assert do(walker, words) == -1 - RESERVED


@pytest.mark.parametrize("place", [PML4 + 8, PDPT + 16, PD + 24, PT + 32])
@pytest.mark.parametrize(("without", "expected"), [(0, 0x7567), (NXE, -1 - RESERVED)])
def test_walk_of_no_execute_is_reserved_without_nxe(
    walker: object, place: int, without: int, expected: int
) -> None:
    words = long_tables()
    put(words, place, int(words[place >> 3]) | NX)
    assert do(walker, words, without=without) == expected


@pytest.mark.parametrize("place", [PML4 + 8, PDPT + 16, PD + 24, PT + 32])
@pytest.mark.parametrize(
    ("bit", "access", "cr0", "is_denied"),
    [
        (U, 0, 0, False),
        (U, ERROR_USER, 0, True),
        (W, 0, WP, False),
        (W, ERROR_WRITE, 0, False),
        (W, ERROR_WRITE, WP, True),
        (W, ERROR_WRITE | ERROR_USER, 0, True),
        (W, ERROR_USER, WP, False),
    ],
)
def test_walk_takes_the_weakest_right_of_all_levels(
    walker: object,
    place: int,
    bit: int,
    access: int,
    cr0: int,
    is_denied: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    words = long_tables()
    put(words, place, int(words[place >> 3]) & ~bit)
    expected = {True: -1 - (access | DENIED), False: 0x7567}[is_denied]
    assert do(walker, words, access, cr0=cr0) == expected


@pytest.mark.parametrize(
    ("leaf", "access", "expected"),
    [
        (0x7000 | P | W | U, 0, -1 - DENIED),
        (0x7000 | P | W | U, ERROR_USER, 0x7567),
        (0x7000 | P | W, 0, 0x7567),
    ],
)
def test_walk_with_smap_denies_user_pages_to_the_supervisor(
    walker: object, leaf: int, access: int, expected: int
) -> None:
    assert do(walker, long_tables(leaf), access, cr4=SMAP) == expected


def test_walk_of_a_2_mib_page(walker: object) -> None:
    words = long_tables()
    put(words, PD + 24, 0x60_0000 | P | W | U | BIG)
    assert do(walker, words, ERROR_WRITE) == 0x60_0000 + (LINEAR & 0x1F_FFFF)
    assert int(words[PD + 24 >> 3]) & (A | D) == A | D


def test_walk_of_a_1_gib_page(walker: object) -> None:
    words = long_tables()
    put(words, PDPT + 16, 0x8000_0000 | P | W | U | BIG)
    assert do(walker, words) == 0x8000_0000 + (LINEAR & 0x3FFF_FFFF)


@pytest.mark.parametrize(
    ("place", "bit"), [(PD + 24, 13), (PD + 24, 20), (PDPT + 16, 13), (PDPT + 16, 29)]
)
def test_walk_of_reserved_bits_of_a_big_page_faults(walker: object, place: int, bit: int) -> None:
    words = long_tables()
    put(words, place, 1 << bit | P | W | U | BIG)
    assert do(walker, words) == -1 - RESERVED


def test_walk_of_the_pat_bit_of_a_big_page_does_not_fault(walker: object) -> None:
    words = long_tables()
    put(words, PD + 24, 1 << 12 | P | W | U | BIG)
    assert do(walker, words) == LINEAR & 0x1F_FFFF


def test_walk_of_a_page_size_bit_in_the_top_level_faults(walker: object) -> None:
    words = long_tables()
    put(words, PML4 + 8, PDPT | P | W | U | BIG)
    assert do(walker, words) == -1 - RESERVED


def test_walk_of_tables_outside_ram_reads_all_ones(walker: object) -> None:
    words = long_tables()
    put(words, PD + 24, 0x100_0000 | P | W | U)
    assert do(walker, words) == -1 - RESERVED


def test_walk_of_a_negative_address_uses_the_upper_half(walker: object) -> None:
    words = long_tables()
    put(words, PML4 + 8 * 511, PDPT | P | W | U)
    linear = -(1 << 39) + (LINEAR & (1 << 39) - 1)
    assert do(walker, words, linear=linear) == 0x7567


# -- PAE and 32-bit paging -------------------------------------------------------------------------


def test_walk_of_pae_tables_finds_the_page(walker: object) -> None:
    words = long_tables()
    put(words, PDPT + 16, PD | P)
    assert do(walker, words, ERROR_USER | ERROR_WRITE, PAE_MODE) == 0x7567
    assert int(words[PDPT + 16 >> 3]) == PD | P


def test_walk_of_pae_tables_takes_2_mib_pages(walker: object) -> None:
    words = long_tables()
    put(words, PD + 24, 0x60_0000 | P | W | U | BIG)
    assert do(walker, words, mode=PAE_MODE) == 0x60_0000 + (LOW & 0x1F_FFFF)


def test_walk_of_a_pae_pointer_with_no_execute_faults(walker: object) -> None:
    words = long_tables()
    put(words, PDPT + 16, PD | P | NX)
    assert do(walker, words, mode=PAE_MODE) == -1 - RESERVED


def test_walk_of_32_bit_tables_finds_the_page(walker: object) -> None:
    words = legacy_tables(0x7000 | P | W | U)
    assert do(walker, words, ERROR_WRITE, LEGACY) == 0x7567
    doubles = words.view(np.uint32)
    assert int(doubles[PD // 4 + (LOW >> 22)]) & (A | D) == A
    assert int(doubles[PT // 4 + (LOW >> 12 & 1023)]) & (A | D) == A | D


@pytest.mark.parametrize("page", [4, 5])
def test_walk_of_32_bit_tables_sets_bits_in_the_right_half(walker: object, page: int) -> None:
    words = legacy_tables(0)
    doubles = words.view(np.uint32)
    index = PT // 4 + (LOW >> 12 & 1023) - 4 + page
    doubles[index] = 0x7000 | P
    doubles[index ^ 1] = 0
    do(walker, words, mode=LEGACY, linear=LOW + (page - 4 << 12))
    assert (int(doubles[index]), int(doubles[index ^ 1])) == (0x7000 | P | A, 0)


def test_walk_of_a_4_mib_page(walker: object) -> None:
    words = legacy_tables(0, 0x80_0000 | P | W | U | BIG)
    assert do(walker, words, mode=LEGACY) == 0x80_0000 + (LOW & 0x3F_FFFF)


def test_walk_of_a_4_mib_page_takes_high_address_bits(walker: object) -> None:
    words = legacy_tables(0, 0x80_0000 | 0x2000 | P | BIG)
    assert do(walker, words, mode=LEGACY) == 0x1_0080_0000 + (LOW & 0x3F_FFFF)


def test_walk_of_a_4_mib_page_with_its_reserved_bit_faults(walker: object) -> None:
    words = legacy_tables(0, 1 << 21 | P | BIG)
    assert do(walker, words, mode=LEGACY) == -1 - RESERVED


def test_walk_without_pse_ignores_the_page_size_bit(walker: object) -> None:
    words = legacy_tables(0x7000 | P, PT | P | BIG)
    root = PD
    result = walker(words, LOW, 0, PG_PE, root, 0, 0)  # type: ignore[operator]
    assert result == 0x7567


def test_walk_of_32_bit_tables_outside_ram_reads_all_ones(walker: object) -> None:
    words = legacy_tables(0, 0x100_0000 | P | W | U)
    assert do(walker, words, mode=LEGACY) == 0xFFFF_F567


ENTRY = st.builds(
    lambda page, flags, high: page << 12 | flags | high,
    st.integers(0, 9),
    st.integers(0, 0xFFF),
    st.sampled_from([0, 0, 0, 0, NX, 1 << 40, 1 << 13, 1 << 21]),
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    seeds=st.lists(ENTRY, min_size=16, max_size=16),
    linear=st.integers(0, (1 << 48) - 1),
    access=st.sampled_from([0, 2, 4, 6]),
    cr0=st.sampled_from([PG_PE, PG_PE | WP]),
    mode=st.sampled_from([LONG, (PAE | SMAP, LMA), PAE_MODE, LEGACY, (0, 0)]),
)
def test_walk_compiled_and_as_python_agree(
    seeds: list[int], linear: int, access: int, cr0: int, mode: tuple[int, int]
) -> None:
    words = np.resize(np.array(seeds, dtype=np.uint64), RAM_WORDS)
    other = words.copy()
    arguments = (linear, access, cr0, PML4, *mode)
    assert walk(words, *arguments) == walk.py_func(other, *arguments)
    assert (words == other).all()
