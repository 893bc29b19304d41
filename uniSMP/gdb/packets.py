"""Packets of gdb's remote protocol: framing, checksums, escapes, run lengths.

Pure: bytes in, what they say out; bytes of any kind are taken, none raises.

Source: GDB manual, appendix "GDB Remote Serial Protocol", sections "Overview", "Packet
Acknowledgment" and "Interrupts".
"""

from dataclasses import dataclass
from enum import Enum, auto

LONGEST_PAYLOAD_BYTES = 1 << 16
"""A longer packet is dropped, and refused where packets are acknowledged."""
PACKET_SIZE_BYTES = 0x4000
"""What gdb is told to send at most."""
ACKNOWLEDGED = b"+"
REFUSED = b"-"
_START, _END, _ESCAPE, _REPEAT, _INTERRUPT = b"$#}*\x03"
_ESCAPE_BIT = 0x20
_SPECIAL = frozenset(b"$#}*")
_CHECKSUM_DIGITS = 2
_FEWEST_REPEATS = 3
_REPEAT_BASE = 29
"""A count of n further bytes is sent as chr(n + 29)."""
_MOST_REPEATS = 126 - _REPEAT_BASE
_UNUSABLE_COUNTS = frozenset({ord("$") - _REPEAT_BASE, ord("#") - _REPEAT_BASE})


class Signal(Enum):
    """What arrives beside packets."""

    ACKNOWLEDGED = auto()
    """The other side has the last packet."""
    REFUSED = auto()
    """The other side wants the last packet once more."""
    INTERRUPT = auto()
    """Ctrl-C: stop the target."""
    DAMAGED = auto()
    """A packet with a wrong checksum, or one that is too long."""


@dataclass(frozen=True, slots=True)
class Packet:
    """A whole packet; escapes are undone in `payload`."""

    payload: bytes


class Decoder:
    """Takes a stream of bytes apart, in pieces of any size."""

    def __init__(self) -> None:
        self._raw: bytearray | None = None
        self._digits: bytearray | None = None

    def feed(self, data: bytes) -> list[Packet | Signal]:
        """Return what has become complete with `data`; noise between packets is dropped."""
        found: list[Packet | Signal] = []
        for byte in data:
            result = self._take(byte)
            if result is not None:
                found.append(result)
        return found

    def _take(self, byte: int) -> Packet | Signal | None:
        if self._digits is not None:
            self._digits.append(byte)
            return self._finish() if len(self._digits) == _CHECKSUM_DIGITS else None
        if self._raw is None:
            return self._take_between(byte)
        if byte == _START:  # the rest of the packet before was lost
            self._raw = bytearray()
        elif byte == _END:
            self._digits = bytearray()
        elif len(self._raw) <= LONGEST_PAYLOAD_BYTES:
            self._raw.append(byte)
        return None

    def _take_between(self, byte: int) -> Signal | None:
        match byte:
            case 0x24:
                self._raw = bytearray()
            case 0x2B:
                return Signal.ACKNOWLEDGED
            case 0x2D:
                return Signal.REFUSED
            case 0x03:
                return Signal.INTERRUPT
        return None

    def _finish(self) -> Packet | Signal:
        assert self._raw is not None
        assert self._digits is not None
        raw, digits = bytes(self._raw), bytes(self._digits)
        self._raw = self._digits = None
        is_right = _parse_hex(digits) == sum(raw) & 0xFF
        return Packet(unescape(raw)) if is_right and is_short(raw) else Signal.DAMAGED


def is_short(raw: bytes) -> bool:
    """Return whether a packet is not too long to be taken."""
    return len(raw) <= LONGEST_PAYLOAD_BYTES


def _parse_hex(digits: bytes) -> int | None:
    try:
        return int.from_bytes(bytes.fromhex(digits.decode("ascii")))
    except ValueError:
        return None


def escape(data: bytes) -> bytes:
    """Return binary data as it stands in a packet."""
    escaped = bytearray()
    for byte in data:
        if byte in _SPECIAL:
            escaped += bytes((_ESCAPE, byte ^ _ESCAPE_BIT))
        else:
            escaped.append(byte)
    return bytes(escaped)


def unescape(raw: bytes) -> bytes:
    """Undo `escape`; an escape with nothing behind it is dropped."""
    if _ESCAPE not in raw:
        return raw
    data = bytearray()
    is_escaped = False
    for byte in raw:
        if is_escaped:
            data.append(byte ^ _ESCAPE_BIT)
            is_escaped = False
        elif byte == _ESCAPE:
            is_escaped = True
        else:
            data.append(byte)
    return bytes(data)


def shorten(raw: bytes) -> bytes:
    """Encode runs of equal bytes; `raw` is escaped already.

    The byte behind an escape belongs to it and is never part of a run.
    """
    short = bytearray()
    place = 0
    while place < len(raw):
        byte = raw[place]
        if byte == _ESCAPE:
            short += raw[place : place + 2]
            place += 2
            continue
        count = 1
        while place + count < len(raw) and raw[place + count] == byte and count <= _MOST_REPEATS:
            count += 1
        short += _run(byte, count)
        place += count
    return bytes(short)


def _run(byte: int, count: int) -> bytes:
    """Return `count` times `byte`, as short as the protocol can say it."""
    more = count - 1
    while more in _UNUSABLE_COUNTS:
        more -= 1
    if more < _FEWEST_REPEATS:
        return bytes([byte]) * count
    return bytes((byte, _REPEAT, more + _REPEAT_BASE)) + bytes([byte]) * (count - 1 - more)


def frame(payload: bytes) -> bytes:
    """Return a packet for `payload`, whose binary parts are escaped already."""
    raw = shorten(payload)
    return b"$%b#%02x" % (raw, sum(raw) & 0xFF)
