"""Whether a message on the APIC bus is meant for a local APIC.

Source: Intel SDM volume 3A, sections "Determining IPI Destination" and "Logical Destination Mode
in x2APIC Mode". A destination of all ones is a broadcast in both destination modes.

Destinations of the two widths meet when the modes of sender and receiver differ. An 8-bit one is
read by an x2APIC as if zero-extended, 0xFF staying the broadcast; a 32-bit one reaches an xAPIC
if it fits in 8 bits or is the broadcast.
"""

from dataclasses import dataclass

from uniSMP.arch.apic import DestinationMode, Shorthand
from uniSMP.devices.messages import InterruptMessage

FLAT_MODEL = 0xF
CLUSTER_MODEL = 0x0
_BROADCAST_8 = 0xFF
_BROADCAST_32 = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Address:
    """What a local APIC compares a destination with.

    Attributes:
        core_id: for shorthands.
        apic_id: 8 bits in xAPIC mode, 32 bits in x2APIC mode.
        logical_id: 8 bits, or the 32-bit LDR of x2APIC mode.
        model: DFR bits 31:28; without meaning in x2APIC mode.
        is_x2apic: mode of this local APIC.
    """

    core_id: int
    apic_id: int
    logical_id: int
    model: int
    is_x2apic: bool


def x2apic_logical_id(apic_id: int) -> int:
    """Return the LDR of x2APIC mode: the cluster in bits 31:16, one bit of 15:0."""
    return (apic_id >> 4) << 16 | 1 << (apic_id & 15)


def is_addressed(message: InterruptMessage, address: Address) -> bool:
    """Return whether `message` selects the local APIC at `address`."""
    is_sender = message.source == address.core_id
    match message.shorthand:
        case Shorthand.SELF:
            return is_sender
        case Shorthand.ALL_INCLUDING_SELF:
            return True
        case Shorthand.ALL_EXCLUDING_SELF:
            return not is_sender
        case Shorthand.NONE:
            return _is_destination(message, address)


def _is_destination(message: InterruptMessage, address: Address) -> bool:
    destination = message.destination
    if destination == (_BROADCAST_32 if message.is_x2apic else _BROADCAST_8):
        return True
    if message.destination_mode == DestinationMode.PHYSICAL:
        return destination == address.apic_id
    return _is_logical_destination(destination, address)


def _is_logical_destination(destination: int, address: Address) -> bool:
    if address.is_x2apic:
        is_same_cluster = destination >> 16 == address.logical_id >> 16
        return is_same_cluster and bool(destination & address.logical_id & 0xFFFF)
    if destination >> 8:
        return False
    if address.model == FLAT_MODEL:
        return bool(destination & address.logical_id)
    if address.model == CLUSTER_MODEL:
        is_same_cluster = destination >> 4 == address.logical_id >> 4
        return is_same_cluster and bool(destination & address.logical_id & 0xF)
    return False
