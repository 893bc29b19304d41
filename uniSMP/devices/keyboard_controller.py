"""The 8042 keyboard controller: ports 0x60 and 0x64, IRQ 1 and IRQ 12.

Source: IBM PC/AT Technical Reference (6280070), "Keyboard Controller"; IBM PS/2 Hardware Interface
Technical Reference, "Keyboard and Auxiliary Device Controller", for the auxiliary port.

Every answer is there at once; several wait in line behind port 0x60, and each raises its interrupt
anew. The controller starts as firmware leaves it: tested, keyboard interrupt on, translation on.
Behind the auxiliary port there is no mouse: what is sent there times out. Of the keyboard's answers
translation changes the second byte of the identity only: 0x83 becomes 0x41.

Not modelled: transmission time (input buffer full is always 0), parity errors, the keyboard lock,
holding the clock line (a disabled keyboard's answers still arrive; a byte sent to it enables it
again), pulsing outputs other than the reset.
"""

from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

from uniSMP.devices.a20_line import A20Line
from uniSMP.devices.keyboard import Keyboard, KeyboardState
from uniSMP.devices.messages import IrqLine, Messages, SystemReset

KEYBOARD_DATA_PORT = 0x60
"""Port of `KeyboardController.data`."""
KEYBOARD_COMMAND_PORT = 0x64
"""Port of `KeyboardController.command`."""
KEYBOARD_IRQ = 1
"""ISA interrupt line for answers of the controller and of the keyboard."""
AUXILIARY_IRQ = 12
"""ISA interrupt line for bytes of the auxiliary port."""

_RAM_BYTES = 32
_RAM_MASK = 0x1F
_PULSE_COMMANDS = 0xF0
_TEST_PASSED = 0x55
_INPUT_PORT = 0x80
_OUTPUT_PORT_IDLE = 0xC0
_NO_ANSWER = 0xFE
_TRANSLATED = {0x83: 0x41}


class Status(IntFlag):
    """Bits of the status register."""

    OUTPUT_FULL = 1 << 0
    SYSTEM = 1 << 2
    COMMAND = 1 << 3
    UNLOCKED = 1 << 4
    AUXILIARY = 1 << 5
    TIMEOUT = 1 << 6


class CommandByte(IntFlag):
    """Bits of byte 0 of the controller's RAM."""

    KEYBOARD_INTERRUPT = 1 << 0
    AUXILIARY_INTERRUPT = 1 << 1
    SYSTEM = 1 << 2
    KEYBOARD_DISABLE = 1 << 4
    AUXILIARY_DISABLE = 1 << 5
    TRANSLATE = 1 << 6


class OutputPort(IntFlag):
    """Bits of the output port."""

    NO_RESET = 1 << 0
    A20 = 1 << 1
    KEYBOARD_FULL = 1 << 4
    AUXILIARY_FULL = 1 << 5


class ControllerCommand(IntEnum):
    """Commands at port 0x64; 0x20-0x3F read the RAM, 0x60-0x7F write it, 0xF0-0xFF pulse."""

    READ_RAM = 0x20
    WRITE_RAM = 0x60
    DISABLE_AUXILIARY = 0xA7
    ENABLE_AUXILIARY = 0xA8
    TEST_AUXILIARY = 0xA9
    SELF_TEST = 0xAA
    TEST_KEYBOARD = 0xAB
    DISABLE_KEYBOARD = 0xAD
    ENABLE_KEYBOARD = 0xAE
    READ_INPUT_PORT = 0xC0
    READ_OUTPUT_PORT = 0xD0
    WRITE_OUTPUT_PORT = 0xD1
    WRITE_KEYBOARD_OUTPUT = 0xD2
    WRITE_AUXILIARY_OUTPUT = 0xD3
    WRITE_AUXILIARY = 0xD4
    A20_OFF = 0xDD
    A20_ON = 0xDF
    READ_TEST_INPUTS = 0xE0


