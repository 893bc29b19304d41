"""Instructions that the harness executes itself (SDM volume 2)."""

from collections.abc import Callable

import pytest
from lab import (
    CODE,
    CS32,
    CS64,
    DATA,
    DPL_3,
    DS,
    HANDLERS,
    INNER_STACK,
    KERNEL_STACK,
    USER_CS32,
    USER_CS64,
    USER_DS,
    USER_STACK,
    WINDOW,
    Lab,
    cx,
)

from uniSMP.core.core import Stop

TARGET = 0x10_8000
IF, TF, RF, NT = 0x200, 0x100, 0x1_0000, 0x4000
Bench = Callable[[str], Lab]


def write_msr(lab: Lab, number: int, value: int) -> None:
    lab.core.msrs.write(number, value)


def fault(lab: Lab, source: str) -> tuple[int, int]:
    """Run code that must fault; return the vector and where."""
    entry = lab.enter(source)
    return entry.vector, entry.frame[1 if entry.vector in {8, 10, 11, 12, 13, 14} else 0]


# -- what does not exist ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "code",
    [
        "0f c7 f0",  # RDRAND
        "0f c7 f8",  # RDSEED
        "f3 0f c7 f8",  # RDPID
        "0f 01 c8",  # MONITOR
        "0f 01 c9",  # MWAIT
        "0f 01 d0",  # XGETBV
        "0f 01 d1",  # XSETBV
        "0f 01 c1",  # VMCALL
        "0f 01 d8",  # VMRUN
        "0f 01 fc",  # CLZERO
        "f0 0f a2",  # LOCK CPUID
        "f0 0f 31",  # LOCK RDTSC
        "f0 0f 20 c0",  # LOCK MOV EAX, CR0, which is CR8 elsewhere
        "f0 90",  # LOCK NOP
        "f0 01 c0",  # LOCK ADD to a register
        "c5 f8 77",  # VZEROUPPER
        "0f 0b",  # UD2
        "0f ff c0",  # UD0
    ],
)
def test_instruction_that_is_not_advertised_is_ud(long_mode: Lab, code: str) -> None:
    long_mode.memory.write(CODE, bytes.fromhex("90" + code))
    long_mode.registers["rip"] = CODE
    assert fault(long_mode, "nop\n.byte " + ", ".join("0x" + b for b in code.split())) == (
        6,
        CODE + 1,
    )


@pytest.mark.parametrize(
    "source",
    [
        "push es",
        "into",
        "aam",
        "daa",
        "pushad",
        ".byte 0xEA, 0, 0, 0, 0, 8, 0",
        ".byte 0x82, 0xC0, 1",
    ],
)
def test_instruction_of_32_bit_code_is_ud_in_64_bit_mode(long_mode: Lab, source: str) -> None:
    codes = {"push es": 0x06, "into": 0xCE, "aam": 0xD4, "daa": 0x27, "pushad": 0x60}
    text = source if source.startswith(".") else f".byte {codes[source]}, 10"
    assert fault(long_mode, text) == (6, CODE)


# -- privilege -------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["long", "protected"])
@pytest.mark.parametrize(
    "source",
    [
        "hlt",
        "cli",
        "sti",
        "clts",
        "invd",
        "wbinvd",
        "rdmsr",
        "wrmsr",
        "rdpmc",
        "lgdt [0x50000]",
        "lidt [0x50000]",
        "lldt ax",
        "ltr ax",
        "lmsw ax",
        "invlpg [0x50000]",
        "sysexit",
        ".byte 0x0F, 0x20, 0xC0",  # MOV EAX, CR0
        ".byte 0x0F, 0x22, 0xC0",  # MOV CR0, EAX
        ".byte 0x0F, 0x22, 0xD8",  # MOV CR3, EAX
        ".byte 0x0F, 0x22, 0xE0",  # MOV CR4, EAX
        ".byte 0x0F, 0x21, 0xF8",  # MOV EAX, DR7
        ".byte 0x0F, 0x23, 0xF8",  # MOV DR7, EAX
    ],
)
def test_privileged_instruction_in_user_code_is_gp(bench: Bench, mode: str, source: str) -> None:
    lab = bench(mode)
    lab.enter_user()
    assert fault(lab, "nop\n" + source) == (13, CODE + 1)


