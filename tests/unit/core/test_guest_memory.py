"""Linear memory as the harness uses it for the guest."""

import pytest
from lab import DATA, WINDOW, Lab, cx

from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.paging import ERROR_USER, ERROR_WRITE
from uniSMP.core.guest_memory import is_canonical


@pytest.mark.parametrize(
    ("linear", "expected"),
    [
        (0, True),
        ((1 << 47) - 1, True),
        (1 << 47, False),
        (0xFFFF_7FFF_FFFF_FFFF, False),
        (0xFFFF_8000_0000_0000, True),
        (cx.MASK64, True),
    ],
)
def test_canonical_addresses_repeat_bit_47(
    linear: int,
    expected: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert is_canonical(linear) is expected


def test_write_across_pages_reaches_both(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.map_page(WINDOW + 0x1000, DATA + 0x3000 | 3)
    long_mode.core.memory.write(WINDOW + 0xFFE, b"abcd")
    assert long_mode.memory.read(DATA + 0xFFE, 2) == b"ab"
    assert long_mode.memory.read(DATA + 0x3000, 2) == b"cd"
    assert long_mode.core.memory.read(WINDOW + 0xFFE, 4) == b"abcd"


def test_write_that_faults_in_its_second_page_writes_nothing(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    with pytest.raises(Fault) as caught:
        long_mode.core.memory.write(WINDOW + 0xFFE, b"abcd", ERROR_USER * 0)
    fault = caught.value
    assert (fault.vector, fault.error_code, fault.cr2) == (Vector.PF, ERROR_WRITE, WINDOW + 0x1000)
    assert long_mode.memory.read(DATA + 0xFFE, 2) == b"\0\0"


def test_write_of_many_pages_is_taken_apart(long_mode: Lab) -> None:
    data = bytes(range(256)) * 40
    long_mode.core.memory.write(DATA + 0x123, data)
    assert long_mode.core.memory.read(DATA + 0x123, len(data)) == data


def test_upper_half_is_translated(long_mode: Lab) -> None:
    high = 0xFFFF_8000_0000_0000
    long_mode.map_page(high, DATA | 3)
    long_mode.core.memory.write(high + 8, b"high")
    assert long_mode.memory.read(DATA + 8, 4) == b"high"


def test_read_at_the_end_of_32_bit_space_wraps(protected_mode: Lab) -> None:
    protected_mode.memory.write(0, b"\x12\x34")
    data = protected_mode.core.memory.read(0xFFFF_FFFE, 4)
    assert data[2:] == b"\x12\x34"


def test_fetch_ends_where_a_page_is_missing(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    assert len(long_mode.core.memory.fetch(WINDOW + 0xFF8, 15)) == 8


def test_fetch_goes_on_in_the_next_page(long_mode: Lab) -> None:
    assert len(long_mode.core.memory.fetch(DATA + 0xFF8, 15)) == 15


def test_fetch_ignores_smap(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 7)
    long_mode.context.set_quad(cx.CR4, long_mode.context.quad(cx.CR4) | 1 << 21)
    assert len(long_mode.core.memory.fetch(WINDOW, 4)) == 4
    with pytest.raises(Fault):
        long_mode.core.memory.read(WINDOW, 4)


def test_fetch_of_user_code_respects_the_user_bit(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.enter_user()
    assert long_mode.core.memory.fetch(WINDOW, 4) == b""


def test_memory_behind_ram_reads_as_the_platform_says(long_mode: Lab) -> None:
    assert long_mode.core.memory.read(0x4000_0000, 4) == b"\xff" * 4


def test_a20_held_low_masks_the_address(real_mode: Lab) -> None:
    real_mode.core.set_a20(is_enabled=False)
    assert real_mode.core.memory.translate(0x10_0123) == 0x123
