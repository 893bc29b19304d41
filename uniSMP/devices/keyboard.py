"""A PS/2 keyboard without keys: it takes commands and answers them at once.

Source: IBM PS/2 Hardware Interface Technical Reference, "Keyboard (101/102-key)", "Commands from
the System".

Not modelled: keys, and hence the lights, the repetition rate and the keys' types (their commands
are acknowledged); transmission time.
"""

from dataclasses import dataclass
from enum import IntEnum

_SCAN_CODE_SETS = (1, 2, 3)


class KeyboardCommand(IntEnum):
    """Commands to the keyboard; all from 0xED on are acknowledged, those below are refused."""

    SET_LIGHTS = 0xED
    ECHO = 0xEE
    SCAN_CODE_SET = 0xF0
    IDENTIFY = 0xF2
    SET_RATE = 0xF3
    SET_DEFAULTS_DISABLE = 0xF5
    SET_DEFAULTS = 0xF6
    RESEND = 0xFE
    RESET = 0xFF


class KeyboardAnswer(IntEnum):
    """Bytes from the keyboard."""

    TEST_PASSED = 0xAA
    ACKNOWLEDGE = 0xFA
    RESEND = 0xFE


_IDENTITY = (0xAB, 0x83)
_DEFAULT_SCAN_CODE_SET = 2
_COMMANDS_WITH_ARGUMENT = (
    KeyboardCommand.SET_LIGHTS,
    KeyboardCommand.SCAN_CODE_SET,
    KeyboardCommand.SET_RATE,
)
_COMMANDS_THAT_SET_DEFAULTS = (
    KeyboardCommand.SET_DEFAULTS_DISABLE,
    KeyboardCommand.SET_DEFAULTS,
    KeyboardCommand.RESET,
)


@dataclass(slots=True)
class KeyboardState:
    """The keyboard's memory.

    Attributes:
        command: the command that waits for its argument, or 0.
        last_sent: the last byte sent, for the resend command.
        scan_code_set: 1, 2 or 3.
    """

    command: int = 0
    last_sent: int = KeyboardAnswer.TEST_PASSED
    scan_code_set: int = _DEFAULT_SCAN_CODE_SET


class Keyboard:
    """One keyboard at the end of its cable."""

    def __init__(self, state: KeyboardState | None = None) -> None:
        """Continue from `state`, which is taken over, or start as after its self-test."""
        self.state = KeyboardState() if state is None else state

    def receive(self, value: int) -> tuple[int, ...]:
        """Take a byte from the controller; return the bytes of the answer in order.

        A new command in place of an argument is carried out, and the old one forgotten.
        """
        command, self.state.command = self.state.command, 0
        is_argument = command and value < KeyboardCommand.SET_LIGHTS
        answer = self._argue(command, value) if is_argument else self._obey(value)
        self.state.last_sent = answer[-1]
        return answer

    def _obey(self, value: int) -> tuple[int, ...]:
        if value < KeyboardCommand.SET_LIGHTS:
            return (KeyboardAnswer.RESEND,)
        if value in _COMMANDS_WITH_ARGUMENT:
            self.state.command = value
        elif value in _COMMANDS_THAT_SET_DEFAULTS:
            self.state.scan_code_set = _DEFAULT_SCAN_CODE_SET
        match value:
            case KeyboardCommand.ECHO:
                return (KeyboardCommand.ECHO,)
            case KeyboardCommand.RESEND:
                return (self.state.last_sent,)
            case KeyboardCommand.IDENTIFY:
                return (KeyboardAnswer.ACKNOWLEDGE, *_IDENTITY)
            case KeyboardCommand.RESET:
                return (KeyboardAnswer.ACKNOWLEDGE, KeyboardAnswer.TEST_PASSED)
            case _:
                return (KeyboardAnswer.ACKNOWLEDGE,)

    def _argue(self, command: int, value: int) -> tuple[int, ...]:
        """Take the argument of `command`."""
        if command == KeyboardCommand.SCAN_CODE_SET:
            if value == 0:
                return (KeyboardAnswer.ACKNOWLEDGE, self.state.scan_code_set)
            if value not in _SCAN_CODE_SETS:
                return (KeyboardAnswer.RESEND,)
            self.state.scan_code_set = value
        return (KeyboardAnswer.ACKNOWLEDGE,)
