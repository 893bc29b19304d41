"""The local vector table: how a core's own interrupt sources are delivered.

Source: Intel SDM volume 3A, section "Local Vector Table". Version 0x14 with six entries: there is
no LVT CMCI register.
"""

from collections.abc import Mapping
from types import MappingProxyType

from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.arch.apic import TimerMode
from uniSMP.devices.interrupt_entry import (
    ACTIVE_LOW,
    DELIVERY_MODE_MASK,
    DELIVERY_STATUS,
    LEVEL_TRIGGERED,
    MASKED,
    REMOTE_IRR,
    VECTOR_MASK,
)

TIMER_MODE_MASK = 3 << 17
_TIMER_MODES = {mode << 17: mode for mode in TimerMode}
_SOURCE = VECTOR_MASK | DELIVERY_MODE_MASK | MASKED
_PIN = _SOURCE | ACTIVE_LOW | LEVEL_TRIGGERED

WRITABLE_BITS: Mapping[int, int] = MappingProxyType(
    {
        Reg.LVT_TIMER: VECTOR_MASK | MASKED | TIMER_MODE_MASK,
        Reg.LVT_THERMAL: _SOURCE,
        Reg.LVT_PERFORMANCE: _SOURCE,
        Reg.LVT_LINT0: _PIN,
        Reg.LVT_LINT1: _PIN,
        Reg.LVT_ERROR: VECTOR_MASK | MASKED,
    }
)
"""Writable bits of each entry, by register offset."""
READ_ONLY_BITS: Mapping[int, int] = MappingProxyType(
    {
        Reg.LVT_TIMER: DELIVERY_STATUS,
        Reg.LVT_THERMAL: DELIVERY_STATUS,
        Reg.LVT_PERFORMANCE: DELIVERY_STATUS,
        Reg.LVT_LINT0: DELIVERY_STATUS | REMOTE_IRR,
        Reg.LVT_LINT1: DELIVERY_STATUS | REMOTE_IRR,
        Reg.LVT_ERROR: DELIVERY_STATUS,
    }
)
"""Bits whose written value is ignored, by register offset; all others are reserved."""


def reset_entries() -> dict[int, int]:
    """Return the table after power-up, by register offset: everything masked."""
    return dict.fromkeys((int(register) for register in WRITABLE_BITS), MASKED)


def timer_mode(entry: int) -> TimerMode | None:
    """Return the mode field of an LVT timer entry, None for the reserved encoding 11b."""
    return _TIMER_MODES.get(entry & TIMER_MODE_MASK)


def merged(register: int, old: int, written: int) -> int:
    """Return what an entry holds after a write.

    Remote IRR survives only as long as the entry stays level-triggered, and the reserved timer
    mode leaves the mode as it was.
    """
    writable = WRITABLE_BITS[register]
    if register == Reg.LVT_TIMER and timer_mode(written) is None:
        writable &= ~TIMER_MODE_MASK
    new = old & ~writable | written & writable
    return new if new & LEVEL_TRIGGERED else new & ~REMOTE_IRR
