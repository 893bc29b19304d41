"""The processor that guests see: CPUID leaves and the control-register bits that go with them.

Nothing is advertised that the engine or the harness lacks. The vendor string is Intel's, because
guests choose SYSCALL and APIC behaviour by it, and this machine follows the Intel SDM.

Source: Intel SDM volume 2A, instruction CPUID.
"""

from uniSMP.arch.flags import Cr4, Efer
from uniSMP.arch.paging import PHYSICAL_BITS
from uniSMP.arch.time import TICKS_PER_SECOND

Leaf = tuple[int, int, int, int]

SIGNATURE = 0x0001_06A5
"""Family 6, model 0x1A, stepping 5: a processor of the feature level advertised here."""
_FPU_TO_SSE2 = 0x0783_FBFF & ~(1 << 1) & ~(1 << 7) & ~(1 << 14)
"""FPU DE PSE TSC MSR PAE CX8 APIC SEP MTRR PGE CMOV PAT PSE36 MMX FXSR SSE SSE2."""
_CLFLUSH = 1 << 19
_HTT = 1 << 28
_APIC = 1 << 9
_SSE3_SSSE3_CX16_SSE41_SSE42 = 1 << 0 | 1 << 9 | 1 << 13 | 1 << 19 | 1 << 20
_X2APIC = 1 << 21
_MOVBE_POPCNT = 1 << 22 | 1 << 23
_TSC_DEADLINE = 1 << 24
_HYPERVISOR = 1 << 31
_SMEP_SMAP = 1 << 7 | 1 << 20
_EXTENDED_EDX = 1 << 11 | 1 << 20 | 1 << 26 | 1 << 27 | 1 << 29
"""SYSCALL, NX, 1 GiB pages, RDTSCP, long mode."""
_LAHF = 1
_INVARIANT_TSC = 1 << 8
_HIGHEST_BASIC = 0x16
_HIGHEST_EXTENDED = 0x8000_0008
_HYPERVISOR_LEAF = 0x4000_0000
_BRAND = b"uniSMP virtual x86-64 processor".ljust(48, b"\0")

VALID_CR4 = int(
    Cr4.TSD
    | 1 << 3
    | Cr4.PSE
    | Cr4.PAE
    | Cr4.PGE
    | Cr4.PCE
    | 1 << 9
    | 1 << 10
    | Cr4.SMEP
    | Cr4.SMAP
)
"""CR4 bits a guest may set: TSD DE PSE PAE PGE PCE OSFXSR OSXMMEXCPT SMEP SMAP."""
VALID_EFER = int(Efer.SCE | Efer.LME | Efer.LMA | Efer.NXE)


def _text(data: bytes) -> Leaf:
    words = [int.from_bytes(data[i : i + 4], "little") for i in range(0, 16, 4)]
    return words[0], words[1], words[2], words[3]


def _features(core_id: int, cores: int, *, has_apic: bool) -> Leaf:
    ebx = 8 << 8 | min(cores, 255) << 16 | (core_id & 0xFF) << 24
    ecx = _SSE3_SSSE3_CX16_SSE41_SSE42 | _X2APIC | _MOVBE_POPCNT | _TSC_DEADLINE | _HYPERVISOR
    edx = _FPU_TO_SSE2 | _CLFLUSH | (_HTT if cores > 1 else 0)
    if not has_apic:
        edx &= ~_APIC
    return SIGNATURE, ebx, ecx, edx


def _topology(subleaf: int, core_id: int, cores: int) -> Leaf:
    """Return leaf 0xB: one thread a core, all cores in one package."""
    if subleaf == 0:
        return 0, 1, 1 << 8, core_id
    if subleaf == 1:
        return (cores - 1).bit_length(), cores, 2 << 8 | 1, core_id
    return 0, 0, subleaf & 0xFF, core_id


def _caches(subleaf: int, cores: int) -> Leaf:
    """Return leaf 4: 32 KiB level-1 caches and a shared 1 MiB level-2 cache, 64-byte lines."""
    share = (1 << (cores - 1).bit_length()) - 1
    ids = share << 26
    if subleaf in (0, 1):
        return ids | 1 << 5 | (1 + subleaf), 7 << 22 | 63, 63, 0
    if subleaf == 2:  # noqa: PLR2004 - the level-2 cache
        return ids | share << 14 | 2 << 5 | 3, 15 << 22 | 63, 1023, 0
    return 0, 0, 0, 0


def cpuid(leaf: int, subleaf: int, core_id: int, cores: int, *, has_apic: bool) -> Leaf:
    """Return EAX, EBX, ECX, EDX of one leaf.

    Args:
        leaf: EAX.
        subleaf: ECX.
        core_id: this core's initial APIC ID.
        cores: number of cores, 1-255.
        has_apic: whether the local APIC is enabled in IA32_APIC_BASE.
    """
    if _HIGHEST_BASIC < leaf < _HYPERVISOR_LEAF or leaf > _HIGHEST_EXTENDED:
        leaf = _HIGHEST_BASIC  # beyond the highest leaf: the data of the highest basic one
    if leaf == 1:
        return _features(core_id, cores, has_apic=has_apic)
    if leaf == 4:  # noqa: PLR2004 - leaves are known by their numbers
        return _caches(subleaf, cores)
    if leaf == 0xB:  # noqa: PLR2004
        return _topology(subleaf, core_id, cores)
    if leaf == 7 and subleaf == 0:  # noqa: PLR2004
        return 0, _SMEP_SMAP, 0, 0
    return _FIXED.get(leaf, (0, 0, 0, 0))


_MEGAHERTZ = TICKS_PER_SECOND // 1_000_000
_FIXED: dict[int, Leaf] = {
    0: (_HIGHEST_BASIC, 0x756E_6547, 0x6C65_746E, 0x4965_6E69),
    2: (0xFF01, 0, 0, 0),  # descriptor 0xFF: leaf 4 tells of the caches
    0x15: (1, 1, TICKS_PER_SECOND, 0),
    0x16: (_MEGAHERTZ, _MEGAHERTZ, _MEGAHERTZ, 0),
    0x4000_0000: (0x4000_0000, 0x5369_6E75, 0x6E75_504D, 0x504D_5369),
    0x8000_0000: (_HIGHEST_EXTENDED, 0, 0, 0),
    0x8000_0001: (0, 0, _LAHF, _EXTENDED_EDX),
    0x8000_0002: _text(_BRAND[0:16]),
    0x8000_0003: _text(_BRAND[16:32]),
    0x8000_0004: _text(_BRAND[32:48]),
    0x8000_0006: (0, 0, 64 | 8 << 12 | 1024 << 16, 0),
    0x8000_0007: (0, 0, 0, _INVARIANT_TSC),
    0x8000_0008: (PHYSICAL_BITS | 48 << 8, 0, 0, 0),
}
