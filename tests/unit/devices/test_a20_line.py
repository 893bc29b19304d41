"""A20: the OR of the keyboard controller and port 0x92."""

import pytest

from uniSMP.devices.a20_line import A20Line, A20State
from uniSMP.devices.messages import A20Gate


def test_line_at_reset_is_enabled_by_port_92() -> None:
    assert A20Line().is_enabled
    assert A20Line().state == A20State(is_keyboard_high=False, is_port_92_high=True)


def test_line_with_saved_state_keeps_it() -> None:
    saved = A20State(is_keyboard_high=True, is_port_92_high=False)
    assert A20Line(saved).state == saved


@pytest.mark.parametrize(
    ("keyboard", "port_92", "is_enabled"),
    [(False, False, False), (False, True, True), (True, False, True), (True, True, True)],
)
def test_line_is_the_or_of_its_inputs(keyboard: bool, port_92: bool, is_enabled: bool) -> None:  # noqa: FBT001 - a truth table
    assert A20Line(A20State(keyboard, port_92)).is_enabled is is_enabled


def test_set_port_92_low_closes_and_high_opens() -> None:
    line = A20Line()
    assert line.set_port_92(is_high=False) == (A20Gate(is_enabled=False),)
    assert line.set_port_92(is_high=False) == ()
    assert line.set_port_92(is_high=True) == (A20Gate(is_enabled=True),)


def test_set_keyboard_high_holds_the_line_open() -> None:
    line = A20Line()
    assert line.set_keyboard(is_high=True) == ()
    assert line.set_port_92(is_high=False) == ()
    assert line.set_keyboard(is_high=False) == (A20Gate(is_enabled=False),)
