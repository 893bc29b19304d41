"""The machine as one core sees it: ports, device memory, MSRs, CPUID and time."""

from typing import TYPE_CHECKING

from uniSMP.arch.msr import Msr
from uniSMP.core.cpuid import cpuid
from uniSMP.devices.apic_mode import ApicMode
from uniSMP.devices.local_apic import LocalApic
from uniSMP.devices.messages import Messages
from uniSMP.machine.board import Board
from uniSMP.machine.coherence import CodeCoherence
from uniSMP.machine.memory_map import MemoryMap
from uniSMP.machine.virtual_clock import VirtualClock

if TYPE_CHECKING:
    from uniSMP.machine.event_log import EventLog

_TIMER_PORTS = range(0x40, 0x44)
_MASK64 = (1 << 64) - 1


class CorePlatform:
    """Implements `uniSMP.core.platform.Platform` for one core.

    Args:
        core_id: the core.
        cores: number of cores.
        board: the chips.
        memory: RAM and ROM.
        coherence: told of writes to pages with translated code.

    Attributes:
        core_id: the core.
        clock: virtual time; set once the cores exist.
        has_attention: whether the run loop must look at something before the next instruction.
        events: who is told of accesses, or None.
    """

    clock: VirtualClock

    def __init__(
        self,
        core_id: int,
        cores: int,
        board: Board,
        memory: MemoryMap,
        coherence: CodeCoherence,
    ) -> None:
        self.core_id = core_id
        self._cores = cores
        self._board = board
        self._memory = memory
        self._coherence = coherence
        self._deadline_at_start = 0
        self.has_attention = False
        self.events: EventLog | None = None

    @property
    def _apic(self) -> LocalApic:
        return self._board.local_apics[self.core_id]

    def begin_run(self) -> None:
        """Start to watch for what the run loop must look at."""
        self.has_attention = self._board.has_news = False
        self._deadline_at_start = self._board.deadline_ticks

    def _after(self, messages: Messages) -> None:
        """Route what an access caused, and see whether the run loop must look."""
        board = self._board
        if messages:
            board.deliver(messages)
        self.has_attention = (
            self.has_attention
            or board.has_news
            or board.deadline_ticks < self._deadline_at_start
            or board.has_interrupt(self.core_id)
        )

    def _note(self, kind: str, address: int, size_bytes: int, value: int) -> None:
        if self.events is not None:
            self.events.add(kind, self.core_id, address=address, size=size_bytes, value=value)

    # -- ports and memory ----------------------------------------------------------------------

    def read_port(self, port: int, size_bytes: int) -> int:
        """Read an I/O port."""
        value, messages = self._board.read_port(port, size_bytes, self.clock.now_ticks)
        self._note("port_read", port, size_bytes, value)
        self._after(messages)
        return value

    def write_port(self, port: int, value: int, size_bytes: int) -> None:
        """Write an I/O port."""
        self._note("port_write", port, size_bytes, value)
        self._after(self._board.write_port(port, value, size_bytes, self.clock.now_ticks))
        if self.events is not None and port in _TIMER_PORTS:
            self.events.pit_programmed(self._board.pit.deadline_ticks())

    def read_device(self, physical: int, size_bytes: int) -> int:
        """Read device memory or a hole."""
        now = self.clock.now_ticks
        value, messages = self._board.read_memory(self.core_id, physical, size_bytes, now)
        self._note("mmio_read", physical, size_bytes, value)
        self._after(messages)
        return value

    def write_device(self, physical: int, value: int, size_bytes: int) -> None:
        """Write device memory or a hole."""
        now = self.clock.now_ticks
        self._note("mmio_write", physical, size_bytes, value)
        self._after(self._board.write_memory(self.core_id, physical, value, size_bytes, now))

    def read_memory(self, physical: int, size_bytes: int) -> bytes:
        """Read physical memory of any kind."""
        data = self._memory.read(physical, size_bytes)
        if data is not None:
            return data
        return b"".join(self._read_byte(physical + offset) for offset in range(size_bytes))

    def _read_byte(self, physical: int) -> bytes:
        return self._memory.read(physical, 1) or bytes([self.read_device(physical, 1)])

    def write_memory(self, physical: int, data: bytes) -> None:
        """Write physical memory of any kind on the core's behalf."""
        if self._memory.write(physical, data):
            self.note_write(physical, len(data))
        elif len(data) == 1:
            self.write_device(physical, data[0], 1)
        else:
            for offset in range(len(data)):
                self.write_memory(physical + offset, data[offset : offset + 1])

    def note_write(self, physical: int, size_bytes: int) -> None:
        """Make changed code count in every engine."""
        if self._coherence.holds_code(physical, size_bytes):
            self._coherence.synchronize()

    # -- registers of the machine --------------------------------------------------------------

    def read_msr(self, number: int) -> int | None:
        """Read an MSR that the core does not keep; None is #GP."""
        apic = self._apic
        if number == Msr.TSC:
            return self.time_stamp()
        if number == Msr.TSC_ADJUST:
            return apic.tsc_offset_ticks & _MASK64
        if number == Msr.APIC_BASE:
            return apic.base_msr
        self._board.is_touched = True
        apic.advance(self.clock.now_ticks)
        return apic.tsc_deadline if number == Msr.TSC_DEADLINE else apic.read_msr(number)

    def write_msr(self, number: int, value: int) -> bool:
        """Write an MSR that the core does not keep; False is #GP."""
        apic = self._apic
        now = self.clock.now_ticks
        messages: Messages | None = apic.advance(now)
        self._board.deliver(messages or ())
        messages = ()
        if number == Msr.TSC:
            apic.tsc_offset_ticks = (value - now) & _MASK64
        elif number == Msr.TSC_ADJUST:
            apic.tsc_offset_ticks = value
        elif number == Msr.APIC_BASE:
            if not self._board.write_apic_base(self.core_id, value):
                return False
        elif number == Msr.TSC_DEADLINE:
            apic.write_tsc_deadline(value)
        else:
            messages = apic.write_msr(number, value)
        if messages is None:
            return False
        self._board.refresh_apic(self.core_id)
        self._after(messages)
        return True

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        """Return EAX, EBX, ECX, EDX."""
        has_apic = self._apic.mode != ApicMode.DISABLED
        return cpuid(leaf, subleaf, self.core_id, self._cores, has_apic=has_apic)

    def time_stamp(self) -> int:
        """Return this core's time-stamp counter."""
        return (self.clock.now_ticks + self._apic.tsc_offset_ticks) & _MASK64

    def read_task_priority(self) -> int:
        """Return CR8."""
        return self._apic.tpr >> 4

    def write_task_priority(self, cr8: int) -> None:
        """Set CR8."""
        self._board.is_touched = True
        self._apic.write_tpr(cr8 << 4)
        self._after(())
