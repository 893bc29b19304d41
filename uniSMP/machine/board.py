"""The chips of the machine and the wires between them.

An access goes to its chip; the messages that come out of it go through the interrupt router; what
the router leaves is for the machine and waits in `mail`. Each core sees its own local APIC page, at
the address its IA32_APIC_BASE says, and the common chips behind it.

Not modelled: a local APIC page moved over RAM (RAM keeps answering).
"""

import pickle
from typing import Protocol

from uniSMP.arch.apic import IO_APIC_BASE, LocalApicRegister
from uniSMP.devices.a20_line import A20Line
from uniSMP.devices.bus import Bus
from uniSMP.devices.cmos import Cmos, firmware_state
from uniSMP.devices.debug_console import DebugConsole
from uniSMP.devices.debug_exit import DebugExit
from uniSMP.devices.interrupt_entry import MASKED
from uniSMP.devices.interrupt_router import InterruptRouter
from uniSMP.devices.io_apic import IoApic
from uniSMP.devices.keyboard_controller import KeyboardController
from uniSMP.devices.local_apic import LocalApic
from uniSMP.devices.messages import Message, Messages
from uniSMP.devices.observer import InterruptObserver
from uniSMP.devices.pic8259 import PicPair
from uniSMP.devices.pit8254 import Pit
from uniSMP.devices.system_control import FastControl, ResetControl, SpeakerControl
from uniSMP.devices.uart16550 import Uart
from uniSMP.machine.memento import Memento

NEVER = 1 << 63
"""A deadline that is not reached."""
_PAGE_BYTES = 4096
_PORT_BITS = 16
_PHYSICAL_BITS = 52
_TIMER_PIN = 2
_FIRMWARE_REGISTERS = (
    (LocalApicRegister.SVR, 0x1FF),
    (LocalApicRegister.LVT_LINT0, 0x700),
    (LocalApicRegister.LVT_LINT1, 0x400),
)
"""Core 0's local APIC as firmware leaves it: enabled, LINT0 is ExtINT, LINT1 is NMI."""
_FIRMWARE_PIT = ((0x43, 0x36), (0x40, 0), (0x40, 0))
"""Counter 0 as firmware leaves it: mode 3, 65,536 clocks (18.2 Hz)."""


class HasState(Protocol):
    """Anything whose registers can be looked at."""

    @property
    def state(self) -> object:
        """Its registers; `repr` shows all of them."""


