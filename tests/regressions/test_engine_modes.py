"""Modes and hidden state of the engine: docs/engine.md, rows M."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
import unicorn
from unicorn import UC_ARCH_X86, UC_MODE_16, UC_MODE_32, UC_MODE_64, Uc
from unicorn import x86_const as x86

from uniSMP.core import context as cx
from uniSMP.core import engine_build
from uniSMP.errors import EngineError

REAL_SEGMENT_OFFSETS = [cx.SEGMENTS + 24 * number for number in range(6)]

SIPI_TO_LONG = """
    test edi, edi
    jnz idle
    lea rsi, [rip + trampoline]
    mov rdi, 0x8000
    mov ecx, trampoline_end - trampoline
    rep movsb
    mov eax, 0xFEE00300
    mov dword ptr [rax - 0x210], 0x1FF      # software-enable the local APIC
    mov dword ptr [rax + 0x10], 0x01000000
    mov dword ptr [rax], 0x4500             # INIT
    mov dword ptr [rax], 0x4608             # SIPI, vector 8
wait:
    pause
    cmp dword ptr [0x2000], 0
    je wait
    jmp stop
idle:
    jmp idle
trampoline:
.code16
    cli
    mov ax, cs
    mov ds, ax
    .byte 0x66, 0x0F, 0x01, 0x16            # LGDT [table - trampoline], 32-bit operand
    .short gdt_pointer - trampoline
    mov eax, 0x20
    mov cr4, eax
    mov eax, 0x1F9000
    mov cr3, eax
    mov ecx, 0xC0000080
    mov eax, 0x100
    xor edx, edx
    wrmsr
    mov eax, 0x80000011
    mov cr0, eax
    .byte 0x66, 0xEA                        # JMP FAR 8:long_mode
    .long 0x8000 + long_mode - trampoline
    .short 8
.code64
long_mode:
    mov ax, 0x10
    mov ss, ax
    mov rax, 0x123456789ABCDEF0
    mov [0x2008], rax
    mov dword ptr [0x2000], 1
ap_end:
    jmp ap_end
gdt_pointer:
    .short 0x17
    .long 0x5000
