"""The fields that LVT entries, the ICR and IOAPIC redirection entries lay out alike.

Source: Intel SDM volume 3A, sections "Local Vector Table" and "Interrupt Command Register (ICR)";
Intel 82093AA IOAPIC datasheet, section "IOREDTBL[23:0]".
"""

from uniSMP.arch.apic import DeliveryMode, DestinationMode, TriggerMode

LOGICAL = 1 << 11
"""Destination mode is logical (ICR and redirection entries)."""
DELIVERY_STATUS = 1 << 12
"""Send pending; read-only. Messages leave at once here, so it always reads 0."""
ACTIVE_LOW = 1 << 13
"""Interrupt input pin polarity (LINT0, LINT1 and redirection entries)."""
REMOTE_IRR = 1 << 14
"""A level-triggered interrupt was accepted and has not seen its EOI; read-only."""
ASSERT = 1 << 14
"""Level bit of the ICR, at the place of REMOTE_IRR."""
LEVEL_TRIGGERED = 1 << 15
MASKED = 1 << 16

VECTOR_MASK = 0xFF
DELIVERY_MODE_MASK = 0x700
FIRST_LEGAL_VECTOR = 16

_DELIVERY_MODES = {mode << 8: mode for mode in DeliveryMode}


def delivery_mode(entry: int) -> DeliveryMode | None:
    """Return the delivery mode of an entry, None if its encoding is reserved."""
    return _DELIVERY_MODES.get(entry & DELIVERY_MODE_MASK)


def trigger_mode(entry: int) -> TriggerMode:
    """Return the trigger mode of an entry as programmed."""
    return TriggerMode.LEVEL if entry & LEVEL_TRIGGERED else TriggerMode.EDGE


def destination_mode(entry: int) -> DestinationMode:
    """Return the destination mode of an ICR value or a redirection entry."""
    return DestinationMode.LOGICAL if entry & LOGICAL else DestinationMode.PHYSICAL


def is_active(entry: int, *, is_high: bool) -> bool:
    """Return whether a pin at this level is asserted under the entry's polarity."""
    return is_high != bool(entry & ACTIVE_LOW)
