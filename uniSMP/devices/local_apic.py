"""The local APIC of one core, in xAPIC and x2APIC mode.

Source: Intel SDM volume 3A, chapter "Advanced Programmable Interrupt Controller (APIC)"; version
0x14 (Pentium 4 and later) with six LVT entries. The APIC ID is the core id and read-only.

A page access that is not an aligned doubleword is undefined in the manual: reads see the bytes of
the doubleword and zeros after it, writes do nothing. A local APIC is reset when IA32_APIC_BASE
disables it.

Not modelled: bus arbitration (APR, RRD), focus processor checking, EOI broadcast suppression,
sources behind the thermal and performance entries, LVT CMCI.
"""

from copy import deepcopy

from uniSMP.arch.apic import LOCAL_APIC_VERSION, ErrorStatus, TriggerMode
from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.devices.apic_addressing import Address, is_addressed, x2apic_logical_id
from uniSMP.devices.apic_mode import ApicMode, address_of, reset_base, written_base
from uniSMP.devices.apic_timer import ApicTimer
from uniSMP.devices.interrupt_acceptance import InterruptAcceptance
from uniSMP.devices.interrupt_command import (
    COMMAND_BITS,
    SendError,
    decode_command,
    decode_self_ipi,
)
from uniSMP.devices.interrupt_entry import MASKED
from uniSMP.devices.local_apic_state import SVR_ENABLE, LocalApicState
from uniSMP.devices.local_interrupts import LocalInterrupts
from uniSMP.devices.local_vector_table import timer_mode
from uniSMP.devices.messages import (
    CoreEvent,
    CoreSignal,
    EndOfInterrupt,
    InterruptMessage,
    Messages,
)
from uniSMP.devices.observer import InterruptObserver
from uniSMP.devices.x2apic import (
    SVR_BITS,
    X2APIC_ACCEPTED_BITS,
    X2APIC_READABLE,
    XAPIC_REGISTERS,
    offset_of,
)

_ACCESS_BYTES = 4
_LOW_HALF = 0xFFFF_FFFF
_HIGH_BYTE = 0xFF00_0000
_DFR_FIXED_BITS = 0x0FFF_FFFF
_LVT_TIMER = int(Reg.LVT_TIMER)
_ILLEGAL_REGISTER_ADDRESS = int(ErrorStatus.ILLEGAL_REGISTER_ADDRESS)
_SEND_ERRORS = {
    SendError.ILLEGAL_VECTOR: int(ErrorStatus.SEND_ILLEGAL_VECTOR),
    SendError.REDIRECTABLE_IPI: int(ErrorStatus.REDIRECTABLE_IPI),
}


