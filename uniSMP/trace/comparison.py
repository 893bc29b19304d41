"""Where two traces first differ.

The tables that both have are read side by side, a batch at a time, and compared column by column;
the earliest step at which any of them differs is the answer. Where slices and blocks begin is not
compared, but what the cores did: executions are compared instruction by instruction with their
bytes, and accessed and dirty bits, which a trace shows at the ends of slices, are left out.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from uniSMP.errors import FormatError
from uniSMP.trace.reader import Trace

Row = dict[str, Any]
_TABLES = ("executions", "instructions", "memory", "registers", "events")
_BATCH_ROWS = 1 << 18
_MASK64 = (1 << 64) - 1
_DESCRIPTIONS = ("image_sha256", "target", "configuration", "filter", "level")
_LEFT_OUT = {"events": ("kind", ("slice_begin", "slice_end")), "memory": ("origin", ("page walk",))}
"""Rows whose step is that of a slice's end: columns and words."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first difference.

    Attributes:
        step: of the earlier of the two rows.
        table: where.
        left: the row of the first trace; None: it has no more rows.
        right: the row of the second.
    """

    step: int
    table: str
    left: Row | None
    right: Row | None


def describe_runs(left: Trace, right: Trace) -> list[str]:
    """Return in words how the runs themselves differ: image, configuration, filter, level."""
    told = []
    for name in _DESCRIPTIONS:
        one, other = left.manifest.get(name), right.manifest.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            told += [
                f"{name}.{key}: {one.get(key)} and {other.get(key)}"
                for key in sorted({*one, *other})
                if one.get(key) != other.get(key)
            ]
        elif one != other:
            told.append(f"{name}: {one} and {other}")
    return told


def first_difference(
    left: Trace, right: Trace, on_table: Callable[[str], object] = lambda _name: None
) -> Difference | None:
    """Return where two traces first differ in the tables that both have, or None.

    Args:
        left: a trace.
        right: another one.
        on_table: told each table before it is compared.

    Raises:
        FormatError: a segment is damaged.
    """
    found: Difference | None = None
    both = [name for name in _TABLES if left.has(name) and right.has(name)]
    for name in both:
        on_table(name)
        end = None if found is None else found.step
        difference = _compare(left, right, name, end)
        if difference is not None and (found is None or difference.step < found.step):
            found = difference
    return found


def _compare(left: Trace, right: Trace, name: str, end: int | None) -> Difference | None:
    if name != "executions":
        return _compare_batches(name, _batches(left, name), _batches(right, name), end)
    first = 0
    if _has_same_blocks(left, right):  # then executions that are equal need not be expanded
        pieces = _batches(left, name), _batches(right, name)
        unequal = _compare_batches(name, *pieces, end)
        if unequal is None:
            return None
        first = unequal.step
    one, other = (
        _Expansion(trace).expand_all(_batches(trace, name, first)) for trace in (left, right)
    )
    return _compare_batches(name, one, other, end)


def _has_same_blocks(left: Trace, right: Trace) -> bool:
    query = "SELECT * FROM blocks ORDER BY block"
    return bool(left.sql(query).equals(right.sql(query)))


def _compare_batches(
    name: str, left: Iterator[pa.Table], right: Iterator[pa.Table], end: int | None
) -> Difference | None:
    for one, other in _aligned(left, right):
        if end is not None and one.num_rows and one.column("step")[0].as_py() >= end:
            return None
        place = _first_unequal(one, other)
        if place is not None:
            rows = [
                batch.slice(place, 1).to_pylist()[0] if place < batch.num_rows else None
                for batch in (one, other)
            ]
            step = min(row["step"] for row in rows if row is not None)
            return Difference(step, name, rows[0], rows[1])
    return None


def _batches(trace: Trace, name: str, first: int = 0) -> Iterator[pa.Table]:
    """Yield the rows of a table from a step on."""
    for path in trace.segments(name):
        try:
            file = pq.ParquetFile(path)
            for batch in file.iter_batches(_BATCH_ROWS):
                rows = pa.Table.from_batches([batch])
                if name in _LEFT_OUT:
                    column, words = _LEFT_OUT[name]
                    left_out = pc.is_in(rows.column(column), pa.array(words))
                    rows = rows.filter(pc.invert(left_out))
                if first:
                    rows = rows.filter(pc.greater_equal(rows.column("step"), first))
                yield rows
        except (OSError, pa.ArrowException) as error:
            raise FormatError(f"{path} is damaged: {error}") from error


class _Expansion:
    """Turns executions into rows of instructions."""

    def __init__(self, trace: Trace) -> None:
        rows = trace.rows("SELECT block, address, code, offsets FROM blocks ORDER BY block")
        self._first = np.zeros(max((row["block"] for row in rows), default=0) + 2, dtype=np.int64)
        addresses: list[int] = []
        code: list[int] = []
        for row in rows:
            self._first[row["block"]] = len(addresses)
            addresses += [row["address"] + offset & _MASK64 for offset in row["offsets"]]
            code += _digests(row["code"], row["offsets"])
        self._addresses = np.array(addresses, dtype=np.uint64)
        self._code = np.array(code, dtype=np.uint64)

    def expand_all(self, batches: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Yield (step, core, rip, code) of each instruction; `code` is a digest of its bytes."""
        return (self.expand(rows) for rows in batches)

    def expand(self, rows: pa.Table) -> pa.Table:
        """Return the same for some executions."""
        step, core, block, count = (
            rows.column(name).to_numpy() for name in ("step", "core", "block", "instructions")
        )
        ends = np.cumsum(count)
        within = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - count, count)
        place = np.repeat(self._first[block], count) + within
        return pa.table(
            {
                "step": np.repeat(step, count) + within,
                "core": np.repeat(core, count),
                "rip": self._addresses[place],
                "code": self._code[place],
            }
        )


