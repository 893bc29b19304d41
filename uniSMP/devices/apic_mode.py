"""IA32_APIC_BASE: where the local APIC is and in which mode.

Source: Intel SDM volume 3A, sections "Local APIC Status and Location" and "x2APIC State
Transitions". The BSP flag is set by the reset and kept on every write.
"""

from enum import Enum

from uniSMP.arch.apic import LOCAL_APIC_BASE, ApicBase
from uniSMP.arch.paging import PHYSICAL_BITS

_MODE_BITS = int(ApicBase.ENABLE | ApicBase.X2APIC_ENABLE)
_BSP = int(ApicBase.BSP)
_ADDRESS_BITS = ((1 << PHYSICAL_BITS) - 1) & ~0xFFF


class ApicMode(Enum):
    """Valid values of the two enable bits."""

    DISABLED = 0
    XAPIC = int(ApicBase.ENABLE)
    X2APIC = _MODE_BITS


_MODES = {mode.value: mode for mode in ApicMode}
_FORBIDDEN = ((ApicMode.DISABLED, ApicMode.X2APIC), (ApicMode.X2APIC, ApicMode.XAPIC))


def reset_base(*, is_bsp: bool) -> int:
    """Return the register after power-up: xAPIC mode at the default address."""
    return LOCAL_APIC_BASE | ApicMode.XAPIC.value | (_BSP if is_bsp else 0)


def mode_of(base: int) -> ApicMode:
    """Return the mode of a valid register value."""
    return _MODES[base & _MODE_BITS]


def address_of(base: int) -> int:
    """Return the physical address of the register page."""
    return base & _ADDRESS_BITS


def written_base(old: int, value: int) -> int | None:
    """Return the register after a WRMSR of `value`, None if that is #GP."""
    if value & ~(_ADDRESS_BITS | _MODE_BITS | _BSP):
        return None
    if value & _MODE_BITS == ApicBase.X2APIC_ENABLE:
        return None
    if (mode_of(old), mode_of(value)) in _FORBIDDEN:
        return None
    return value & ~_BSP | old & _BSP