class Board:
    """All chips of one machine.

    Args:
        cores: number of cores, each with a local APIC.
        memory_bytes: what the CMOS says about RAM.

    Attributes:
        local_apics: by core id.
        io_apic: the IOAPIC.
        pic: both 8259A.
        pit: the 8254.
        uart: COM1.
        cmos: CMOS RAM and clock.
        keyboard: the 8042.
        ports: the I/O port bus.
        mail: messages for the machine, oldest first.
        has_news: whether a message was routed, or a chip acted by itself, since this was cleared.
        chip_deadline_ticks: when a common chip next acts by itself, or NEVER.
        is_touched: whether anything may have changed since this was cleared.
        deadline_ticks: when any chip, or local APIC, next acts by itself, or NEVER.
    """

    def __init__(self, cores: int, memory_bytes: int) -> None:
        self.local_apics = [LocalApic(core_id, is_bsp=core_id == 0) for core_id in range(cores)]
        self.io_apic = IoApic()
        self.pic = PicPair(PicPair.firmware_state())
        self.pit = Pit()
        self.uart = Uart()
        self.cmos = Cmos(firmware_state(memory_bytes))
        a20 = A20Line()
        self.keyboard = KeyboardController(a20)
        self._fast_control = FastControl(a20)
        self._speaker = SpeakerControl(self.pit)
        self._reset_control = ResetControl()
        self._router = InterruptRouter(self.local_apics, self.io_apic, self.pic)
        self._timed = (self.pit, self.cmos, self._speaker)
        self._a20 = a20
        self.ports = self._wire_ports()
        self.memory_holes: dict[int, int] = {}
        self._memory_buses = [self._wire_memory(core_id) for core_id in range(cores)]
        self._apic_deadlines = [NEVER] * cores
        self.chip_deadline_ticks = NEVER
        self.deadline_ticks = NEVER
        self.mail: list[Message] = []
        self.has_news = False
        self.is_touched = False
        self._leave_as_firmware_does()

    def observe(self, observer: InterruptObserver | None) -> None:
        """Tell `observer` what the interrupt hardware does from now on; None: nobody."""
        self._router.observer = observer
        for apic in self.local_apics:
            apic.observer = observer

    def _leave_as_firmware_does(self) -> None:
        for register, value in _FIRMWARE_REGISTERS:
            self.deliver(self.local_apics[0].write(register, value, 4))
        for port, value in _FIRMWARE_PIT:
            self.deliver(self.write_port(port, value, 1, 0))

    def _wire_ports(self) -> Bus:
        bus = Bus(_PORT_BITS)
        bus.add(0x20, 0x21, self.pic.master)
        bus.add(0x40, 0x43, self.pit)
        bus.add(0x60, 0x60, self.keyboard.data)
        bus.add(0x61, 0x61, self._speaker)
        bus.add(0x64, 0x64, self.keyboard.command)
        bus.add(0x70, 0x71, self.cmos)
        bus.add(0x92, 0x92, self._fast_control)
        bus.add(0xA0, 0xA1, self.pic.slave)
        bus.add(0xE9, 0xE9, DebugConsole())
        bus.add(0xF4, 0xF7, DebugExit())
        bus.add(0x3F8, 0x3FF, self.uart)
        bus.add(0x4D0, 0x4D1, self.pic.elcr)
        bus.add(0xCF8, 0xCFB, self._reset_control)
        return bus

    def _wire_memory(self, core_id: int) -> Bus:
        """Return what a core sees behind its RAM; its own APIC page hides what stands there."""
        bus = Bus(_PHYSICAL_BITS)
        bus.holes = self.memory_holes
        apic = self.local_apics[core_id]
        page = apic.base_address
        if apic.is_page_enabled():
            bus.add(page, page + _PAGE_BYTES - 1, apic)
        if not (apic.is_page_enabled() and page == IO_APIC_BASE):
            bus.add(IO_APIC_BASE, IO_APIC_BASE + _PAGE_BYTES - 1, self.io_apic)
        return bus

    def write_apic_base(self, core_id: int, value: int) -> bool:
        """Write a core's IA32_APIC_BASE; False is #GP."""
        self.is_touched = True
        is_valid = self.local_apics[core_id].write_base(value)
        if is_valid:
            self._memory_buses[core_id] = self._wire_memory(core_id)
            self.refresh_apic(core_id)
        return is_valid

    # -- accesses ------------------------------------------------------------------------------

    def read_port(self, port: int, size_bytes: int, now_ticks: int) -> tuple[int, Messages]:
        """Read a port at `now_ticks`; return the value and what the read caused."""
        self.is_touched = True
        self._advance_chips(now_ticks)
        value, messages = self.ports.read(port, size_bytes)
        self._refresh_chips()
        return value, messages

    def write_port(self, port: int, value: int, size_bytes: int, now_ticks: int) -> Messages:
        """Write a port at `now_ticks`; return what the write caused."""
        self.is_touched = True
        self._advance_chips(now_ticks)
        messages = self.ports.write(port, value, size_bytes)
        self._refresh_chips()
        return messages

    def read_memory(
        self, core_id: int, physical: int, size_bytes: int, now_ticks: int
    ) -> tuple[int, Messages]:
        """Read device memory as core `core_id` sees it."""
        self.is_touched = True
        self.deliver(self.local_apics[core_id].advance(now_ticks))
        return self._memory_buses[core_id].read(physical, size_bytes)

    def write_memory(
        self, core_id: int, physical: int, value: int, size_bytes: int, now_ticks: int
    ) -> Messages:
        """Write device memory as core `core_id` sees it."""
        self.is_touched = True
        self.deliver(self.local_apics[core_id].advance(now_ticks))
        self._advance_chips(now_ticks)
        messages = self._memory_buses[core_id].write(physical, value, size_bytes)
        self._refresh_chips()
        self.refresh_apic(core_id)
        return messages

    # -- messages and time ---------------------------------------------------------------------

    def deliver(self, messages: Messages) -> None:
        """Route messages between the chips; those for the machine go to `mail`."""
        self.is_touched = True
        if messages:
            self.has_news = True
            self.mail.extend(self._router.deliver(messages))

    def advance(self, now_ticks: int) -> None:
        """Let every chip whose deadline is reached act; local APICs first, by core id."""
        self.is_touched = True
        self.has_news = True
        for core_id, deadline in enumerate(self._apic_deadlines):
            if deadline <= now_ticks:
                self.deliver(self.local_apics[core_id].advance(now_ticks))
                self.refresh_apic(core_id)
        if self.chip_deadline_ticks <= now_ticks:
            self._advance_chips(now_ticks)
            self._refresh_chips()

    def _advance_chips(self, now_ticks: int) -> None:
        for chip in self._timed:
            self.deliver(chip.advance(now_ticks))

    def refresh_apic(self, core_id: int) -> None:
        """Ask a local APIC anew when its timer fires."""
        self.is_touched = True
        deadline = self.local_apics[core_id].deadline_ticks()
        self._apic_deadlines[core_id] = NEVER if deadline is None else deadline
        self.deadline_ticks = min(self.chip_deadline_ticks, *self._apic_deadlines)

    def _refresh_chips(self) -> None:
        deadline = self.pit.deadline_ticks() if self._is_timer_heard() else None
        self.chip_deadline_ticks = NEVER if deadline is None else deadline
        self.deadline_ticks = min(self.chip_deadline_ticks, *self._apic_deadlines)

    def _is_timer_heard(self) -> bool:
        """Return whether somebody takes IRQ 0; if not, its changes can wait for the next access."""
        is_masked = self.io_apic.state.redirection[_TIMER_PIN] & MASKED
        return not (is_masked and self.pic.state.master.imr & 1)

    # -- interrupts ----------------------------------------------------------------------------

    def has_interrupt(self, core_id: int) -> bool:
        """Return whether a maskable interrupt waits for a core."""
        apic, router = self.local_apics[core_id], self._router
        if not apic.state.irr and not router.is_pic_high:
            return False
        return apic.pending_vector() is not None or router.has_external_interrupt(core_id)

    def interrupt_source(self, core_id: int) -> str:
        """Return which chip `acknowledge` would ask: "apic", or "pic" for an ExtINT."""
        return "pic" if self.local_apics[core_id].pending_vector() is None else "apic"

    def acknowledge(self, core_id: int) -> int:
        """Begin the service of what waits for a core; return its vector."""
        self.is_touched = True
        apic = self.local_apics[core_id]
        if apic.pending_vector() is not None:
            return apic.acknowledge()
        vector, messages = self._router.acknowledge_external(core_id)
        self.deliver(messages)
        return vector

    def state(self, now_ticks: int) -> bytes:
        """Return the state of every chip at `now_ticks`, in a fixed order, for digests.

        Nothing changes, and nobody is told: what is due at `now_ticks` happens in a copy.
        """
        ahead = self._copy()
        for apic in ahead.local_apics:
            ahead.deliver(apic.advance(now_ticks))
        ahead._advance_chips(now_ticks)  # noqa: SLF001 - another one of this class
        return ahead._chip_states()  # noqa: SLF001

    def _copy(self) -> "Board":
        """Return a board whose chips stand where these stand, without an observer."""
        copy = Board.__new__(Board)
        copy.__dict__.update(pickle.loads(self.save()))  # noqa: S301 - our own bytes
        return copy

    def save(self) -> bytes:
        """Return a copy of all chips and what is under way between them, without observers."""
        observer = self._router.observer
        self.observe(None)
        try:
            return pickle.dumps(self.__dict__, 5)
        finally:
            self.observe(observer)

    def restore(self, saved: bytes) -> None:
        """Put back what `save` returned; whoever observes goes on. All chips are new objects."""
        observer = self._router.observer
        self.__dict__.update(pickle.loads(saved))  # noqa: S301 - our own bytes
        self.observe(observer)

    def remember(self) -> Memento:
        """Return how all chips stand, without observers, for `go_back` of this board."""
        observer = self._router.observer
        self.observe(None)
        try:
            return Memento(self)
        finally:
            self.observe(observer)

    def go_back(self, memento: Memento) -> None:
        """Put back what `remember` returned, in the same objects; whoever observes goes on."""
        observer = self._router.observer
        memento.restore()
        self.observe(observer)

    def _chip_states(self) -> bytes:
        chips: tuple[HasState, ...] = (
            *self.local_apics,
            self.io_apic,
            self.pic,
            self.pit,
            self.uart,
            self.cmos,
            self.keyboard,
            self._a20,
            self._fast_control,
            self._speaker,
            self._reset_control,
            self._router,
        )
        return "\n".join(repr(chip.state) for chip in chips).encode()
