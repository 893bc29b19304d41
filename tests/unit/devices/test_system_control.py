"""Ports 0x92, 0x61 and 0xCF9."""

import pytest

from uniSMP.arch.time import PIT_HERTZ, TICKS_PER_SECOND
from uniSMP.devices.a20_line import A20Line
from uniSMP.devices.bus import Bus
from uniSMP.devices.device import Device, TimedDevice
from uniSMP.devices.messages import A20Gate, IrqLine, Messages, SystemReset
from uniSMP.devices.system_control import (
    RESET_CONTROL_FIRST_PORT,
    RESET_CONTROL_LAST_PORT,
    FastControl,
    FastControlState,
    ResetControl,
    ResetControlState,
    SpeakerControl,
    SpeakerControlState,
)


class FakeTimer:
    """A timer whose output is what the test says."""

    def __init__(self) -> None:
        self.gates: list[tuple[int, bool]] = []
        self.outputs = {2: False}

    def set_gate(self, channel: int, *, is_high: bool) -> Messages:
        self.gates.append((channel, is_high))
        return (IrqLine(0, is_high),)

    def output(self, channel: int) -> bool:
        return self.outputs[channel]


def test_devices_have_the_shape_of_devices() -> None:
    assert isinstance(FastControl(A20Line()), Device)
    assert isinstance(SpeakerControl(FakeTimer()), TimedDevice)
    assert isinstance(ResetControl(), Device)


def test_port_92_at_reset_shows_a20_open() -> None:
    assert FastControl(A20Line()).read(0, 1) == 0x02


def test_port_92_with_saved_state_keeps_it() -> None:
    saved = FastControlState(value=1)
    assert FastControl(A20Line(), saved).state == saved


def test_port_92_bit_1_gates_a20_on_change_only() -> None:
    port = FastControl(A20Line())
    assert port.write(0, 0x02, 1) == ()
    assert port.write(0, 0x00, 1) == (A20Gate(is_enabled=False),)
    assert port.read(0, 1) == 0
    assert port.write(0, 0x02, 1) == (A20Gate(is_enabled=True),)


def test_port_92_bit_0_rising_resets_once() -> None:
    port = FastControl(A20Line())
    assert port.write(0, 0x03, 1) == (SystemReset(),)
    assert port.write(0, 0x03, 1) == ()
    assert port.write(0, 0x02, 1) == ()
    assert port.write(0, 0x03, 1) == (SystemReset(),)


def test_port_92_reset_and_gate_together_report_both() -> None:
    port = FastControl(A20Line())
    assert port.write(0, 0x01, 1) == (A20Gate(is_enabled=False), SystemReset())


def test_port_92_reserved_bits_read_zero() -> None:
    port = FastControl(A20Line())
    port.write(0, 0xFE, 1)
    assert port.read(0, 1) == 0x02
    assert port.after_read(0, 1) == ()


def test_port_61_at_reset_is_zero() -> None:
    assert SpeakerControl(FakeTimer()).read(0, 1) == 0


def test_port_61_with_saved_state_keeps_it() -> None:
    saved = SpeakerControlState(value=3, now_ticks=99)
    assert SpeakerControl(FakeTimer(), saved).state == saved


@pytest.mark.parametrize(("value", "is_high"), [(0x01, True), (0x00, False), (0xFE, False)])
def test_port_61_bit_0_drives_the_gate_of_channel_2(value: int, is_high: bool) -> None:  # noqa: FBT001 - a level
    timer = FakeTimer()
    assert SpeakerControl(timer).write(0, value, 1) == (IrqLine(0, is_high),)
    assert timer.gates == [(2, is_high)]


def test_port_61_keeps_its_four_writable_bits() -> None:
    port = SpeakerControl(FakeTimer())
    port.write(0, 0xFF, 1)
    assert port.read(0, 1) == 0x0F
    assert port.after_read(0, 1) == ()


def test_port_61_bit_5_is_the_output_of_channel_2() -> None:
    timer = FakeTimer()
    port = SpeakerControl(timer)
    timer.outputs[2] = True
    assert port.read(0, 1) == 0x20


@pytest.mark.parametrize("toggle", [1, 2, 3, 1000, 10**9])
def test_port_61_bit_4_toggles_every_18_timer_clocks(toggle: int) -> None:
    port = SpeakerControl(FakeTimer())
    exact = -(-toggle * 18 * TICKS_PER_SECOND // PIT_HERTZ)
    assert port.advance(exact - 1) == ()
    before = port.read(0, 1)
    port.advance(exact)
    assert before >> 4 == (toggle - 1) % 2
    assert port.read(0, 1) >> 4 == toggle % 2
    assert port.deadline_ticks() is None


def test_reset_control_at_reset_is_zero() -> None:
    assert ResetControl().read(1, 1) == 0


def test_reset_control_with_saved_state_keeps_it() -> None:
    saved = ResetControlState(value=2)
    assert ResetControl(saved).state == saved


@pytest.mark.parametrize("kind", [0x00, 0x02, 0x0A])
def test_reset_control_bit_2_rising_resets(kind: int) -> None:
    control = ResetControl()
    assert control.write(1, kind, 1) == ()
    assert control.write(1, kind | 0x04, 1) == (SystemReset(),)
    assert control.write(1, kind | 0x04, 1) == ()
    assert control.read(1, 1) == kind | 0x04


def test_reset_control_reserved_bits_read_zero() -> None:
    control = ResetControl()
    control.write(1, 0xFB, 1)
    assert control.read(1, 1) == 0x0A
    assert control.after_read(1, 1) == ()


@pytest.mark.parametrize(("offset", "size_bytes"), [(0, 1), (2, 1), (3, 1), (1, 2), (0, 2), (0, 4)])
def test_reset_control_other_access_is_the_absent_configuration_address(
    offset: int, size_bytes: int
) -> None:
    control = ResetControl()
    ones = (1 << 8 * size_bytes) - 1
    assert control.write(offset, ones, size_bytes) == ()
    assert control.read(offset, size_bytes) == ones
    assert control.state == ResetControlState()


def test_reset_control_on_a_bus_survives_a_configuration_probe() -> None:
    bus = Bus(16)
    bus.add(RESET_CONTROL_FIRST_PORT, RESET_CONTROL_LAST_PORT, ResetControl())
    assert bus.write(0xCF8, 0x8000_FFFC, 4) == ()
    assert bus.read(0xCF8, 4) == (0xFFFF_FFFF, ())
    assert bus.write(0xCF9, 0x06, 1) == (SystemReset(),)
