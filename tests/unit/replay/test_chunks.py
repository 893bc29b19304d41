"""Chunks as bytes, there and back."""

import struct
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.errors import FormatError
from uniSMP.machine.host_input import MemoryInput, RegisterInput, SerialInput
from uniSMP.machine.outcome import Outcome
from uniSMP.machine.slice_log import NMI, NO_VECTOR, RowEnd, Rows
from uniSMP.replay.chunks import (
    MARK_INTERVAL,
    Checkpoint,
    Chunk,
    Item,
    RunEnd,
    decode,
    encode,
    marked,
)

CORES = 9
END = RunEnd("FINISHED", "why", 0, "ab" * 32, 10, 11, 0, 3, "cd" * 32, [4, 6])
KEPT_ENDS = (RowEnd.BUDGET, RowEnd.PAUSE, RowEnd.HALT, RowEnd.SHUTDOWN)


def rows_of(rows: list[tuple[int, ...]]) -> Rows:
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), 7).T
    return Rows(*columns.copy())


def chunk_of(rows: list[tuple[int, ...]], first: int = 0, items: Any = ()) -> Chunk:
    checkpoint = Checkpoint(first + len(rows), 1000, bytes(range(16)))
    return Chunk(first, rows_of(rows), items, checkpoint)


ROW = (3, 10, 25, NO_VECTOR, 0, int(RowEnd.PAUSE), 0)
PLAIN = chunk_of([ROW, (1, 7, 7, 0x41, 2, 0, 0), (0, 1, 1, NMI, 0, 2, 0)])

row = st.tuples(
    st.integers(0, CORES - 1),
    st.integers(0, 300) | st.integers(0, 1 << 40),
    st.integers(0, 300) | st.integers(0, 1 << 40),
    st.just(NO_VECTOR) | st.integers(0, 255) | st.just(NMI),
    st.integers(0, 3) | st.integers(0, (1 << 32) - 1),
    st.sampled_from(RowEnd),
    st.integers(-(1 << 63), (1 << 63) - 1),
)
data = st.binary(max_size=40)
item = st.one_of(
    st.builds(MemoryInput, st.integers(0, 1 << 40), data),
    st.builds(RegisterInput, st.integers(0, 8), st.text(), st.integers(0, (1 << 64) - 1)),
    st.builds(SerialInput, data),
    st.builds(
        RunEnd,
        outcome=st.sampled_from([outcome.value for outcome in Outcome]),
        reason=st.text(),
        exit_value=st.none() | st.integers(0, 255),
        digest=st.text(),
        steps=st.integers(0),
        ticks=st.integers(0),
        idle_events=st.integers(0),
        console_bytes=st.integers(0),
        console_sha256=st.text(),
        instructions=st.lists(st.integers(0)),
    ),
)


def as_logged(rows: list[tuple[int, ...]]) -> Rows:
    """Return rows as a log has them: what goes on with a slice has no budget of its own."""
    made = rows_of(rows)
    goes_on = np.isin(np.concatenate([[0], made.end[:-1]]), [RowEnd.INTERRUPT, RowEnd.INPUT])
    unused = made.budget
    return replace(made, budget=np.where(goes_on[: len(made)], 0, made.instructions + unused))


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    rows = as_logged(draw(st.lists(row, max_size=40)))
    first = draw(st.integers(0, 100) | st.integers(0, 1 << 60))
    items: list[tuple[int, Item]] = sorted(
        draw(st.lists(st.tuples(st.integers(first, first + len(rows)), item), max_size=4)),
        key=lambda each: each[0],
    )
    state_hash = draw(st.binary(min_size=16, max_size=16))
    step = draw(st.integers(0, (1 << 64) - 1))
    return Chunk(first, rows, items, Checkpoint(first + len(rows), step, state_hash))


@settings(deadline=None)
@given(chunks())
def test_chunk_is_read_as_it_was_written(chunk: Chunk) -> None:
    found = decode(encode(chunk), CORES)
    numbers = chunk.first_row + np.arange(len(chunk.rows), dtype=object)
    is_marked = (numbers % MARK_INTERVAL == MARK_INTERVAL - 1).astype(bool)
    assert np.array_equal(found.rows.mark, np.where(is_marked, chunk.rows.mark & 0xFFFF_FFFF, 0))
    for name in ("core", "instructions", "budget", "vector", "faults", "end"):
        assert np.array_equal(getattr(found.rows, name), getattr(chunk.rows, name)), name
    assert list(found.items) == list(chunk.items)
    assert (found.first_row, found.checkpoint) == (chunk.first_row, chunk.checkpoint)


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_damaged_bytes_are_an_error_or_a_chunk(data: st.DataObject) -> None:
    """A chunk has no checksum of its own: its member of the archive has one."""
    good = encode(replace(PLAIN, items=[(1, SerialInput(b"abc")), (2, END)]))
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + data.draw(st.binary(min_size=1, max_size=3)) + good[at + 1 :]
    with suppress(FormatError):
        assert isinstance(decode(bad, CORES), Chunk)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_no_chunk(bad: bytes) -> None:
    with pytest.raises(FormatError):
        decode(bad, CORES)


