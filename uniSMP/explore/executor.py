"""Runs one machine slice by slice as somebody outside chooses, and puts it back again.

Everything the cores do is in the execution log, from the scene on: RAM is put back by the writes in
it. A slice ends where its core cannot go on: it halts, rests, waits, or the run is over.

A core *rests* at one of the addresses of the scene. It *waits* where it came back to the same
instruction with the same registers and memory (see `waiting`), and can go on when a byte it read or
wrote has changed, or an interrupt comes that it accepts. A round that told nothing new is taken
back, as if it had not been run.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from uniSMP.core import native_spin
from uniSMP.core import native_state as ns
from uniSMP.core.core import Core, Stop
from uniSMP.errors import DivergenceError
from uniSMP.explore import waiting
from uniSMP.explore.fabric import DELIVERY, FRAME_BYTES, SENT, Fabric, signed
from uniSMP.explore.halt import Halt
from uniSMP.explore.interrupted import InterruptedCode
from uniSMP.explore.origin import Origin
from uniSMP.explore.passing import Passing
from uniSMP.explore.schedule import NMI, NO_VECTOR, Slice
from uniSMP.explore.waiting import Waiting, has_changed
from uniSMP.machine.board import NEVER
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Ending

_FOREVER = 1 << 62
_LOG_WORDS = 1 << 18
Column = npt.NDArray[np.int64]
_NO_WAITING: Column = np.full(1, -1, dtype=np.int64)


class Executor:
    """Runs the cores of one machine.

    Args:
        machine: loaded, not run yet, not recorded.

    Attributes:
        machine: the machine.
        slices: what has been run since power-on, or since the scene.
        boot_slices: what was run from power-on to the scene.
        waits: for each core, what it waits for, or None.
        rests: for each core, whether it stands at an address where it rests.
        points: linear addresses before which slices end.
        passed: points that the last slice went past.
        first_step: instructions retired when the scene began.
        most_instructions: that one execution retires.
        marks: writes marks into the log.
        interrupted: what handlers changed of what they interrupted.
        stepwise: cores of which every instruction counts as an event, see `collecting.read_log`.
    """

    def __init__(self, machine: Machine) -> None:
        machine.check_fresh()
        self.machine = machine
        parts = machine.parts
        self.cores = parts.cores
        self.boundary = parts.loop.boundary
        self._parts, self._loop, self._board, self._clock = (
            *(parts, parts.loop, parts.board),
            parts.clock,
        )
        self.log = parts.log
        self.marks = Fabric(parts)
        self.interrupted = InterruptedCode(self.cores)
        self.stepwise: frozenset[int] = frozenset()
        self.slices: list[Slice] = []
        self.boot_slices: list[Slice] = []
        self.points: frozenset[int] = frozenset()
        self.places: frozenset[int] = frozenset()
        count = len(self.cores)
        self.waits: list[Waiting | None] = [None] * count
        self.rests = [False] * count
        self._spins: Column = np.zeros(native_spin.WORDS, dtype=np.int64)
        self._spins_address = self._spins.ctypes.data
        self._ram = parts.ram.bytes
        self.origin: npt.NDArray[np.uint8] = self._ram
        self._passing = Passing(self._ram, count)
        self.passed = 0
        self._is_logged = False
        self.first_step = 0
        self.most_instructions = _FOREVER
        self._stopped = -1
        self._is_refused = self._is_held = False
        self._loop.begin(None)

    # -- what can be done ------------------------------------------------------------------------

    @property
    def ending(self) -> Ending | None:
        """Why the run is over, or None."""
        return self.boundary.ending

    @property
    def steps(self) -> int:
        """Instructions retired since power-on."""
        return self._clock.steps

    @property
    def left(self) -> int:
        """Instructions that an execution may still retire."""
        return self.first_step + self.most_instructions - self.steps

    def can_run(self, core_id: int) -> bool:
        """Return whether a core can execute its next instruction with an effect."""
        if self.rests[core_id] or not self.cores[core_id].can_run:
            return False
        return not self._is_vain(core_id) or self.waits_for_window(core_id)

    def _is_vain(self, core_id: int) -> bool:
        waits = self.waits[core_id]
        return waits is not None and not has_changed(self._ram, waits.places, waits.values)

    def waits_for_window(self, core_id: int) -> bool:
        """Return whether a core waits, and the next round has a window for what is pending."""
        waits = self.waits[core_id]
        accepts = waits is not None and waits.accepts and self._board.has_interrupt(core_id)
        return accepts and self._is_vain(core_id)

    def can_take(self, core_id: int) -> bool:
        """Return whether an interrupt or NMI that is pending can be delivered to a core now."""
        core, boundary = self.cores[core_id], self.boundary
        if not (boundary.has_nmi[core_id] or self._board.has_interrupt(core_id)):
            return False
        if core.is_shut_down or core.waits_for_start:
            return False
        return boundary.is_nmi_due(core) or boundary.is_interrupt_due(core)

    # -- doing it --------------------------------------------------------------------------------

    def run(
        self,
        core_id: int,
        limit: int = _FOREVER,
        *,
        holds: bool = False,
        stops: bool = False,
        passes: int = 0,
    ) -> Halt:
        """Run a core, which `can_run`, until it cannot go on.

        Args:
            core_id: the core.
            limit: most instructions; where one is given the core runs so many, waiting or not.
            holds: whether interrupts pending for the core wait.
            stops: whether the slice ends at the next of `points`.
            passes: so many of them it goes past, as long as nothing that the core does changes
                what another one can do, see `passed`.
        """
        core = self.cores[core_id]
        self._enter(core, NO_VECTOR)
        self.waits[core_id] = None
        self._watch_spins(core, is_wanted=limit == _FOREVER)
        before = core.retired
        is_pending = self._board.has_interrupt(core_id)
        self._is_refused = (
            is_pending and not holds and (self._is_refused or self._stopped != core_id)
        )
        self._is_held = is_pending and holds
        self._stopped = -1
        is_timed = self._board.deadline_ticks != NEVER
        self._passing.begin(core, 0 if holds or is_timed or not stops else passes, self.waits)
        try:
            return self._run(core, before + min(limit, self.left), holds=holds, stops=stops)
        finally:
            self.passed = self._passing.end(core)
            self._count(core.retired - before)
            self._parts.coherence.synchronize()

    def _watch_spins(self, core: Core, *, is_wanted: bool) -> None:
        """Find out from now on whether the core waits, or do not."""
        if not self._is_logged:
            return
        core.watch_spins(self._spins_address if is_wanted else 0)
        if is_wanted and self._stopped != core.core_id:
            native_spin.begin(core.engine.state, signed(core.engine.context.linear_rip))

    def _count(self, instructions: int) -> None:
        """Add to the slice under way; drop it where nothing happened in it."""
        core, before, vector = self.slices.pop()
        if before + instructions or vector != NO_VECTOR:
            self.slices.append(Slice(core, before + instructions, vector))

    def _enter(self, core: Core, vector: int) -> None:
        """Begin a slice, or go on with the last one."""
        self._clock.switch_to(core)
        core.yield_on_pause(enabled=False)
        rip = core.engine.context.linear_rip
        core.engine.words[ns.PASSED] = core.retired if rip in self.points else -1
        last = self.slices[-1] if self.slices else None
        if last is None or last.core != core.core_id or vector != NO_VECTOR:
            self.slices.append(Slice(core.core_id, 0, vector))

    def _run(self, core: Core, end: int, *, holds: bool, stops: bool) -> Halt:
        boundary, loop, core_id = self.boundary, self._loop, core.core_id
        while boundary.ending is None:
            boundary.advance_due_devices()
            if not holds and self.can_take(core_id):
                return Halt.WINDOW
            left = end - core.retired
            if left <= 0:
                return Halt.LIMIT
            has_nmi = boundary.has_nmi[core_id] and not holds
            if has_nmi and core.is_shadowed:
                left = 1
            watches = not holds and self._board.has_interrupt(core_id)
            awaits_iret = has_nmi or self.interrupted.is_any(core_id)
            stop = loop.run_core(core, left, watch_interrupts=watches, watch_iret=awaits_iret)
            self.interrupted.look(core_id)
            boundary.is_dead(core, stop)
            halt = self._after(core, stop, stops=stops)
            if halt is not None:
                return halt
        return Halt.OVER

    def _after(self, core: Core, stop: Stop, *, stops: bool) -> Halt | None:
        """Return why a slice ends where a core stopped; None where it goes on."""
        if stop is Stop.HALT:
            return Halt.HALTED if self.boundary.ending is None else Halt.OVER
        if stop is Stop.SPIN:
            return Halt.WAITS if self._is_waiting(core) else None
        if stop is not Stop.REST:
            return None
        self.rests[core.core_id] = core.engine.context.linear_rip in self.places
        if self.rests[core.core_id]:
            return Halt.RESTS
        if stops:
            self._stopped = core.core_id
            return Halt.POINT
        core.engine.words[ns.PASSED] = core.retired
        return None

    def take(self, core_id: int) -> int:
        """Deliver what is pending for a core; return the vector, or NMI.

        Raises:
            DivergenceError: nothing can be delivered now.
        """
        core, boundary = self.cores[core_id], self.boundary
        if not self.can_take(core_id):
            raise DivergenceError(f"core {core_id} can take no interrupt here")
        is_nmi = boundary.is_nmi_due(core)
        self._stopped = -1
        self.passed = 0
        self.waits[core_id] = None
        self.rests[core_id] = False
        self._clock.switch_to(core)
        vector = NMI if is_nmi else boundary.acknowledge(core)
        self._enter(core, vector)
        place = int(self.log.head[ns.LOG_COUNT])
        rip = core.engine.context.linear_rip
        if self._is_logged:
            self.interrupted.enter(core_id, vector)
            self.marks.mark(core_id, DELIVERY + 8 * core_id, is_write=True, value=vector)
            priority = self.marks.priority(core_id)
            self.marks.mark(core_id, SENT + 8 * core_id, is_write=True, value=priority)
        if is_nmi:
            boundary.deliver_nmi(core)
        else:
            boundary.deliver_interrupt(core, vector)
        if self._is_logged:
            self.log.words[place + 3] = signed(rip)
            self.log.words[place + 4] = waiting.stack_place(core, FRAME_BYTES)
        self._parts.coherence.synchronize()
        return vector

    @property
    def waits_for_time(self) -> bool:
        """Whether a device will act by itself, which might let some core go on."""
        return self._board.deadline_ticks != NEVER

    @property
    def can_pass_time(self) -> bool:
        """Whether `pass_time` would do anything; not where a core rests and none spins."""
        if not self.waits_for_time or self.boundary.ending is not None or self.left <= 0:
            return False
        return self._spinning() is not None or not any(self.rests)

    def _spinning(self) -> Core | None:
        """Return the first core that waits and does not rest."""
        spinning = (core for core in self.cores if core.can_run and not self.rests[core.core_id])
        return next(spinning, None)

    def pass_time(self) -> bool:
        """Let time pass until a device acts, where no core can do anything; False: none will."""
        if not self.can_pass_time:
            return False
        spinning = self._spinning()
        if spinning is not None:
            return self._spin_until(spinning, self._board.deadline_ticks)
        self.boundary.idle()
        return self.boundary.ending is None

    def _spin_until(self, core: Core, deadline: int) -> bool:
        """Let a waiting core really wait until a device acts."""
        self._watch_spins(core, is_wanted=False)
        self._enter(core, NO_VECTOR)
        before = core.retired
        end = before + min(max(1, self._clock.instructions_until(deadline)), self.left)
        while core.retired < end and self.boundary.ending is None and core.can_run:
            awaits_iret = self.interrupted.is_any(core.core_id)
            stop = self._loop.run_core(core, end - core.retired, watch_iret=awaits_iret)
            self.interrupted.look(core.core_id)
            if self._after(core, stop, stops=False) is Halt.RESTS:
                break
        self.boundary.advance_due_devices()
        self._count(core.retired - before)
        return self.boundary.ending is None and core.retired > before

    # -- waiting ---------------------------------------------------------------------------------

    def _is_waiting(self, core: Core) -> bool:
        """Return whether a core that came back waits; a round that told nothing is taken back."""
        state, spins, log = core.engine.state, self._spins, self.log
        at = int(spins[native_spin.FOUND])
        visit = spins[at : at + native_spin.VISIT_WORDS]
        begin, end = int(visit[native_spin.LOG_COUNT]), int(log.head[ns.LOG_COUNT])
        reads, stack = _NO_WAITING, waiting.stack_place(core)
        if visit[native_spin.DEVICES] == state[ns.DEVICES]:
            reads = waiting.bytes_read(log.words, begin, end, self._ram, self.origin, stack)
        if len(reads) and reads[0] < 0:
            native_spin.visit_anew(state)
            return False
        writes = waiting.bytes_written(log.words, begin, end, stack)
        stirs = waiting.bytes_taken_back(log.words, begin, end, self._ram)
        accepts = not self._is_refused and waiting.has_window(log.words, begin, end, core.core_id)
        if waiting.only_repeats(log.words, begin, end, core.core_id):
            state[ns.RETIRED] = visit[native_spin.RETIRED]
            log.head[ns.LOG_COUNT] = begin
            self.marks.forget_after(self.steps)
        places = np.concatenate((reads, writes))
        self.waits[core.core_id] = Waiting(
            reads, places, self._ram[places].copy(), stirs, accepts, self._is_held
        )
        return True

    # -- the scene -------------------------------------------------------------------------------

    def rest_at(self, addresses: Iterable[int]) -> None:
        """Let cores rest at these linear addresses; those that do go on if theirs is none."""
        self.places = frozenset(addresses)
        self._watch_places()
        self.rests = [core.engine.context.linear_rip in self.places for core in self.cores]

    def stop_at(self, addresses: Iterable[int]) -> None:
        """Let slices end before instructions at these linear addresses, too."""
        points = frozenset(addresses)
        if points is not self.points and points != self.points:
            self.points = points
            self._watch_places()

    def _watch_places(self) -> None:
        for core in self.cores:
            core.blocks.rest_at(self.places | self.points)
        self._passing.rest_at(self.places)

    def begin_scene(self) -> None:
        """Make how things stand the scene that `rewind` goes back to; log from now on."""
        self._is_logged = True
        self._scene = Origin(self)
        self.origin = self._scene.origin
        self.log.start(
            _LOG_WORDS + ns.LOG_RESERVE, self.log.grow, wants_instructions=False, logs_accesses=True
        )
        for core in self.cores:
            core.watch(logs_accesses=True, logs_registers=False)
        self._loop.tell(self.marks)
        self._board.observe(self.marks)
        self.first_step = self.steps
        self.boot_slices, self.slices = self.slices, []

    def observe(self, *, events: bool, registers: bool) -> None:
        """Keep what happens around the cores, and log the changes of registers, from now on."""
        self.marks.is_kept = events
        for core in self.cores:
            core.observer = self.marks if events else None
            core.watch(logs_accesses=True, logs_registers=registers)

    def memory_at_scene(self, physical: int, size_bytes: int) -> bytes:
        """Return bytes of RAM as they were when the scene began."""
        return self.origin[physical : physical + size_bytes].tobytes()

    def rewind(self) -> None:
        """Go back to the scene."""
        self._scene.restore()
        self.marks.forget()
        self.interrupted.forget()
        self.log.head[ns.LOG_COUNT] = 0
        for core in self.cores:
            core.log_all_registers()
        self.slices = []
        self._stopped = -1
        self.passed = 0
