"""Why slices end."""

from enum import Enum, auto


class Halt(Enum):
    """Why a slice ended."""

    LIMIT = auto()
    """The instructions asked for are retired."""
    HALTED = auto()
    RESTS = auto()
    WAITS = auto()
    POINT = auto()
    """The next instruction is at one of `points`."""
    WINDOW = auto()
    """An interrupt can be accepted here, and nobody said that it be held back."""
    OVER = auto()
    """The run has ended."""
