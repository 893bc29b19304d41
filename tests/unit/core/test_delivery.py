"""Events through the guest's IDT (SDM volume 3A, "Interrupt and Exception Handling")."""

from collections.abc import Callable

import pytest
from lab import (
    ABSENT_CODE,
    CODE,
    CODE_16,
    CONFORMING32,
    CONFORMING64,
    CS16,
    CS32,
    CS64,
    CS_LEVEL_1,
    DATA,
    DPL_3,
    DS,
    DS16,
    DS_LEVEL_1,
    EXPAND_DOWN,
    HANDLERS,
    INNER_STACK,
    INTERRUPT_16,
    INTERRUPT_32,
    IST_STACK,
    KERNEL_STACK,
    LAST,
    SMALL_CODE,
    SMALL_STACK,
    TASK,
    TRAP_16,
    TRAP_32,
    TSS,
    USER_CS32,
    USER_CS64,
    USER_DS,
    USER_STACK,
    WINDOW,
    Lab,
    cx,
)

from uniSMP.arch.exceptions import Vector
from uniSMP.core.core import Stop
from uniSMP.core.delivery import Event, Kind, exception

IF, TF, DF, NT, RF, AC = 0x200, 0x100, 0x400, 0x4000, 0x1_0000, 0x4_0000
Bench = Callable[[str], Lab]


# -- frames ----------------------------------------------------------------------------------------


def test_delivery_of_int_n_in_long_mode_pushes_five_quadwords_behind_it(long_mode: Lab) -> None:
    entry = long_mode.enter("stc\nint 0x80")
    assert entry.vector == 0x80
    assert entry.frame[:5] == [CODE + 3, CS64, 3, INNER_STACK, DS]


def test_delivery_of_a_fault_pushes_its_own_address_and_sets_rf(long_mode: Lab) -> None:
    entry = long_mode.enter("nop\nud2")
    assert (entry.vector, entry.frame[:3]) == (6, [CODE + 1, CS64, 2 | RF])


def test_delivery_of_a_fault_with_an_error_code_pushes_it_lowest(long_mode: Lab) -> None:
    entry = long_mode.enter("mov eax, 0x1000\nmov ds, eax")
    assert entry.vector == Vector.GP
    assert entry.frame == [0x1000, CODE + 5, CS64, 2 | RF, INNER_STACK, DS]


@pytest.mark.parametrize("low_bits", range(16))
def test_delivery_in_long_mode_aligns_the_stack_to_16_bytes(long_mode: Lab, low_bits: int) -> None:
    long_mode.registers["rsp"] = INNER_STACK - low_bits
    entry = long_mode.enter("int 0x80")
    assert long_mode.registers["rsp"] == (INNER_STACK - low_bits & ~15) - 40
    assert entry.frame[3] == INNER_STACK - low_bits


@pytest.mark.parametrize(
    ("source", "vector"),
    [("int3", 3), ("int 3", 3), ("int 0x0", 0), ("int 0xFF", 0xFF), (".byte 0xF1", 1)],
)
def test_delivery_of_a_software_event_continues_behind_it(
    long_mode: Lab, source: str, vector: int
) -> None:
    long_mode.code(source + "\nnop")
    size = 2 if source.startswith("int ") and vector != 3 else 1
    entry = long_mode.enter()
    assert entry.vector == vector
    assert entry.frame[0] in {CODE + size, CODE + 2}
    assert entry.frame[2] == 2


@pytest.mark.parametrize(
    ("source", "vector"),
    [
        ("xor ecx, ecx\ndiv ecx", 0),
        ("mov rax, 0x8000000000\nmov rax, [rax]", 14),
        ("mov rax, cr0\nor al, 8\nmov cr0, rax\nfnop", 7),
        ("mov rax, 0x800000000000\nmov rax, [rax]", 13),
        ("mov eax, 0x2000\nmov ss, eax", 13),
    ],
)
def test_delivery_of_exceptions_of_the_processor_enters_their_handlers(
    long_mode: Lab, source: str, vector: int
) -> None:
    assert long_mode.enter(source).vector == vector


@pytest.mark.parametrize(("kind", "kept"), [(INTERRUPT_32, 0), (TRAP_32, IF)])
def test_delivery_through_a_gate_clears_the_flags_of_its_type(
    long_mode: Lab, kind: int, kept: int
) -> None:
    long_mode.gate(0x80, kind)
    long_mode.registers["rflags"] = 2 | IF | DF | AC | 1
    long_mode.enter("int 0x80")
    assert long_mode.registers["rflags"] == 2 | kept | DF | AC | 1


