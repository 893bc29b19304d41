"""Queries of an assembled image."""

import pytest

from uniSMP.assembler.image import Image, Line

IMAGE = Image(
    data=bytes(16),
    origin=0x1000,
    symbols={"limit": 5, "first": 0x1004, "twin": 0x1004, "last": 0x1008, "end": 0x1010},
    lines=(Line(0x1000, "a", 1), Line(0x1004, "b", 7)),
    entry=0x1000,
    labels=("first", "twin", "last", "end"),
)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0xFFF, None),
        (0x1003, None),
        (0x1004, ("first", 0)),
        (0x1007, ("first", 3)),
        (0x1008, ("last", 0)),
        (0x100F, ("last", 7)),
        (0x1010, None),
    ],
)
def test_symbol_at_address_gives_nearest_label_below(
    address: int, expected: tuple[str, int] | None
) -> None:
    assert IMAGE.symbol_at(address) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [(0xFFF, None), (0x1000, 1), (0x1003, 1), (0x1004, 7), (0x100F, 7), (0x1010, None)],
)
def test_line_at_address_gives_line_of_the_byte(address: int, expected: int | None) -> None:
    row = IMAGE.line_at(address)
    assert (row and row.line) == expected


def test_line_at_without_table_gives_nothing() -> None:
    assert Image(b"\x90", 0, {}, (), 0, ()).line_at(0) is None


def test_end_is_behind_the_last_byte() -> None:
    assert IMAGE.end == 0x1010


def test_images_of_equal_content_are_equal() -> None:
    assert Image(b"\x90", 0, {}, (), 0, ()) == Image(b"\x90", 0, {}, (), 0, ())
