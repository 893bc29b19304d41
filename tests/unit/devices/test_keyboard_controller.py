"""The 8042 behind ports 0x60 and 0x64."""

import pytest

from uniSMP.devices.a20_line import A20Line, A20State
from uniSMP.devices.device import Device
from uniSMP.devices.keyboard import KeyboardState
from uniSMP.devices.keyboard_controller import KeyboardController, KeyboardControllerState
from uniSMP.devices.messages import A20Gate, IrqLine, Messages, SystemReset

RISE = IrqLine(1, is_high=True)
FALL = IrqLine(1, is_high=False)


def controller() -> KeyboardController:
    return KeyboardController(A20Line())


def closed() -> KeyboardController:
    return KeyboardController(A20Line(A20State(is_keyboard_high=False, is_port_92_high=False)))


def command(chip: KeyboardController, value: int) -> Messages:
    return chip.command.write(0, value, 1)


def data(chip: KeyboardController, value: int) -> Messages:
    return chip.data.write(0, value, 1)


def take(chip: KeyboardController) -> int:
    value = chip.data.read(0, 1)
    chip.data.after_read(0, 1)
    return value


def test_ports_are_byte_devices() -> None:
    chip = controller()
    assert isinstance(chip.data, Device)
    assert isinstance(chip.command, Device)
    assert chip.data.widest_access_bytes == chip.command.widest_access_bytes == 1


def test_controller_at_start_is_as_firmware_leaves_it() -> None:
    chip = controller()
    assert chip.command.read(0, 1) == 0x1C
    assert chip.command.after_read(0, 1) == ()
    assert chip.data.read(0, 1) == 0
    command(chip, 0x20)
    assert take(chip) == 0x65


def test_controller_with_saved_state_keeps_it() -> None:
    saved = KeyboardControllerState(
        ram=bytearray(range(32)),
        output=[0x20AA],
        last_data=3,
        is_command=False,
        command=0xD1,
        irq_levels=2,
        keyboard=KeyboardState(command=0xED),
    )
    assert KeyboardController(A20Line(), saved).state == saved


def test_self_test_answers_0x55_with_an_interrupt() -> None:
    chip = controller()
    assert command(chip, 0xAA) == (RISE,)
    assert chip.command.read(0, 1) == 0x1D
    assert chip.data.read(0, 1) == 0x55
    assert chip.data.after_read(0, 1) == (FALL,)
    assert chip.command.read(0, 1) == 0x1C


def test_self_test_drops_earlier_output() -> None:
    chip = controller()
    command(chip, 0xAB)
    command(chip, 0xAA)
    assert take(chip) == 0x55
    assert not chip.command.read(0, 1) & 1


def test_data_port_when_empty_repeats_the_last_byte() -> None:
    chip = controller()
    command(chip, 0xAA)
    take(chip)
    assert chip.data.after_read(0, 1) == ()
    assert chip.data.read(0, 1) == 0x55


@pytest.mark.parametrize(
    ("value", "answer"), [(0xAB, 0x00), (0xA9, 0x00), (0xC0, 0x80), (0xE0, 0x00)]
)
def test_inquiry_gets_its_answer(value: int, answer: int) -> None:
    chip = controller()
    assert command(chip, value) == (RISE,)
    assert take(chip) == answer


@pytest.mark.parametrize("value", [0xA0, 0xA7, 0xA8, 0xAD, 0xAE, 0xB0, 0xCF])
def test_command_without_answer_leaves_the_output_empty(value: int) -> None:
    chip = controller()
    assert command(chip, value) == ()
    assert not chip.command.read(0, 1) & 1


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        (0x00, 0xAD, 0x10),
        (0x10, 0xAE, 0x00),
        (0x00, 0xA7, 0x20),
        (0x20, 0xA8, 0x00),
        (0x00, 0xAA, 0x04),
    ],
)
def test_switch_changes_the_command_byte(before: int, value: int, after: int) -> None:
    chip = controller()
    command(chip, 0x60)
    data(chip, before)
    command(chip, value)
    assert chip.state.ram[0] == after


@pytest.mark.parametrize("place", [1, 17, 31])
def test_ram_written_is_read_back(place: int) -> None:
    chip = controller()
    command(chip, 0x60 | place)
    data(chip, 0xA5)
    command(chip, 0x20 | place)
    assert take(chip) == 0xA5


def test_status_tells_command_from_data() -> None:
    chip = controller()
    command(chip, 0x60)
    assert chip.command.read(0, 1) & 0x08
    data(chip, 0x00)
    assert chip.command.read(0, 1) == 0x10