def test_delivery_clears_nt_and_tf_and_pushes_them(long_mode: Lab) -> None:
    long_mode.gate(1, INTERRUPT_32)
    long_mode.registers["rflags"] = 2 | NT | TF
    entry = long_mode.enter("nop")
    assert (entry.vector, entry.frame[2] & (NT | TF)) == (1, NT | TF)
    assert not long_mode.registers["rflags"] & (NT | TF)


@pytest.mark.parametrize("kind", [INTERRUPT_16, TRAP_16, INTERRUPT_32, TRAP_32])
def test_delivery_in_protected_mode_pushes_words_of_the_gates_size(
    protected_mode: Lab, kind: int
) -> None:
    protected_mode.gate(0x80, kind)
    protected_mode.run("stc\nint 0x80")
    width = 4 if kind & 8 else 2
    entry = protected_mode.entry(3, width)
    mask = (1 << 8 * width) - 1
    assert entry.frame == [CODE + 3 & mask, CS32, 3]
    assert protected_mode.registers["rsp"] == INNER_STACK - 3 * width


def test_delivery_of_an_error_code_through_a_16_bit_gate_pushes_a_word(protected_mode: Lab) -> None:
    protected_mode.gate(13, INTERRUPT_16)
    protected_mode.run("mov eax, 0x1000\nmov ds, eax")
    assert protected_mode.entry(4, 2).frame == [0x1000, 5, CS32, 2]


def test_delivery_on_a_16_bit_stack_uses_sp_only(protected_mode: Lab) -> None:
    protected_mode.set_segment(cx.SS, DS16)
    protected_mode.registers["rsp"] = 0x1234_9000
    protected_mode.run("int 0x80")
    assert protected_mode.registers["rsp"] == 0x1234_8FF4
    assert protected_mode.memory.read_integer(0x8FF4, 4) == CODE + 2


def test_delivery_in_real_mode_uses_the_vector_table(real_mode: Lab) -> None:
    real_mode.registers["rflags"] = 2 | IF | TF ^ TF | AC
    entry = real_mode.enter("int 0x21", 3)
    assert entry.vector == 0x21
    assert entry.frame == [2, CODE_16 >> 4, (2 | IF | AC) & 0xFFFF]
    assert real_mode.registers["rflags"] == 2
    assert real_mode.registers["cs"] == 0


def test_delivery_of_a_fault_in_real_mode_pushes_no_error_code(real_mode: Lab) -> None:
    entry = real_mode.enter("mov eax, 0x80000000\nmov cr0, eax", 3)
    assert (entry.vector, entry.frame) == (13, [6, CODE_16 >> 4, 2])
    assert real_mode.registers["rsp"] == 0x9000 - 6


def test_delivery_in_real_mode_wraps_the_stack_pointer(real_mode: Lab) -> None:
    real_mode.registers["rsp"] = 0
    real_mode.enter("int 0x21")
    assert real_mode.registers["rsp"] == 0xFFFA


def test_delivery_in_real_mode_beyond_the_table_is_a_shutdown(real_mode: Lab) -> None:
    real_mode.set_idt_limit(3)
    assert real_mode.run("int 0x21") is Stop.SHUTDOWN


def test_delivery_in_real_mode_beyond_the_table_raises_gp_first(real_mode: Lab) -> None:
    real_mode.set_idt_limit(0x20 * 4)
    entry = real_mode.enter("int 0x21", 3)
    assert (entry.vector, entry.frame) == (13, [0, CODE_16 >> 4, 2])


# -- privilege and stacks --------------------------------------------------------------------------


def test_delivery_from_user_code_switches_to_rsp0_and_a_null_ss(long_mode: Lab) -> None:
    long_mode.gate(0x80, access=0x80 | DPL_3)
    long_mode.enter_user()
    entry = long_mode.enter("int 0x80")
    assert entry.frame[:5] == [CODE + 2, USER_CS64, 2, USER_STACK, USER_DS]
    assert long_mode.registers["rsp"] == KERNEL_STACK - 40
    assert (long_mode.registers["cs"], long_mode.registers["ss"]) == (CS64, 0)
    assert long_mode.context.cpl == 0


