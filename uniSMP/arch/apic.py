"""Register offsets and bits of the local APIC and of the IOAPIC.

Source: Intel 64 and IA-32 Architectures SDM, volume 3A, chapter "Advanced Programmable Interrupt
Controller (APIC)" (edition 325462-083); Intel 82093AA IOAPIC datasheet, chapter 3.
"""

from enum import IntEnum, IntFlag

LOCAL_APIC_BASE = 0xFEE0_0000
"""Physical address of the local APIC page after reset."""
IO_APIC_BASE = 0xFEC0_0000
"""Physical address of the IOAPIC page."""
LOCAL_APIC_VERSION = 0x0005_0014
"""Version 0x14, six LVT entries, no EOI-broadcast suppression."""
X2APIC_MSR_BASE = 0x800
"""The MSR of the x2APIC register at xAPIC offset o is 0x800 + o / 16."""


class LocalApicRegister(IntEnum):
    """Byte offsets in the xAPIC page."""

    ID = 0x020
    VERSION = 0x030
    TPR = 0x080
    APR = 0x090
    PPR = 0x0A0
    EOI = 0x0B0
    RRD = 0x0C0
    LDR = 0x0D0
    DFR = 0x0E0
    SVR = 0x0F0
    ISR = 0x100
    TMR = 0x180
    IRR = 0x200
    ESR = 0x280
    LVT_CMCI = 0x2F0
    ICR_LOW = 0x300
    ICR_HIGH = 0x310
    LVT_TIMER = 0x320
    LVT_THERMAL = 0x330
    LVT_PERFORMANCE = 0x340
    LVT_LINT0 = 0x350
    LVT_LINT1 = 0x360
    LVT_ERROR = 0x370
    TIMER_INITIAL_COUNT = 0x380
    TIMER_CURRENT_COUNT = 0x390
    TIMER_DIVIDE = 0x3E0
    SELF_IPI = 0x3F0


class ApicBase(IntFlag):
    """Bits of IA32_APIC_BASE (MSR 0x1B)."""

    BSP = 1 << 8
    X2APIC_ENABLE = 1 << 10
    ENABLE = 1 << 11


class DeliveryMode(IntEnum):
    """Delivery mode field of the ICR, of LVT entries and of IOAPIC redirection entries."""

    FIXED = 0
    LOWEST_PRIORITY = 1
    SMI = 2
    NMI = 4
    INIT = 5
    START_UP = 6
    EXT_INT = 7


class DestinationMode(IntEnum):
    """How a destination field selects local APICs."""

    PHYSICAL = 0
    LOGICAL = 1


class TriggerMode(IntEnum):
    """Trigger mode of an interrupt."""

    EDGE = 0
    LEVEL = 1


class Shorthand(IntEnum):
    """Destination shorthand field of the ICR."""

    NONE = 0
    SELF = 1
    ALL_INCLUDING_SELF = 2
    ALL_EXCLUDING_SELF = 3


class TimerMode(IntEnum):
    """Timer mode field of the LVT timer entry, bits 18:17."""

    ONE_SHOT = 0
    PERIODIC = 1
    TSC_DEADLINE = 2


class ErrorStatus(IntFlag):
    """Bits of the ESR."""

    SEND_CHECKSUM = 1 << 0
    RECEIVE_CHECKSUM = 1 << 1
    SEND_ACCEPT = 1 << 2
    RECEIVE_ACCEPT = 1 << 3
    REDIRECTABLE_IPI = 1 << 4
    SEND_ILLEGAL_VECTOR = 1 << 5
    RECEIVE_ILLEGAL_VECTOR = 1 << 6
    ILLEGAL_REGISTER_ADDRESS = 1 << 7