@pytest.mark.parametrize("source", [".byte 0x0F, 0x07", ".byte 0x44, 0x0F, 0x20, 0xC0", "swapgs"])
def test_privileged_instruction_of_64_bit_user_code_is_gp(long_mode: Lab, source: str) -> None:
    long_mode.enter_user()
    assert fault(long_mode, source) == (13, CODE)


@pytest.mark.parametrize("source", ["sgdt [0x50000]", "sidt [0x50000]", "str ax", "sldt ax"])
def test_table_store_in_user_code_succeeds_without_umip(long_mode: Lab, source: str) -> None:
    long_mode.enter_user()
    assert fault(long_mode, source + "\nud2")[0] == 6


@pytest.mark.parametrize("source", ["cli", "sti"])
def test_cli_and_sti_in_user_code_within_iopl_succeed(protected_mode: Lab, source: str) -> None:
    protected_mode.enter_user()
    protected_mode.registers["rflags"] = 0x3002
    assert fault(protected_mode, source + "\nud2")[0] == 6


# -- CPUID, RDTSC, RDMSR ---------------------------------------------------------------------------


def test_cpuid_clears_the_upper_halves(long_mode: Lab) -> None:
    source = "".join(f"mov {r}, -1\n" for r in ("rbx", "rdx"))
    long_mode.run(source + "mov rax, 0xFF00000000\nmov rcx, -1\ncpuid\nhlt")
    names = ("rbx", "rdx", "rcx")
    vendor = b"".join(long_mode.registers[name].to_bytes(8, "little")[:4] for name in names)
    assert vendor == b"GenuineIntel"
    assert [long_mode.registers[name] >> 32 for name in names] == [0, 0, 0]


def test_cpuid_is_allowed_in_user_code(long_mode: Lab) -> None:
    long_mode.enter_user()
    assert fault(long_mode, "xor eax, eax\ncpuid\nud2")[0] == 6


def test_rdtsc_counts_retired_instructions(long_mode: Lab) -> None:
    long_mode.run("nop\nnop\nrdtsc\nmov ebx, eax\nnop\nrdtsc\nhlt")
    assert long_mode.registers["rbx"] == 2
    assert long_mode.registers["rax"] == 5


def test_rdtscp_returns_tsc_aux(long_mode: Lab) -> None:
    write_msr(long_mode, 0xC000_0103, 0x77)
    long_mode.run("mov rcx, -1\nrdtscp\nhlt")
    assert long_mode.registers["rcx"] == 0x77


def test_rdtsc_after_a_write_goes_on_from_there(long_mode: Lab) -> None:
    long_mode.run("mov ecx, 0x10\nmov edx, 5\nmov eax, 1000\nwrmsr\nnop\nrdtsc\nhlt")
    assert long_mode.registers["rdx"] == 5
    assert long_mode.registers["rax"] == 1002


@pytest.mark.parametrize("source", ["rdtsc", "rdtscp"])
def test_rdtsc_in_user_code_with_tsd_is_gp(long_mode: Lab, source: str) -> None:
    long_mode.context.set_quad(cx.CR4, long_mode.context.quad(cx.CR4) | 4)
    long_mode.enter_user()
    assert fault(long_mode, source) == (13, CODE)


def test_rdtsc_at_level_0_with_tsd_succeeds(long_mode: Lab) -> None:
    long_mode.context.set_quad(cx.CR4, long_mode.context.quad(cx.CR4) | 4)
    assert fault(long_mode, "rdtsc\nud2")[0] == 6


def test_rdmsr_splits_the_value(long_mode: Lab) -> None:
    write_msr(long_mode, 0xC000_0082, 0x1234_5678_9ABC)
    long_mode.run("mov rax, -1\nmov rdx, -1\nmov ecx, 0xC0000082\nrdmsr\nhlt")
    assert (long_mode.registers["rdx"], long_mode.registers["rax"]) == (0x1234, 0x5678_9ABC)


def test_wrmsr_joins_the_value_and_ignores_upper_halves(long_mode: Lab) -> None:
    long_mode.run(
        "mov rcx, 0xFFC0000082\nmov ecx, 0xC0000082\nmov rdx, 0xFF00001234\n"
        "mov rax, 0xFF56789ABC\nwrmsr\nhlt"
    )
    assert long_mode.registers["lstar"] == 0x1234_5678_9ABC