def test_delivery_from_compatibility_mode_enters_64_bit_code(long_mode: Lab) -> None:
    long_mode.enter_user(USER_CS32)
    entry = long_mode.enter("ud2")
    assert (entry.vector, entry.frame[:2]) == (6, [CODE, USER_CS32])
    assert (long_mode.context.bits, long_mode.registers["rsp"]) == (64, KERNEL_STACK - 40)


@pytest.mark.parametrize("index", range(1, 8))
def test_delivery_through_an_ist_gate_switches_stacks_at_the_same_level(
    long_mode: Lab, index: int
) -> None:
    long_mode.gate(0x80, ist=index)
    entry = long_mode.enter("int 0x80")
    assert long_mode.registers["rsp"] == IST_STACK + 0x100 * index - 40
    assert (entry.frame[3], long_mode.registers["ss"]) == (INNER_STACK, DS)


def test_delivery_through_an_ist_gate_from_user_code_ignores_rsp0(long_mode: Lab) -> None:
    long_mode.gate(6, ist=3)
    long_mode.enter_user()
    long_mode.enter("ud2")
    assert (long_mode.registers["rsp"], long_mode.registers["ss"]) == (IST_STACK + 0x300 - 40, 0)


def test_delivery_to_conforming_code_stays_at_the_level_and_stack(long_mode: Lab) -> None:
    long_mode.gate(0x80, selector=CONFORMING64, access=0x80 | DPL_3)
    long_mode.enter_user()
    long_mode.run("int 0x80", 1)
    assert long_mode.registers["rip"] == HANDLERS + 0x800
    assert long_mode.registers["cs"] == CONFORMING64 | 3
    assert long_mode.registers["rsp"] == USER_STACK - 40


def test_delivery_to_conforming_code_in_protected_mode_stays_at_the_level(
    protected_mode: Lab,
) -> None:
    protected_mode.gate(0x80, selector=CONFORMING32, access=0x80 | DPL_3)
    protected_mode.enter_user()
    protected_mode.run("int 0x80", 1)
    assert protected_mode.registers["cs"] == CONFORMING32 | 3
    assert protected_mode.registers["rsp"] == USER_STACK - 12


def test_delivery_from_user_code_in_protected_mode_pushes_the_outer_stack(
    protected_mode: Lab,
) -> None:
    protected_mode.enter_user()
    entry = protected_mode.enter("ud2")
    assert entry.frame[:5] == [CODE, USER_CS32, 2 | RF, USER_STACK, USER_DS]
    assert protected_mode.registers["rsp"] == KERNEL_STACK - 20
    assert protected_mode.registers["ss"] == DS


def test_delivery_to_level_1_takes_the_stack_of_level_1(protected_mode: Lab) -> None:
    protected_mode.gate(6, selector=CS_LEVEL_1)
    protected_mode.enter_user()
    protected_mode.memory.write(HANDLERS + 96, b"\xeb\xfe")
    protected_mode.run("ud2", 1)
    assert protected_mode.context.cpl == 1
    assert protected_mode.registers["cs"] == CS_LEVEL_1 | 1
    assert protected_mode.registers["ss"] == DS_LEVEL_1 | 1
    assert protected_mode.registers["rsp"] == INNER_STACK - 20


def test_delivery_with_a_16_bit_tss_takes_its_stack(protected_mode: Lab) -> None:
    protected_mode.context.set_table(cx.TR, cx.Segment(0x38, TSS, 0x2B, 0x8300))
    protected_mode.word(TSS + 2, 0x8000)
    protected_mode.word(TSS + 4, DS)
    protected_mode.enter_user()
    protected_mode.enter("ud2")
    assert protected_mode.registers["rsp"] == 0x8000 - 20


