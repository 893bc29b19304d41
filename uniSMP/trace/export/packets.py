"""Perfetto's trace format: a stream of TracePacket messages, encoded for many rows at once.

Each packet of an event has the same fields in the same order; numbers are varints padded to a fixed
width, which protobuf readers take as they are. So a group of packets is a matrix of bytes, and a
mask of the fields that are there. Source: Perfetto documentation, "Synthetic Track Event"; field
numbers of `perfetto/trace/trace_packet.proto`, `track_event.proto`, `track_descriptor.proto`,
`interned_data.proto`, `debug_annotation.proto`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

NOTHING, SLICE_BEGIN, SLICE_END, INSTANT, COUNTER = 0, 1, 2, 3, 4
"""Types of events; NOTHING gets no packet."""
_SEQUENCE = 1
_STATE_CLEARED, _NEEDS_STATE = 1, 2
_VARINT, _FIXED64, _BYTES = 0, 1, 2
_PACKET = 1  # of Trace
_TIMESTAMP, _SEQUENCE_ID, _TRACK_EVENT, _INTERNED, _FLAGS, _DESCRIPTOR = 8, 10, 11, 12, 13, 60
_ANNOTATION, _TYPE, _NAME_IID, _TRACK, _COUNTER, _FLOW, _FLOW_END = 4, 9, 10, 11, 30, 47, 48
_EVENT_NAMES, _ANNOTATION_NAMES = 2, 3  # of InternedData
_UINT, _POINTER = 3, 7  # of DebugAnnotation
_EXPLICIT_ORDER = 3
_NUMBER_BYTES, _TRACK_BYTES, _NAME_BYTES, _LENGTH_BYTES, _TIME_BYTES = 10, 2, 4, 2, 9
ANNOTATIONS = {
    "step": _UINT,
    "rip": _POINTER,
    "address": _POINTER,
    "value": _UINT,
    "error_code": _UINT,
    "cr2": _POINTER,
}
"""What may stand beside an event: a number, or an address that is shown in hexadecimal."""
Words = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Octets = npt.NDArray[np.uint8]


@dataclass(slots=True)
class Events:
    """Events, one row each.

    Attributes:
        time: in ns.
        kind: NOTHING, SLICE_BEGIN, SLICE_END, INSTANT or COUNTER.
        track: its number.
        name: number of the name; 0: none.
        flow: number of a flow that begins here; 0: none.
        flow_ends: numbers of flows that end here, one column each; 0: none.
        counter: value of a counter.
        notes: numbers by the names in ANNOTATIONS, with a mask of the rows that have one.
    """

    time: Words
    kind: Words
    track: Words
    name: Words
    flow: Words
    flow_ends: Words
    counter: Words
    notes: dict[str, tuple[npt.NDArray[np.uint64], Mask]] = field(default_factory=dict)

    def take(self, places: Words) -> "Events":
        """Return some of the rows."""
        notes = {
            name: (values[places], mask[places]) for name, (values, mask) in self.notes.items()
        }
        columns = {name: getattr(self, name)[places] for name in _COLUMNS}
        return Events(**columns, notes=notes)


_COLUMNS = ("time", "kind", "track", "name", "flow", "flow_ends", "counter")


def merge(parts: Sequence[Events]) -> Events:
    """Return the rows of all parts, one part behind the other."""
    ends = max(part.flow_ends.shape[1] for part in parts)
    columns = {
        name: np.concatenate([_wide(getattr(part, name), ends) for part in parts])
        for name in _COLUMNS
    }
    return Events(**columns, notes={name: _merged_note(parts, name) for name in ANNOTATIONS})


def _wide(column: Words, ends: int) -> Words:
    """Return a column; one of flow ends has as many as any part has."""
    if column.ndim == 1:
        return column
    wide = np.zeros((len(column), ends), dtype=np.int64)
    wide[:, : column.shape[1]] = column
    return wide


def _merged_note(parts: Sequence[Events], name: str) -> tuple[npt.NDArray[np.uint64], Mask]:
    notes = [
        part.notes.get(
            name, (np.zeros(len(part.time), np.uint64), np.zeros(len(part.time), np.bool_))
        )
        for part in parts
    ]
    return np.concatenate([note[0] for note in notes]), np.concatenate([note[1] for note in notes])


def event_packets(events: Events) -> bytes:
    """Return the packets of events, in order."""
    events = events.take(np.flatnonzero(events.kind != NOTHING))
    size = len(events.time)
    fields = _Fields(size)
    fields.number(_TYPE, events.kind, 1)
    fields.number(_TRACK, events.track, _TRACK_BYTES)
    fields.number(_NAME_IID, events.name, _NAME_BYTES, events.name != 0)
    fields.number(_COUNTER, events.counter, _NUMBER_BYTES, events.kind == COUNTER)
    fields.fixed(_FLOW, events.flow, events.flow != 0)
    for column in events.flow_ends.T:
        fields.fixed(_FLOW_END, column, column != 0)
    for name, (values, mask) in events.notes.items():
        fields.annotation(name, values, mask)
    lengths = fields.lengths()
    head = _Fields(size)
    head.number(_TIMESTAMP, events.time, _TIME_BYTES)
    head.constant(_key(_SEQUENCE_ID, _VARINT) + bytes([_SEQUENCE]))
    head.constant(_key(_FLAGS, _VARINT) + bytes([_NEEDS_STATE]))
    head.constant(_key(_TRACK_EVENT, _BYTES))
    head.octets(_varints(lengths, _LENGTH_BYTES))
    packet = _Fields(size)
    packet.constant(_key(_PACKET, _BYTES))
    packet.octets(_varints(lengths + head.lengths(), _LENGTH_BYTES))
    return packet.followed_by(head, fields)


class _Fields:
    """The fields of one message, for all rows: bytes side by side, and which are there."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._octets: list[Octets] = []
        self._masks: list[Mask | None] = []

    def octets(self, octets: Octets, mask: Mask | None = None) -> None:
        self._octets.append(octets)
        self._masks.append(mask)

    def constant(self, data: bytes, mask: Mask | None = None) -> None:
        row = np.frombuffer(data, np.uint8)
        self.octets(np.broadcast_to(row, (self._size, len(row))), mask)

    def number(self, tag: int, values: Words, width: int, mask: Mask | None = None) -> None:
        self.constant(_key(tag, _VARINT), mask)
        self.octets(_varints(values, width), mask)

    def fixed(self, tag: int, values: Words, mask: Mask) -> None:
        self.constant(_key(tag, _FIXED64), mask)
        self.octets(values.astype("<u8").view(np.uint8).reshape(-1, 8), mask)

    def annotation(self, name: str, values: npt.NDArray[np.uint64], mask: Mask) -> None:
        kind = _key(ANNOTATIONS[name], _VARINT)
        inside = _key(1, _VARINT) + bytes([1 + list(ANNOTATIONS).index(name)]) + kind
        size = len(inside) + _NUMBER_BYTES
        self.constant(_key(_ANNOTATION, _BYTES) + bytes([size]) + inside, mask)
        self.octets(_varints(values, _NUMBER_BYTES), mask)

    def lengths(self) -> Words:
        """Return the bytes of each row."""
        total = np.zeros(self._size, dtype=np.int64)
        for octets, mask in zip(self._octets, self._masks, strict=True):
            total += octets.shape[1] if mask is None else octets.shape[1] * mask
        return total

    def followed_by(self, *others: "_Fields") -> bytes:
        """Return the bytes of all rows, each with those of the others behind it."""
        parts = [self, *others]
        octets = np.concatenate([each for part in parts for each in part._octets], axis=1)  # noqa: SLF001 - its own class
        masks = [
            np.broadcast_to(np.True_ if mask is None else mask[:, None], each.shape)
            for part in parts
            for each, mask in zip(part._octets, part._masks, strict=True)  # noqa: SLF001
        ]
        return octets[np.concatenate(masks, axis=1)].tobytes()