@pytest.mark.parametrize("source", ["rdmsr", "wrmsr"])
def test_msr_that_does_not_exist_is_gp_at_the_instruction(long_mode: Lab, source: str) -> None:
    assert fault(long_mode, "mov ecx, 0xDEAD\n" + source) == (13, CODE + 5)


def test_rdpmc_without_counters_is_gp(long_mode: Lab) -> None:
    assert fault(long_mode, "xor ecx, ecx\nrdpmc") == (13, CODE + 2)


# -- control and debug registers -------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        0x1_8000_0033,  # a bit above 31
        0x8000_0032,  # PG without PE
        0xA000_0033,  # NW without CD
        0x0000_0033,  # paging off in 64-bit code
    ],
)
def test_mov_to_cr0_of_a_bad_value_is_gp(long_mode: Lab, value: int) -> None:
    assert fault(long_mode, f"mov rax, {value}\nmov cr0, rax")[0] == 13
    assert long_mode.registers["cr0"] == 0x8000_0033


def test_mov_to_cr0_sets_the_bits(long_mode: Lab) -> None:
    long_mode.run("mov rax, cr0\nor eax, 0x10000\nmov cr0, rax\nmov rbx, cr0\nhlt")
    assert long_mode.registers["rbx"] == 0x8001_0033


def test_mov_to_cr0_that_enables_long_mode_from_64_bit_code_segment_is_gp(
    protected_mode: Lab,
) -> None:
    lab = protected_mode
    lab.context.set_quad(cx.EFER, 0x100)
    lab.context.set_quad(cx.CR4, 0x620)
    segment = lab.context.segment(cx.CS)
    long_segment = cx.Segment(segment.selector, 0, segment.limit, segment.flags | 0x20_0000)
    lab.context.set_segment(cx.CS, long_segment)
    assert fault(lab, "mov eax, cr0\nor eax, 0x80000000\nmov cr0, eax")[0] == 13


def test_mov_to_cr0_that_enables_long_mode_without_pae_is_gp(protected_mode: Lab) -> None:
    protected_mode.context.set_quad(cx.EFER, 0x100)
    source = "mov eax, cr0\nor eax, 0x80000000\nmov cr0, eax"
    assert fault(protected_mode, source)[0] == 13
    assert protected_mode.registers["efer"] == 0x100


def test_mov_to_cr0_enters_and_leaves_compatibility_mode(protected_mode: Lab) -> None:
    lab = protected_mode
    tables = lab.registers["cr3"]
    lab.context.set_quad(cx.EFER, 0x100)
    lab.code(
        f"mov eax, {tables}\nmov cr3, eax\nmov eax, 0x620\nmov cr4, eax\nmov eax, 0x80000033\n"
        "mov cr0, eax\nnop\nmov eax, 0x33\nmov cr0, eax\nhlt"
    )
    assert lab.run(budget=7) is Stop.BUDGET
    assert lab.registers["efer"] == 0x500
    assert (lab.context.is_long_mode, lab.context.bits) == (True, 32)
    assert lab.run() is Stop.HALT
    assert lab.registers["efer"] == 0x100


@pytest.mark.parametrize("bit", [0, 1, 6, 11, 12, 13, 14, 16, 17, 18, 19, 22, 23, 40])
def test_mov_to_cr4_of_a_bit_that_is_not_advertised_is_gp(long_mode: Lab, bit: int) -> None:
    source = f"mov rax, cr4\nmov rbx, {1 << bit}\nor rax, rbx\nmov cr4, rax"
    assert fault(long_mode, source)[0] == 13


def test_mov_to_cr4_that_clears_pae_in_long_mode_is_gp(long_mode: Lab) -> None:
    assert fault(long_mode, "mov eax, 0x600\nmov cr4, rax")[0] == 13


@pytest.mark.parametrize("bit", [2, 3, 4, 7, 8, 9, 10, 20, 21])
def test_mov_to_cr4_of_an_advertised_bit_keeps_it(long_mode: Lab, bit: int) -> None:
    source = f"mov rax, cr4\nor rax, {1 << bit}\nmov cr4, rax\nmov rbx, cr4\nhlt"
    assert long_mode.run(source) is Stop.HALT
    assert long_mode.registers["rbx"] >> bit & 1


@pytest.mark.parametrize("value", [16, 1 << 40])
def test_mov_to_cr8_of_reserved_bits_is_gp(long_mode: Lab, value: int) -> None:
    assert fault(long_mode, f"mov rax, {value}\nmov cr8, rax")[0] == 13