class LocalApic:
    """One local APIC: a device behind its page, its MSRs, its pins and the APIC bus.

    Attributes:
        core_id: number of the core and its APIC ID.
        state: the registers; live.
    """

    widest_access_bytes = _ACCESS_BYTES

    def __init__(self, core_id: int, *, is_bsp: bool, state: LocalApicState | None = None) -> None:
        self.core_id = core_id
        self._reset_base = reset_base(is_bsp=is_bsp)
        self.state = LocalApicState(self._reset_base) if state is None else deepcopy(state)
        self._timer = ApicTimer(self.state.timer)
        self._acceptance = InterruptAcceptance(self.state, core_id)
        self._local = LocalInterrupts(self._acceptance)

    @property
    def observer(self) -> InterruptObserver | None:
        """Who is told of interrupts and of the timer, or None."""
        return self._acceptance.observer

    @observer.setter
    def observer(self, observer: InterruptObserver | None) -> None:
        self._acceptance.observer = observer

    def power_on_reset(self) -> None:
        """Go to the state after power-up or reset: xAPIC mode, software-disabled."""
        self.state.base = self._reset_base
        self.init_reset()

    def init_reset(self) -> None:
        """Go to the state after INIT: mode, base address and APIC ID stay."""
        self.state.reset()
        self._timer.reset()

    @property
    def mode(self) -> ApicMode:
        """Mode that IA32_APIC_BASE selects."""
        return self.state.mode

    @property
    def base_msr(self) -> int:
        """IA32_APIC_BASE."""
        return self.state.base

    @property
    def base_address(self) -> int:
        """Physical address of the register page."""
        return address_of(self.state.base)

    def write_base(self, value: int) -> bool:
        """Write IA32_APIC_BASE; False is #GP (reserved bits or an invalid change of mode)."""
        base = written_base(self.state.base, value)
        if base is None:
            return False
        old = self.mode
        self.state.base = base
        if self.mode != old:
            self._change_mode()
        return True

    def is_page_enabled(self) -> bool:
        """Return whether the register page answers: only in xAPIC mode."""
        return self.mode == ApicMode.XAPIC

    def is_software_enabled(self) -> bool:
        """Return whether fixed interrupts are accepted."""
        return self.state.is_software_enabled

    @property
    def ipis_sent(self) -> int:
        """Number of ICR and SELF IPI writes that sent a message."""
        return self.state.ipis_sent

    @property
    def tpr(self) -> int:
        """Task priority, 8 bits; CR8 is its upper half."""
        return self.state.tpr

    def write_tpr(self, value: int) -> None:
        """Set the task priority to the low 8 bits of `value`."""
        self.state.tpr = value & 0xFF
        if self.observer is not None:
            self.observer.task_priority_written(self.core_id)

    @property
    def ppr(self) -> int:
        """Processor priority, 8 bits."""
        return self._acceptance.ppr

    def pending_vector(self) -> int | None:
        """Return the highest requested vector if its class is above that of PPR."""
        return self._acceptance.pending_vector()

    def acknowledge(self) -> int:
        """Take the pending vector into service; return it, or the spurious vector if none is."""
        return self._acceptance.acknowledge()

    def accept(self, vector: int, trigger_mode: TriggerMode) -> None:
        """Request a fixed interrupt; a disabled local APIC ignores it."""
        self._acceptance.accept(vector, trigger_mode)

    def matches(self, message: InterruptMessage) -> bool:
        """Return whether `message` is addressed to this local APIC; never while disabled."""
        return self.mode != ApicMode.DISABLED and is_addressed(message, self._address())

    def local_interrupt(self, pin: int, is_high: bool) -> Messages:  # noqa: FBT001 - a wire's level
        """Take a new level of pin 0 or 1 (LINT0, LINT1; while disabled INTR and NMI)."""
        event = self._local.set_pin(pin, is_high=is_high)
        if event is None:
            return ()
        if event == CoreEvent.INIT:
            self.init_reset()
        return (CoreSignal(self.core_id, event),)

    def takes_external_interrupts(self) -> bool:
        """Return whether LINT0 is the INTR pin: as ExtINT, unmasked, or while disabled."""
        return self._local.takes_external_interrupts()

    def advance(self, now_ticks: int) -> Messages:
        """Let time pass; an expiry of the timer requests its interrupt unless masked."""
        if self._timer.advance(now_ticks):
            self._fire_timer()
        return ()

    def _fire_timer(self) -> None:
        if self.observer is not None and not self.state.lvt[_LVT_TIMER] & MASKED:
            self.observer.timer_fired(self.core_id)
        self._acceptance.accept_local(_LVT_TIMER)

    def _note_timer(self) -> None:
        if self.observer is not None:
            self.observer.timer_programmed(self.core_id)

    def deadline_ticks(self) -> int | None:
        """Return when the timer interrupts next; None if it is stopped or masked."""
        is_masked = self.state.lvt[_LVT_TIMER] & MASKED
        return None if is_masked else self._timer.deadline_ticks()

    @property
    def tsc_deadline(self) -> int:
        """IA32_TSC_DEADLINE; 0 while disarmed and in the other timer modes."""
        return self._timer.tsc_deadline

    def write_tsc_deadline(self, value: int) -> None:
        """Write IA32_TSC_DEADLINE; a deadline that is not in the future interrupts at once."""
        expires_at_once = self._timer.write_tsc_deadline(value)
        self._note_timer()
        if expires_at_once:
            self._fire_timer()

    @property
    def tsc_offset_ticks(self) -> int:
        """The core's time-stamp counter minus virtual time, in ticks."""
        return self.state.timer.tsc_offset_ticks

    @tsc_offset_ticks.setter
    def tsc_offset_ticks(self, value: int) -> None:
        self.state.timer.tsc_offset_ticks = value

    def read(self, offset: int, size_bytes: int) -> int:
        """Return `size_bytes` of the page; all ones unless in xAPIC mode, 0 if reserved."""
        mask = (1 << 8 * size_bytes) - 1
        if not self.is_page_enabled():
            return mask
        register = offset & ~0xF
        value = self._read_register(register) if register in XAPIC_REGISTERS else 0
        return (value & _LOW_HALF) >> 8 * (offset & 0xF) & mask

    def after_read(self, offset: int, size_bytes: int) -> Messages:  # noqa: ARG002 - Device
        """Log the read of a reserved register."""
        self._has_register(offset)
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Write a register of the page; dropped unless in xAPIC mode."""
        if not self._has_register(offset) or offset & 0xF or size_bytes != _ACCESS_BYTES:
            return ()
        if offset == Reg.ICR_HIGH:
            self.state.icr = (value & _HIGH_BYTE) << 32 | self.state.icr & _LOW_HALF
            return ()
        if offset == Reg.ICR_LOW:
            value |= self.state.icr & ~_LOW_HALF
        return self._write_register(offset, value)

    def read_msr(self, number: int) -> int | None:
        """Return MSR 0x800-0x8FF; None is #GP."""
        offset = offset_of(number)
        if self.mode != ApicMode.X2APIC or offset not in X2APIC_READABLE:
            return None
        return self._read_register(offset)

    def write_msr(self, number: int, value: int) -> Messages | None:
        """Write MSR 0x800-0x8FF; None is #GP (absent, read-only, or a reserved bit is set)."""
        offset = offset_of(number)
        accepted = X2APIC_ACCEPTED_BITS.get(offset)
        if self.mode != ApicMode.X2APIC or accepted is None or value & ~accepted:
            return None
        return self._write_register(offset, value)

    def _address(self) -> Address:
        is_x2apic = self.mode == ApicMode.X2APIC
        return Address(
            core_id=self.core_id,
            apic_id=self.core_id if is_x2apic else self.core_id & 0xFF,
            logical_id=self._ldr() if is_x2apic else self.state.ldr >> 24,
            model=self.state.dfr >> 28,
            is_x2apic=is_x2apic,
        )

    def _id(self) -> int:
        return self.core_id if self.mode == ApicMode.X2APIC else (self.core_id & 0xFF) << 24

    def _ldr(self) -> int:
        is_x2apic = self.mode == ApicMode.X2APIC
        return x2apic_logical_id(self.core_id) if is_x2apic else self.state.ldr

    def _read_register(self, offset: int) -> int:
        """Return a register in the layout of the current mode; write-only ones are 0."""
        state = self.state
        if Reg.ISR <= offset < Reg.ESR:
            bitmap = (state.isr, state.tmr, state.irr)[(offset - Reg.ISR) >> 7]
            return bitmap >> ((offset & 0x70) << 1) & _LOW_HALF
        if offset in state.lvt:
            return state.lvt[offset]
        if offset >= Reg.TIMER_INITIAL_COUNT:
            return self._timer.read_register(offset)
        return self._read_identity(offset)

    def _read_identity(self, offset: int) -> int:
        """Return a register that is neither a bitmap, nor an LVT entry, nor the timer's."""
        state = self.state
        match offset:
            case Reg.TPR:
                return state.tpr
            case Reg.PPR:
                return self.ppr
            case Reg.ICR_LOW:
                return state.icr
            case Reg.ICR_HIGH:
                return state.icr >> 32
            case Reg.ESR:
                return state.esr
            case _:
                return self._read_setting(offset)

    def _read_setting(self, offset: int) -> int:
        """Return a register that says what the chip is or how it was set up."""
        match offset:
            case Reg.ID:
                return self._id()
            case Reg.VERSION:
                return LOCAL_APIC_VERSION
            case Reg.LDR:
                return self._ldr()
            case Reg.DFR:
                return self.state.dfr
            case Reg.SVR:
                return self.state.svr
            case _:
                return 0

    def _write_register(self, offset: int, value: int) -> Messages:
        """Write a register in the layout of the current mode; read-only ones ignore it."""
        match offset:
            case Reg.EOI:
                return self._end_of_interrupt()
            case Reg.ICR_LOW:
                self.state.icr = value & (~_LOW_HALF | COMMAND_BITS)
                is_x2apic = self.mode == ApicMode.X2APIC
                return self._send(decode_command(value, self.core_id, is_x2apic=is_x2apic))
            case Reg.SELF_IPI:
                return self._send(decode_self_ipi(value, self.core_id))
            case _ if offset in self.state.lvt:
                self._write_lvt(offset, value)
            case Reg.TIMER_INITIAL_COUNT:
                self._timer.write_initial_count(value)
                self._note_timer()
            case Reg.TIMER_DIVIDE:
                self._timer.write_divide(value)
                self._note_timer()
            case _:
                self._write_setting(offset, value)
        return ()

    def _write_setting(self, offset: int, value: int) -> None:
        """Write a register that sends nothing and is neither the LVT's nor the timer's."""
        match offset:
            case Reg.TPR:
                self.write_tpr(value)
            case Reg.LDR:
                self.state.ldr = value & _HIGH_BYTE
            case Reg.DFR:
                self.state.dfr = value | _DFR_FIXED_BITS
            case Reg.SVR:
                self.state.svr = value & SVR_BITS
                if not value & SVR_ENABLE:
                    self._local.mask_all()
            case Reg.ESR:
                self._acceptance.write_esr()

    def _change_mode(self) -> None:
        """Follow a valid transition; only xAPIC to x2APIC keeps the registers."""
        if self.mode == ApicMode.X2APIC:
            self.state.icr &= _LOW_HALF
        else:
            self.init_reset()

    def _write_lvt(self, offset: int, value: int) -> None:
        self._local.write_entry(offset, value)
        mode = timer_mode(self.state.lvt[_LVT_TIMER])
        assert mode is not None
        self._timer.set_mode(mode)
        if offset == _LVT_TIMER:
            self._note_timer()

    def _end_of_interrupt(self) -> Messages:
        """Finish the highest vector in service; a level-triggered one is broadcast."""
        vector = self._acceptance.end_of_interrupt()
        if vector is None:
            return ()
        self._local.end_of_level(vector)
        return (EndOfInterrupt(vector),)

    def _send(self, message: InterruptMessage | SendError | None) -> Messages:
        """Send and count a message, or log why it cannot be sent."""
        if isinstance(message, InterruptMessage):
            self.state.ipis_sent += 1
            return (message,)
        if message is not None:
            self._acceptance.detect(_SEND_ERRORS[message])
        return ()

    def _has_register(self, offset: int) -> bool:
        """Return whether the page has this register; log an error where it is reserved."""
        if not self.is_page_enabled():
            return False
        is_present = offset & ~0xF in XAPIC_REGISTERS
        if not is_present:
            self._acceptance.detect(_ILLEGAL_REGISTER_ADDRESS)
        return is_present
