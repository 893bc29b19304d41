"""One slice after the other, as a schedule chooses them, until the run ends.

A slice ends early at HLT, and at PAUSE while other cores can run: whoever spins waits for somebody
else. Where all of them spin they wait for time to pass, and the next slice is run to its end.

A device whose deadline is reached acts before the boundary is looked at (see `boundary`).
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uniSMP.core.core import Core, Stop
from uniSMP.errors import ConfigError
from uniSMP.machine.board import NEVER, Board
from uniSMP.machine.boundary import Boundary
from uniSMP.machine.coherence import CodeCoherence
from uniSMP.machine.core_platform import CorePlatform
from uniSMP.machine.outcome import Ending, Outcome
from uniSMP.machine.slice_batch import SliceBatch
from uniSMP.machine.slice_log import NMI, SliceLog
from uniSMP.machine.virtual_clock import VirtualClock
from uniSMP.schedule.policy import PlannedSchedule, Schedule

if TYPE_CHECKING:
    from uniSMP.machine.event_log import EventLog
    from uniSMP.machine.tracer import Tracer

_FINAL = frozenset({Outcome.FINISHED, Outcome.GUEST_FAILED, Outcome.TRIPLE_FAULT})
"""Outcomes after which the machine does not go on."""
LONGEST_RUN_INSTRUCTIONS = 1_000_000
"""So often, at least, the host is asked whether to go on."""
_PAUSES_OF_A_SPIN = 3
"""So many slices in a row that end in PAUSE make a spinning core."""
_FOREVER = 1 << 62
ENDS_OF_SLICE = frozenset({Stop.HALT, Stop.PAUSE})


class RunLoop:
    """Runs the cores of one machine.

    Args:
        cores: all cores.
        platforms: what each core sees of the machine.
        board: the chips.
        clock: virtual time.
        coherence: the pages with translated code.

    Attributes:
        boundary: what happens between instructions, and how the run ended.
        batch: runs slices in compiled code.
        pauses: for each core, how many of its slices in a row ended in PAUSE.
        log: is told of every slice, or None.
        after_slice: called after slices while there is a log.
        on_abort: called where a run is broken off, perhaps inside an instruction; or None.
    """

    def __init__(
        self,
        cores: Sequence[Core],
        platforms: Sequence[CorePlatform],
        board: Board,
        clock: VirtualClock,
        coherence: CodeCoherence,
    ) -> None:
        self._cores = cores
        self._platforms = platforms
        self._board = board
        self._clock = clock
        self._coherence = coherence
        self.boundary = Boundary(cores, board, clock)
        self.pauses: npt.NDArray[np.int64] = np.zeros(len(cores), dtype=np.int64)
        self.batch = SliceBatch(cores, board, clock, coherence, self.pauses, _PAUSES_OF_A_SPIN)
        self._schedule: Schedule | None = None
        self._planned: PlannedSchedule | None = None
        self._is_interrupted: Callable[[], bool] | None = None
        self._tracer: Tracer | None = None
        self._limit_steps = _FOREVER
        self.log: SliceLog | None = None
        self.after_slice: Callable[[], None] | None = None
        self.on_abort: Callable[[], None] | None = None

    def run(
        self,
        schedule: Schedule,
        *,
        max_instructions: int | None,
        is_interrupted: Callable[[], bool] | None,
        tracer: "Tracer | None" = None,
    ) -> Ending:
        """Run until something ends it; see `Machine.run`."""
        boundary = self.boundary
        if boundary.ending is not None and self.is_final:
            return boundary.ending
        self.trace(tracer)
        self.begin(is_interrupted)
        if max_instructions is not None:
            self._limit_steps = self._clock.steps + max_instructions
        try:
            while boundary.ending is None:
                self.step(schedule)
                self.ask_host()
        except (KeyboardInterrupt, SystemExit):  # another exception is a callback's, at a boundary
            if self.on_abort is not None:
                self.on_abort()
            raise
        finally:
            if tracer is not None:
                self.end_trace(tracer)
        assert boundary.ending is not None
        return boundary.ending

    @property
    def is_final(self) -> bool:
        """Whether the last run ended so that the machine does not go on."""
        ending = self.boundary.ending
        return ending is not None and ending.outcome in _FINAL

    def begin(self, is_interrupted: Callable[[], bool] | None) -> None:
        """Begin a run; what the one before ended with does not count any more."""
        self.boundary.ending = None
        self.boundary.idle_events = 0
        self._is_interrupted = is_interrupted
        self._limit_steps = _FOREVER
        self._coherence.synchronize()
        self.boundary.look_at_mail()

    def ask_host(self) -> None:
        """End the run where the host wants it to stop."""
        if (
            self.boundary.ending is None
            and self._is_interrupted is not None
            and self._is_interrupted()
        ):
            self.boundary.end(Outcome.HOST_TIMEOUT, "the host stopped the run")

    # -- one slice ---------------------------------------------------------------------------

    def step(self, schedule: Schedule) -> None:
        """Run the next slice, or several; or let idle time pass where nobody can run."""
        if schedule is not self._schedule:
            self._schedule = schedule
            self._planned = schedule if isinstance(schedule, PlannedSchedule) else None
        is_runnable = self.boundary.is_runnable
        runnable = [core.core_id for core in self._cores if is_runnable(core)]
        if self._clock.steps >= self._limit_steps:
            self.boundary.end(Outcome.INSTRUCTION_LIMIT, "the limit of instructions is reached")
            return
        if not runnable:
            self.boundary.idle()
            return
        self.boundary.idle_events = 0
        if not self._run_batch(runnable):
            self._run_next(schedule, runnable)
        self._coherence.synchronize()
        if self.after_slice is not None:
            self.after_slice()

    def _run_batch(self, runnable: list[int]) -> bool:
        """Run planned slices in compiled code, the last one to its end; False: none could begin.

        What the chips caused in the slice before may count for the next one's PAUSE, which compiled
        code knows nothing of; and a traced run is told of each slice.
        """
        schedule = self._planned
        if schedule is None or self._board.has_news or self._tracer is not None:
            return False
        batch = self.batch
        chosen, budgets = schedule.plan(runnable, batch.length)
        begun = batch.run(
            chosen,
            budgets,
            runnable=runnable,
            busy_elsewhere=self.boundary.has_nmi,
            limit_steps=self._limit_steps,
            most_instructions=LONGEST_RUN_INSTRUCTIONS,
            log=self.log,
        )
        if not begun:
            return False
        schedule.take(begun)
        if batch.open is not None:
            core = batch.open.core
            if self.log is not None:
                self.log.begin(core, int(budgets[begun - 1]), retired=batch.open.start)
            stop = self._run_slice(core, batch.open.end, batch.open.reason)
            self._end_slice(core, stop)
        return True

    def _run_next(self, schedule: Schedule, runnable: list[int]) -> None:
        """Run the next slice, whatever it needs."""
        chosen = schedule.next_slice(runnable)
        budget = chosen.budget_instructions
        if chosen.core_id not in runnable or budget < 1:
            raise ConfigError(f"schedule {schedule.name}: {chosen} is not among cores {runnable}")
        core = self._cores[chosen.core_id]
        core.yield_on_pause(enabled=self._yields(core))
        if all(self.pauses[core_id] >= _PAUSES_OF_A_SPIN for core_id in runnable):
            self.pauses[:] = 0
        before, events = core.retired, self.boundary.events
        if events is not None:
            events.add("slice_begin", core.core_id, value=budget)
        if self.log is not None:
            self.log.begin(core, budget)
        self._clock.switch_to(core)
        end = core.retired + min(budget, self._limit_steps - self._clock.steps)
        stop = self._run_slice(core, end)
        if self.boundary.events is not None:
            self.boundary.events.slice_ended(core.core_id, core.retired - before, stop.name)
        self._end_slice(core, stop)

    def _end_slice(self, core: Core, stop: Stop) -> None:
        """Count the slices in a row that ended in PAUSE."""
        self.pauses[core.core_id] = self.pauses[core.core_id] + 1 if stop is Stop.PAUSE else 0
        if self.log is not None:
            self.log.end(core, stop)

    def _yields(self, core: Core) -> bool:
        """Return whether a core that executes PAUSE lets others run."""
        is_runnable = self.boundary.is_runnable
        others = [each for each in self._cores if each is not core and is_runnable(each)]
        return any(
            self.pauses[each.core_id] < _PAUSES_OF_A_SPIN for each in (*others, core)
        ) and bool(others)

    def _run_slice(self, core: Core, end: int, reason: int | None = None) -> Stop:
        """Run one core until it has retired `end`, or until it cannot or need not go on.

        Args:
            core: the core.
            end: what its `retired` is then.
            reason: why compiled code stopped inside the slice, or None.
        """
        boundary, board = self.boundary, self._board
        while boundary.ending is None:
            if reason is None:
                boundary.advance_due_devices()
                if not self._deliver(core) or core.retired >= end or not core.can_run:
                    break
                if board.has_news:
                    core.yield_on_pause(enabled=self._yields(core))
                stop = self._run(core, end - core.retired)
            else:
                stop = self.resume(core, reason)
                reason = None
            if stop in ENDS_OF_SLICE or boundary.is_dead(core, stop):
                return stop
            if stop is Stop.BUDGET and core.retired < end:
                self.ask_host()  # a slice may be long
        return Stop.BUDGET

    def _deliver(self, core: Core) -> bool:
        """Deliver what is deliverable at this boundary; return whether the run goes on."""
        boundary, log = self.boundary, self.log
        while True:
            if boundary.is_nmi_due(core):
                if log is not None:
                    log.deliver(core, NMI)
                goes_on = boundary.deliver_nmi(core)
            elif boundary.is_interrupt_due(core):
                vector = boundary.acknowledge(core)
                if log is not None:
                    log.deliver(core, vector)
                goes_on = boundary.deliver_interrupt(core, vector)
            else:
                return True
            if not goes_on:
                return False

    def _run(self, core: Core, budget: int) -> Stop:
        """Run until the next thing that may change what is pending."""
        waits_for_nmi = self.boundary.has_nmi[core.core_id]
        if waits_for_nmi and core.is_shadowed:
            budget = 1
        return self.run_core(
            core,
            budget,
            watch_interrupts=self._board.has_interrupt(core.core_id),
            watch_iret=waits_for_nmi,
        )

    # -- what every kind of run needs ----------------------------------------------------------

    def run_core(
        self, core: Core, budget: int, *, watch_interrupts: bool = False, watch_iret: bool = False
    ) -> Stop:
        """Run a core until a device is due or it stops by itself; act on what it sent."""
        deadline = self._board.deadline_ticks
        if deadline != NEVER:
            budget = min(budget, self._clock.instructions_until(deadline))
        if self._tracer is not None:
            self._follow_window()
            budget = min(budget, self._tracer.steps_to_edge())
        self._platforms[core.core_id].begin_run()
        stop = core.run(
            min(budget, LONGEST_RUN_INSTRUCTIONS),
            watch_interrupts=watch_interrupts,
            watch_iret=watch_iret,
        )
        return self._after_run(core, stop)

    def run_faults(self, core: Core, count: int) -> Stop:
        """Let a core raise exceptions without retiring anything, see `Core.run_faults`."""
        if self._tracer is not None:
            self._follow_window()
        self._platforms[core.core_id].begin_run()
        return self._after_run(core, core.run_faults(count))

    def resume(self, core: Core, reason: int) -> Stop:
        """Go on where compiled code stopped for `reason`, inside a slice."""
        self._platforms[core.core_id].begin_run()
        return self._after_run(core, core.resume(reason))

    def _after_run(self, core: Core, stop: Stop) -> Stop:
        if self._tracer is not None:
            self._tracer.after_run(core)
        if stop is Stop.HALT and self.boundary.events is not None:
            self.boundary.events.add("halt", core.core_id)
        if self._board.mail:
            self.boundary.look_at_mail()
        return stop

    def trace(self, tracer: "Tracer | None") -> None:
        """Let `tracer` see what happens from now on; None: nobody."""
        self._tracer = tracer
        self._follow_window()

    def end_trace(self, tracer: "Tracer") -> None:
        """Let nobody see what happens from now on, whatever ended the run."""
        try:
            tracer.close()
        finally:
            self.trace(None)

    def _follow_window(self) -> None:
        """Begin or end tracing where the step says so."""
        if self._tracer is not None:
            self._tracer.follow_window()
        is_on = self._tracer is not None and self._tracer.is_wanted()
        self.tell(self._tracer.events if is_on and self._tracer is not None else None)

    def tell(self, events: "EventLog | None") -> None:
        """Tell `events` from now on what happens around the cores."""
        self.boundary.events = events
        for platform in self._platforms:
            platform.events = events
        self._coherence.on_change = None if events is None else events.code_invalidated
