"""Delivery through the local vector table: entries, pins LINT0 and LINT1.

Source: Intel SDM volume 3A, sections "Local Vector Table" and "Local APIC State After It Has Been
Software Disabled". ExtINT is a level that the interrupt router reads; NMI, SMI and INIT are edges
whatever the entry says. A write that changes the polarity of a pin makes no edge.

Not modelled: level triggering of LINT1, which the manual rules out.
"""

from uniSMP.arch.apic import DeliveryMode, TriggerMode
from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.devices.apic_mode import ApicMode
from uniSMP.devices.interrupt_acceptance import InterruptAcceptance
from uniSMP.devices.interrupt_entry import (
    FIRST_LEGAL_VECTOR,
    LEVEL_TRIGGERED,
    MASKED,
    REMOTE_IRR,
    VECTOR_MASK,
    delivery_mode,
    is_active,
)
from uniSMP.devices.local_vector_table import merged
from uniSMP.devices.messages import CoreEvent

_PINS = (int(Reg.LVT_LINT0), int(Reg.LVT_LINT1))
_LINT0, _LINT1 = _PINS
_EVENTS = {
    DeliveryMode.NMI: CoreEvent.NMI,
    DeliveryMode.SMI: CoreEvent.SMI,
    DeliveryMode.INIT: CoreEvent.INIT,
}


class LocalInterrupts:
    """The local vector table of one local APIC and the pins behind it."""

    def __init__(self, acceptance: InterruptAcceptance) -> None:
        self._acceptance = acceptance
        self._state = acceptance.state

    def write_entry(self, register: int, value: int) -> None:
        """Write an entry; it stays masked while the local APIC is software-disabled."""
        entry = merged(register, self._state.lvt[register], value)
        if not self._state.is_software_enabled:
            entry |= MASKED
        self._state.lvt[register] = entry
        self.request_level()

    def mask_all(self) -> None:
        """Set every mask bit, as entering the software-disabled state does."""
        for register in self._state.lvt:
            self._state.lvt[register] |= MASKED

    def takes_external_interrupts(self) -> bool:
        """Return whether LINT0 is the INTR pin: as ExtINT, unmasked, or while disabled."""
        entry = self._state.lvt[_LINT0]
        is_routed = delivery_mode(entry) == DeliveryMode.EXT_INT and not entry & MASKED
        return is_routed or self._state.mode == ApicMode.DISABLED

    def set_pin(self, pin: int, *, is_high: bool) -> CoreEvent | None:
        """Take a new level of pin LINT0 or LINT1; return what reaches the core directly."""
        was_high = self._state.lint_levels[pin]
        self._state.lint_levels[pin] = is_high
        if self._state.mode == ApicMode.DISABLED:
            is_nmi = _PINS[pin] == _LINT1 and is_high and not was_high
            return CoreEvent.NMI if is_nmi else None
        self.request_level()
        entry = self._state.lvt[_PINS[pin]]
        is_edge = is_active(entry, is_high=is_high) and not is_active(entry, is_high=was_high)
        is_level = _PINS[pin] == _LINT0 and _is_level(entry)
        if entry & MASKED or not is_edge or is_level:
            return None
        return self._deliver_edge(_PINS[pin])

    def end_of_level(self, vector: int) -> None:
        """Take the EOI of a level-triggered vector; a pin still asserted interrupts again."""
        entry = self._state.lvt[_LINT0]
        if entry & VECTOR_MASK == vector:
            self._state.lvt[_LINT0] = entry & ~REMOTE_IRR
            self.request_level()

    def request_level(self) -> None:
        """Request LINT0's interrupt if it is level-triggered, asserted, and has seen its EOI."""
        entry = self._state.lvt[_LINT0]
        is_asserted = is_active(entry, is_high=self._state.lint_levels[0])
        if entry & (MASKED | REMOTE_IRR) or not is_asserted or not _is_level(entry):
            return
        vector = entry & VECTOR_MASK
        if vector >= FIRST_LEGAL_VECTOR:
            self._state.lvt[_LINT0] = entry | REMOTE_IRR
        self._acceptance.accept(vector, TriggerMode.LEVEL)

    def _deliver_edge(self, register: int) -> CoreEvent | None:
        mode = delivery_mode(self._state.lvt[register])
        if mode == DeliveryMode.FIXED:
            self._acceptance.accept_local(register)
        return _EVENTS.get(mode) if mode is not None else None


def _is_level(entry: int) -> bool:
    """Whether a LINT0 entry is level-triggered: fixed delivery mode with the level bit."""
    return delivery_mode(entry) == DeliveryMode.FIXED and bool(entry & LEVEL_TRIGGERED)
