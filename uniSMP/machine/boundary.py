"""What happens at instruction boundaries: devices act, interrupts are delivered, cores signal.

Fixed priority of what is pending at a boundary, highest first (Intel SDM volume 3A, table "Priority
Among Concurrent Events"):

1. the end of the run: debug exit, system reset
2. INIT, then start-up
3. traps of the instruction before (raised by the core itself)
4. NMI
5. the local APIC's highest vector above PPR
6. an ExtINT, whose vector the 8259A pair gives

Messages take effect at the boundary after the instruction that sent them, in the order in which
they were sent.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

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
from uniSMP.machine import core_state
from uniSMP.machine.board import NEVER, Board
from uniSMP.machine.outcome import Ending, Outcome
from uniSMP.machine.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from uniSMP.machine.event_log import EventLog

NMI_VECTOR = 2
_MOST_IDLE_EVENTS = 100_000
"""Device events in a row that wake nobody; more is a deadlock."""
_MOST_NMI_EVENTS = 16
"""The same where only an NMI could wake somebody: a periodic source has shown itself by then."""


class Boundary:
    """The cores and chips of one machine between instructions.

    Args:
        cores: all cores.
        board: the chips.
        clock: virtual time.

    Attributes:
        has_nmi: for each core, whether an NMI waits for it.
        interrupts: external interrupts and NMIs taken, count by vector, for each core.
        console: everything printed so far.
        on_console: is given output as it appears, or None.
        ending: why the run is over, or None.
        events: who is told, while a run is traced.
        idle_events: device events since a core could last run.
    """

    def __init__(self, cores: Sequence[Core], board: Board, clock: VirtualClock) -> None:
        self._cores = cores
        self._board = board
        self._clock = clock
        self.has_nmi = [False] * len(cores)
        self.interrupts: list[dict[int, int]] = [{} for _ in cores]
        self.console = bytearray()
        self.on_console: Callable[[bytes], None] | None = None
        self.ending: Ending | None = None
        self.events: EventLog | None = None
        self.idle_events = 0

    # -- interrupts ----------------------------------------------------------------------------

    def is_runnable(self, core: Core) -> bool:
        """Return whether a core can execute instructions, now or after what waits for it."""
        if core.can_run:
            return True
        if not core.is_halted or core.is_shut_down or core.waits_for_start:
            return False
        return self.is_nmi_due(core) or self.is_interrupt_due(core)

    def is_nmi_due(self, core: Core) -> bool:
        """Return whether an NMI is delivered to a core at this boundary."""
        return self.has_nmi[core.core_id] and core.accepts_nmi

    def is_interrupt_due(self, core: Core) -> bool:
        """Return whether a maskable interrupt can be delivered to a core at this boundary."""
        return self._board.has_interrupt(core.core_id) and core.accepts_interrupts

    def deliver_nmi(self, core: Core) -> bool:
        """Deliver the NMI that is due; return whether the run goes on."""
        self.has_nmi[core.core_id] = False
        self._count(core.core_id, NMI_VECTOR, "nmi")
        return not self.is_dead(core, core.deliver_nmi())

    def acknowledge(self, core: Core) -> int:
        """Begin the service of the interrupt that is due; return its vector."""
        source = self._board.interrupt_source(core.core_id)
        vector = self._board.acknowledge(core.core_id)
        self._count(core.core_id, vector, source)
        return vector

    def deliver_interrupt(self, core: Core, vector: int) -> bool:
        """Deliver what `acknowledge` returned; return whether the run goes on."""
        return not self.is_dead(core, core.deliver_interrupt(vector))

    def _count(self, core_id: int, vector: int, source: str) -> None:
        """Count and tell what is about to be delivered."""
        if self.events is not None:
            if self._cores[core_id].is_halted:
                self.events.add("wake", core_id)
            self.events.add("interrupt_delivered", core_id, vector=vector, source=source)
        counts = self.interrupts[core_id]
        counts[vector] = counts.get(vector, 0) + 1

    def is_dead(self, core: Core, stop: Stop | None) -> bool:
        """End the run where a core shut down or raises exceptions without end."""
        if stop is Stop.SHUTDOWN:
            self.end(Outcome.TRIPLE_FAULT, f"core {core.core_id}: triple fault")
        elif stop is Stop.STUCK:
            self.end(
                Outcome.DEADLOCK,
                f"core {core.core_id} raises exceptions for ever without retiring an instruction, "
                f"at rip {core.engine.context.rip:#x}",
            )
        return self.ending is not None

    # -- devices and messages ------------------------------------------------------------------

    def advance_due_devices(self) -> None:
        """Let every chip whose deadline is reached act."""
        deadline = self._board.deadline_ticks
        if deadline != NEVER and deadline <= self._clock.now_ticks:
            self._advance_devices()

    def _advance_devices(self) -> None:
        self._board.advance(self._clock.now_ticks)
        self.look_at_mail()

    def look_at_mail(self) -> None:
        """Act on the messages that the chips left for the machine."""
        mail = self._board.mail
        while mail:
            self._act(mail.pop(0))

    def _act(self, message: Message) -> None:
        match message:
            case CoreSignal():
                self._signal(self._cores[message.core_id], message)
            case ConsoleOutput(data):
                self.console += data
                if self.on_console is not None:
                    self.on_console(data)
            case ExitRequest(value):
                outcome = Outcome.GUEST_FAILED if value else Outcome.FINISHED
                self.end(outcome, f"the guest wrote {value} to the debug-exit port", value)
            case SystemReset():
                self.end(Outcome.GUEST_FAILED, "the guest asked for a reset of the machine")
            case A20Gate(is_enabled):
                for core in self._cores:
                    core.set_a20(is_enabled=is_enabled)
            case _:
                raise AssertionError(message)

    def _signal(self, core: Core, signal: CoreSignal) -> None:
        if self.events is not None:
            kind = signal.event.name.lower()
            self.events.add(kind, core.core_id, vector=signal.vector)
        match signal.event:
            case CoreEvent.INIT:
                self.has_nmi[core.core_id] = False
                core.init()
                self._board.refresh_apic(core.core_id)
            case CoreEvent.START_UP:
                core.start_up(signal.vector)
            case CoreEvent.NMI:
                self.has_nmi[core.core_id] = True
            case CoreEvent.SMI:
                pass  # system management mode is not modelled

    def end(self, outcome: Outcome, reason: str, exit_value: int | None = None) -> None:
        """Note the end of the run; the first reason stands."""
        if self.ending is None:
            self.ending = Ending(outcome, reason, exit_value)

    # -- when nobody can run -------------------------------------------------------------------

    def idle(self) -> None:
        """Let time pass until the next device event, or find that nothing can wake anybody."""
        halted = [core for core in self._cores if core.is_halted]
        if any(core.has_interrupts_enabled for core in halted):
            deadline, most_events = self._board.deadline_ticks, _MOST_IDLE_EVENTS
        else:  # local APIC timers send no NMI, and nothing else wakes a core with IF = 0
            deadline, most_events = self._board.chip_deadline_ticks, _MOST_NMI_EVENTS
        if not halted or deadline == NEVER:
            self._deadlock("nothing is left that could wake one")
        elif self.idle_events >= most_events:
            self._deadlock(f"{self.idle_events} device events in a row woke nobody")
        else:
            self.idle_events += 1
            self._clock.jump_to(deadline)
            self._advance_devices()

    def _deadlock(self, why: str) -> None:
        states = "; ".join(
            f"core {core.core_id} {core_state.describe(core)}" for core in self._cores[:8]
        )
        rest = f"; and {len(self._cores) - 8} more" if len(self._cores) > 8 else ""  # noqa: PLR2004
        self.end(Outcome.DEADLOCK, f"no core can ever run again, {why}: {states}{rest}")
