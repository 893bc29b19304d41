"""Time as one core sees it: its own instructions, and whether it accepted interrupts at each."""

import numpy as np
import numpy.typing as npt

from uniSMP.arch.flags import Rflags
from uniSMP.checks.history import History, Signed

OFF, ON, UNKNOWN = 0, 1, -1
"""What is known of IF: 0, 1, or nothing, since RFLAGS have not been told yet."""
_IF_SHIFT = int(Rflags.IF).bit_length() - 1


class CoreTime:
    """The instructions of one core.

    Args:
        history: the run.
        core: core id.

    Attributes:
        core: core id.
        steps: step of each instruction, ascending.
        rips: linear address of each.
    """

    def __init__(self, history: History, core: int) -> None:
        self.core = core
        rows = np.nonzero(history.core == core)[0]
        self.steps: Signed = rows + history.first_step
        self.rips: Signed = history.rip[rows]
        self._history = history

    def place(self, step: int) -> int:
        """Return how many instructions of the core have a lower step."""
        return int(np.searchsorted(self.steps, step))

    def count(self, begin_step: int, end_step: int) -> int:
        """Return how many instructions of the core have a step from one to before the other."""
        return self.place(end_step) - self.place(begin_step)

    def interrupt_flag(self, steps: Signed) -> npt.NDArray[np.int8]:
        """Return IF with which the instructions at some steps were executed: ON, OFF, UNKNOWN."""
        flags = self._history.flags
        state = np.full(len(steps), UNKNOWN, dtype=np.int8)
        if flags is None:
            return state
        mine = np.nonzero(flags.core == self.core)[0]
        last = np.searchsorted(flags.step[mine], steps, side="right") - 1
        known = last >= 0
        state[known] = flags.value[mine][last[known]] >> _IF_SHIFT & 1
        return state
