"""What chips say to each other and to the machine.

A chip never calls another one. A write, the consequence of a read, or the passing of time returns
messages; the interrupt router hands them on until only those meant for the machine are left.
"""

from dataclasses import dataclass
from enum import Enum, auto

from uniSMP.arch.apic import DeliveryMode, DestinationMode, Shorthand, TriggerMode


@dataclass(frozen=True, slots=True)
class IrqLine:
    """An ISA interrupt line changed its level. `irq` 0-15 (IRQ 0 is IOAPIC pin 2), or pin 16-23."""

    irq: int
    is_high: bool


@dataclass(frozen=True, slots=True)
class PicOutput:
    """The INT output of the master 8259A changed its level."""

    is_high: bool


@dataclass(frozen=True, slots=True)
class InterruptMessage:
    """A message on the APIC bus, from a local APIC (ICR) or from the IOAPIC.

    Attributes:
        destination: 8-bit (xAPIC, IOAPIC) or 32-bit (x2APIC) destination field.
        source: core id of the sending local APIC, or None for the IOAPIC.
        is_x2apic: whether `destination` is a 32-bit x2APIC destination.
    """

    destination: int
    destination_mode: DestinationMode
    delivery_mode: DeliveryMode
    vector: int
    trigger_mode: TriggerMode
    is_assert: bool = True
    shorthand: Shorthand = Shorthand.NONE
    source: int | None = None
    is_x2apic: bool = False


@dataclass(frozen=True, slots=True)
class EndOfInterrupt:
    """A local APIC broadcasts the EOI of a level-triggered vector to the IOAPIC."""

    vector: int


class CoreEvent(Enum):
    """What reaches a core past its local APIC's IRR."""

    NMI = auto()
    SMI = auto()
    INIT = auto()
    START_UP = auto()


@dataclass(frozen=True, slots=True)
class CoreSignal:
    """For the machine: core `core_id` receives `event`; `vector` is the start-up page of a SIPI."""

    core_id: int
    event: CoreEvent
    vector: int = 0


@dataclass(frozen=True, slots=True)
class ConsoleOutput:
    """For the machine: bytes for the host's console."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ExitRequest:
    """For the machine: the guest wrote `value` to the debug-exit port."""

    value: int


@dataclass(frozen=True, slots=True)
class A20Gate:
    """For the machine: address line 20 was enabled or masked."""

    is_enabled: bool


@dataclass(frozen=True, slots=True)
class SystemReset:
    """For the machine: a chip asked for a reset of the whole machine."""


Message = (
    IrqLine
    | PicOutput
    | InterruptMessage
    | EndOfInterrupt
    | CoreSignal
    | ConsoleOutput
    | ExitRequest
    | A20Gate
    | SystemReset
)
Messages = tuple[Message, ...]
