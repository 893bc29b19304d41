"""Acceptance and priority of fixed interrupts in a local APIC, and its error handling.

Source: Intel SDM volume 3A, sections "Interrupt Acceptance for Fixed Interrupts", "Interrupt,
Task, and Processor Priority", "Signaling Interrupt Servicing Completion" and "Error Handling".

Where the manual leaves a choice: PPR bits 3:0 are those of TPR when the classes are equal; an
illegal vector in the LVT is an error when the interrupt happens, not when it is written. The error
interrupt is armed by a write of the ESR, so errors in between are logged without another one.
"""

from typing import TYPE_CHECKING

from uniSMP.arch.apic import ErrorStatus, TriggerMode
from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.devices.interrupt_entry import FIRST_LEGAL_VECTOR, MASKED, VECTOR_MASK
from uniSMP.devices.local_apic_state import LocalApicState

if TYPE_CHECKING:
    from uniSMP.devices.observer import InterruptObserver

_LVT_ERROR = int(Reg.LVT_ERROR)
_RECEIVE_ILLEGAL_VECTOR = int(ErrorStatus.RECEIVE_ILLEGAL_VECTOR)


class InterruptAcceptance:
    """IRR, ISR, TMR, the priority registers and the ESR.

    Attributes:
        state: the registers, shared with the other parts of the local APIC.
        observer: who is told of accepted interrupts and their ends, or None.
    """

    def __init__(self, state: LocalApicState, core_id: int = 0) -> None:
        self.state = state
        self.observer: InterruptObserver | None = None
        self._core_id = core_id

    @property
    def ppr(self) -> int:
        """Processor priority, 8 bits."""
        tpr = self.state.tpr
        in_service = (self.state.isr.bit_length() - 1) & 0xF0 if self.state.isr else 0
        return max(tpr, in_service)

    def pending_vector(self) -> int | None:
        """Return the highest requested vector if its class is above that of PPR."""
        irr = self.state.irr
        if not irr:
            return None
        vector = irr.bit_length() - 1
        return vector if vector >> 4 > self.ppr >> 4 else None

    def acknowledge(self) -> int:
        """Take the pending vector into service; return it, or the spurious vector if none is."""
        vector = self.pending_vector()
        if vector is None:
            return self.state.svr & VECTOR_MASK
        self.state.irr &= ~(1 << vector)
        self.state.isr |= 1 << vector
        return vector

    def accept(self, vector: int, trigger_mode: TriggerMode) -> None:
        """Request a fixed interrupt; a software-disabled local APIC ignores it."""
        state, bit = self.state, 1 << vector
        if not state.is_software_enabled:
            return
        if vector < FIRST_LEGAL_VECTOR:
            self.detect(_RECEIVE_ILLEGAL_VECTOR)
            return
        if self.observer is not None:
            is_new = not state.irr & bit
            self.observer.interrupt_accepted(self._core_id, vector, is_new=is_new)
        state.irr |= bit
        if trigger_mode == TriggerMode.LEVEL:
            state.tmr |= bit
        else:
            state.tmr &= ~bit

    def accept_local(self, register: int) -> None:
        """Request the interrupt of an LVT entry with fixed delivery and edge trigger."""
        entry = self.state.lvt[register]
        if not entry & MASKED:
            self.accept(entry & VECTOR_MASK, TriggerMode.EDGE)

    def end_of_interrupt(self) -> int | None:
        """Take the highest vector out of service; return it if it was level-triggered."""
        state = self.state
        if not state.isr:
            return None
        vector = state.isr.bit_length() - 1
        state.isr &= ~(1 << vector)
        if self.observer is not None:
            self.observer.interrupt_ended(self._core_id, vector)
        return vector if state.tmr >> vector & 1 else None

    def detect(self, error: int) -> None:
        """Log ESR bits and request the error interrupt if it is armed."""
        state = self.state
        state.detected_errors |= error
        if state.is_error_armed and not state.lvt[_LVT_ERROR] & MASKED:
            state.is_error_armed = False
            self.accept_local(_LVT_ERROR)

    def write_esr(self) -> None:
        """Show the errors since the last write, forget them and arm the error interrupt."""
        state = self.state
        state.esr, state.detected_errors = state.detected_errors, 0
        state.is_error_armed = True