@pytest.mark.parametrize("size", range(0, len(encode(PLAIN)), 5))
def test_chunk_that_is_cut_off_is_damaged(size: int) -> None:
    with pytest.raises(FormatError, match="cut off"):
        decode(encode(PLAIN)[:size], CORES)


def test_bytes_behind_a_chunk_are_damage() -> None:
    with pytest.raises(FormatError, match="bytes too many or too few"):
        decode(encode(PLAIN) + b"\0", CORES)


@pytest.mark.parametrize(
    ("offset", "value", "message"),
    [
        (0, b"uSR2", "no valid header"),
        (4, struct.pack("<I", 1 << 31), "cut off"),
        (8, struct.pack("<I", 1 << 31), "cut off"),
        (36, b"\0", "no valid header"),
        (37, b"\x09", "no valid header"),
        (54, b"\x09", "an impossible value"),
        (57, b"\x09", "an impossible value"),
    ],
)
def test_field_that_cannot_be_is_damage(offset: int, value: bytes, message: str) -> None:
    good = encode(PLAIN)
    with pytest.raises(FormatError, match=message):
        decode(good[:offset] + value + good[offset + len(value) :], CORES)


def test_core_that_the_machine_has_not_is_damage() -> None:
    assert len(decode(encode(PLAIN), 4).rows) == 3
    with pytest.raises(FormatError, match="an impossible value"):
        decode(encode(PLAIN), 3)


@pytest.mark.parametrize(
    "column",
    [{"vector": np.array([NO_VECTOR, 0x103, 1])}, {"instructions": np.array([1, 1 << 41, 1])}],
)
def test_value_that_cannot_be_is_damage(column: dict[str, Any]) -> None:
    with pytest.raises(FormatError, match="damaged"):
        decode(encode(replace(PLAIN, rows=replace(PLAIN.rows, **column))), CORES)


@pytest.mark.parametrize("place", [4, 8])
def test_input_outside_its_chunk_is_damage(place: int) -> None:
    chunk = chunk_of([ROW, ROW], first=5, items=[(place, SerialInput(b"x"))])
    with pytest.raises(FormatError, match="outside its chunk"):
        decode(encode(chunk), CORES)


@pytest.mark.parametrize(
    "items",
    [
        b"[",
        b"7",
        b"[7]",
        b"{}1",
        b"\xff\xfe",
        b'[[0, "none"]]',
        b'[[0, "serial"]]',
        b'[[0, "serial", "a"]]',
        b'[[0, "serial", 5]]',
        b'[["x", "serial", ""]]',
        b'[[1e999, "serial", ""]]',
        b'[[0.5, "serial", ""]]',
        b'[[NaN, "serial", ""]]',
        b'[[null, "serial", ""]]',
        b'[[0, "memory", "1", ""]]',
        b'[[0, "register", 0, "rax", 1.5]]',
        b'[[0, "end", {}]]',
        b'[[0, "end", {"outcome": "FINISHED"}]]',
        b'[[0, "end", [1]]]',
        b"[" * 100_000,
    ],
)
def test_input_that_cannot_be_read_is_damage(items: bytes) -> None:
    empty = bytearray(encode(chunk_of([])))
    empty[16:20] = struct.pack("<I", len(items))
    with pytest.raises(FormatError, match="what the host put in cannot be read"):
        decode(bytes(empty) + items, CORES)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outcome", "NONE"),
        ("outcome", 1),
        ("reason", None),
        ("exit_value", "0"),
        ("digest", 5),
        ("steps", "5"),
        ("ticks", 1.5),
        ("idle_events", None),
        ("console_bytes", []),
        ("console_sha256", 5),
        ("instructions", 5),
        ("instructions", ["a"]),
    ],
)
def test_end_of_a_run_with_an_impossible_field_is_damage(field: str, value: object) -> None:
    chunk = chunk_of([], items=[(0, replace(END, **{field: value}))])
    with pytest.raises(FormatError, match="what the host put in cannot be read"):
        decode(encode(chunk), CORES)


@pytest.mark.parametrize(
    ("first", "count", "expected"),
    [
        (0, 15, []),
        (0, 16, [15]),
        (0, 40, [15, 31]),
        (15, 1, [0]),
        (16, 16, [15]),
        (14, 3, [1]),
        (31, 20, [0, 16]),
    ],
)
def test_every_16th_row_of_the_recording_is_marked(
    first: int, count: int, expected: list[int]
) -> None:
    assert list(range(count)[marked(first, count)]) == expected


def test_width_is_that_of_the_largest_value() -> None:
    small = encode(chunk_of([(0, 255, 255, NO_VECTOR, 0, 0, 0)]))
    large = encode(chunk_of([(0, 256, 256, NO_VECTOR, 0, 0, 0)]))
    assert (small[36:38], large[36:38]) == (b"\1\1", b"\2\1")
    assert len(large) == len(small) + 1