def test_delivery_from_a_user_page_of_the_kernel_stack_needs_no_user_bit(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.quad(TSS + 4, WINDOW + 0x1000)
    long_mode.enter_user()
    long_mode.run("ud2")
    assert long_mode.registers["rsp"] == WINDOW + 0x1000 - 40
    assert long_mode.memory.read_integer(DATA + 0x1000 - 40, 8) == CODE


# -- virtual-8086 mode -----------------------------------------------------------------------------


def test_delivery_from_virtual_8086_mode_saves_and_clears_all_segments(protected_mode: Lab) -> None:
    protected_mode.gate(0x21, access=0x80 | DPL_3)
    protected_mode.enter_virtual()
    entry = protected_mode.enter("int 0x21", 9)
    flags = 0x2_3002
    assert entry.vector == 0x21
    assert entry.frame == [2, CODE_16 >> 4, flags, 0x9000, 2, 0, 3, 4, 5]
    names = ("es", "ds", "fs", "gs")
    assert [protected_mode.registers[name] for name in names] == [0, 0, 0, 0]
    assert not protected_mode.registers["rflags"] & 0x2_0000


def test_delivery_of_int_n_in_virtual_8086_mode_below_iopl_3_is_gp(protected_mode: Lab) -> None:
    protected_mode.gate(0x21, access=0x80 | DPL_3)
    protected_mode.enter_virtual(io_level=0)
    entry = protected_mode.enter("int 0x21", 4)
    assert (entry.vector, entry.frame[:3]) == (13, [0, 0, CODE_16 >> 4])


def test_delivery_of_int3_in_virtual_8086_mode_ignores_iopl(protected_mode: Lab) -> None:
    protected_mode.gate(3, access=0x80 | DPL_3)
    protected_mode.enter_virtual(io_level=0)
    assert protected_mode.enter("int3").vector == 3


@pytest.mark.parametrize("selector", [CONFORMING32, CS_LEVEL_1])
def test_delivery_from_virtual_8086_mode_to_another_level_is_gp(
    protected_mode: Lab, selector: int
) -> None:
    protected_mode.gate(6, selector=selector)
    protected_mode.enter_virtual()
    entry = protected_mode.enter("ud2", 3)
    assert (entry.vector, entry.frame[0]) == (13, selector | 1)


def test_delivery_and_iret_return_to_virtual_8086_mode(protected_mode: Lab) -> None:
    protected_mode.gate(0x21, offset=HANDLERS, access=0x80 | DPL_3)
    protected_mode.memory.write(HANDLERS, b"\xcf")
    protected_mode.enter_virtual()
    entry = protected_mode.enter("mov ax, ds\nint 0x21\nmov bx, ds\nmov cx, ss\nhlt", 3)
    assert (entry.vector, entry.frame[0]) == (13, 0)
    names = ("rax", "rbx", "rcx")
    assert [protected_mode.registers[name] & 0xFFFF for name in names] == [3, 3, 2]


# -- faults met while delivering -------------------------------------------------------------------

GATE_FAULTS = [
    ({"kind": 12}, 13, 0x80 * 8 + 2),
    ({"access": 0x10 | 0x80}, 13, 0x80 * 8 + 2),
    ({"access": 0}, 11, 0x80 * 8 + 2),
    ({"selector": DS}, 13, DS),
    ({"selector": LAST + 1}, 13, LAST + 1),
    ({"selector": ABSENT_CODE}, 11, ABSENT_CODE),
    ({"selector": 3}, 13, 0),
    ({"selector": USER_CS32}, 13, USER_CS32 & ~3),
]


@pytest.mark.parametrize("mode", ["long", "protected"])
@pytest.mark.parametrize(("gate", "vector", "code"), GATE_FAULTS)
def test_delivery_of_int_n_through_a_bad_gate_faults_at_the_instruction(
    bench: Bench, mode: str, gate: dict[str, int], vector: int, code: int
) -> None:
    lab = bench(mode)
    lab.gate(0x80, **gate)
    entry = lab.enter("nop\nint 0x80")
    assert (entry.vector, entry.frame[:2]) == (vector, [code, CODE + 1])


@pytest.mark.parametrize("mode", ["long", "protected"])
@pytest.mark.parametrize(("gate", "vector", "code"), GATE_FAULTS[3:])
def test_delivery_of_an_exception_through_a_bad_gate_sets_ext(
    bench: Bench, mode: str, gate: dict[str, int], vector: int, code: int
) -> None:
    lab = bench(mode)
    lab.gate(6, **gate)
    entry = lab.enter("ud2")
    assert (entry.vector, entry.frame[0]) == (vector, code | 1)


@pytest.mark.parametrize("selector", [CS32, CS16])
def test_delivery_in_long_mode_to_code_that_is_not_64_bit_is_gp(
    long_mode: Lab, selector: int
) -> None:
    long_mode.gate(0x80, selector=selector)
    entry = long_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[0]) == (13, selector)


