"""Which registers a local APIC has in its two modes, and what x2APIC mode lets a WRMSR set.

Source: Intel SDM volume 3A, tables "Local APIC Register Address Map" and "Local APIC Register
Address Map Supported by x2APIC", section "Reserved Bit Checking".
"""

from collections.abc import Mapping
from types import MappingProxyType

from uniSMP.arch.apic import X2APIC_MSR_BASE
from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.devices import interrupt_command
from uniSMP.devices.apic_timer import DIVIDE_BITS
from uniSMP.devices.local_vector_table import READ_ONLY_BITS, WRITABLE_BITS

SVR_BITS = 0x1FF
"""Spurious vector and APIC enable; this version has neither focus checking nor suppression."""
_COUNT_BITS = 0xFFFF_FFFF
_BITMAPS = range(Reg.ISR, Reg.ESR, 0x10)

_WRITE_ONLY = frozenset({Reg.EOI, Reg.SELF_IPI})
_XAPIC_ONLY = frozenset({Reg.APR, Reg.RRD, Reg.DFR, Reg.ICR_HIGH})
_ABSENT = frozenset({Reg.LVT_CMCI})

XAPIC_REGISTERS = (frozenset(Reg) | frozenset(_BITMAPS)) - _ABSENT - {Reg.SELF_IPI}
"""Offsets in the page that are not reserved. APR and RRD are not supported but no error."""
X2APIC_READABLE = (frozenset(Reg) | frozenset(_BITMAPS)) - _ABSENT - _XAPIC_ONLY - _WRITE_ONLY
"""Offsets whose MSR can be read."""
X2APIC_ACCEPTED_BITS: Mapping[int, int] = MappingProxyType(
    {
        Reg.TPR: 0xFF,
        Reg.EOI: 0,
        Reg.SVR: SVR_BITS,
        Reg.ESR: 0,
        Reg.ICR_LOW: interrupt_command.X2APIC_ACCEPTED_BITS,
        Reg.TIMER_INITIAL_COUNT: _COUNT_BITS,
        Reg.TIMER_DIVIDE: DIVIDE_BITS,
        Reg.SELF_IPI: 0xFF,
    }
    | {offset: WRITABLE_BITS[offset] | READ_ONLY_BITS[offset] for offset in WRITABLE_BITS}
)
"""Bits a WRMSR may set without #GP, by offset; a register not listed cannot be written."""


def offset_of(msr: int) -> int:
    """Return the xAPIC page offset of the register behind MSR `msr`."""
    return (msr - X2APIC_MSR_BASE) << 4
