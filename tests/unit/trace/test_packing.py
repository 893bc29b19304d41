"""Packed columns give back what was put in, and damage is told."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniSMP.errors import FormatError
from uniSMP.trace.packing import ColumnPacker, unpack

WORDS = st.lists(st.none() | st.text())


@given(st.lists(st.integers(-1, (1 << 31) - 1)))
def test_numbers_come_back(numbers: list[int]) -> None:
    packer = ColumnPacker()
    packer.add_numbers("a", numbers)
    assert unpack(packer.pack({}))["columns"]["a"] == numbers


@given(st.lists(st.integers(-1, (1 << 53) - 1)))
def test_rising_numbers_come_back(numbers: list[int]) -> None:
    packer = ColumnPacker()
    packer.add_rising("a", sorted(numbers))
    assert unpack(packer.pack({}))["columns"]["a"] == sorted(numbers)


@given(WORDS, WORDS)
def test_words_of_several_columns_come_back(
    first: list[str | None], second: list[str | None]
) -> None:
    packer = ColumnPacker()
    packer.add_words("a", first)
    packer.add_words("b", second)
    columns = unpack(packer.pack({"other": 1}))["columns"]
    assert (columns["a"], columns["b"]) == (first, second)


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [([0, 255], "u8"), ([256], "u16"), ([65536], "i32"), ([-1], "i32"), ([], "u8")],
)
def test_numbers_take_the_smallest_type(numbers: list[int], kind: str) -> None:
    packer = ColumnPacker()
    packer.add_numbers("a", numbers)
    assert packer._columns["a"]["type"] == kind


def test_numbers_beyond_31_bits_are_refused() -> None:
    with pytest.raises(AssertionError, match="31 bits"):
        ColumnPacker().add_numbers("a", [1 << 31])


@given(st.binary(max_size=60))
def test_random_bytes_are_damaged(data: bytes) -> None:
    with pytest.raises(FormatError):
        unpack(base64.b64encode(data).decode())


def test_truncated_data_are_damaged() -> None:
    packer = ColumnPacker()
    packer.add_numbers("a", list(range(1000)))
    with pytest.raises(FormatError):
        unpack(packer.pack({})[:-40])


def test_packed_text_has_no_letter_that_ends_an_element() -> None:
    packer = ColumnPacker()
    packer.add_words("a", ["</script><script>alert(1)</script>"] * 3)
    assert set("<>&\"'") & set(packer.pack({"b": "</script>"})) == set()
