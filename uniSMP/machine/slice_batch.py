"""Prepares what one compiled loop needs to run slices of several cores, and takes its result."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.core import native_batch as nb
from uniSMP.core import native_state as ns
from uniSMP.core.core import Core
from uniSMP.machine.board import NEVER, Board
from uniSMP.machine.coherence import CodeCoherence
from uniSMP.machine.slice_log import SliceLog
from uniSMP.machine.virtual_clock import VirtualClock

_FEWEST_SLICES = 4
_MOST_SLICES = 4096
_FOREVER = 1 << 62
_HALF_64 = 1 << 63
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class OpenSlice:
    """A slice that compiled code began and could not finish.

    Attributes:
        core: the core that runs.
        end: what its `retired` is when the budget is used up.
        reason: why it stopped, for `Core.resume`; None at an instruction boundary.
        start: what its `retired` was when the slice began.
    """

    core: Core
    end: int
    reason: int | None
    start: int


class SliceBatch:
    """Runs whole plans of slices.

    Args:
        cores: all cores.
        board: the chips.
        clock: virtual time.
        coherence: the pages with translated code.
        pauses: for each core, how many of its slices in a row ended in PAUSE; kept up to date.
        pauses_of_a_spin: so many make a spinning core.
    """

    def __init__(
        self,
        cores: Sequence[Core],
        board: Board,
        clock: VirtualClock,
        coherence: CodeCoherence,
        pauses: npt.NDArray[np.int64],
        pauses_of_a_spin: int,
    ) -> None:
        self._cores = cores
        self._board = board
        self._clock = clock
        self._coherence = coherence
        self._pauses = pauses
        self._length = _FEWEST_SLICES
        self._words: npt.NDArray[np.int64] = np.zeros(nb.WORDS, dtype=np.int64)
        self._words[nb.PAUSES_OF_A_SPIN] = pauses_of_a_spin
        self._rows: npt.NDArray[np.int64] = np.zeros((len(cores), nb.CORE_WORDS), dtype=np.int64)
        self._rows[:, nb.CORE_STATE] = [core.engine.state.ctypes.data for core in cores]
        self._runnable: npt.NDArray[np.int64] = np.zeros(len(cores), dtype=np.int64)
        self._scratch: npt.NDArray[np.int64] = np.zeros(
            (_MOST_SLICES, nb.ROW_WORDS), dtype=np.int64
        )
        self.open: OpenSlice | None = None
        self.done = 0

    @property
    def length(self) -> int:
        """How many slices are best planned next."""
        return self._length

    @property
    def marks(self) -> list[int]:
        """The mark of each slice of the last run, which no log took, that is over."""
        marks: list[int] = self._scratch[: self.done, nb.ROW_MARK].tolist()
        return marks

    def set_marks(self, mark: int | None) -> None:
        """Make marks from now on, the first one on top of `mark`; None: make none."""
        self._words[nb.WANTS_MARKS] = mark is not None
        self._words[nb.MARK] = mark or 0

    @property
    def mark(self) -> int:
        """The last mark."""
        return int(self._words[nb.MARK])

    def mark_slice(self, core: Core) -> int:
        """Make the mark of a slice of `core` that ended outside compiled code."""
        mark: int = nb.mark_slice(core.engine.state, self._words)
        return mark

    def run(  # noqa: PLR0913 - the plan and its limits
        self,
        chosen: npt.NDArray[np.int64],
        budgets: npt.NDArray[np.int64],
        *,
        runnable: Sequence[int],
        busy_elsewhere: Sequence[bool],
        limit_steps: int,
        most_instructions: int,
        is_exact: bool = False,
        log: SliceLog | None = None,
    ) -> int:
        """Run slices as planned; return how many began, 0 where none could.

        Args:
            chosen: core ids.
            budgets: instructions of each, at most; exactly so many with `is_exact`.
            runnable: ids of the cores that can run.
            busy_elsewhere: for each core, whether something but an interrupt waits for it.
            limit_steps: step at which the run ends.
            most_instructions: return after so many, about.
            is_exact: whether interrupts and PAUSE end no slice.
            log: is given the slices that are over.

        `open` is then the slice that must be finished, or None.
        """
        words, clock = self._words, self._clock
        self._describe(runnable, busy_elsewhere, is_exact=is_exact)
        words[nb.STEPS] = clock.steps
        words[nb.LIMIT] = limit_steps
        words[nb.DEADLINE] = self._deadline_steps()
        words[nb.MOST] = most_instructions
        words[nb.IS_EXACT] = is_exact
        nb.run_plan(
            words,
            self._rows,
            self._runnable,
            self._pauses,
            chosen,
            budgets,
            self._coherence.head,
            *((self._scratch, 0) if log is None else log.room(len(chosen))),
        )
        done, is_open = int(words[nb.DONE]), bool(words[nb.IS_OPEN])
        if log is not None:
            log.filled(done)
        self.open, self.done = None, done
        if not (done or is_open):
            self._length = _FEWEST_SLICES
            return 0
        self._length = min(max(2 * done, _FEWEST_SLICES), _MOST_SLICES)
        core = self._cores[int(chosen[done if is_open else done - 1])]
        clock.resume(core, int(words[nb.STEPS]))
        if is_open:
            reason = int(words[nb.REASON])
            end = core.retired + int(words[nb.LEFT])
            before = core.retired - int(words[nb.OPEN_RETIRED])
            waits = reason == ns.STOPPED_BUDGET
            self.open = OpenSlice(core, end, None if waits else reason, before)
        return done + is_open

    def _describe(
        self, runnable: Sequence[int], busy_elsewhere: Sequence[bool], *, is_exact: bool
    ) -> None:
        """Say what is known of each core that can run."""
        rows, board, idle_ticks = self._rows, self._board, self._clock.idle_ticks
        self._words[nb.RUNNABLE] = len(runnable)
        self._runnable[: len(runnable)] = runnable
        rows[:, nb.CORE_MAY_RUN] = 0
        for core_id in runnable:
            may_run = self._cores[core_id].can_run and not busy_elsewhere[core_id]
            time = idle_ticks + board.local_apics[core_id].tsc_offset_ticks
            rows[core_id, 1:] = (
                may_run,
                not is_exact and board.has_interrupt(core_id),
                (time + _HALF_64 & _MASK64) - _HALF_64,
            )

    def _deadline_steps(self) -> int:
        """Return the step at which a device acts."""
        deadline = self._board.deadline_ticks
        if deadline == NEVER:
            return _FOREVER
        clock = self._clock
        missing = deadline - clock.idle_ticks
        return min(_FOREVER, max(0, -(-missing // clock.ticks_per_instruction)))
