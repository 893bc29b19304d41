"""Model-specific registers: which exist, which values they take, and who keeps them.

Source: Intel SDM volume 4; volume 3A, sections "IA32_EFER" and "Memory Type Range Registers";
volume 2B, instructions RDMSR and WRMSR (an unknown register or a reserved bit is #GP(0)).
"""

from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.flags import Cr0, Efer
from uniSMP.arch.msr import MTRR_VARIABLE, X2APIC, Msr
from uniSMP.arch.paging import PHYSICAL_BITS
from uniSMP.core import context as cx
from uniSMP.core.cpuid import VALID_EFER
from uniSMP.core.engine import Engine
from uniSMP.core.guest_memory import is_canonical
from uniSMP.core.platform import Platform

_LME = int(Efer.LME)
_LMA = int(Efer.LMA)
_PG = int(Cr0.PG)
_PLATFORM = frozenset({Msr.TSC, Msr.APIC_BASE, Msr.TSC_ADJUST, Msr.TSC_DEADLINE})
_ADDRESSES = frozenset(
    {
        Msr.SYSENTER_ESP,
        Msr.SYSENTER_EIP,
        Msr.LSTAR,
        Msr.CSTAR,
        Msr.FS_BASE,
        Msr.GS_BASE,
        Msr.KERNEL_GS_BASE,
    }
)
_IN_ENGINE = frozenset({Msr.SYSENTER_CS, Msr.STAR, Msr.SFMASK, Msr.TSC_AUX, Msr.PAT}) | _ADDRESSES
_WIDTH_32 = frozenset({Msr.SFMASK, Msr.TSC_AUX})
_MTRR_FIXED = frozenset(
    {
        Msr.MTRR_FIX64K_00000,
        Msr.MTRR_FIX16K_80000,
        Msr.MTRR_FIX16K_A0000,
        *range(Msr.MTRR_FIX4K_C0000, Msr.MTRR_FIX4K_F8000 + 1),
    }
)
_FEATURE_CONTROL_LOCKED = 1
_READ_ONLY = {
    Msr.MTRRCAP: 0x508,
    Msr.PLATFORM_ID: 0,
    Msr.MCG_CAP: 0,
    Msr.FEATURE_CONTROL: _FEATURE_CONTROL_LOCKED,
}
_STORED = (
    frozenset({Msr.MTRR_DEF_TYPE, Msr.MISC_ENABLE, Msr.BIOS_SIGN_ID})
    | frozenset({Msr.DEBUGCTL, Msr.MCG_STATUS})
    | _MTRR_FIXED
    | frozenset(MTRR_VARIABLE)
)
_RESET = {Msr.MISC_ENABLE: 1}
_MEMORY_TYPES = frozenset({0, 1, 4, 5, 6})
_MTRR_BASE_RESERVED = 0xF00
_MTRR_MASK_RESERVED = 0x7FF
_PAT_TYPES = _MEMORY_TYPES | {7}
PAT_RESET = 0x0007_0406_0007_0406


def _bytes_of(value: int) -> list[int]:
    return list(value.to_bytes(8, "little"))


def _is_bad_range(number: int, value: int) -> bool:
    """Return whether half of a variable-range MTRR (base even, mask odd) has a reserved bit."""
    if value >> PHYSICAL_BITS:
        return True
    if number & 1:
        return bool(value & _MTRR_MASK_RESERVED)
    return bool(value & _MTRR_BASE_RESERVED) or value & 0xFF not in _MEMORY_TYPES


class ModelSpecificRegisters:
    """The MSRs of one core.

    Attributes:
        stored: registers without an effect here, kept so that they read back.
    """

    def __init__(self, engine: Engine, platform: Platform) -> None:
        self._engine = engine
        self._context = engine.context
        self._platform = platform
        self.stored: dict[int, int] = {}

    def reset(self) -> None:
        """Put the stored registers into their reset state."""
        self.stored = {int(number): value for number, value in _RESET.items()}

    def read(self, number: int) -> int:
        """Return an MSR.

        Raises:
            Fault: #GP(0), there is no such register.
        """
        if number == Msr.EFER:
            return self._context.quad(cx.EFER)
        if number in _IN_ENGINE:
            return self._engine.read_msr(number)
        if number in _PLATFORM or number in X2APIC:
            value = self._platform.read_msr(number)
            if value is None:
                raise Fault(Vector.GP, 0)
            return value
        if number in _STORED:
            return self.stored.get(number, 0)
        if number in _READ_ONLY:
            return _READ_ONLY[Msr(number)]
        raise Fault(Vector.GP, 0)

    def write(self, number: int, value: int) -> None:
        """Set an MSR.

        Raises:
            Fault: #GP(0), no such register, read-only, or a value it does not take.
        """
        if number == Msr.EFER:
            self._write_efer(value)
        elif number in _IN_ENGINE:
            self._check(number, value)
            self._engine.write_msr(number, value)
        elif number in _PLATFORM or number in X2APIC:
            if not self._platform.write_msr(number, value):
                raise Fault(Vector.GP, 0)
        elif number in _STORED:
            self._check(number, value)
            self.stored[number] = value
        else:
            raise Fault(Vector.GP, 0)

    def _check(self, number: int, value: int) -> None:
        """Refuse values with reserved bits or types."""
        is_bad = (
            (number in _ADDRESSES and not is_canonical(value))
            or (number in _WIDTH_32 and value >> 32)
            or (number == Msr.PAT and not _PAT_TYPES.issuperset(_bytes_of(value)))
            or (number in _MTRR_FIXED and not _MEMORY_TYPES.issuperset(_bytes_of(value)))
            or (number == Msr.MTRR_DEF_TYPE and value & ~0xCFF)
            or (number == Msr.MTRR_DEF_TYPE and value & 0xFF not in _MEMORY_TYPES)
            or (number == Msr.MCG_STATUS and value)
            or (number in MTRR_VARIABLE and _is_bad_range(number, value))
        )
        if is_bad:
            raise Fault(Vector.GP, 0)

    def _write_efer(self, value: int) -> None:
        old = self._context.quad(cx.EFER)
        is_paging = self._context.quad(cx.CR0) & _PG
        if value & ~VALID_EFER or (is_paging and (old ^ value) & _LME):
            raise Fault(Vector.GP, 0)
        self._engine.write_msr(Msr.EFER, (value & ~_LMA) | (old & _LMA))
        self._engine.flush_tlb()
