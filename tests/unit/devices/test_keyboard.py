"""The keyboard's commands."""

import pytest

from uniSMP.devices.keyboard import Keyboard, KeyboardState


def test_keyboard_with_saved_state_keeps_it() -> None:
    saved = KeyboardState(command=0xED, last_sent=0x12, scan_code_set=3)
    assert Keyboard(saved).state == saved


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (0xFF, (0xFA, 0xAA)),
        (0xF6, (0xFA,)),
        (0xF5, (0xFA,)),
        (0xF4, (0xFA,)),
        (0xF7, (0xFA,)),
        (0xF2, (0xFA, 0xAB, 0x83)),
        (0xEE, (0xEE,)),
        (0xED, (0xFA,)),
        (0xF3, (0xFA,)),
        (0xF0, (0xFA,)),
        (0x00, (0xFE,)),
        (0xEC, (0xFE,)),
    ],
)
def test_command_gets_its_answer(command: int, answer: tuple[int, ...]) -> None:
    assert Keyboard().receive(command) == answer


@pytest.mark.parametrize("command", [0xED, 0xF3])
def test_argument_is_acknowledged(command: int) -> None:
    keyboard = Keyboard()
    keyboard.receive(command)
    assert keyboard.receive(0x02) == (0xFA,)
    assert keyboard.receive(0x02) == (0xFE,)


@pytest.mark.parametrize("scan_code_set", [1, 2, 3])
def test_scan_code_set_once_set_is_told(scan_code_set: int) -> None:
    keyboard = Keyboard()
    keyboard.receive(0xF0)
    assert keyboard.receive(scan_code_set) == (0xFA,)
    keyboard.receive(0xF0)
    assert keyboard.receive(0) == (0xFA, scan_code_set)


def test_scan_code_set_that_does_not_exist_is_refused() -> None:
    keyboard = Keyboard()
    keyboard.receive(0xF0)
    assert keyboard.receive(4) == (0xFE,)
    assert keyboard.state.scan_code_set == 2


@pytest.mark.parametrize("command", [0xFF, 0xF6, 0xF5])
def test_defaults_restore_the_scan_code_set(command: int) -> None:
    keyboard = Keyboard(KeyboardState(scan_code_set=1))
    keyboard.receive(command)
    assert keyboard.state.scan_code_set == 2


def test_command_in_place_of_an_argument_is_carried_out() -> None:
    keyboard = Keyboard()
    keyboard.receive(0xED)
    assert keyboard.receive(0xEE) == (0xEE,)
    assert keyboard.receive(0x00) == (0xFE,)


def test_resend_repeats_the_last_byte() -> None:
    keyboard = Keyboard()
    keyboard.receive(0xF2)
    assert keyboard.receive(0xFE) == (0x83,)
    assert keyboard.receive(0xFE) == (0x83,)