trampoline_end:
"""


def real_mode_engine(raw: Callable[..., Uc], raw_state: type[Any], addseg: int) -> Uc:
    """Return a bare 64-bit engine patched into the real-mode state after a reset."""
    engine = raw()
    state = raw_state(engine)
    for offset in REAL_SEGMENT_OFFSETS:
        state.write(offset, 0, 4)
        state.write(offset + 8, 0, 8)
        state.write(offset + 16, 0xFFFF, 4)
        state.write(offset + 20, 0x9300, 4)
    state.write(cx.SEGMENTS + 24 * cx.CS + 20, 0x9B00, 4)
    for offset, value in ((cx.CR0, 0x60000010), (cx.CR3, 0), (cx.CR4, 0), (cx.EFER, 0)):
        state.write(offset, value, 8)
    state.write(cx.HFLAGS, addseg, 4)
    state.write(cx.HFLAGS2, 1, 4)
    state.write(cx.EFLAGS, 2, 8)
    return engine


@pytest.mark.parametrize("mode", [UC_MODE_16, UC_MODE_32])
def test_engine_opened_in_a_small_mode_cannot_read_rip(mode: int) -> None:
    engine = Uc(UC_ARCH_X86, mode)
    engine.mem_map(0, 0x1000)
    engine.mem_write(0x100, b"\x90\xf4")
    engine.emu_start(0x100, 0x101)
    assert engine.reg_read(x86.UC_X86_REG_EIP) == 0x101
    assert engine.reg_read(x86.UC_X86_REG_RIP) == 0


def test_machine_guest_going_from_real_to_long_mode_runs(guest: Callable[..., Any]) -> None:
    done = guest(SIPI_TO_LONG, cores=2)
    assert done.result.outcome == "FINISHED"
    assert done.word(1) == 0x1234_5678_9ABC_DEF0


def test_context_of_a_16_bit_engine_makes_a_64_bit_engine_run_real_mode(
    raw: Callable[..., Uc],
) -> None:
    small = Uc(UC_ARCH_X86, UC_MODE_16)
    small.mem_map(0, 0x1000)
    engine = raw()
    engine.mem_write(0x1000, bytes.fromhex("b83412 01c0 f4"))  # mov ax, 0x1234; add ax, ax; hlt
    engine.context_restore(small.context_save())
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(x86.UC_X86_REG_EAX) == 0x2468
    assert engine.reg_read(x86.UC_X86_REG_RIP) == 0x1006


@pytest.mark.parametrize(("addseg", "expected"), [(0x40, 0xAA), (0, 0x55)])
def test_patched_real_mode_adds_segment_bases_only_with_addseg(
    raw: Callable[..., Uc], raw_state: type[Any], addseg: int, expected: int
) -> None:
    engine = real_mode_engine(raw, raw_state, addseg)
    # mov ax, 0x300; mov ds, ax; mov al, [0]; hlt
    engine.mem_write(0x1000, bytes.fromhex("b80003 8ed8 a00000 f4"))
    engine.mem_write(0x3000, b"\xaa")
    engine.mem_write(0, b"\x55")
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(x86.UC_X86_REG_AL) == expected


def test_machine_real_mode_adds_segment_bases(guest: Callable[..., Any]) -> None:
    # Core 1: CS = 0x0800 after the SIPI; the value lies at DS:0 with DS = CS.
    source = SIPI_TO_LONG.replace("mov eax, 0x20\n", "mov [0x500], ax\n    mov eax, 0x20\n")
    done = guest(source, cores=2)
    assert done.machine.memory.read_integer(0x8500, 2) == 0x0800


def test_run_begins_at_the_offset_and_hooks_see_linear_addresses(
    raw: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = real_mode_engine(raw, raw_state, 0x40)
    state = raw_state(engine)
    state.write(cx.SEGMENTS + 24 * cx.CS, 0x100, 4)
    state.write(cx.SEGMENTS + 24 * cx.CS + 8, 0x1000, 8)
    engine.mem_write(0x1010, bytes.fromhex("90 f4"))
    seen: list[int] = []
    engine.hook_add(unicorn.UC_HOOK_CODE, lambda _uc, address, _size, _data: seen.append(address))
    engine.emu_start(0x10, 0)
    assert seen == [0x1010, 0x1011]
    assert engine.reg_read(x86.UC_X86_REG_RIP) == 0x12


def test_machine_real_mode_fault_reports_the_offset(guest: Callable[..., Any]) -> None:
    source = SIPI_TO_LONG.replace("    mov eax, 0x20\n", "spin: jmp spin\n", 1)
    done = guest(source, cores=2, max_instructions=2_000)
    assert done.register("rip", 1) == done.label("spin") - done.label("trampoline")


@pytest.mark.parametrize("register", ["CS", "DS", "ES", "SS"])
def test_writing_a_segment_register_sets_the_selector_only(
    raw: Callable[..., Uc], raw_state: type[Any], register: str
) -> None:
    engine = raw()
    offset = cx.SEGMENTS + 24 * getattr(cx, register)
    before = [raw_state(engine).read(offset + field, 4) for field in (8, 12, 16, 20)]
    engine.reg_write(getattr(x86, f"UC_X86_REG_{register}"), 0x28)
    assert raw_state(engine).read(offset, 4) == 0x28
    assert [raw_state(engine).read(offset + field, 4) for field in (8, 12, 16, 20)] == before


@pytest.mark.parametrize(
    ("register", "offset"), [("GDTR", cx.GDT), ("IDTR", cx.IDT), ("LDTR", cx.LDT), ("TR", cx.TR)]
)
def test_writing_a_table_register_takes_four_values(
    raw: Callable[..., Uc], raw_state: type[Any], register: str, offset: int
) -> None:
    engine = raw()
    engine.reg_write(getattr(x86, f"UC_X86_REG_{register}"), (0x28, 0x5000, 0x67, 0x8B00))
    state = raw_state(engine)
    assert (state.read(offset + 8, 8), state.read(offset + 16, 4)) == (0x5000, 0x67)


@pytest.mark.parametrize(
    ("register", "offset", "value"),
    [
        ("RAX", 0, 0x1122334455667788),
        ("RCX", 8, 0x1122334455667788),
        ("RDX", 16, 0x1122334455667788),
        ("RBX", 24, 0x1122334455667788),
        ("RSP", 32, 0x1122334455667788),
        ("R15", 120, 0x1122334455667788),
        ("RIP", cx.RIP, 0x123450),
        ("EFLAGS", cx.EFLAGS, 0x202),
        ("CR2", cx.CR2, 0x1234567),
        ("CR3", cx.CR3, 0x7000),
        ("CR4", cx.CR4, 0x620),
        ("DR0", cx.DR, 0x4321),
    ],
)
def test_context_bytes_hold_a_register_at_its_offset(
    raw: Callable[..., Uc], raw_state: type[Any], register: str, offset: int, value: int
) -> None:
    engine = raw()
    engine.reg_write(getattr(x86, f"UC_X86_REG_{register}"), value)
    assert raw_state(engine).read(offset, 8) == value


@pytest.mark.parametrize(
    ("number", "offset", "value"),
    [
        (0xC0000081, cx.STAR, 0x0010000800000000),
        (0xC0000082, cx.LSTAR, 0x123456),
        (0xC0000083, cx.CSTAR, 0x654321),
        (0xC0000084, cx.FMASK, 0x700),
        (0xC0000102, cx.KERNEL_GS_BASE, 0xABCDEF),
        (0xC0000103, cx.TSC_AUX, 0x77),
        (0x277, cx.PAT, 0x0007040600070406),
    ],
)
def test_context_bytes_hold_an_msr_at_its_offset(
    raw: Callable[..., Uc], raw_state: type[Any], number: int, offset: int, value: int
) -> None:
    engine = raw()
    engine.reg_write(x86.UC_X86_REG_MSR, (number, value))
    assert raw_state(engine).read(offset, 4) == value & 0xFFFF_FFFF


def test_context_bytes_of_a_64_bit_engine_have_its_mode_bits(
    raw: Callable[..., Uc], raw_state: type[Any]
) -> None:
    hflags = raw_state(raw()).read(cx.HFLAGS, 4)
    assert hflags & 0xC0B0 == 0xC0B0
    assert hflags & cx.HF_CPL == 0


def test_context_has_the_expected_size(raw: Callable[..., Uc], raw_library: ctypes.CDLL) -> None:
    raw_library.uc_context_size.restype = ctypes.c_size_t
    size = raw_library.uc_context_size(raw()._uch)
    assert size == 5608 == 40 + cx.SIZE_BYTES


@pytest.mark.parametrize("source", ["sti", "mov ss, ax"])
def test_interrupt_shadow_is_visible_right_after_its_instruction(
    raw: Callable[..., Uc], raw_state: type[Any], source: str
) -> None:
    engine = raw(f"{source}\nnop\nhlt")
    state = raw_state(engine)
    state.write(cx.GDT + 8, 0x5000, 8)
    state.write(cx.GDT + 16, 0x17, 4)
    engine.mem_write(0x5010, 0x00CF_9300_0000_FFFF.to_bytes(8, "little"))
    engine.reg_write(x86.UC_X86_REG_RAX, 0x10)
    engine.emu_start(0x1000, 0, count=1)
    assert raw_state(engine).read(cx.HFLAGS, 4) & cx.HF_INHIBIT_IRQ
    engine.emu_start(engine.reg_read(x86.UC_X86_REG_RIP), 0, count=1)
    assert not raw_state(engine).read(cx.HFLAGS, 4) & cx.HF_INHIBIT_IRQ


@pytest.mark.parametrize("version", ["2.1.3", "2.2.0"])
def test_engine_of_another_version_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    engine_build.check.cache_clear()
    monkeypatch.setattr(unicorn, "__version__", version)
    with pytest.raises(EngineError, match=r"unsupported build of Unicorn .* unicorn==2\.1\.4"):
        engine_build.check()


@pytest.mark.parametrize(
    ("name", "value"), [("_CONTEXT_BYTES", 5600), ("ENV_IN_CPU", 35400), ("CPU_POINTER", 448)]
)
def test_engine_with_another_layout_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    engine_build.check.cache_clear()
    monkeypatch.setattr(engine_build, name, value)
    with pytest.raises(EngineError, match="unsupported build of Unicorn"):
        engine_build.check()


def test_installed_engine_is_the_supported_one() -> None:
    assert unicorn.__version__ == "2.1.4"
    assert Uc(UC_ARCH_X86, UC_MODE_64) is not None
