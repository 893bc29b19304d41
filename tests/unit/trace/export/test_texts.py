import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from uniSMP.trace.export import texts

WORDS = st.lists(st.integers(0, (1 << 64) - 1), max_size=20)


def strings(column: pa.LargeBinaryArray) -> list[str]:
    return [value.decode() for value in column.to_pylist()]


@given(WORDS, st.integers(1, 16))
def test_hexadecimal_is_what_format_gives(values: list[int], digits: int) -> None:
    column = texts.hexadecimal(np.array(values, dtype=np.uint64), digits=digits)
    assert strings(column) == [f"{value:0{digits}x}" for value in values]


@given(WORDS)
def test_decimal_is_what_str_gives(values: list[int]) -> None:
    assert strings(texts.decimal(np.array(values, dtype=np.uint64))) == list(map(str, values))


@given(st.lists(st.tuples(st.integers(0, (1 << 64) - 1), st.integers(1, 8)), max_size=20))
def test_memory_bytes_are_little_endian(rows: list[tuple[int, int]]) -> None:
    values = np.array([value for value, _ in rows], dtype=np.uint64)
    sizes = np.array([size for _, size in rows], dtype=np.uint8)
    assert strings(texts.memory_bytes(values, sizes)) == [
        value.to_bytes(8, "little")[:size].hex() for value, size in rows
    ]


def test_signed_numbers_are_taken_as_unsigned() -> None:
    assert strings(texts.hexadecimal(np.array([-1]))) == ["f" * 16]


def test_join_puts_columns_and_constants_side_by_side() -> None:
    column = texts.join(texts.from_strings(["a", ""]), b"-", texts.from_strings(["b", "c"]))
    assert strings(column) == ["a-b", "-c"]


def test_grouped_makes_neighbours_one_row() -> None:
    column = texts.from_strings(["skipped", "a", "b", "c", "left"])
    assert strings(texts.grouped(column, np.array([1, 1, 3, 4]))) == ["", "ab", "c"]


def test_contents_of_a_part_are_its_rows_only() -> None:
    column = texts.from_strings(["a", "b", "c"])
    assert bytes(texts.contents(column.slice(1, 1))) == b"b"
    assert bytes(texts.contents(column)) == b"abc"


def test_column_without_rows_has_no_contents() -> None:
    empty = texts.from_bytes(np.empty(0, np.uint8), np.empty(0, np.int64))
    assert bytes(texts.contents(texts.join(empty, b"\n"))) == b""
    assert strings(texts.grouped(empty, np.zeros(3, np.int64))) == ["", ""]
