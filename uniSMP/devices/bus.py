"""Which device answers at an address: one bus for the ports, one for physical addresses.

A range is claimed by one device. An access that is wider than the device's widest, or that runs
over the end of a range, is carried out as several, lowest address first, each 1, 2, 4 or 8 bytes
wide. Where nobody answers a read gives all ones, a write is lost, and the address is counted.

Not modelled: wait states, bus errors, wrapping at the end of the address space (it ends in a hole),
splits at natural alignment within one device.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from uniSMP.devices.device import Device
from uniSMP.devices.messages import Messages
from uniSMP.errors import InternalError

_SIZES = frozenset({1, 2, 4, 8})
MOST_HOLES = 64
"""How many different addresses without a device are remembered."""


@dataclass(frozen=True, slots=True)
class _Range:
    first: int
    last: int
    device: Device


class _Piece(NamedTuple):
    """A part of an access that one device, or nobody, answers."""

    address: int
    size_bytes: int
    shift: int
    target: _Range | None

    @property
    def ones(self) -> int:
        return (1 << 8 * self.size_bytes) - 1


class Bus:
    """Address decoder.

    Attributes:
        holes: accesses by address where no device answered, the first `MOST_HOLES` addresses.
    """

    def __init__(self, width_bits: int) -> None:
        """Create an empty bus with addresses of `width_bits` bits."""
        self._end = 1 << width_bits
        self._firsts: list[int] = []
        self._ranges: list[_Range] = []
        self.holes: dict[int, int] = {}

    def add(self, first: int, last: int, device: Device) -> None:
        """Let `device` answer from `first` to `last`, both included.

        Raises:
            InternalError: the range is empty, outside the address space, or partly taken.
        """
        if not 0 <= first <= last < self._end:
            raise InternalError(
                f"range {first:#x}-{last:#x} does not fit a bus of {self._end:#x} addresses"
            )
        place = bisect_right(self._firsts, first)
        neighbours = self._ranges[max(place - 1, 0) : place + 1]
        for other in neighbours:
            if other.first <= last and first <= other.last:
                raise InternalError(
                    f"range {first:#x}-{last:#x} of {type(device).__name__} overlaps "
                    f"{other.first:#x}-{other.last:#x} of {type(other.device).__name__}"
                )
        self._firsts.insert(place, first)
        self._ranges.insert(place, _Range(first, last, device))

    def find(self, address: int) -> tuple[Device, int] | None:
        """Return the device that answers at `address` and its offset there, or None."""
        target = self._range_at(address)
        return None if target is None else (target.device, address - target.first)

    def read(self, address: int, size_bytes: int) -> tuple[int, Messages]:
        """Read as a guest does; return the value and the messages of all devices in order."""
        whole = self._whole(address, size_bytes)
        if whole is not None:
            device, offset = whole.device, address - whole.first
            value = device.read(offset, size_bytes) & (1 << 8 * size_bytes) - 1
            return value, device.after_read(offset, size_bytes)
        value = 0
        messages: Messages = ()
        for piece in self._pieces(address, size_bytes):
            value |= self._look(piece) << piece.shift
            if piece.target is None:
                self._count_hole(piece.address)
            else:
                offset = piece.address - piece.target.first
                messages += piece.target.device.after_read(offset, piece.size_bytes)
        return value, messages

    def write(self, address: int, value: int, size_bytes: int) -> Messages:
        """Write the low `size_bytes` of `value` as a guest does; return the messages in order."""
        whole = self._whole(address, size_bytes)
        if whole is not None:
            part = value & (1 << 8 * size_bytes) - 1
            return whole.device.write(address - whole.first, part, size_bytes)
        messages: Messages = ()
        for piece in self._pieces(address, size_bytes):
            if piece.target is None:
                self._count_hole(piece.address)
            else:
                offset = piece.address - piece.target.first
                part = value >> piece.shift & piece.ones
                messages += piece.target.device.write(offset, part, piece.size_bytes)
        return messages

    def peek(self, address: int, size_bytes: int) -> int:
        """Return what a guest would read, without any side effect."""
        value = 0
        for piece in self._pieces(address, size_bytes):
            value |= self._look(piece) << piece.shift
        return value

    def _range_at(self, address: int) -> _Range | None:
        place = bisect_right(self._firsts, address)
        if not place:
            return None
        candidate = self._ranges[place - 1]
        return candidate if address <= candidate.last else None

    def _whole(self, address: int, size_bytes: int) -> _Range | None:
        """Return the range that takes an access in one piece, if one does."""
        target = self._range_at(address)
        if target is None or address + size_bytes - 1 > target.last:
            return None
        is_one = size_bytes in _SIZES and size_bytes <= target.device.widest_access_bytes
        return target if is_one else None

    def _pieces(self, address: int, size_bytes: int) -> Iterator[_Piece]:
        shift = 0
        while size_bytes:
            target = self._range_at(address)
            if target is None:
                part = min(size_bytes, self._hole_bytes(address, size_bytes))
            else:
                part = min(size_bytes, target.device.widest_access_bytes, target.last - address + 1)
                part = 1 << part.bit_length() - 1
            yield _Piece(address, part, shift, target)
            address += part
            size_bytes -= part
            shift += 8 * part

    def _hole_bytes(self, address: int, otherwise: int) -> int:
        """Return how far it is to the next device, or `otherwise` when there is none."""
        place = bisect_right(self._firsts, address)
        return self._firsts[place] - address if place < len(self._firsts) else otherwise

    @staticmethod
    def _look(piece: _Piece) -> int:
        if piece.target is None:
            return piece.ones
        offset = piece.address - piece.target.first
        return piece.target.device.read(offset, piece.size_bytes) & piece.ones

    def _count_hole(self, address: int) -> None:
        if address in self.holes or len(self.holes) < MOST_HOLES:
            self.holes[address] = self.holes.get(address, 0) + 1