def _digests(code: bytes, offsets: list[int]) -> list[int]:
    """Return a digest of 64 bits of each instruction of a block."""
    pieces = (code[first:end] for first, end in pairwise([*offsets, len(code)]))
    return [
        int.from_bytes(hashlib.blake2b(piece, digest_size=8).digest(), "little") for piece in pieces
    ]


def _aligned(
    left: Iterator[pa.Table], right: Iterator[pa.Table]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield pieces of equal length; where one trace ends, the rest of the other and nothing."""
    one, other = next(left, None), next(right, None)
    while one is not None and other is not None:
        size = min(one.num_rows, other.num_rows)
        yield one.slice(0, size), other.slice(0, size)
        one = one.slice(size) if size < one.num_rows else next(left, None)
        other = other.slice(size) if size < other.num_rows else next(right, None)
    for rest in chain([one] if one is not None else [], left):
        yield rest, rest.slice(0, 0)
    for rest in chain([other] if other is not None else [], right):
        yield rest.slice(0, 0), rest


def _first_unequal(one: pa.Table, other: pa.Table) -> int | None:
    """Return the first row at which two pieces differ; a missing row differs."""
    size = min(one.num_rows, other.num_rows)
    if one.num_rows != other.num_rows:
        return int(size)
    places = [
        place
        for name in one.column_names
        if (place := _first_in_column(one.column(name), other.column(name))) is not None
    ]
    first: int | None = min(places, default=None)
    return first


def _first_in_column(one: pa.ChunkedArray, other: pa.ChunkedArray) -> int | None:
    if one.equals(other):
        return None
    if pa.types.is_list(one.type):
        pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
        return next(number for number, (a, b) in enumerate(pairs) if a != b)
    is_same = pc.fill_null(pc.equal(one, other), False)  # noqa: FBT003 - Arrow's signature
    both_null = pc.and_(pc.is_null(one), pc.is_null(other))
    place = pc.index(pc.or_(is_same, both_null), value=False).as_py()
    return int(place)
