"""Debug console at port 0xE9."""

import pytest

from uniSMP.devices.debug_console import DEBUG_CONSOLE_PORT, DebugConsole
from uniSMP.devices.device import Device
from uniSMP.devices.messages import ConsoleOutput


def test_console_is_a_byte_device() -> None:
    assert isinstance(DebugConsole(), Device)
    assert DebugConsole.widest_access_bytes == 1


@pytest.mark.parametrize("value", [0, 0x41, 0xFF])
def test_write_hands_the_byte_to_the_console(value: int) -> None:
    assert DebugConsole().write(0, value, 1) == (ConsoleOutput(bytes((value,))),)


def test_write_wider_than_a_byte_is_cut() -> None:
    assert DebugConsole().write(0, 0x141, 2) == (ConsoleOutput(b"A"),)


def test_read_gives_the_port_number() -> None:
    console = DebugConsole()
    assert console.read(0, 1) == DEBUG_CONSOLE_PORT == 0xE9
    assert console.after_read(0, 1) == ()