@pytest.mark.parametrize("kind", [TASK, INTERRUPT_16, TRAP_16])
def test_delivery_in_long_mode_through_an_old_gate_is_gp(long_mode: Lab, kind: int) -> None:
    long_mode.gate(0x80, kind)
    assert long_mode.enter("int 0x80").vector == 13


@pytest.mark.parametrize("mode", ["long", "protected"])
def test_delivery_beyond_the_idt_is_gp_with_the_idt_bit(bench: Bench, mode: str) -> None:
    lab = bench(mode)
    lab.set_idt_limit({"long": 16, "protected": 8}[mode] * 0x80 - 1 + 7)
    entry = lab.enter("int 0x80")
    assert (entry.vector, entry.frame[0]) == (13, 0x80 * 8 + 2)


@pytest.mark.parametrize("mode", ["long", "protected"])
def test_delivery_of_int_n_below_the_gates_level_is_gp(bench: Bench, mode: str) -> None:
    lab = bench(mode)
    lab.enter_user()
    entry = lab.enter("int 0x80")
    assert (entry.vector, entry.frame[:2]) == (13, [0x80 * 8 + 2, CODE])


def test_delivery_to_a_non_canonical_handler_is_gp(long_mode: Lab) -> None:
    long_mode.gate(0x80, offset=0x8000_0000_0000)
    entry = long_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[:2]) == (13, [0, CODE])


def test_delivery_to_a_handler_beyond_the_code_limit_is_gp(protected_mode: Lab) -> None:
    protected_mode.gate(0x80, selector=SMALL_CODE)
    entry = protected_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[:2]) == (13, [0, CODE])


@pytest.mark.parametrize("rsp", [0x8000_0000_0000 + 48, 0xFFFF_8000_0000_0000 + 16])
def test_delivery_on_a_non_canonical_stack_is_ss_then_double_fault(
    long_mode: Lab, rsp: int
) -> None:
    long_mode.gate(8, ist=1)
    long_mode.gate(12, ist=2)
    long_mode.registers["rsp"] = rsp
    entry = long_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[:2]) == (12, [0, CODE])


def test_delivery_of_page_fault_on_a_bad_stack_is_a_double_fault(long_mode: Lab) -> None:
    long_mode.gate(8, ist=1)
    entry = long_mode.enter(f"mov rsp, {WINDOW}\nmov rax, [rsp + 0x5000]")
    assert (entry.vector, entry.frame[0], entry.frame[4]) == (8, 0, WINDOW)
    assert long_mode.registers["cr2"] == WINDOW - 40 - 8
    assert entry.frame[3] & RF == 0


def test_delivery_of_int_n_on_a_bad_stack_is_a_page_fault(long_mode: Lab) -> None:
    long_mode.gate(14, ist=1)
    long_mode.registers["rsp"] = WINDOW + 0x1000
    entry = long_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[:2]) == (14, [2, CODE])
    assert long_mode.registers["cr2"] == WINDOW + 0x1000 - 40


def test_delivery_of_contributory_after_contributory_is_a_double_fault(long_mode: Lab) -> None:
    long_mode.gate(0, access=0)
    entry = long_mode.enter("xor ecx, ecx\ndiv ecx")
    assert (entry.vector, entry.frame[:2]) == (8, [0, CODE + 2])


def test_delivery_of_contributory_after_a_page_fault_is_a_double_fault(long_mode: Lab) -> None:
    long_mode.gate(14, access=0)
    entry = long_mode.enter(f"mov rax, {WINDOW}\nmov rax, [rax]")
    assert entry.vector == 8
    assert long_mode.registers["cr2"] == WINDOW


def test_delivery_of_a_page_fault_after_contributory_is_a_page_fault(long_mode: Lab) -> None:
    long_mode.gate(14, ist=1)
    entry = long_mode.enter(f"mov rsp, {WINDOW}\nxor ecx, ecx\ndiv ecx")
    assert entry.vector == 14


def test_delivery_of_contributory_after_a_benign_fault_is_that_fault(long_mode: Lab) -> None:
    long_mode.gate(6, access=0)
    entry = long_mode.enter("ud2")
    assert (entry.vector, entry.frame[0]) == (11, 6 * 8 + 3)


@pytest.mark.parametrize("mode", ["long", "protected"])
def test_delivery_of_a_failing_double_fault_is_a_shutdown(bench: Bench, mode: str) -> None:
    lab = bench(mode)
    lab.set_idt_limit(0)
    assert lab.run("ud2") is Stop.SHUTDOWN
    assert lab.core.is_shut_down
    assert not lab.core.can_run
    assert lab.registers["rip"] == CODE


