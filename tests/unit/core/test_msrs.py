"""Model-specific registers (SDM volume 4)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import CODE, CS64, Lab, cx

from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.msr import Msr
from uniSMP.core.msrs import PAT_RESET, ModelSpecificRegisters

NOT_CANONICAL = 1 << 47


@pytest.fixture
def msrs(long_mode: Lab) -> ModelSpecificRegisters:
    return long_mode.core.msrs


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (Msr.EFER, 0xD01),
        (Msr.PAT, PAT_RESET),
        (Msr.APIC_BASE, 0xFEE0_0900),
        (Msr.TSC_ADJUST, 0),
        (Msr.MTRRCAP, 0x508),
        (Msr.PLATFORM_ID, 0),
        (Msr.MCG_CAP, 0),
        (Msr.FEATURE_CONTROL, 1),
        (Msr.MISC_ENABLE, 1),
        (Msr.MTRR_DEF_TYPE, 0),
        (Msr.SYSENTER_CS, 0),
        (Msr.STAR, 0),
        (Msr.LSTAR, 0),
        (Msr.SFMASK, 0),
        (Msr.TSC_AUX, 0),
        (Msr.KERNEL_GS_BASE, 0),
    ],
)
def test_msr_after_a_reset_has_its_value(
    msrs: ModelSpecificRegisters, number: int, expected: int
) -> None:
    assert msrs.read(number) == expected


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (Msr.SYSENTER_CS, 0x1234),
        (Msr.SYSENTER_ESP, 0xFFFF_8000_0000_0000),
        (Msr.SYSENTER_EIP, 0x7FFF_FFFF_FFFF),
        (Msr.STAR, 0xFFFF_FFFF_FFFF_FFFF),
        (Msr.LSTAR, 0xFFFF_FFFF_FFFF_FFFF),
        (Msr.CSTAR, 0x1234_5678),
        (Msr.SFMASK, 0xFFFF_FFFF),
        (Msr.FS_BASE, 0xFFFF_8000_0000_1000),
        (Msr.GS_BASE, 0x1000),
        (Msr.KERNEL_GS_BASE, 0x7000_0000_0000),
        (Msr.TSC_AUX, 0xFFFF_FFFF),
        (Msr.PAT, 0x0706_0504_0100_0706),
        (Msr.MTRR_DEF_TYPE, 0xC06),
        (Msr.MTRR_FIX64K_00000, 0x0606_0606_0606_0606),
        (Msr.MTRR_FIX4K_C0000, 0x0506_0401_0006_0605),
        (0x200, 0xFF_FFFF_F006),
        (0x201, 0xFF_FFFF_F800),
        (0x20F, 0),
        (Msr.BIOS_SIGN_ID, 0),
        (Msr.DEBUGCTL, 1),
        (Msr.MCG_STATUS, 0),
        (Msr.TSC_ADJUST, 0xFFFF_FFFF_FFFF_FFFF),
        (Msr.TSC, 1 << 40),
    ],
)
def test_msr_reads_back_what_was_written(
    msrs: ModelSpecificRegisters, number: int, value: int
) -> None:
    msrs.write(number, value)
    assert msrs.read(number) == value


@pytest.mark.parametrize(
    "number", [0, 0x1C, 0x40, 0x17B, 0x210, 0x830 - 1, 0x900, 0xC000_0085, 0xC001_0000]
)
def test_msr_that_does_not_exist_is_gp(msrs: ModelSpecificRegisters, number: int) -> None:
    with pytest.raises(Fault) as reading:
        msrs.read(number)
    with pytest.raises(Fault) as writing:
        msrs.write(number, 0)
    assert (reading.value.vector, reading.value.error_code) == (Vector.GP, 0)
    assert (writing.value.vector, writing.value.error_code) == (Vector.GP, 0)


@pytest.mark.parametrize("number", [Msr.MTRRCAP, Msr.PLATFORM_ID, Msr.MCG_CAP, Msr.FEATURE_CONTROL])
def test_msr_that_is_read_only_or_locked_refuses_writes(
    msrs: ModelSpecificRegisters, number: int
) -> None:
    with pytest.raises(Fault):
        msrs.write(number, msrs.read(number))


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (Msr.SYSENTER_ESP, NOT_CANONICAL),
        (Msr.SYSENTER_EIP, NOT_CANONICAL),
        (Msr.LSTAR, NOT_CANONICAL),
        (Msr.CSTAR, NOT_CANONICAL),
        (Msr.FS_BASE, NOT_CANONICAL),
        (Msr.GS_BASE, 0xFFFF_7FFF_FFFF_FFFF),
        (Msr.KERNEL_GS_BASE, 1 << 63),
        (Msr.SFMASK, 1 << 32),
        (Msr.TSC_AUX, 1 << 32),
        (Msr.PAT, 2),
        (Msr.PAT, 3 << 56),
        (Msr.PAT, 8 << 8),
        (Msr.MTRR_FIX16K_80000, 2),
        (Msr.MTRR_FIX16K_A0000, 7 << 56),
        (Msr.MTRR_DEF_TYPE, 0x100),
        (Msr.MTRR_DEF_TYPE, 7),
        (Msr.MTRR_DEF_TYPE, 1 << 32),
        (0x200, 0x100),
        (0x200, 2),
        (0x202, 1 << 40),
        (0x201, 1),
        (0x203, 0x400),
        (0x205, 1 << 40),
        (Msr.MCG_STATUS, 1),
        (Msr.EFER, 1 << 1),
        (Msr.EFER, 0xD01 | 1 << 14),
        (Msr.APIC_BASE, 1),
    ],
)
def test_msr_refuses_reserved_bits_and_values(
    msrs: ModelSpecificRegisters, number: int, value: int
) -> None:
    before = msrs.read(number)
    with pytest.raises(Fault) as caught:
        msrs.write(number, value)
    assert (caught.value.vector, caught.value.error_code) == (Vector.GP, 0)
    assert msrs.read(number) == before


def test_efer_with_paging_on_keeps_lme(msrs: ModelSpecificRegisters) -> None:
    with pytest.raises(Fault):
        msrs.write(Msr.EFER, 0x801)
    assert msrs.read(Msr.EFER) == 0xD01


def test_efer_lma_cannot_be_written(msrs: ModelSpecificRegisters) -> None:
    msrs.write(Msr.EFER, 0x901)
    assert msrs.read(Msr.EFER) == 0xD01


def test_efer_without_paging_takes_lme_but_no_lma(real_mode: Lab) -> None:
    real_mode.core.msrs.write(Msr.EFER, 0xD00)
    assert real_mode.core.msrs.read(Msr.EFER) == 0x900


def test_efer_write_that_clears_nxe_makes_the_bit_reserved(long_mode: Lab) -> None:
    long_mode.map_page(0x80_0000_0000, 0x5_0003 | 1 << 63)
    read = "mov rax, 0x8000000000\nmov bl, [rax]\n"
    write = "mov ecx, 0xC0000080\nmov eax, 0x501\nxor edx, edx\nwrmsr\n"
    entry = long_mode.enter(read + write + read)
    assert (entry.vector, entry.frame[0]) == (14, 9)


def test_fs_base_written_by_wrmsr_is_used(long_mode: Lab) -> None:
    long_mode.quad(0x5_0008, 77)
    long_mode.run(
        "mov ecx, 0xC0000100\nmov eax, 0x50000\nxor edx, edx\nwrmsr\nmov rbx, fs:[8]\nhlt"
    )
    assert long_mode.registers["rbx"] == 77
    assert long_mode.context.segment(cx.FS).base == 0x5_0000


def test_x2apic_register_in_xapic_mode_is_gp(long_mode: Lab) -> None:
    entry = long_mode.enter("mov ecx, 0x802\nrdmsr")
    assert (entry.vector, entry.frame[:3]) == (13, [0, CODE + 5, CS64])


def test_x2apic_id_after_the_switch_is_readable(long_mode: Lab) -> None:
    long_mode.run(
        "mov ecx, 0x1B\nmov eax, 0xFEE00D00\nxor edx, edx\nwrmsr\nmov ecx, 0x803\nrdmsr\nhlt"
    )
    assert long_mode.registers["rax"] & 0xFF == 0x14


def test_tsc_adjust_moves_the_counter(long_mode: Lab) -> None:
    long_mode.run("mov ecx, 0x3B\nmov eax, 1000\nxor edx, edx\nwrmsr\nrdtsc\nhlt")
    assert long_mode.registers["rax"] == 1004


def test_init_keeps_the_stored_registers(long_mode: Lab) -> None:
    long_mode.core.msrs.write(Msr.MTRR_DEF_TYPE, 0xC06)
    long_mode.core.init()
    assert long_mode.core.msrs.read(Msr.MTRR_DEF_TYPE) == 0xC06


def test_power_on_resets_the_stored_registers(long_mode: Lab) -> None:
    long_mode.core.msrs.write(Msr.MTRR_DEF_TYPE, 0xC06)
    long_mode.core.power_on()
    assert long_mode.core.msrs.read(Msr.MTRR_DEF_TYPE) == 0


ONE = Lab("long")


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    number=st.one_of(
        st.sampled_from([int(number) for number in Msr]),
        st.integers(0, 0x1000),
        st.integers(0xC000_0000, 0xC000_0200),
        st.integers(0, (1 << 32) - 1),
    ),
    value=st.integers(0, (1 << 64) - 1),
)
def test_msr_of_any_number_and_value_is_taken_or_gp(number: int, value: int) -> None:
    before = ONE.context.save()
    faults = []
    try:
        ONE.core.msrs.write(number, value)
    except Fault as fault:
        faults.append((fault.vector, fault.error_code))
    finally:
        ONE.context.restore(before)
    assert faults in ([], [(Vector.GP, 0)])
