"""Address line 20: open when port 0x92 or the keyboard controller opens it.

Source: Intel I/O Controller Hub 9 datasheet (316972), section 5.13.1.1 "A20M# (Mask A20)": A20M# is
asserted only while both the A20GATE input, which the keyboard controller drives, and
ALT_A20_GATE, bit 1 of port 0x92, are 0.

The two inputs meet in this wire, which both chips share; it says `A20Gate` when the result changes.
Firmware leaves the line open through port 0x92 with the keyboard controller's input low, so that
either way of opening it works, and closing it takes port 0x92.
"""

from dataclasses import dataclass

from uniSMP.devices.messages import A20Gate, Messages


@dataclass(slots=True)
class A20State:
    """The two inputs."""

    is_keyboard_high: bool = False
    is_port_92_high: bool = True


class A20Line:
    """The OR of two inputs."""

    def __init__(self, state: A20State | None = None) -> None:
        """Continue from `state`, which is taken over, or start as firmware leaves it."""
        self.state = A20State() if state is None else state

    @property
    def is_enabled(self) -> bool:
        """Whether address bit 20 passes."""
        return self.state.is_keyboard_high or self.state.is_port_92_high

    def set_keyboard(self, *, is_high: bool) -> Messages:
        """Drive the keyboard controller's input; report a change of the line."""
        before = self.is_enabled
        self.state.is_keyboard_high = is_high
        return self._change(before=before)

    def set_port_92(self, *, is_high: bool) -> Messages:
        """Drive the input of port 0x92; report a change of the line."""
        before = self.is_enabled
        self.state.is_port_92_high = is_high
        return self._change(before=before)

    def _change(self, *, before: bool) -> Messages:
        return () if before == self.is_enabled else (A20Gate(self.is_enabled),)
