"""The interrupt command register: from a written value to a message on the APIC bus.

Source: Intel SDM volume 3A, section "Interrupt Command Register (ICR)" with table "Valid
Combinations for the Pentium 4 and Intel Xeon Processors' Local xAPIC Interrupt Command Register",
and section "ICR Operation in x2APIC Mode".

The level bit has no meaning and messages are always sent as edge-triggered assertions, except for
INIT with a level trigger and level 0: that is the INIT level de-assert of older processors, sent
as such so that it can be seen, and obeyed by nobody. Reserved delivery modes and combinations that
the table calls invalid send nothing.
"""

from enum import Enum, auto

from uniSMP.arch.apic import DeliveryMode, DestinationMode, Shorthand, TriggerMode
from uniSMP.devices.interrupt_entry import (
    ASSERT,
    DELIVERY_STATUS,
    FIRST_LEGAL_VECTOR,
    LEVEL_TRIGGERED,
    LOGICAL,
    VECTOR_MASK,
    delivery_mode,
    destination_mode,
    trigger_mode,
)
from uniSMP.devices.messages import InterruptMessage

SHORTHAND_SHIFT = 18
COMMAND_BITS = VECTOR_MASK | 0x700 | LOGICAL | ASSERT | LEVEL_TRIGGERED | 3 << SHORTHAND_SHIFT
"""Writable bits of the low half."""
X2APIC_ACCEPTED_BITS = 0xFFFF_FFFF << 32 | COMMAND_BITS | DELIVERY_STATUS
"""Bits a WRMSR may set; processors ignore the place of the delivery status and so does this."""
_XAPIC_DESTINATION_SHIFT = 56
_X2APIC_DESTINATION_SHIFT = 32
_WITH_VECTOR = (DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY)


class SendError(Enum):
    """Why a command was refused with an error in the ESR."""

    ILLEGAL_VECTOR = auto()
    REDIRECTABLE_IPI = auto()


def _is_valid(mode: DeliveryMode, shorthand: Shorthand) -> bool:
    """Whether the table allows the combination; INIT level de-assert is judged before."""
    if mode == DeliveryMode.EXT_INT:
        return False
    if shorthand in (Shorthand.SELF, Shorthand.ALL_INCLUDING_SELF):
        return mode == DeliveryMode.FIXED
    return True


def decode_command(
    icr: int, source: int, *, is_x2apic: bool
) -> InterruptMessage | SendError | None:
    """Return the message that a 64-bit ICR value sends, the error it makes, or None.

    Args:
        icr: both halves of the register.
        source: core id of the sender.
        is_x2apic: whether the destination field is 32 bits wide. Lowest priority cannot be sent
            in x2APIC mode and is reported as a redirectable IPI, whatever its vector.
    """
    mode = delivery_mode(icr)
    shorthand = Shorthand(icr >> SHORTHAND_SHIFT & 3)
    if mode is None:
        return None
    is_deassert = mode == DeliveryMode.INIT and icr & (ASSERT | LEVEL_TRIGGERED) == LEVEL_TRIGGERED
    if not is_deassert and not _is_valid(mode, shorthand):
        return None
    if is_x2apic and mode == DeliveryMode.LOWEST_PRIORITY:
        return SendError.REDIRECTABLE_IPI
    vector = icr & VECTOR_MASK
    if mode in _WITH_VECTOR and vector < FIRST_LEGAL_VECTOR:
        return SendError.ILLEGAL_VECTOR
    return InterruptMessage(
        destination=icr >> (_X2APIC_DESTINATION_SHIFT if is_x2apic else _XAPIC_DESTINATION_SHIFT),
        destination_mode=destination_mode(icr),
        delivery_mode=mode,
        vector=vector,
        trigger_mode=trigger_mode(icr) if is_deassert else TriggerMode.EDGE,
        is_assert=not is_deassert,
        shorthand=shorthand,
        source=source,
        is_x2apic=is_x2apic,
    )


def decode_self_ipi(vector: int, source: int) -> InterruptMessage | SendError:
    """Return the message that a write of the SELF IPI register sends, or the error it makes."""
    if vector < FIRST_LEGAL_VECTOR:
        return SendError.ILLEGAL_VECTOR
    return InterruptMessage(
        destination=source,
        destination_mode=DestinationMode.PHYSICAL,
        delivery_mode=DeliveryMode.FIXED,
        vector=vector,
        trigger_mode=TriggerMode.EDGE,
        shorthand=Shorthand.SELF,
        source=source,
        is_x2apic=True,
    )
