"""Debug-exit device at ports 0xF4-0xF7."""

import pytest

from uniSMP.devices.bus import Bus
from uniSMP.devices.debug_exit import DEBUG_EXIT_FIRST_PORT, DEBUG_EXIT_LAST_PORT, DebugExit
from uniSMP.devices.device import Device
from uniSMP.devices.messages import ExitRequest


def test_exit_is_four_ports_wide() -> None:
    assert isinstance(DebugExit(), Device)
    assert DebugExit.widest_access_bytes == 4
    assert (DEBUG_EXIT_FIRST_PORT, DEBUG_EXIT_LAST_PORT) == (0xF4, 0xF7)


@pytest.mark.parametrize(("value", "size_bytes"), [(0, 1), (0x31, 1), (0x1234, 2), (0xDEADBEEF, 4)])
def test_write_asks_for_the_end_with_the_value(value: int, size_bytes: int) -> None:
    assert DebugExit().write(0, value, size_bytes) == (ExitRequest(value),)


def test_write_wider_than_its_size_is_cut() -> None:
    assert DebugExit().write(3, 0x1FF, 1) == (ExitRequest(0xFF),)


def test_write_through_a_bus_is_one_request() -> None:
    bus = Bus(16)
    bus.add(DEBUG_EXIT_FIRST_PORT, DEBUG_EXIT_LAST_PORT, DebugExit())
    assert bus.write(0xF4, 0x12345678, 4) == (ExitRequest(0x12345678),)


@pytest.mark.parametrize("offset", [0, 1, 2, 3])
def test_read_gives_zero(offset: int) -> None:
    device = DebugExit()
    assert device.read(offset, 1) == 0
    assert device.after_read(offset, 1) == ()
