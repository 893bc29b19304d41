"""A stretch of a recording as bytes: rows of slices, what the host put in, and a checkpoint.

    header   magic, rows, deliveries, faults, bytes of items, first row, step, widths, state hash
    columns  core (1 byte each), end (1), instructions and budget minus instructions (by bytes:
             all lowest bytes first, so that what hardly varies packs well)
    sparse   deliveries (row, vector), faults (row, count)
    marks    of every `MARK_INTERVAL`th row of the recording, 4 bytes each
    items    JSON: what the host put in, and how runs ended

Numbers are little-endian. The layout is that of version 1, see docs/formats.md.
"""

import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uniSMP.errors import FormatError
from uniSMP.machine.host_input import HostInput, MemoryInput, RegisterInput, SerialInput
from uniSMP.machine.outcome import Outcome
from uniSMP.machine.slice_log import CONTINUED, NMI, NO_VECTOR, Column, RowEnd, Rows
from uniSMP.machine.state_hash import HASH_BYTES

_HEADER = struct.Struct(f"<4s4IQQBB{HASH_BYTES}s")
_MAGIC = b"uSR1"
MARK_INTERVAL = 16
_MARK_MASK = 0xFFFF_FFFF
_VECTORS = NMI + 1
_MOST_BUDGET = 1 << 40


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is true at the end of a chunk.

    Attributes:
        row: rows of the recording so far.
        step: instructions retired by all cores.
        state_hash: see `uniSMP.machine.state_hash`.
    """

    row: int
    step: int
    state_hash: bytes


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How one call of `Machine.run` ended; most fields are those of `RunResult`.

    Attributes:
        idle_events: device events since a core could last run.
        console_bytes: length of the console.
        console_sha256: of its bytes, hex.
        instructions: of each core.
    """

    outcome: str
    reason: str
    exit_value: int | None
    digest: str
    steps: int
    ticks: int
    idle_events: int
    console_bytes: int
    console_sha256: str
    instructions: list[int]


@dataclass(frozen=True, slots=True)
class Idle:
    """What follows came after `events` device events that woke nobody."""

    events: int


Item = HostInput | RunEnd | Idle
"""What stands between two rows."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A stretch of a recording.

    Attributes:
        first_row: rows of the recording before it.
        rows: their marks are 0 but for every `MARK_INTERVAL`th row of the recording, of which the
            low 32 bits are kept.
        items: (row before which it was put in or before which a run ended, what), in order.
        checkpoint: at its end.
    """

    first_row: int
    rows: Rows
    items: Sequence[tuple[int, Item]]
    checkpoint: Checkpoint


def marked(first_row: int, count: int) -> slice:
    """Return which of `count` rows from `first_row` of a recording on have a mark."""
    return slice(MARK_INTERVAL - 1 - first_row % MARK_INTERVAL, count, MARK_INTERVAL)


def encode(chunk: Chunk) -> bytes:
    """Return a chunk as bytes."""
    rows = chunk.rows
    deliveries = np.nonzero(rows.vector != NO_VECTOR)[0]
    faults = np.nonzero(rows.faults)[0]
    unused = _unused(rows)
    widths = _width(rows.instructions), _width(unused)
    items = json.dumps([_plain(*each) for each in chunk.items]).encode() if chunk.items else b""
    checkpoint = chunk.checkpoint
    header = _HEADER.pack(
        *(_MAGIC, len(rows), len(deliveries), len(faults), len(items)),
        *(chunk.first_row, checkpoint.step, *widths, checkpoint.state_hash),
    )
    parts = [
        header,
        rows.core.astype("<u1").tobytes(),
        rows.end.astype("<u1").tobytes(),
        _planes(rows.instructions, widths[0]),
        _planes(unused, widths[1]),
        deliveries.astype("<u4").tobytes(),
        rows.vector[deliveries].astype("<u2").tobytes(),
        faults.astype("<u4").tobytes(),
        rows.faults[faults].astype("<u4").tobytes(),
        (rows.mark[marked(chunk.first_row, len(rows))] & _MARK_MASK).astype("<u4").tobytes(),
        items,
    ]
    return b"".join(parts)


def _unused(rows: Rows) -> Column:
    """Return what of each budget was not used; 0 in rows that begin no slice of the schedule.

    Where an interrupt splits a slice, its first row alone has the budget, which may be used up by
    the rows behind it.
    """
    return np.where(rows.budget > 0, rows.budget - rows.instructions, 0)


