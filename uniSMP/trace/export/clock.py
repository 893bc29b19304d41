"""Virtual time of steps.

Events carry step and time. Between two events no time passes but that of the instructions, because
time jumps only where all cores are halted, and a core that goes on has an event there.
"""

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.int64]


class TickMap:
    """Time of steps, from the events up to them.

    Args:
        per_instruction: ticks of an instruction.

    Attributes:
        per_instruction: the same.
    """

    def __init__(self, per_instruction: int) -> None:
        self.per_instruction = per_instruction
        self._step = np.zeros(1, dtype=np.int64)
        self._idle = np.zeros(1, dtype=np.int64)

    def learn(self, step: Words, ticks: Words) -> None:
        """Take note of the step and time of events, which follow those told before."""
        if not len(step):
            return
        idle = np.append(self._idle[-1:], ticks - step * self.per_instruction)
        steps = np.append(self._step[-1:], step)
        is_new = np.ones(len(idle), dtype=np.bool_)
        is_new[1:] = idle[1:] != idle[:-1]
        self._step, self._idle = steps[is_new], idle[is_new]

    def at(self, step: Words) -> Words:
        """Return the time of steps not before the events that were told last."""
        place = np.maximum(np.searchsorted(self._step, step, side="right") - 1, 0)
        return step * self.per_instruction + self._idle[place]