_FIRMWARE_COMMAND_BYTE = int(
    CommandByte.KEYBOARD_INTERRUPT
    | CommandByte.SYSTEM
    | CommandByte.AUXILIARY_DISABLE
    | CommandByte.TRANSLATE
)
_COMMANDS_WITH_ARGUMENT = (
    ControllerCommand.WRITE_OUTPUT_PORT,
    ControllerCommand.WRITE_KEYBOARD_OUTPUT,
    ControllerCommand.WRITE_AUXILIARY_OUTPUT,
    ControllerCommand.WRITE_AUXILIARY,
)
_LINES = (
    (CommandByte.KEYBOARD_INTERRUPT, KEYBOARD_IRQ),
    (CommandByte.AUXILIARY_INTERRUPT, AUXILIARY_IRQ),
)


def _firmware_ram() -> bytearray:
    return bytearray((_FIRMWARE_COMMAND_BYTE, *bytes(_RAM_BYTES - 1)))


@dataclass(slots=True)
class KeyboardControllerState:
    """Controller and keyboard.

    Attributes:
        ram: the controller's 32 bytes; byte 0 is the command byte.
        output: bytes for port 0x60, oldest first, each with its status bits in bits 15:8.
        last_data: what port 0x60 keeps showing while `output` is empty.
        is_command: whether the last write went to port 0x64.
        command: the command that waits for its argument, or 0.
        irq_levels: IRQ 1 in bit 0, IRQ 12 in bit 1.
        keyboard: the keyboard behind the controller.
    """

    ram: bytearray = field(default_factory=_firmware_ram)
    output: list[int] = field(default_factory=list)
    last_data: int = 0
    is_command: bool = True
    command: int = 0
    irq_levels: int = 0
    keyboard: KeyboardState = field(default_factory=KeyboardState)