def test_delivery_of_int_8_that_fails_is_no_double_fault(long_mode: Lab) -> None:
    long_mode.gate(8, access=0)
    assert long_mode.enter("int 8").vector == 11


def test_delivery_after_a_double_fault_starts_afresh(long_mode: Lab) -> None:
    """The engine forgets no exception by itself: the third one would be a silent stop."""
    long_mode.gate(0, access=0)
    long_mode.enter("xor ecx, ecx\ndiv ecx")
    long_mode.registers["rip"] = CODE + 2
    assert long_mode.enter().vector == 8
    long_mode.gate(0)
    long_mode.registers["rip"] = CODE + 2
    assert long_mode.enter().vector == 0


@pytest.mark.parametrize(
    ("selector", "level", "vector", "code"),
    [
        (0, 0, 10, 1),
        (3, 0, 10, 1),
        (LAST + 1, 0, 10, LAST + 2),
        (DS | 3, 0, 10, DS | 1),
        (DS_LEVEL_1, 0, 10, DS_LEVEL_1 | 1),
        (CS32, 0, 10, CS32 | 1),
        (0x90, 0, 10, 0x91),
        (0x80, 0, 12, 0x81),
    ],
)
def test_delivery_to_a_bad_inner_stack_is_ts_or_ss(
    protected_mode: Lab, selector: int, level: int, vector: int, code: int
) -> None:
    protected_mode.double(TSS + 8 + 8 * level, selector)
    protected_mode.gate(vector, selector=CS_LEVEL_1)
    protected_mode.memory.write(HANDLERS + 16 * vector, b"\xeb\xfe")
    protected_mode.enter_user()
    protected_mode.run("ud2", 1)
    assert protected_mode.registers["rip"] == HANDLERS + 16 * vector
    assert protected_mode.memory.read_integer(protected_mode.registers["rsp"], 4) == code


@pytest.mark.parametrize(("mode", "limit"), [("protected", 8), ("long", 10)])
def test_delivery_with_a_short_tss_is_ts(bench: Bench, mode: str, limit: int) -> None:
    lab = bench(mode)
    lab.context.set_table(cx.TR, cx.Segment(0x38, TSS, limit, 0x8B00))
    selector = {"protected": CONFORMING32, "long": CONFORMING64}[mode]
    lab.gate(10, selector=selector)
    lab.enter_user()
    lab.run("ud2", 1)
    assert lab.memory.read_integer(lab.registers["rsp"], 4) == 0x39


def test_delivery_with_a_short_16_bit_tss_is_ts(protected_mode: Lab) -> None:
    protected_mode.context.set_table(cx.TR, cx.Segment(0x38, TSS, 4, 0x8300))
    protected_mode.gate(10, selector=CONFORMING32)
    protected_mode.enter_user()
    protected_mode.run("ud2", 1)
    assert protected_mode.memory.read_integer(protected_mode.registers["rsp"], 4) == 0x39


def test_delivery_beyond_the_stack_limit_is_ss_and_a_double_fault(protected_mode: Lab) -> None:
    protected_mode.set_segment(cx.SS, SMALL_STACK)
    protected_mode.registers["rsp"] = 0x1008
    assert protected_mode.run("int 0x80") is Stop.SHUTDOWN


def test_delivery_on_an_expand_down_stack_below_its_limit_faults(protected_mode: Lab) -> None:
    protected_mode.set_segment(cx.SS, EXPAND_DOWN)
    protected_mode.registers["rsp"] = KERNEL_STACK + 4
    assert protected_mode.run("int 0x80") is Stop.SHUTDOWN


def test_delivery_on_an_expand_down_stack_above_its_limit_succeeds(protected_mode: Lab) -> None:
    protected_mode.set_segment(cx.SS, EXPAND_DOWN)
    protected_mode.registers["rsp"] = KERNEL_STACK + 0x800
    assert protected_mode.enter("int 0x80", 3).vector == 0x80


def test_delivery_that_fails_leaves_no_trace_of_the_attempt(protected_mode: Lab) -> None:
    protected_mode.double(TSS + 8, 0)
    protected_mode.gate(10, selector=CONFORMING32)
    protected_mode.enter_user()
    protected_mode.run("ud2", 1)
    assert protected_mode.registers["ss"] == USER_DS
    assert protected_mode.registers["rsp"] == USER_STACK - 16