def test_mov_to_cr8_is_the_task_priority_of_the_apic(long_mode: Lab) -> None:
    source = "mov eax, 9\nmov cr8, rax\nmov rbx, -1\nmov rbx, cr8\nmov ecx, 0xFEE00080\n"
    long_mode.run(source + "mov ecx, [rcx]\nhlt")
    assert (long_mode.registers["rbx"], long_mode.registers["rcx"]) == (9, 0x90)


@pytest.mark.parametrize("register", ["0xC8", "0xE8", "0xF0", "0xF8"])
def test_mov_to_a_control_register_that_does_not_exist_is_ud(long_mode: Lab, register: str) -> None:
    assert fault(long_mode, f".byte 0x0F, 0x22, {register}")[0] == 6


def test_debug_register_access_with_general_detect_is_db(long_mode: Lab) -> None:
    entry = long_mode.enter("mov eax, 0x2400\nmov dr7, rax\nmov rbx, dr6")
    assert (entry.vector, entry.frame[0]) == (1, CODE + 8)
    assert long_mode.registers["dr6"] & 0x2000
    assert not long_mode.registers["dr7"] & 0x2000


@pytest.mark.parametrize("register", ["dr6", "dr7"])
def test_debug_register_of_64_bits_in_dr6_or_dr7_is_gp(long_mode: Lab, register: str) -> None:
    assert fault(long_mode, f"mov rax, 0x100000000\nmov {register}, rax")[0] == 13


def test_debug_register_0_takes_64_bits(long_mode: Lab) -> None:
    long_mode.run("mov rax, 0x123456789A\nmov dr0, rax\nmov rbx, dr0\nhlt")
    assert long_mode.registers["rbx"] == 0x12_3456_789A


@pytest.mark.parametrize(("cr4", "vector"), [(0x620, 3), (0x628, 6)])
def test_debug_register_4_is_6_unless_debugging_extensions_are_on(
    long_mode: Lab, cr4: int, vector: int
) -> None:
    source = f"mov eax, {cr4}\nmov cr4, rax\n.byte 0x0F, 0x21, 0xE0\nint3"
    assert fault(long_mode, source)[0] == vector


# -- SYSCALL and its relatives ---------------------------------------------------------------------


def prepare_syscall(lab: Lab, mask: int = 0) -> None:
    write_msr(lab, 0xC000_0081, (0x20 << 48) | (CS64 << 32))
    write_msr(lab, 0xC000_0082, TARGET)
    write_msr(lab, 0xC000_0084, mask)
    lab.memory.write(TARGET, b"\xf4")


def test_syscall_enters_level_0_and_keeps_the_return_in_rcx_and_r11(long_mode: Lab) -> None:
    prepare_syscall(long_mode, IF | 1)
    long_mode.enter_user()
    long_mode.registers["rflags"] = 0x3003 | IF
    long_mode.run("nop\nsyscall")
    registers = long_mode.registers
    assert registers["rip"] == TARGET + 1
    assert (registers["rcx"], registers["r11"]) == (CODE + 3, 0x3003 | IF)
    assert registers["rflags"] == 0x3002
    assert (registers["cs"], registers["ss"], registers["rsp"]) == (CS64, DS, USER_STACK)
    assert long_mode.context.cpl == 0