class KeyboardController:
    """The controller with its keyboard.

    Attributes:
        data: the device of port 0x60.
        command: the device of port 0x64.
    """

    def __init__(self, a20: A20Line, state: KeyboardControllerState | None = None) -> None:
        """Continue from `state`, which is taken over, or start as firmware leaves it."""
        self._a20 = a20
        self.state = KeyboardControllerState() if state is None else state
        self._keyboard = Keyboard(self.state.keyboard)
        self.data = KeyboardDataPort(self)
        self.command = KeyboardCommandPort(self)

    @property
    def status(self) -> int:
        """The status register."""
        state = self.state
        status = Status.UNLOCKED | state.ram[0] & CommandByte.SYSTEM
        status |= Status.COMMAND if state.is_command else 0
        return int(status | (Status.OUTPUT_FULL | state.output[0] >> 8 if state.output else 0))

    @property
    def output_data(self) -> int:
        """The byte that port 0x60 shows."""
        return self.state.output[0] & 0xFF if self.state.output else self.state.last_data

    def take_output(self) -> Messages:
        """Empty the output buffer; the next byte, if any, follows with an interrupt of its own."""
        state = self.state
        if not state.output:
            return ()
        state.last_data = state.output.pop(0) & 0xFF
        return self._drive(0) + self._settle()

    def write_data(self, value: int) -> Messages:
        """Take a byte for the command that waits for one, else for the keyboard."""
        state = self.state
        state.is_command = False
        command, state.command = state.command, 0
        messages: Messages = ()
        match command:
            case 0:
                self._tell_keyboard(value)
            case ControllerCommand.WRITE_OUTPUT_PORT:
                messages = self._write_output_port(value)
            case ControllerCommand.WRITE_KEYBOARD_OUTPUT:
                self._answer(value)
            case ControllerCommand.WRITE_AUXILIARY_OUTPUT:
                self._answer(value, Status.AUXILIARY)
            case ControllerCommand.WRITE_AUXILIARY:
                self._answer(_NO_ANSWER, Status.AUXILIARY | Status.TIMEOUT)
            case _:
                state.ram[command & _RAM_MASK] = value
        return messages + self._settle()

    def write_command(self, value: int) -> Messages:
        """Carry out a controller command, or wait for its argument; unknown ones do nothing."""
        state = self.state
        state.is_command = True
        state.command = 0
        if value >= _PULSE_COMMANDS:
            return () if value & OutputPort.NO_RESET else (SystemReset(),)
        if value in (ControllerCommand.A20_OFF, ControllerCommand.A20_ON):
            return self._a20.set_keyboard(is_high=value == ControllerCommand.A20_ON)
        block = value & ~_RAM_MASK
        if block == ControllerCommand.WRITE_RAM or value in _COMMANDS_WITH_ARGUMENT:
            state.command = value
        elif block == ControllerCommand.READ_RAM:
            self._answer(state.ram[value & _RAM_MASK])
        else:
            self._switch(value)
            self._inquire(value)
        return self._settle()

    def _switch(self, command: int) -> None:
        """Carry out the commands that change the command byte."""
        ram = self.state.ram
        match command:
            case ControllerCommand.DISABLE_AUXILIARY:
                ram[0] |= CommandByte.AUXILIARY_DISABLE
            case ControllerCommand.ENABLE_AUXILIARY:
                ram[0] &= ~CommandByte.AUXILIARY_DISABLE
            case ControllerCommand.DISABLE_KEYBOARD:
                ram[0] |= CommandByte.KEYBOARD_DISABLE
            case ControllerCommand.ENABLE_KEYBOARD:
                ram[0] &= ~CommandByte.KEYBOARD_DISABLE
            case ControllerCommand.SELF_TEST:
                ram[0] |= CommandByte.SYSTEM

    def _inquire(self, command: int) -> None:
        """Answer the commands that have an answer."""
        match command:
            case ControllerCommand.SELF_TEST:
                self.state.output.clear()
                self._answer(_TEST_PASSED)
            case (
                ControllerCommand.TEST_KEYBOARD
                | ControllerCommand.TEST_AUXILIARY
                | ControllerCommand.READ_TEST_INPUTS
            ):
                self._answer(0)
            case ControllerCommand.READ_INPUT_PORT:
                self._answer(_INPUT_PORT)
            case ControllerCommand.READ_OUTPUT_PORT:
                self._answer(self._output_port())

    def _output_port(self) -> int:
        value = _OUTPUT_PORT_IDLE | OutputPort.NO_RESET
        value |= OutputPort.A20 if self._a20.state.is_keyboard_high else 0
        if self.state.output:
            is_auxiliary = self.state.output[0] >> 8 & Status.AUXILIARY
            value |= OutputPort.AUXILIARY_FULL if is_auxiliary else OutputPort.KEYBOARD_FULL
        return int(value)

    def _write_output_port(self, value: int) -> Messages:
        messages = self._a20.set_keyboard(is_high=bool(value & OutputPort.A20))
        return messages if value & OutputPort.NO_RESET else (*messages, SystemReset())

    def _answer(self, value: int, status: int = 0) -> None:
        self.state.output.append(status << 8 | value)

    def _tell_keyboard(self, value: int) -> None:
        ram = self.state.ram
        ram[0] &= ~CommandByte.KEYBOARD_DISABLE
        for sent in self._keyboard.receive(value):
            is_translated = ram[0] & CommandByte.TRANSLATE
            self._answer(_TRANSLATED.get(sent, sent) if is_translated else sent)

    def _settle(self) -> Messages:
        """Bring both interrupt lines to the level that the output buffer asks for."""
        state = self.state
        if not state.output:
            return self._drive(0)
        if state.output[0] >> 8 & Status.AUXILIARY:
            return self._drive(state.ram[0] & CommandByte.AUXILIARY_INTERRUPT)
        return self._drive(state.ram[0] & CommandByte.KEYBOARD_INTERRUPT)

    def _drive(self, levels: int) -> Messages:
        changed = self.state.irq_levels ^ levels
        self.state.irq_levels = levels
        return tuple(IrqLine(irq, bool(levels & bit)) for bit, irq in _LINES if changed & bit)


class KeyboardDataPort:
    """Port 0x60 of a `KeyboardController`."""

    widest_access_bytes = 1

    def __init__(self, controller: KeyboardController) -> None:
        """Create the port of `controller`."""
        self._controller = controller

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the output buffer."""
        del offset, size_bytes
        return self._controller.output_data

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Empty the output buffer."""
        del offset, size_bytes
        return self._controller.take_output()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Give a byte to the controller or the keyboard."""
        del offset, size_bytes
        return self._controller.write_data(value & 0xFF)


class KeyboardCommandPort:
    """Port 0x64 of a `KeyboardController`."""

    widest_access_bytes = 1

    def __init__(self, controller: KeyboardController) -> None:
        """Create the port of `controller`."""
        self._controller = controller

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the status register."""
        del offset, size_bytes
        return self._controller.status

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do nothing."""
        del offset, size_bytes
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Give a command to the controller."""
        del offset, size_bytes
        return self._controller.write_command(value & 0xFF)