def test_delivery_sets_the_accessed_bit_of_the_code_segment(protected_mode: Lab) -> None:
    place = 0x4000 + CONFORMING32 + 5
    protected_mode.gate(0x80, selector=CONFORMING32)
    protected_mode.enter("int 0x80")
    assert protected_mode.memory.read_integer(place, 1) == 0x9F


# -- external events -------------------------------------------------------------------------------


def test_delivery_of_an_interrupt_pushes_the_next_instruction_and_no_rf(long_mode: Lab) -> None:
    long_mode.code("nop")
    long_mode.registers["rflags"] = 2 | IF
    assert long_mode.core.deliver_interrupt(0x41) is None
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[:3]) == (0x41, [CODE, CS64, 2 | IF])


def test_delivery_of_an_interrupt_ignores_the_gates_level(long_mode: Lab) -> None:
    long_mode.enter_user()
    long_mode.code("nop")
    long_mode.core.deliver_interrupt(0x41)
    assert long_mode.enter().vector == 0x41


def test_delivery_of_an_interrupt_through_a_bad_gate_sets_ext(long_mode: Lab) -> None:
    long_mode.code("nop")
    long_mode.gate(0x41, access=0)
    long_mode.core.deliver_interrupt(0x41)
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[0]) == (11, 0x41 * 8 + 3)


def test_delivery_of_an_interrupt_wakes_a_halted_core(long_mode: Lab) -> None:
    assert long_mode.run("hlt\nnop") is Stop.HALT
    long_mode.core.deliver_interrupt(0x41)
    assert long_mode.core.can_run
    assert long_mode.enter().frame[0] == CODE + 1


def test_delivery_of_an_interrupt_without_a_table_is_a_shutdown(long_mode: Lab) -> None:
    long_mode.set_idt_limit(0)
    assert long_mode.core.deliver_interrupt(0x41) is Stop.SHUTDOWN


def test_delivery_of_an_nmi_blocks_nmis_until_iret(long_mode: Lab) -> None:
    long_mode.code("nop\nhlt")
    long_mode.gate(2, offset=HANDLERS)
    long_mode.memory.write(HANDLERS, bytes.fromhex("90 48cf"))
    long_mode.core.deliver_nmi()
    assert not long_mode.core.accepts_nmi
    long_mode.core.run(1)
    assert not long_mode.core.accepts_nmi
    long_mode.core.run(1)
    assert long_mode.core.accepts_nmi


def test_delivery_of_a_fault_inside_an_nmi_handler_unblocks_at_its_iret(long_mode: Lab) -> None:
    """The SDM: the next IRET, whoever executes it, ends the blocking."""
    long_mode.code("nop")
    long_mode.gate(2, offset=HANDLERS)
    long_mode.gate(6, offset=HANDLERS + 0x40)
    long_mode.memory.write(HANDLERS, bytes.fromhex("0f0b f4"))
    long_mode.memory.write(HANDLERS + 0x40, bytes.fromhex("48830424 02 48cf"))
    long_mode.core.deliver_nmi()
    assert long_mode.run() is Stop.HALT
    assert long_mode.core.accepts_nmi


# -- events as values ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vector", "is_protected", "expected"),
    [(13, True, 0x18), (13, False, None), (6, True, None), (14, True, 0x18), (17, True, 0x18)],
)
def test_exception_has_an_error_code_in_protected_mode_where_the_vector_has_one(
    vector: int,
    is_protected: bool,  # noqa: FBT001 - a parameter of the table above
    expected: int | None,
) -> None:
    event = exception(vector, 0x18, is_protected=is_protected)
    assert event == Event(vector, Kind.EXCEPTION, expected)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(6, Kind.EXCEPTION), True),
        (Event(1, Kind.EXCEPTION), False),
        (Event(3, Kind.EXCEPTION), False),
        (Event(4, Kind.EXCEPTION), False),
        (Event(8, Kind.EXCEPTION), False),
        (Event(18, Kind.EXCEPTION), False),
        (Event(6, Kind.SOFTWARE), False),
        (Event(6, Kind.EXTERNAL), False),
    ],
)
def test_event_sets_rf_for_faults_only(
    event: Event,
    expected: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert event.sets_resume_flag is expected
