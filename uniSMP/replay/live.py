"""A machine that runs by a schedule and whose run becomes known as it goes: it can be taken back.

What was run is kept as rows, as a recorder would write them. Where the host changes memory or
registers in the past, what came after is forgotten: the run goes on from there in another way.
"""

from collections.abc import Callable, Sequence

import numpy as np

from uniSMP.errors import ConfigError
from uniSMP.machine.host_input import HostInput
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Ending
from uniSMP.machine.slice_log import CONTINUED, RowEnd, Rows, SliceLog
from uniSMP.replay.chunks import Item, RunEnd
from uniSMP.replay.conditions import Hit
from uniSMP.replay.history import History
from uniSMP.replay.timeline import Timeline
from uniSMP.schedule.policy import Schedule, Slice

_NO_ROWS = Rows(*(np.zeros(0, dtype=np.int64) for _ in Rows.__slots__))
_STEP_AT_ONCE = 1


class _OneCore:
    """A schedule for one core alone."""

    name = "one core"

    def __init__(self, core_id: int, budget: int) -> None:
        self._slice = Slice(core_id, budget)

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        """Return a slice of the core, which must be among the runnable ones."""
        if self._slice.core_id not in runnable:
            raise ConfigError(f"core {self._slice.core_id} cannot run: it waits or is shut down")
        return self._slice


class _Spins:
    """What decides at the end of what is known, beside the schedule, who yields at PAUSE.

    Going through what is known does not keep it.
    """

    def __init__(self, machine: Machine) -> None:
        self._board = machine.devices
        self._pauses = machine.parts.loop.pauses
        self.save()

    def save(self) -> None:
        """Keep it as it is now."""
        self._kept = self._pauses.copy(), self._board.has_news

    def restore(self) -> None:
        """Put it back."""
        self._pauses[:], self._board.has_news = self._kept

    def forget(self, rows: Rows) -> None:
        """Let the end of what is known be that of `rows`."""
        counts = np.zeros_like(self._pauses)
        for core_id in range(len(counts)):
            others = rows.end[rows.core == core_id][::-1] != RowEnd.PAUSE
            counts[core_id] = np.argmax(others) if others.any() else len(others)
        self._kept = counts, True