def test_interrupt_disabled_in_the_command_byte_stays_low() -> None:
    chip = controller()
    command(chip, 0x60)
    data(chip, 0x44)
    assert command(chip, 0xAA) == ()
    assert command(chip, 0x60) == ()
    assert data(chip, 0x45) == (RISE,)
    command(chip, 0x60)
    assert data(chip, 0x44) == (FALL,)


def test_keyboard_reset_answers_twice_with_an_interrupt_each() -> None:
    chip = controller()
    assert data(chip, 0xFF) == (RISE,)
    assert chip.data.read(0, 1) == 0xFA
    assert chip.data.after_read(0, 1) == (FALL, RISE)
    assert chip.data.read(0, 1) == 0xAA
    assert chip.data.after_read(0, 1) == (FALL,)


@pytest.mark.parametrize(("command_byte", "last"), [(0x45, 0x41), (0x05, 0x83)])
def test_keyboard_identity_is_translated_when_asked(command_byte: int, last: int) -> None:
    chip = controller()
    command(chip, 0x60)
    data(chip, command_byte)
    data(chip, 0xF2)
    assert [take(chip), take(chip), take(chip)] == [0xFA, 0xAB, last]


def test_byte_to_a_disabled_keyboard_enables_it() -> None:
    chip = controller()
    command(chip, 0xAD)
    data(chip, 0xEE)
    assert take(chip) == 0xEE
    assert not chip.state.ram[0] & 0x10


def test_byte_in_place_of_nothing_does_not_follow_a_forgotten_command() -> None:
    chip = controller()
    command(chip, 0xD2)
    command(chip, 0xAE)
    data(chip, 0xEE)
    assert take(chip) == 0xEE


def test_byte_put_into_the_keyboard_output_appears() -> None:
    chip = controller()
    command(chip, 0xD2)
    assert data(chip, 0x1C) == (RISE,)
    assert chip.command.read(0, 1) & 0x21 == 0x01
    assert take(chip) == 0x1C


def test_byte_put_into_the_auxiliary_output_appears_on_irq_12() -> None:
    chip = controller()
    command(chip, 0x60)
    data(chip, 0x47)
    command(chip, 0xD3)
    assert data(chip, 0x1C) == (IrqLine(12, is_high=True),)
    assert chip.command.read(0, 1) & 0x21 == 0x21
    assert chip.data.after_read(0, 1) == (IrqLine(12, is_high=False),)


def test_byte_to_the_absent_mouse_times_out() -> None:
    chip = controller()
    command(chip, 0xD4)
    assert data(chip, 0xFF) == ()
    assert chip.command.read(0, 1) & 0x61 == 0x61
    assert take(chip) == 0xFE


@pytest.mark.parametrize(
    ("set_up", "value"), [([], 0xC1), ([0xDF], 0xC3), ([0xAB], 0xD1), ([0xDF, 0xDD], 0xC1)]
)
def test_output_port_shows_a20_and_a_full_buffer(set_up: list[int], value: int) -> None:
    chip = controller()
    _ = [command(chip, each) for each in set_up]
    command(chip, 0xD0)
    answers = [take(chip) for _ in range(len(chip.state.output))]
    assert answers[-1] == value


def test_output_port_shows_a_full_auxiliary_buffer() -> None:
    chip = controller()
    command(chip, 0xD3)
    data(chip, 0)
    command(chip, 0xD0)
    take(chip)
    assert take(chip) == 0xE1


def test_a20_commands_open_and_close_the_line() -> None:
    chip = closed()
    assert command(chip, 0xDF) == (A20Gate(is_enabled=True),)
    assert command(chip, 0xDF) == ()
    assert command(chip, 0xDD) == (A20Gate(is_enabled=False),)


def test_output_port_write_opens_and_closes_the_line() -> None:
    chip = closed()
    command(chip, 0xD1)
    assert data(chip, 0xDF) == (A20Gate(is_enabled=True),)
    command(chip, 0xD1)
    assert data(chip, 0xDD) == (A20Gate(is_enabled=False),)


def test_a20_of_the_keyboard_does_not_close_port_92() -> None:
    assert command(controller(), 0xDD) == ()


def test_output_port_write_with_bit_0_clear_resets() -> None:
    chip = controller()
    command(chip, 0xD1)
    assert data(chip, 0xFE) == (SystemReset(),)


@pytest.mark.parametrize("value", [0xF0, 0xF6, 0xFE])
def test_pulse_of_bit_0_resets(value: int) -> None:
    assert command(controller(), value) == (SystemReset(),)


@pytest.mark.parametrize("value", [0xF1, 0xFD, 0xFF])
def test_pulse_of_other_bits_does_nothing(value: int) -> None:
    assert command(controller(), value) == ()


def test_write_wider_than_a_byte_is_cut() -> None:
    chip = controller()
    chip.command.write(0, 0x1D2, 2)
    chip.data.write(0, 0x155, 2)
    assert take(chip) == 0x55
