"""Numbers of model-specific registers. Source: Intel SDM volume 4."""

from enum import IntEnum


class Msr(IntEnum):
    """The model-specific registers this machine has, beside the x2APIC range 0x800-0x8FF."""

    TSC = 0x10
    PLATFORM_ID = 0x17
    APIC_BASE = 0x1B
    FEATURE_CONTROL = 0x3A
    TSC_ADJUST = 0x3B
    BIOS_SIGN_ID = 0x8B
    MTRRCAP = 0xFE
    SYSENTER_CS = 0x174
    SYSENTER_ESP = 0x175
    SYSENTER_EIP = 0x176
    MCG_CAP = 0x179
    MCG_STATUS = 0x17A
    MISC_ENABLE = 0x1A0
    DEBUGCTL = 0x1D9
    MTRR_FIX64K_00000 = 0x250
    MTRR_FIX16K_80000 = 0x258
    MTRR_FIX16K_A0000 = 0x259
    MTRR_FIX4K_C0000 = 0x268
    MTRR_FIX4K_F8000 = 0x26F
    PAT = 0x277
    MTRR_DEF_TYPE = 0x2FF
    TSC_DEADLINE = 0x6E0
    EFER = 0xC000_0080
    STAR = 0xC000_0081
    LSTAR = 0xC000_0082
    CSTAR = 0xC000_0083
    SFMASK = 0xC000_0084
    FS_BASE = 0xC000_0100
    GS_BASE = 0xC000_0101
    KERNEL_GS_BASE = 0xC000_0102
    TSC_AUX = 0xC000_0103


MTRR_VARIABLE = range(0x200, 0x210)
"""MTRR_PHYSBASEn / MTRR_PHYSMASKn for eight variable ranges."""
X2APIC = range(0x800, 0x900)
