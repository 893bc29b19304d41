"""Why a core that ran came back."""

from enum import Enum, auto


class Stop(Enum):
    """Why `Core.run` came back."""

    BUDGET = auto()
    """The instructions asked for are retired."""
    HALT = auto()
    """HLT was executed."""
    WINDOW = auto()
    """The next instruction boundary accepts maskable interrupts, or an NMI handler returned."""
    PAUSE = auto()
    """PAUSE was executed, and the caller asked to stop there."""
    ATTENTION = auto()
    """An access changed something outside the core that the caller must look at."""
    SHUTDOWN = auto()
    """Triple fault: the core is dead until INIT or reset."""
    STUCK = auto()
    """Exceptions follow each other for ever without an instruction retired between them."""
    SPIN = auto()
    """The core was here before with the same registers; only where `watch_spins` asked for it."""
    REST = auto()
    """The next instruction is at one of the addresses in `blocks.rests`."""
