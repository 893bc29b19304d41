"""Columns of text, built for all rows at once: numbers as digits, and columns joined to lines.

A column is an Arrow array of large_binary: one buffer of bytes and the offsets of the rows in it.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Integers = npt.NDArray[np.integer]
_HEXADECIMAL = np.frombuffer(
    "".join(f"{byte:02x}" for byte in range(256)).encode(), dtype=np.uint8
).reshape(256, 2)
_BINARY = pa.large_binary()


def hexadecimal(values: Integers, *, digits: int = 1) -> pa.LargeBinaryArray:
    """Return unsigned numbers in hexadecimal digits, without a prefix.

    Args:
        values: the numbers; signed ones are taken as unsigned 64-bit ones.
        digits: how many digits each has at least.
    """
    wide = values.astype(np.uint64)
    most = max(len(f"{int(wide.max(initial=0)):x}"), digits)
    width = (most + 1) & ~1
    octets = wide.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - width // 2 :]
    lengths = np.full(len(wide), digits, dtype=np.int64)
    for place in range(digits, most):
        lengths += wide >> np.uint64(4 * place) != 0
    return _right_aligned(_HEXADECIMAL[octets].reshape(-1, width), lengths)


def decimal(values: Integers) -> pa.LargeBinaryArray:
    """Return unsigned numbers in decimal digits."""
    wide = values.astype(np.uint64)
    most = len(str(int(wide.max(initial=0))))
    digits = np.empty((len(wide), most), dtype=np.uint8)
    rest = wide
    lengths = np.ones(len(wide), dtype=np.int64)
    for place in range(most - 1, -1, -1):
        quotient = rest // np.uint64(10)
        digits[:, place] = rest - quotient * np.uint64(10) + np.uint64(ord("0"))
        rest = quotient
        if place:
            lengths += rest != 0
    return _right_aligned(digits, lengths)


def memory_bytes(values: Integers, sizes: Integers) -> pa.LargeBinaryArray:
    """Return the bytes of values in memory order, two hexadecimal digits each.

    Args:
        values: little-endian words of up to 8 bytes.
        sizes: bytes of each.
    """
    octets = values.astype("<u8").view(np.uint8).reshape(-1, 8)
    lengths = 2 * sizes.astype(np.int64)
    kept = np.arange(16) < lengths[:, None]
    return from_bytes(_HEXADECIMAL[octets].reshape(-1, 16)[kept], lengths)


def from_bytes(data: npt.NDArray[np.uint8], lengths: Integers) -> pa.LargeBinaryArray:
    """Return a column of the bytes of one row after the other, so many to each."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return _column(offsets, pa.py_buffer(np.ascontiguousarray(data)))


def from_strings(strings: Sequence[str]) -> pa.LargeBinaryArray:
    """Return a column of these strings."""
    return pa.array([text.encode() for text in strings], _BINARY)


def join(*columns: pa.LargeBinaryArray | bytes) -> pa.LargeBinaryArray:
    """Return a column whose rows are the columns' rows one behind the other.

    Args:
        columns: columns of one length, at least one of them, and constants.
    """
    parts = [
        pa.scalar(column, _BINARY) if isinstance(column, bytes) else column for column in columns
    ]
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", _BINARY))


def grouped(column: pa.LargeBinaryArray, edges: Integers) -> pa.LargeBinaryArray:
    """Return a column in which neighbouring rows are one row.

    Args:
        column: the rows.
        edges: the first row of each new row, and behind the last one; ascending.
    """
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset :]
    data = column.buffers()[2]
    return _column(offsets[edges], pa.py_buffer(b"") if data is None else data)


def contents(column: pa.LargeBinaryArray) -> memoryview:
    """Return the bytes of all rows, one row behind the other."""
    data = column.buffers()[2]
    if data is None:
        return memoryview(b"")
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset :]
    return memoryview(data)[offsets[0] : offsets[len(column)]]


def _right_aligned(digits: npt.NDArray[np.uint8], lengths: Integers) -> pa.LargeBinaryArray:
    """Return the last `lengths` digits of each row."""
    width = digits.shape[1]
    kept = np.arange(width) >= width - lengths[:, None]
    return from_bytes(digits[kept], lengths)


def _column(offsets: npt.NDArray[np.int64], data: pa.Buffer) -> pa.LargeBinaryArray:
    buffers = [None, pa.py_buffer(np.ascontiguousarray(offsets)), data]
    return pa.LargeBinaryArray.from_buffers(_BINARY, len(offsets) - 1, buffers)