class LiveTimeline(Timeline):
    """A machine with a schedule as a time line.

    Args:
        machine: loaded, and has not run.
        schedule: who runs next, where nothing is known yet.
        quantum: longest slice, in instructions, of a core that runs alone (see `only`).

    Raises:
        ConfigError: the machine has run already, or is recorded.
    """

    is_live = True

    def __init__(self, machine: Machine, schedule: Schedule, *, quantum: int = 1000) -> None:
        machine.check_fresh()
        items: list[tuple[int, Item]] = [(0, given) for given in machine.first_inputs]
        super().__init__(machine, History(_NO_ROWS, items))
        self._items = len(items)
        self._schedule = schedule
        self._quantum = quantum
        self._only: int | None = None
        self._log = SliceLog(machine.parts.loop.batch.mark_slice)
        self._spins = _Spins(machine)
        machine.on_input = self._put_in
        self.keep_snapshots()

    @property
    def only(self) -> int | None:
        """The one core that runs while nothing is known; None: as the schedule says."""
        return self._only

    @only.setter
    def only(self, core_id: int | None) -> None:
        if core_id is not None and core_id not in range(len(self.machine.cores)):
            raise ConfigError(f"core {core_id}: this machine has {len(self.machine.cores)} cores")
        if core_id != self._only:
            self._forget_future()
        self._only = core_id

    def _put_in(self, given: HostInput) -> None:
        """Keep what the host puts in, in place of what was known to follow."""
        self._forget_future()
        self.history.items.append((len(self.history), given))
        self.history = History(self.history.rows, self.history.items)
        self._items = len(self.history.items)

    def _forget_future(self) -> None:
        """Let the run end where the machine stands."""
        known = self.history
        if self.position == known.end and self._items == len(known.items):
            return
        whole = self.position == known.end_of(self.position.slice)
        rows = Rows(
            *(
                getattr(known.rows, name)[: self.position.slice + 1].copy()
                for name in Rows.__slots__
            )
        )
        if len(rows) and int(rows.end[-1]) in CONTINUED:
            rows.end[-1] = RowEnd.BUDGET
        if not whole:
            rows.instructions[-1] = self.position.instructions
            rows.faults[-1] = self.position.faults
            rows.end[-1] = RowEnd.BUDGET
            self._exact.is_row_over = True
            rows.mark[-1] = self.machine.parts.loop.batch.mark_slice(self._exact.core)
        self.history = History(rows, known.items[: self._items])
        self._spins.forget(rows)
        self.keep_snapshots().drop_behind(self.position)

    # -- making history ------------------------------------------------------------------------

    def knows_more(self) -> bool:
        """Return whether the run goes on behind where the machine stands."""
        return super().knows_more() or not self._is_over()

    def _is_over(self) -> bool:
        """Return whether the run has ended at the end of what is known."""
        items = self.history.items
        return bool(items) and isinstance(items[-1][1], RunEnd)

    def reach(self, step: int) -> None:
        """Run on by the schedule until so many steps are known, or the run ends; stay there."""
        if self.history.steps >= step or self._is_over():
            return
        self.goto_position(self.history.end)
        self._begin_run()
        loop = self.machine.parts.loop
        loop.log = self._log
        self._spins.restore()
        try:
            while loop.boundary.ending is None and self.step < step:
                loop.step(self._policy())
        except (KeyboardInterrupt, SystemExit):
            self._log.take()  # broken off, perhaps inside an instruction: the machine goes back
            self._is_lost = True
            raise
        except Exception:
            self._learn(None)  # a callback's: the machine stands between two instructions
            raise
        finally:
            loop.log = None
        self._learn(loop.boundary.ending)
        self._keep_if_due()

    def _policy(self) -> Schedule:
        return self._schedule if self._only is None else _OneCore(self._only, self._quantum)

    def _learn(self, ending: Ending | None) -> None:
        """Add what has just run to the history."""
        self._spins.save()
        self._log.abandon()
        rows = Rows.join([self.history.rows, self._log.take()])
        items = self.history.items
        if ending is not None:
            items.append((len(rows), self._run_end(ending)))
            self.ending = items[-1][1]  # type: ignore[assignment]  # it is the end of a run
            self._is_between_runs = True
        self.history = History(rows, items)
        self._items = len(items)
        self.position = self.history.end
        self._exact.is_row_over = True

    def _run_end(self, ending: Ending) -> RunEnd:
        boundary, clock = self.machine.parts.loop.boundary, self.machine.parts.clock
        return RunEnd(
            outcome=ending.outcome.value,
            reason=ending.reason,
            exit_value=ending.exit_value,
            digest="",
            steps=clock.steps,
            ticks=clock.now_ticks,
            idle_events=boundary.idle_events,
            console_bytes=len(boundary.console),
            console_sha256="",
            instructions=[core.retired for core in self.machine.parts.cores],
        )

    def step_core(
        self, core_id: int, *, is_interrupted: Callable[[], bool] | None = None
    ) -> Hit | None:
        """Go forwards until a core has retired one more instruction; None: it never does.

        Args:
            core_id: the core.
            is_interrupted: asked while others run; True ends it where the machine stands.
        """
        start = self.position
        step = self.history.next_of_core(core_id, start)
        while step is None and not self._is_over():
            if is_interrupted is not None and is_interrupted():
                return None
            if self._only == core_id:
                self._run_alone(core_id)
            else:
                self.reach(self.history.steps + _STEP_AT_ONCE)
            step = self.history.next_of_core(core_id, start)
        return self._step_to(step, core_id)

    def _run_alone(self, core_id: int) -> None:
        """Let one core retire one instruction behind all that is known."""
        quantum, self._quantum = self._quantum, 1
        try:
            self.reach(self.history.steps + _STEP_AT_ONCE)
        finally:
            self._quantum = quantum
        assert self._only == core_id

    def goto(self, step: int) -> None:
        """Go to the first moment with so many steps; the run goes on to there if need be."""
        self.reach(step)
        super().goto(step)