def test_syscall_clears_rf_in_both_copies(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    long_mode.code("syscall")
    long_mode.context.set_flags(2 | NT)
    long_mode.run()
    assert long_mode.registers["rflags"] == 2 | NT


def test_syscall_without_sce_is_ud(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    write_msr(long_mode, 0xC000_0080, 0x900)
    assert fault(long_mode, "syscall") == (6, CODE)


def test_syscall_in_compatibility_mode_is_ud(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    long_mode.enter_user(USER_CS32)
    assert fault(long_mode, ".byte 0x0F, 0x05") == (6, CODE)


def test_sysretq_returns_to_64_bit_user_code(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    long_mode.allow_user()
    long_mode.memory.write(TARGET, b"\x0f\x0b")
    long_mode.code(
        f"mov ecx, {TARGET}\nmov r11d, 0x3D7ED7\nmov rsp, 0x3F000\n.byte 0x48, 0x0F, 0x07"
    )
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[:3]) == (6, [TARGET, USER_CS64, 0x3C_7ED7 | RF])
    assert (entry.frame[3], entry.frame[4]) == (USER_STACK, USER_DS)


def test_sysretq_that_sets_tf_traps_before_user_code(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    long_mode.allow_user()
    long_mode.code(f"mov ecx, {TARGET}\nmov r11d, 0x102\n.byte 0x48, 0x0F, 0x07")
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[:3]) == (1, [TARGET, USER_CS64, 2 | TF])


def test_syscall_that_masks_tf_does_not_trap(long_mode: Lab) -> None:
    prepare_syscall(long_mode, TF)
    long_mode.registers["rflags"] = 2 | TF
    long_mode.run("syscall")
    assert long_mode.registers["rip"] == TARGET + 1


def test_sysret_returns_to_compatibility_mode(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    long_mode.allow_user()
    long_mode.memory.write(TARGET, b"\x0f\x0b")
    long_mode.code(f"mov rcx, 0x700000000 + {TARGET}\nmov r11d, 2\n.byte 0x0F, 0x07")
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[:2]) == (6, [TARGET, USER_CS32])


def test_sysretq_never_enters_virtual_8086_mode(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    long_mode.allow_user()
    long_mode.code(f"mov ecx, {TARGET}\nmov r11d, 0x20002\n.byte 0x48, 0x0F, 0x07")
    long_mode.run(budget=3)
    assert long_mode.registers["rflags"] == 2
    assert (long_mode.context.cpl, long_mode.context.bits) == (3, 64)


def test_sysretq_to_a_non_canonical_address_is_gp_at_level_0(long_mode: Lab) -> None:
    prepare_syscall(long_mode)
    entry = long_mode.enter("mov rcx, 0x800000000000\n.byte 0x48, 0x0F, 0x07")
    assert (entry.vector, entry.frame[1:3]) == (13, [CODE + 10, CS64])
    assert entry.frame[4] == INNER_STACK


@pytest.mark.parametrize("mode", ["protected", "real"])
def test_sysret_outside_64_bit_mode_is_ud(bench: Bench, mode: str) -> None:
    lab = bench(mode)
    lab.context.set_quad(cx.EFER, 1)
    assert lab.enter(".byte 0x0F, 0x07").vector == 6


def test_sysret_without_sce_is_ud(long_mode: Lab) -> None:
    write_msr(long_mode, 0xC000_0080, 0x900)
    assert fault(long_mode, ".byte 0x0F, 0x07") == (6, CODE)


def prepare_sysenter(lab: Lab, selector: int) -> None:
    write_msr(lab, 0x174, selector)
    write_msr(lab, 0x175, DATA)
    write_msr(lab, 0x176, TARGET)
    lab.memory.write(TARGET, b"\xf4")


def test_sysenter_in_protected_mode_enters_flat_level_0(protected_mode: Lab) -> None:
    prepare_sysenter(protected_mode, CS32 | 3)
    protected_mode.enter_user()
    protected_mode.registers["rflags"] = 0x3003 | IF
    protected_mode.run("sysenter")
    registers = protected_mode.registers
    assert (registers["rip"], registers["rsp"]) == (TARGET + 1, DATA)
    assert (registers["cs"], registers["ss"]) == (CS32, CS32 + 8)
    assert (registers["rflags"], protected_mode.context.bits) == (0x3003, 32)


def test_sysenter_in_long_mode_enters_64_bit_code(long_mode: Lab) -> None:
    prepare_sysenter(long_mode, CS64)
    long_mode.enter_user(USER_CS32)
    long_mode.run("sysenter")
    assert (long_mode.registers["rip"], long_mode.context.bits) == (TARGET + 1, 64)
    assert (long_mode.registers["rsp"], long_mode.context.cpl) == (DATA, 0)


@pytest.mark.parametrize("mode", ["long", "protected"])
def test_sysenter_with_a_null_selector_is_gp(bench: Bench, mode: str) -> None:
    lab = bench(mode)
    prepare_sysenter(lab, 3)
    assert fault(lab, "sysenter") == (13, CODE)


def test_sysenter_in_real_mode_is_gp(real_mode: Lab) -> None:
    write_msr(real_mode, 0x174, 8)
    assert real_mode.enter("sysenter").vector == 13


def test_sysexit_returns_to_user_code(protected_mode: Lab) -> None:
    write_msr(protected_mode, 0x174, 0x10)
    protected_mode.memory.write(TARGET, b"\x0f\x0b")
    entry = protected_mode.enter(f"mov edx, {TARGET}\nmov ecx, {USER_STACK}\nsysexit", 5)
    assert (entry.vector, entry.frame[0]) == (6, TARGET)
    assert entry.frame[1] == 0x23
    assert (entry.frame[3], entry.frame[4]) == (USER_STACK, 0x2B)
    assert protected_mode.registers["rsp"] == KERNEL_STACK - 20


def test_swapgs_exchanges_the_base(long_mode: Lab) -> None:
    write_msr(long_mode, 0xC000_0101, 0x1111)
    write_msr(long_mode, 0xC000_0102, 0x2222)
    long_mode.run("swapgs\nhlt")
    assert long_mode.context.segment(cx.GS).base == 0x2222
    assert long_mode.registers["kernel_gs_base"] == 0x1111


# -- single stepping, shadows ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    ["nop", "cpuid", "rdtsc", "in al, 0x80", "mov rax, cr0", "mov dr0, rax", "mov cr0, rax"],
)
def test_single_step_traps_behind_each_instruction(long_mode: Lab, source: str) -> None:
    symbols = long_mode.code(f"mov rax, cr0\n{source}\nbehind: nop")
    long_mode.run(budget=1)
    long_mode.registers["rflags"] = 2 | TF
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[0]) == (1, symbols["behind"])
    assert long_mode.registers["dr6"] & 0x4000


def test_single_step_of_a_repeated_string_traps_after_each_element(long_mode: Lab) -> None:
    long_mode.registers["rcx"] = 3
    long_mode.registers["rdi"] = DATA
    long_mode.registers["rflags"] = 2 | TF
    entry = long_mode.enter("rep stosb")
    assert (entry.vector, entry.frame[0], long_mode.registers["rcx"]) == (1, CODE, 2)
    assert long_mode.core.retired == 2


def test_single_step_of_repeated_outs_traps_after_each_element(long_mode: Lab) -> None:
    long_mode.registers["rcx"] = 3
    long_mode.registers["rsi"] = DATA
    long_mode.registers["rdx"] = 0xE9
    long_mode.registers["rflags"] = 2 | TF
    entry = long_mode.enter("rep outsb")
    assert (entry.vector, entry.frame[0], long_mode.registers["rcx"]) == (1, CODE, 2)


def test_single_step_without_a_handler_is_a_shutdown(long_mode: Lab) -> None:
    long_mode.set_idt_limit(0)
    long_mode.registers["rflags"] = 2 | TF
    assert long_mode.run("cpuid\nnop") is Stop.SHUTDOWN


def test_single_step_of_int_n_enters_its_handler_untraced(long_mode: Lab) -> None:
    long_mode.registers["rflags"] = 2 | TF
    entry = long_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[2]) == (0x80, 2 | TF)


def test_icebp_enters_the_debug_handler_whatever_the_gates_level(long_mode: Lab) -> None:
    long_mode.enter_user()
    entry = long_mode.enter("nop\n.byte 0xF1")
    assert (entry.vector, entry.frame[0]) == (1, CODE + 2)


def test_int3_in_user_code_needs_the_gates_level(long_mode: Lab) -> None:
    long_mode.enter_user()
    assert fault(long_mode, "int3") == (13, CODE)
    long_mode.gate(3, access=0x80 | DPL_3)
    long_mode.enter_user()
    assert fault(long_mode, "int3") == (3, CODE + 1)


def test_into_with_overflow_traps_behind_it(protected_mode: Lab) -> None:
    entry = protected_mode.enter("mov al, 0x7F\ninc al\n.byte 0xCE")
    assert (entry.vector, entry.frame[0]) == (4, CODE + 5)


def test_into_without_overflow_does_nothing(protected_mode: Lab) -> None:
    assert protected_mode.enter("xor eax, eax\n.byte 0xCE\nud2").vector == 6


def test_bound_outside_its_range_faults_at_it(protected_mode: Lab) -> None:
    protected_mode.double(DATA, 5)
    protected_mode.double(DATA + 4, 9)
    entry = protected_mode.enter(f"mov eax, 10\n.byte 0x62, 0x05\n.long {DATA}")
    assert (entry.vector, entry.frame[0]) == (5, CODE + 5)


@pytest.mark.parametrize("source", ["sti", "mov ss, eax", ".byte 0x66\nmov ss, eax"])
def test_shadow_holds_interrupts_off_for_one_instruction(long_mode: Lab, source: str) -> None:
    is_sti = source == "sti"
    long_mode.registers["rax"] = DS
    long_mode.registers["rflags"] = 2 if is_sti else 2 | IF
    long_mode.code(source + "\nnop\nnop")
    long_mode.run(budget=1)
    assert long_mode.core.is_shadowed
    assert (long_mode.core.accepts_interrupts, long_mode.core.accepts_nmi) == (False, False)
    long_mode.run(budget=1)
    assert not long_mode.core.is_shadowed
    assert (long_mode.core.accepts_interrupts, long_mode.core.accepts_nmi) == (True, True)


@pytest.mark.parametrize("source", ["cpuid", "rdtsc", "out 0x80, al", "mov cr8, rax"])
def test_shadow_ends_behind_an_emulated_instruction(long_mode: Lab, source: str) -> None:
    long_mode.code(f"xor eax, eax\nsti\n{source}\nnop")
    long_mode.run(budget=2)
    assert long_mode.core.is_shadowed
    long_mode.run(budget=1)
    assert not long_mode.core.is_shadowed


def test_shadow_ends_when_the_next_instruction_faults(long_mode: Lab) -> None:
    long_mode.gate(6, kind=15)
    long_mode.enter("sti\nud2")
    assert long_mode.core.accepts_interrupts


# -- paging of the engine --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cr4_bit", "source", "code"),
    [
        (20, f"mov rax, {WINDOW}\njmp rax", 0x11),
        (21, f"mov rax, {WINDOW}\nmov al, [rax]", 1),
        (21, f"mov rax, {WINDOW}\nmov [rax], al", 3),
    ],
)
def test_smep_and_smap_guard_user_pages(
    long_mode: Lab, cr4_bit: int, source: str, code: int
) -> None:
    long_mode.map_page(WINDOW, DATA | 7)
    enable = f"mov rax, cr4\nor rax, {1 << cr4_bit}\nmov cr4, rax\n"
    entry = long_mode.enter(enable + source)
    assert (entry.vector, entry.frame[0], long_mode.registers["cr2"]) == (14, code, WINDOW)


