"""Bus: decoding, splitting, holes."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.devices.bus import MOST_HOLES, Bus
from uniSMP.devices.device import Device
from uniSMP.devices.messages import ConsoleOutput, ExitRequest, Messages
from uniSMP.errors import InternalError


@dataclass
class Memory:
    """Bytes as a device; it remembers every access."""

    widest_access_bytes: int
    data: bytearray = field(default_factory=lambda: bytearray(range(16)))
    log: list[tuple[str, int, int]] = field(default_factory=list)

    def read(self, offset: int, size_bytes: int) -> int:
        return int.from_bytes(self.data[offset : offset + size_bytes], "little")

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        self.log.append(("read", offset, size_bytes))
        return (ExitRequest(offset),)

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        self.data[offset : offset + size_bytes] = value.to_bytes(size_bytes, "little")
        self.log.append(("write", offset, size_bytes))
        return (ConsoleOutput(bytes((offset,))),)


def bus_with(widest_access_bytes: int = 4, first: int = 0x10) -> tuple[Bus, Memory]:
    bus, memory = Bus(16), Memory(widest_access_bytes)
    bus.add(first, first + 15, memory)
    return bus, memory


def add_in_fours(bus: Bus, devices: list[Memory], order: tuple[int, ...]) -> None:
    """Add each device at four addresses of its own, in the order given."""
    for place in order:
        bus.add(place * 4, place * 4 + 3, devices[place])


def test_memory_is_a_device() -> None:
    assert isinstance(Memory(1), Device)


@pytest.mark.parametrize(("address", "offset"), [(0x10, 0), (0x1F, 15)])
def test_find_inside_a_range_gives_device_and_offset(address: int, offset: int) -> None:
    bus, memory = bus_with()
    assert bus.find(address) == (memory, offset)


@pytest.mark.parametrize("address", [0, 0xF, 0x20, 0xFFFF, 0x10000])
def test_find_outside_every_range_gives_none(address: int) -> None:
    bus, _ = bus_with()
    assert bus.find(address) is None


def test_find_among_many_ranges_picks_the_right_one() -> None:
    bus = Bus(16)
    devices = [Memory(1) for _ in range(8)]
    add_in_fours(bus, devices, (3, 0, 7, 1, 6, 2, 5, 4))
    found = [bus.find(address) for address in range(32)]
    assert found == [(devices[address // 4], address % 4) for address in range(32)]


@pytest.mark.parametrize(
    ("first", "last"),
    [(0x10, 0x1F), (0x1F, 0x1F), (0x10, 0x10), (0, 0x10), (0x1F, 0x30), (0, 0xFFFF), (0x14, 0x15)],
)
def test_add_overlapping_range_is_refused(first: int, last: int) -> None:
    bus, _ = bus_with()
    with pytest.raises(InternalError, match="overlaps 0x10-0x1f of Memory"):
        bus.add(first, last, Memory(1))


@pytest.mark.parametrize(("first", "last"), [(-1, 3), (4, 3), (0xFFFF, 0x10000)])
def test_add_range_outside_the_bus_is_refused(first: int, last: int) -> None:
    with pytest.raises(InternalError, match="does not fit"):
        Bus(16).add(first, last, Memory(1))


def test_add_adjacent_ranges_is_accepted() -> None:
    bus, memory = bus_with()
    before, after = Memory(1), Memory(1)
    bus.add(0x20, 0x20, after)
    bus.add(0x0F, 0x0F, before)
    assert bus.find(0x0F) == (before, 0)
    assert bus.find(0x10) == (memory, 0)
    assert bus.find(0x20) == (after, 0)


def test_read_of_widest_size_is_one_access() -> None:
    bus, memory = bus_with()
    assert bus.read(0x12, 4) == (0x05040302, (ExitRequest(2),))
    assert memory.log == [("read", 2, 4)]


def test_read_wider_than_device_is_split_lowest_address_first() -> None:
    bus, memory = bus_with(widest_access_bytes=1)
    value, messages = bus.read(0x14, 4)
    assert value == 0x07060504
    assert messages == tuple(ExitRequest(offset) for offset in (4, 5, 6, 7))
    assert memory.log == [("read", offset, 1) for offset in (4, 5, 6, 7)]


def test_write_wider_than_device_is_split_lowest_address_first() -> None:
    bus, memory = bus_with(widest_access_bytes=2)
    messages = bus.write(0x14, 0x44332211, 4)
    assert memory.data[4:8] == b"\x11\x22\x33\x44"
    assert memory.log == [("write", 4, 2), ("write", 6, 2)]
    assert messages == (ConsoleOutput(b"\x04"), ConsoleOutput(b"\x06"))


def test_write_value_wider_than_size_is_cut() -> None:
    bus, memory = bus_with()
    bus.write(0x10, 0x1FF, 1)
    assert memory.data[0] == 0xFF
    assert memory.data[1] == 1


def test_read_over_the_end_of_a_range_gives_ones_behind_it() -> None:
    bus, memory = bus_with()
    assert bus.read(0x1D, 4)[0] == 0xFF0F0E0D
    assert memory.log == [("read", 13, 2), ("read", 15, 1)]
    assert bus.holes == {0x20: 1}


def test_read_into_a_range_from_below_gives_ones_before_it() -> None:
    bus, _ = bus_with()
    assert bus.read(0x0E, 4)[0] == 0x0100FFFF
    assert bus.holes == {0x0E: 1}


def test_write_over_two_ranges_reaches_both() -> None:
    bus, first = bus_with()
    second = Memory(4)
    bus.add(0x20, 0x2F, second)
    bus.write(0x1E, 0xDDCCBBAA, 4)
    assert first.data[14:] == b"\xaa\xbb"
    assert second.data[:2] == b"\xcc\xdd"


@pytest.mark.parametrize(("size_bytes", "ones"), [(1, 0xFF), (2, 0xFFFF), (4, 0xFFFFFFFF)])
def test_read_of_a_hole_gives_ones_and_is_counted(size_bytes: int, ones: int) -> None:
    bus = Bus(16)
    assert bus.read(0x80, size_bytes) == (ones, ())
    assert bus.holes == {0x80: 1}


def test_write_to_a_hole_is_lost_and_counted() -> None:
    bus, memory = bus_with()
    before = bytes(memory.data)
    assert bus.write(0x80, 1, 1) == ()
    assert bus.write(0x80, 2, 1) == ()
    assert bytes(memory.data) == before
    assert bus.holes == {0x80: 2}


def test_holes_beyond_the_limit_are_not_remembered() -> None:
    bus = Bus(16)
    _ = [bus.read(address, 1) for address in range(MOST_HOLES + 5)]
    bus.read(0, 1)
    assert list(bus.holes) == list(range(MOST_HOLES))
    assert bus.holes[0] == 2


def test_access_beyond_the_last_address_is_a_hole() -> None:
    bus = Bus(16)
    memory = Memory(4)
    bus.add(0xFFF0, 0xFFFF, memory)
    assert bus.read(0xFFFE, 4)[0] == 0xFFFF0F0E


def test_peek_has_no_side_effect() -> None:
    bus, memory = bus_with(widest_access_bytes=1)
    assert bus.peek(0x1E, 4) == 0xFFFF0F0E
    assert memory.log == []
    assert bus.holes == {}


@settings(derandomize=True, deadline=None)
@given(
    widest=st.sampled_from([1, 2, 4, 8]),
    address=st.integers(0, 0x30),
    size_bytes=st.sampled_from([1, 2, 4, 8]),
)
def test_read_at_any_address_agrees_with_bytes(widest: int, address: int, size_bytes: int) -> None:
    bus, memory = bus_with(widest)
    space = b"\xff" * 16 + bytes(range(16)) + b"\xff" * 64
    expected = int.from_bytes(space[address : address + size_bytes], "little")
    assert bus.peek(address, size_bytes) == expected
    assert bus.read(address, size_bytes)[0] == expected
    sizes = [size for _, _, size in memory.log]
    assert max(sizes, default=1) <= widest


@settings(derandomize=True, deadline=None)
@given(
    widest=st.sampled_from([1, 2, 4, 8]),
    address=st.integers(0x10, 0x1F),
    size_bytes=st.sampled_from([1, 2, 4, 8]),
    value=st.integers(0, (1 << 64) - 1),
)
def test_write_then_peek_gives_the_bytes_that_fit(
    widest: int, address: int, size_bytes: int, value: int
) -> None:
    bus, memory = bus_with(widest)
    bus.write(address, value, size_bytes)
    offset = address - 0x10
    fitting = min(size_bytes, 16 - offset)
    written = (value & ((1 << 64) - 1)).to_bytes(8, "little")[:fitting]
    assert bytes(memory.data[offset : offset + fitting]) == written