def _width(values: Column) -> int:
    """Return how many bytes the largest value takes, at least 1."""
    largest = int(values.max(initial=0))
    return max(1, -(-largest.bit_length() // 8))


def _planes(values: Column, width: int) -> bytes:
    return values.astype("<u8").view("<u1").reshape(-1, 8)[:, :width].T.tobytes()


def _plain(row: int, item: Item) -> list[Any]:
    match item:
        case RunEnd():
            return [row, "end", asdict(item)]
        case Idle(events):
            return [row, "idle", events]
        case MemoryInput(physical, data):
            return [row, "memory", physical, base64.b64encode(data).decode()]
        case RegisterInput(core_id, name, value):
            return [row, "register", core_id, name, value]
        case SerialInput(data):
            return [row, "serial", base64.b64encode(data).decode()]


class _Bytes:
    """Reads arrays one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, count: int, kind: str) -> npt.NDArray[Any]:
        size = count * np.dtype(kind).itemsize
        part = self._data[self._at : self._at + size]
        if len(part) != size:
            raise FormatError("damaged: a chunk is cut off")
        self._at += size
        return np.frombuffer(part, dtype=kind)

    def planes(self, count: int, width: int) -> Column:
        whole = np.zeros((count, 8), dtype=np.uint8)
        whole[:, :width] = self.take(count * width, "<u1").reshape(width, count).T
        return whole.view("<i8").reshape(count).astype(np.int64)

    def rest(self) -> bytes:
        rest, self._at = self._data[self._at :], len(self._data)
        return rest


def decode(data: bytes, cores: int) -> Chunk:
    """Return a chunk of a recording of a machine with so many cores.

    Raises:
        FormatError: the bytes are not what `encode` writes.
    """
    if len(data) < _HEADER.size:
        raise FormatError("damaged: a chunk is cut off")
    fields = _HEADER.unpack_from(data)
    magic, count, deliveries, faults, item_bytes, first_row, step, *widths, state_hash = fields
    if magic != _MAGIC or not all(1 <= width <= 8 for width in widths):  # noqa: PLR2004
        raise FormatError("damaged: a chunk has no valid header")
    source = _Bytes(data[_HEADER.size :])
    rows = _read_rows(source, count, widths, deliveries, faults)
    places = marked(first_row, count)
    rows.mark[places] = source.take(len(range(count)[places]), "<u4")
    rest = source.rest()
    if len(rest) != item_bytes:
        raise FormatError("damaged: a chunk has bytes too many or too few")
    _check(rows, cores)
    items = _read_items(rest, first_row, count) if rest else ()
    return Chunk(first_row, rows, items, Checkpoint(first_row + count, step, state_hash))


def _read_rows(
    source: _Bytes, count: int, widths: Sequence[int], deliveries: int, faults: int
) -> Rows:
    core = source.take(count, "<u1").astype(np.int64)
    end = source.take(count, "<u1").astype(np.int64)
    instructions = source.planes(count, widths[0])
    unused = source.planes(count, widths[1])
    continues = np.concatenate([[False], np.isin(end[:-1], list(CONTINUED))]) if count else end
    vector = np.full(count, NO_VECTOR, dtype=np.int64)
    places = source.take(deliveries, "<u4")
    vectors = source.take(deliveries, "<u2")
    fault_places = source.take(faults, "<u4")
    fault_counts = source.take(faults, "<u4")
    if (places >= count).any() or (fault_places >= count).any() or (vectors >= _VECTORS).any():
        raise FormatError("damaged: a delivery or a fault in no row")
    vector[places] = vectors
    raised = np.zeros(count, dtype=np.int64)
    raised[fault_places] = fault_counts
    return Rows(
        core=core,
        instructions=instructions,
        budget=np.where(continues, 0, instructions + unused),
        vector=vector,
        faults=raised,
        end=end,
        mark=np.zeros(count, dtype=np.int64),
    )


def _check(rows: Rows, cores: int) -> None:
    is_bad = (
        (rows.core >= cores).any()
        or (rows.end > max(RowEnd)).any()
        or (rows.instructions < 0).any()
        or (rows.instructions > _MOST_BUDGET).any()
        or (rows.budget < 0).any()
    )
    if is_bad:
        raise FormatError("damaged: a row of a slice holds an impossible value")


def _read_items(data: bytes, first_row: int, count: int) -> Sequence[tuple[int, Item]]:
    try:
        items = [(_whole(row), _item(kind, values)) for row, kind, *values in json.loads(data)]
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"damaged: what the host put in cannot be read ({error})") from error
    if any(not first_row <= row <= first_row + count for row, _item in items):
        raise FormatError("damaged: something was put in outside its chunk")
    return items


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _run_end(end: RunEnd) -> RunEnd:
    """Return the end of a run, once its fields are what they must be."""
    Outcome(end.outcome)
    for number in (end.steps, end.ticks, end.idle_events, end.console_bytes, *end.instructions):
        _whole(number)
    if end.exit_value is not None:
        _whole(end.exit_value)
    if not all(isinstance(text, str) for text in (end.reason, end.digest, end.console_sha256)):
        raise TypeError("a text is none")
    return end


def _item(kind: str, values: Sequence[Any]) -> Item:
    match kind, list(values):
        case "end", [dict(fields)]:
            return _run_end(RunEnd(**fields))
        case "memory", [int(physical), str(data)]:
            return MemoryInput(physical, base64.b64decode(data, validate=True))
        case "register", [int(core_id), str(name), int(value)]:
            return RegisterInput(core_id, name, value)
        case "serial", [str(data)]:
            return SerialInput(base64.b64decode(data, validate=True))
        case "idle", [int(events)] if events > 0:
            return Idle(events)
    raise ValueError(kind)
