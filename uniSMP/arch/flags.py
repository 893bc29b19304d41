"""Bits of RFLAGS, the control registers and IA32_EFER.

Source: Intel SDM volume 3A, sections "System Flags and Fields in the EFLAGS Register" and
"Control Registers"; volume 4 for IA32_EFER.
"""

from enum import IntFlag


class Rflags(IntFlag):
    """Bits of RFLAGS."""

    CF = 1 << 0
    ALWAYS_ONE = 1 << 1
    PF = 1 << 2
    AF = 1 << 4
    ZF = 1 << 6
    SF = 1 << 7
    TF = 1 << 8
    IF = 1 << 9
    DF = 1 << 10
    OF = 1 << 11
    NT = 1 << 14
    RF = 1 << 16
    VM = 1 << 17
    AC = 1 << 18
    VIF = 1 << 19
    VIP = 1 << 20
    ID = 1 << 21


IOPL_SHIFT = 12
STATUS_FLAGS = 0x8D5
"""CF, PF, AF, ZF, SF and OF: what the engine keeps lazily."""


class Cr0(IntFlag):
    """Bits of CR0."""

    PE = 1 << 0
    MP = 1 << 1
    EM = 1 << 2
    TS = 1 << 3
    ET = 1 << 4
    NE = 1 << 5
    WP = 1 << 16
    AM = 1 << 18
    NW = 1 << 29
    CD = 1 << 30
    PG = 1 << 31


class Cr4(IntFlag):
    """Bits of CR4 that the harness looks at."""

    VME = 1 << 0
    TSD = 1 << 2
    PSE = 1 << 4
    PAE = 1 << 5
    PGE = 1 << 7
    PCE = 1 << 8
    UMIP = 1 << 11
    LA57 = 1 << 12
    PCIDE = 1 << 17
    OSXSAVE = 1 << 18
    SMEP = 1 << 20
    SMAP = 1 << 21


class Efer(IntFlag):
    """Bits of IA32_EFER."""

    SCE = 1 << 0
    LME = 1 << 8
    LMA = 1 << 10
    NXE = 1 << 11


class Dr6(IntFlag):
    """Bits of DR6."""

    BD = 1 << 13
    BS = 1 << 14
    BT = 1 << 15
