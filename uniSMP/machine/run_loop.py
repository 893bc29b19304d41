"""One slice after the other, until the run ends.

Fixed priority of what is pending at an instruction boundary, highest first (Intel SDM volume 3A,
table "Priority Among Concurrent Events"):

1. the end of the run: debug exit, system reset
2. INIT, then start-up
3. traps of the instruction before (raised by the core itself)
4. NMI
5. the local APIC's highest vector above PPR
6. an ExtINT, whose vector the 8259A pair gives

A slice ends early at HLT, and at PAUSE while other cores can run: whoever spins waits for somebody
else. Where all of them spin they wait for time to pass, and the next slice is run to its end.

A device whose deadline is reached acts before the boundary is looked at. Messages take effect at
the boundary after the instruction that sent them, in the order in which they were sent.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uniSMP.core.core import Core, Stop
from uniSMP.devices.messages import (
    A20Gate,
    ConsoleOutput,
    CoreEvent,
    CoreSignal,
    ExitRequest,
    Message,
    SystemReset,
)
from uniSMP.errors import ConfigError
from uniSMP.machine import core_state
from uniSMP.machine.board import NEVER, Board
from uniSMP.machine.coherence import CodeCoherence
from uniSMP.machine.core_platform import CorePlatform
from uniSMP.machine.outcome import Ending, Outcome
from uniSMP.machine.slice_batch import SliceBatch
from uniSMP.machine.virtual_clock import VirtualClock
from uniSMP.schedule.policy import PlannedSchedule, Schedule

if TYPE_CHECKING:
    from uniSMP.machine.event_log import EventLog
    from uniSMP.machine.tracer import Tracer

_FINAL = frozenset({Outcome.FINISHED, Outcome.GUEST_FAILED, Outcome.TRIPLE_FAULT})
"""Outcomes after which the machine does not go on."""
_LONGEST_RUN_INSTRUCTIONS = 1_000_000
"""So often, at least, the host is asked whether to go on."""
_PAUSES_OF_A_SPIN = 3
"""So many slices in a row that end in PAUSE make a spinning core."""
_MOST_IDLE_EVENTS = 100_000
"""Device events in a row that wake nobody; more is a deadlock."""
_MOST_NMI_EVENTS = 16
"""The same where only an NMI could wake somebody: a periodic source has shown itself by then."""
_NMI_VECTOR = 2
_ENDS_OF_SLICE = frozenset({Stop.HALT, Stop.PAUSE})


class RunLoop:
    """Runs the cores of one machine.

    Args:
        cores: all cores.
        platforms: what each core sees of the machine.
        board: the chips.
        clock: virtual time.
        coherence: the pages with translated code.

    Attributes:
        console: everything printed so far.
        interrupts: external interrupts and NMIs taken, count by vector, for each core.
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
        self._has_nmi = [False] * len(cores)
        self._pauses: npt.NDArray[np.int64] = np.zeros(len(cores), dtype=np.int64)
        self._batch = SliceBatch(cores, board, clock, coherence, self._pauses, _PAUSES_OF_A_SPIN)
        self._ending: Ending | None = None
        self._idle_events = 0
        self._on_console: Callable[[bytes], None] | None = None
        self._planned: PlannedSchedule | None = None
        self._is_interrupted: Callable[[], bool] | None = None
        self._tracer: Tracer | None = None
        self._events: EventLog | None = None
        self._limit_steps = 0
        self.console = bytearray()
        self.interrupts: list[dict[int, int]] = [{} for _ in cores]

    def run(
        self,
        schedule: Schedule,
        *,
        max_instructions: int | None,
        is_interrupted: Callable[[], bool] | None,
        on_console: Callable[[bytes], None] | None,
        tracer: "Tracer | None" = None,
    ) -> Ending:
        """Run until something ends it; see `Machine.run`."""
        if self._ending is not None and self._ending.outcome in _FINAL:
            return self._ending
        self._trace(tracer)
        self._ending = None
        self._on_console = on_console
        self._is_interrupted = is_interrupted
        self._planned = schedule if isinstance(schedule, PlannedSchedule) else None  # slow to see
        self._idle_events = 0
        start = self._clock.steps
        self._limit_steps = 1 << 62 if max_instructions is None else start + max_instructions
        self._coherence.synchronize()
        self._look_at_mail()
        try:
            while self._ending is None:
                self._step(schedule)
                self._ask_host()
        finally:
            if tracer is not None:
                self._end_trace(tracer)
        assert self._ending is not None
        return self._ending

    def _end_trace(self, tracer: "Tracer") -> None:
        """Let nobody see what happens from now on, whatever ended the run."""
        try:
            tracer.close()
        finally:
            self._trace(None)

    def _ask_host(self) -> None:
        """End the run where the host wants it to stop."""
        if self._ending is None and self._is_interrupted is not None and self._is_interrupted():
            self._end(Outcome.HOST_TIMEOUT, "the host stopped the run")

    # -- one slice ---------------------------------------------------------------------------

    def _step(self, schedule: Schedule) -> None:
        runnable = [core.core_id for core in self._cores if self._is_runnable(core)]
        if self._clock.steps >= self._limit_steps:
            self._end(Outcome.INSTRUCTION_LIMIT, "the limit of instructions is reached")
            return
        if not runnable:
            self._idle()
            return
        self._idle_events = 0
        if not self._run_batch(runnable):
            self._run_next(schedule, runnable)
        self._coherence.synchronize()

    def _run_batch(self, runnable: list[int]) -> bool:
        """Run planned slices in compiled code, the last one to its end; False: none could begin.

        What the chips caused in the slice before may count for the next one's PAUSE, which compiled
        code knows nothing of; and a traced run is told of each slice.
        """
        schedule = self._planned
        if schedule is None or self._board.has_news or self._tracer is not None:
            return False
        batch, most = self._batch, _LONGEST_RUN_INSTRUCTIONS
        if not batch.run(schedule, runnable, self._has_nmi, self._limit_steps, most):
            return False
        if batch.open is not None:
            core = batch.open.core
            self._end_slice(core, self._run_slice(core, batch.open.end, batch.open.reason))
        return True

    def _run_next(self, schedule: Schedule, runnable: list[int]) -> None:
        """Run the next slice, whatever it needs."""
        chosen = schedule.next_slice(runnable)
        if chosen.core_id not in runnable or chosen.budget_instructions < 1:
            raise ConfigError(f"schedule {schedule.name}: {chosen} is not among cores {runnable}")
        core = self._cores[chosen.core_id]
        core.yield_on_pause(enabled=self._yields(core))
        if all(self._pauses[core_id] >= _PAUSES_OF_A_SPIN for core_id in runnable):
            self._pauses[:] = 0
        before = core.retired
        if self._events is not None:
            self._events.add("slice_begin", core.core_id, value=chosen.budget_instructions)
        self._clock.switch_to(core)
        most = self._limit_steps - self._clock.steps
        end = core.retired + min(chosen.budget_instructions, most)
        stop = self._run_slice(core, end)
        if self._events is not None:
            self._events.slice_ended(core.core_id, core.retired - before, stop.name)
        self._end_slice(core, stop)

    def _end_slice(self, core: Core, stop: Stop) -> None:
        """Count the slices in a row that ended in PAUSE."""
        self._pauses[core.core_id] = self._pauses[core.core_id] + 1 if stop is Stop.PAUSE else 0

    def _yields(self, core: Core) -> bool:
        """Return whether a core that executes PAUSE lets others run."""
        others = [each for each in self._cores if each is not core and self._is_runnable(each)]
        return any(
            self._pauses[each.core_id] < _PAUSES_OF_A_SPIN for each in (*others, core)
        ) and bool(others)

    def _run_slice(self, core: Core, end: int, reason: int | None = None) -> Stop:
        """Run one core until it has retired `end`, or until it cannot or need not go on.

        Args:
            core: the core.
            end: what its `retired` is then.
            reason: why compiled code stopped inside the slice, or None.
        """
        clock, board = self._clock, self._board
        platform = self._platforms[core.core_id]
        while self._ending is None:
            if reason is None:
                if board.deadline_ticks <= clock.now_ticks:
                    self._advance_devices()
                if not self._deliver(core) or core.retired >= end or not core.can_run:
                    break
                if board.has_news:
                    core.yield_on_pause(enabled=self._yields(core))
                stop = self._run(core, platform, end - core.retired)
            else:
                platform.begin_run()
                stop = core.resume(reason)
                reason = None
            if stop is Stop.HALT and self._events is not None:
                self._events.add("halt", core.core_id)
            if board.mail:
                self._look_at_mail()
            if stop in _ENDS_OF_SLICE or self._is_dead(core, stop):
                return stop
            if stop is Stop.BUDGET and core.retired < end:
                self._ask_host()  # a slice may be long
        return Stop.BUDGET

    def _run(self, core: Core, platform: CorePlatform, budget: int) -> Stop:
        """Run until the next thing that may change what is pending."""
        deadline = self._board.deadline_ticks
        if deadline != NEVER:
            budget = min(budget, self._clock.instructions_until(deadline))
        waits_for_nmi = self._has_nmi[core.core_id]
        if waits_for_nmi and core.is_shadowed:
            budget = 1
        if self._tracer is not None:
            self._follow_window()
            budget = min(budget, self._tracer.steps_to_edge())
        platform.begin_run()
        stop = core.run(
            min(budget, _LONGEST_RUN_INSTRUCTIONS),
            watch_interrupts=self._board.has_interrupt(core.core_id),
            watch_iret=waits_for_nmi,
        )
        if self._tracer is not None:
            self._tracer.after_run(core)
        return stop

    def _trace(self, tracer: "Tracer | None") -> None:
        """Let `tracer` see what happens from now on; None: nobody."""
        self._tracer = tracer
        self._follow_window()

    def _follow_window(self) -> None:
        """Begin or end tracing where the step says so."""
        if self._tracer is not None:
            self._tracer.follow_window()
        is_on = self._tracer is not None and self._tracer.is_wanted()
        self._events = self._tracer.events if is_on and self._tracer is not None else None
        for platform in self._platforms:
            platform.events = self._events
        change = None if self._events is None else self._events.code_invalidated
        self._coherence.on_change = change

    def _is_dead(self, core: Core, stop: Stop | None) -> bool:
        """End the run where a core shut down or raises exceptions without end."""
        if stop is Stop.SHUTDOWN:
            self._end(Outcome.TRIPLE_FAULT, f"core {core.core_id}: triple fault")
        elif stop is Stop.STUCK:
            self._end(
                Outcome.DEADLOCK,
                f"core {core.core_id} raises exceptions for ever without retiring an instruction, "
                f"at rip {core.engine.context.rip:#x}",
            )
        return self._ending is not None

    # -- interrupts --------------------------------------------------------------------------

    def _is_runnable(self, core: Core) -> bool:
        if core.can_run:
            return True
        if not core.is_halted or core.is_shut_down or core.waits_for_start:
            return False
        if self._has_nmi[core.core_id] and core.accepts_nmi:
            return True
        return core.accepts_interrupts and self._board.has_interrupt(core.core_id)

    def _deliver(self, core: Core) -> bool:
        """Deliver what is deliverable at this boundary; return whether the run goes on."""
        core_id, board = core.core_id, self._board
        while True:
            if self._has_nmi[core_id] and core.accepts_nmi:
                self._has_nmi[core_id] = False
                self._count(core_id, _NMI_VECTOR, "nmi")
                stop = core.deliver_nmi()
            elif board.has_interrupt(core_id) and core.accepts_interrupts:
                source = board.interrupt_source(core_id)
                vector = board.acknowledge(core_id)
                self._count(core_id, vector, source)
                stop = core.deliver_interrupt(vector)
            else:
                return True
            if self._is_dead(core, stop):
                return False

    def _count(self, core_id: int, vector: int, source: str) -> None:
        """Count and tell what is about to be delivered."""
        if self._events is not None:
            if self._cores[core_id].is_halted:
                self._events.add("wake", core_id)
            self._events.add("interrupt_delivered", core_id, vector=vector, source=source)
        counts = self.interrupts[core_id]
        counts[vector] = counts.get(vector, 0) + 1

    # -- devices and messages ------------------------------------------------------------------

    def _advance_devices(self) -> None:
        self._board.advance(self._clock.now_ticks)
        if self._board.mail:
            self._look_at_mail()

    def _look_at_mail(self) -> None:
        """Act on the messages that the chips left for the machine."""
        for message in self._board.take_mail():
            self._act(message)

    def _act(self, message: Message) -> None:
        match message:
            case CoreSignal():
                self._signal(self._cores[message.core_id], message)
            case ConsoleOutput(data):
                self.console += data
                if self._on_console is not None:
                    self._on_console(data)
            case ExitRequest(value):
                outcome = Outcome.GUEST_FAILED if value else Outcome.FINISHED
                self._end(outcome, f"the guest wrote {value} to the debug-exit port", value)
            case SystemReset():
                self._end(Outcome.GUEST_FAILED, "the guest asked for a reset of the machine")
            case A20Gate(is_enabled):
                for core in self._cores:
                    core.set_a20(is_enabled=is_enabled)
            case _:
                raise AssertionError(message)

    def _signal(self, core: Core, signal: CoreSignal) -> None:
        if self._events is not None:
            kind = signal.event.name.lower()
            self._events.add(kind, core.core_id, vector=signal.vector)
        match signal.event:
            case CoreEvent.INIT:
                self._has_nmi[core.core_id] = False
                core.init()
                self._board.refresh_apic(core.core_id)
            case CoreEvent.START_UP:
                core.start_up(signal.vector)
            case CoreEvent.NMI:
                self._has_nmi[core.core_id] = True
            case CoreEvent.SMI:
                pass  # system management mode is not modelled

    def _end(self, outcome: Outcome, reason: str, exit_value: int | None = None) -> None:
        """Note the end of the run; the first reason stands."""
        if self._ending is None:
            self._ending = Ending(outcome, reason, exit_value)

    # -- when nobody can run -------------------------------------------------------------------

    def _idle(self) -> None:
        """Let time pass until the next device event, or find that nothing can wake anybody."""
        halted = [core for core in self._cores if core.is_halted]
        if any(core.has_interrupts_enabled for core in halted):
            deadline, most_events = self._board.deadline_ticks, _MOST_IDLE_EVENTS
        else:  # local APIC timers send no NMI, and nothing else wakes a core with IF = 0
            deadline, most_events = self._board.chip_deadline_ticks, _MOST_NMI_EVENTS
        if not halted or deadline == NEVER:
            self._deadlock("nothing is left that could wake one")
        elif self._idle_events >= most_events:
            self._deadlock(f"{self._idle_events} device events in a row woke nobody")
        else:
            self._idle_events += 1
            self._clock.jump_to(deadline)
            self._advance_devices()

    def _deadlock(self, why: str) -> None:
        states = "; ".join(
            f"core {core.core_id} {core_state.describe(core)}" for core in self._cores[:8]
        )
        rest = f"; and {len(self._cores) - 8} more" if len(self._cores) > 8 else ""  # noqa: PLR2004
        self._end(Outcome.DEADLOCK, f"no core can ever run again, {why}: {states}{rest}")