def _varints(values: npt.NDArray[np.integer], width: int) -> Octets:
    """Return varints padded to `width` bytes; signed numbers are taken as unsigned ones."""
    wide = values.astype(np.uint64)[:, None]
    octets: Octets = (wide >> (7 * np.arange(width)).astype(np.uint64)).astype(np.uint8)
    octets &= 0x7F
    octets[:, :-1] |= 0x80
    return octets


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits to a byte
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


def _key(tag: int, wire: int) -> bytes:
    return _varint(tag << 3 | wire)


def _number(tag: int, value: int) -> bytes:
    return _key(tag, _VARINT) + _varint(value)


def _message(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    return _key(tag, _BYTES) + _varint(len(content)) + content


def process_packet(track: int, name: str) -> bytes:
    """Return the packet that describes the track under which all others stand."""
    process = _message(3, _number(1, 1), _message(6, name.encode()))
    return _descriptor(_number(1, track), process, _number(11, _EXPLICIT_ORDER))


def track_packet(track: int, parent: int, name: str, *, rank: int, is_counter: bool) -> bytes:
    """Return the packet that describes a track; tracks of smaller rank stand above."""
    parts = [_number(1, track), _number(5, parent), _message(2, name.encode()), _number(12, rank)]
    return _descriptor(*parts, *([_message(8)] if is_counter else []))


def _descriptor(*parts: bytes) -> bytes:
    return _message(_PACKET, _message(_DESCRIPTOR, *parts))


def first_packet() -> bytes:
    """Return the packet from which on names hold: it has those of the annotations."""
    names = [
        _message(_ANNOTATION_NAMES, _number(1, number), _message(2, name.encode()))
        for number, name in enumerate(ANNOTATIONS, start=1)
    ]
    return _message(
        _PACKET,
        _number(_SEQUENCE_ID, _SEQUENCE),
        _message(_INTERNED, *names),
        _number(_FLAGS, _STATE_CLEARED),
    )


def names_packet(names: Iterable[tuple[int, str]]) -> bytes:
    """Return the packet that gives names of events their numbers, or nothing without names."""
    parts: Sequence[bytes] = [
        _message(_EVENT_NAMES, _number(1, number), _message(2, name.encode()))
        for number, name in names
    ]
    if not parts:
        return b""
    return _message(
        _PACKET,
        _number(_SEQUENCE_ID, _SEQUENCE),
        _message(_INTERNED, *parts),
        _number(_FLAGS, _NEEDS_STATE),
    )
