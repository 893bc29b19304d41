"""Columns of numbers and words as one compressed string, for a page that reads them by itself.

Layout before compression (zlib), all numbers little-endian:

    4 bytes   length of the head
    head      JSON: `columns` by name as below, and what else was given
    padding   to a multiple of 8 bytes, counted from the beginning
    columns   one after the other, each padded to a multiple of 8 bytes

A column has `type` (u8, u16, i32, f64), `offset` (bytes from the end of the head's padding),
`length` (numbers), `is_delta` (each is the difference to the one before, the first to 0) and
perhaps `words`: the numbers are places in this list then, and 0 is nothing.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uniSMP.errors import FormatError

_TYPES = {"u8": "<u1", "u16": "<u2", "i32": "<i4", "f64": "<f8"}
_ALIGNMENT = 8
_HEAD_LENGTH_BYTES = 4
_LEVEL = 9
_MOST_EXACT = 1 << 53
"""A page counts in doubles."""


class ColumnPacker:
    """Collects columns."""

    def __init__(self) -> None:
        self._columns: dict[str, dict[str, Any]] = {}
        self._data: list[bytes] = []
        self._offset = 0

    def add_numbers(
        self, name: str, values: Sequence[int] | npt.NDArray[Any], *, least: str = "u8"
    ) -> None:
        """Add whole numbers of up to 31 bits, in the smallest type from `least` that holds them."""
        array = np.asarray(values, dtype=np.int64)
        names = list(_TYPES)[list(_TYPES).index(least) : -1]
        fitting = [key for key in names if _fits(array, np.dtype(_TYPES[key]))]
        assert fitting, f"column {name} has numbers of more than 31 bits"
        self._add(name, fitting[0], array, is_delta=False)

    def add_rising(self, name: str, values: Sequence[int] | npt.NDArray[Any]) -> None:
        """Add numbers of up to 53 bits that lie close to each other, such as steps."""
        array = np.asarray(values, dtype=np.int64)
        assert not array.size or int(array.max()) < _MOST_EXACT, f"column {name}: beyond 53 bits"
        self._add(name, "f64", np.diff(array, prepend=0), is_delta=True)

    def add_words(self, name: str, values: Iterable[str | None]) -> None:
        """Add words or nothing."""
        column = pa.array(values, type=pa.string()).dictionary_encode()
        numbers = column.indices.fill_null(-1).to_numpy(zero_copy_only=False) + 1
        self.add_numbers(name, numbers)
        self._columns[name]["words"] = column.dictionary.to_pylist()

    def _add(self, name: str, kind: str, array: npt.NDArray[Any], *, is_delta: bool) -> None:
        data = array.astype(_TYPES[kind]).tobytes()
        padded = data + bytes(-len(data) % _ALIGNMENT)
        column = {"type": kind, "offset": self._offset, "length": len(array)}
        self._columns[name] = {**column, "is_delta": is_delta}
        self._data.append(padded)
        self._offset += len(padded)

    def pack(self, others: Mapping[str, Any]) -> str:
        """Return everything as base64; `others` go into the head."""
        head = json.dumps({**others, "columns": self._columns}, separators=(",", ":")).encode()
        begin = len(head).to_bytes(_HEAD_LENGTH_BYTES, "little") + head
        data = b"".join([begin, bytes(-len(begin) % _ALIGNMENT), *self._data])
        return base64.b64encode(zlib.compress(data, _LEVEL)).decode("ascii")


def unpack(text: str) -> dict[str, Any]:
    """Return the head of packed columns; `columns` has numbers or words by name.

    Raises:
        FormatError: these are no packed columns.
    """
    try:
        data = zlib.decompress(base64.b64decode(text, validate=True))
        size = int.from_bytes(data[:_HEAD_LENGTH_BYTES], "little")
        begin = _HEAD_LENGTH_BYTES + size
        head: dict[str, Any] = json.loads(data[_HEAD_LENGTH_BYTES:begin])
        begin += -begin % _ALIGNMENT
        columns = head["columns"].items()
        head["columns"] = {name: _values(data, begin, column) for name, column in columns}
    except (ValueError, KeyError, TypeError, AttributeError, zlib.error) as error:
        raise FormatError(f"the data of the page are damaged: {error}") from error
    return head


def _values(data: bytes, begin: int, column: Mapping[str, Any]) -> list[Any]:
    values = np.frombuffer(data, _TYPES[column["type"]], column["length"], begin + column["offset"])
    if column["is_delta"]:
        values = np.cumsum(values).astype(np.int64)
    numbers: list[int] = values.tolist()
    if "words" in column:
        return [column["words"][number - 1] if number else None for number in numbers]
    return numbers


def _fits(array: npt.NDArray[np.int64], kind: np.dtype[Any]) -> bool:
    bounds = np.iinfo(kind)
    return not array.size or bool(array.min() >= bounds.min and array.max() <= bounds.max)