def test_smap_with_ac_set_lets_data_accesses_through(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 7)
    long_mode.registers["rflags"] = 2 | 0x4_0000
    enable = "mov rax, cr4\nor rax, 0x200000\nmov cr4, rax\n"
    assert long_mode.enter(enable + f"mov rax, {WINDOW}\nmov al, [rax]\nud2").vector == 6


@pytest.mark.parametrize(
    ("entry", "source", "user", "code"),
    [
        (0, "mov al, [rax]", False, 0),
        (0, "mov [rax], al", False, 2),
        (DATA | 3, "mov al, [rax]", True, 5),
        (DATA | 5, "mov [rax], al", True, 7),
        (DATA | 3 | 1 << 63, "jmp rax", False, 0x11),
        (DATA | 3 | 1 << 51, "mov al, [rax]", False, 9),
        (0, "jmp rax", True, 0x14),
    ],
)
def test_page_fault_reports_what_was_tried(
    long_mode: Lab,
    entry: int,
    source: str,
    user: bool,  # noqa: FBT001 - a parameter of the table above
    code: int,
) -> None:
    long_mode.map_page(WINDOW, entry)
    {True: long_mode.enter_user, False: lambda: None}[user]()
    taken = long_mode.enter(f"mov rax, {WINDOW}\n{source}")
    assert (taken.vector, taken.frame[0], long_mode.registers["cr2"]) == (14, code, WINDOW)


def test_write_to_a_read_only_page_at_level_0_depends_on_wp(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 1)
    write = f"mov rax, {WINDOW}\nmov [rax], al\n"
    assert long_mode.enter(write + "ud2").vector == 6
    enable = "mov rax, cr0\nor eax, 0x10000\nmov cr0, rax\n"
    entry = long_mode.enter(enable + write)
    assert (entry.vector, entry.frame[0]) == (14, 3)


def test_handlers_are_where_the_tests_think(long_mode: Lab) -> None:
    assert long_mode.enter("int 0x80") is not None
    assert long_mode.registers["rip"] == HANDLERS + 0x801
