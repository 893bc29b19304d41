"""Events through task gates (SDM volume 3A, "Task Management")."""

from collections.abc import Iterable

import pytest
from lab import (
    ABSENT_CODE,
    ABSENT_DATA,
    ABSENT_LDT,
    ABSENT_TSS,
    CODE,
    CONFORMING32,
    CS32,
    CS_LEVEL_1,
    DATA,
    DPL_3,
    DS,
    EXECUTE_ONLY,
    GDT,
    HANDLERS,
    INNER_STACK,
    LAST,
    LDTR,
    SECOND_TSS,
    SHORT_TSS,
    SMALL_CODE,
    TABLES,
    TASK,
    TR,
    TR2,
    TR3,
    TSS,
    USER_CS32,
    USER_DS,
    Lab,
    cx,
)

TASK_CODE = 0x10_8000
TASK_STACK = 0x3A000
NT = 0x4000
EIP, EFLAGS, REGISTERS, SEGMENTS, LDT_SELECTOR = 0x20, 0x24, 0x28, 0x48, 0x60
ES, CS, SS, DATA_SEGMENT, FS, GS = range(6)


def prepare(lab: Lab, selector: int = TR2, **changes: int) -> None:
    """Fill the second TSS for 32-bit code at TASK_CODE, which halts; gate 0x80 leads to it."""
    lab.gate(0x80, TASK, selector, 0, access=0x80 | DPL_3)
    lab.double(SECOND_TSS + EIP, TASK_CODE)
    lab.double(SECOND_TSS + EFLAGS, changes.get("flags", 2))
    for number in range(8):
        lab.double(SECOND_TSS + REGISTERS + 4 * number, 0x1111_1111 * (number + 1))
    lab.double(SECOND_TSS + REGISTERS + 4 * cx.RSP, TASK_STACK)
    for number in range(6):
        lab.double(SECOND_TSS + SEGMENTS + 4 * number, CS32 if number == CS else DS)
    lab.double(SECOND_TSS + LDT_SELECTOR, 0)
    lab.memory.write(TASK_CODE, b"\xf4")


def set_segment(lab: Lab, number: int, selector: int) -> None:
    lab.double(SECOND_TSS + SEGMENTS + 4 * number, selector)


def set_segments(lab: Lab, numbers: Iterable[int], selector: int) -> None:
    for number in numbers:
        set_segment(lab, number, selector)


def fill(lab: Lab, address: int, size_bytes: int, values: Iterable[int]) -> None:
    for index, value in enumerate(values):
        lab.memory.write_integer(address + size_bytes * index, value, size_bytes)


def map_2_mib(lab: Lab, directory: int, frame: int) -> None:
    """Map the first 2 MiB by 32-bit paging: identically, but for one page at 0x190000."""
    table = directory + 0x2000
    lab.double(directory, table | 3)
    fill(lab, table, 4, (page << 12 | 3 for page in range(512)))
    lab.double(table + 4 * 0x190, frame | 3)


def tss_type(lab: Lab, selector: int) -> int:
    return lab.memory.read_integer(GDT + selector + 5, 1) & 15


def test_task_gate_loads_the_new_task(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.run("int 0x80")
    registers = protected_mode.registers
    assert (registers["rip"], registers["rsp"]) == (TASK_CODE + 1, TASK_STACK)
    expected = [0x1111_1111, 0x2222_2222, 0x3333_3333, 0x4444_4444, 0x8888_8888]
    assert [registers[n] for n in ("rax", "rcx", "rdx", "rbx", "rdi")] == expected
    assert registers["rflags"] == 2 | NT
    assert registers["cr0"] & 8
    assert protected_mode.context.table(cx.TR).selector == TR2
    assert protected_mode.context.table(cx.TR).base == SECOND_TSS


def test_task_gate_saves_the_old_task_and_links_to_it(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.run("mov ecx, 0x55\nmov edi, 0x66\nstc\nint 0x80")
    read = protected_mode.memory.read_integer
    assert read(TSS + EIP, 4) == CODE + 13
    assert read(TSS + EFLAGS, 4) == 3
    assert read(TSS + REGISTERS + 4, 4) == 0x55
    assert read(TSS + REGISTERS + 28, 4) == 0x66
    assert read(TSS + REGISTERS + 16, 4) == INNER_STACK
    assert read(TSS + SEGMENTS + 4 * CS, 4) == CS32
    assert read(SECOND_TSS, 2) == TR


def test_task_gate_leaves_both_tasks_busy(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.run("int 0x80")
    assert tss_type(protected_mode, TR2) == 0xB
    assert tss_type(protected_mode, TR) == 0xB


def test_task_gate_then_iret_returns_to_the_old_task(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.memory.write(TASK_CODE, b"\xcf")
    protected_mode.run("mov ebx, 7\nint 0x80\ninc ebx\nhlt")
    assert protected_mode.registers["rbx"] == 8
    assert protected_mode.registers["rip"] == CODE + 9
    assert not protected_mode.registers["rflags"] & NT
    assert tss_type(protected_mode, TR2) == 9
    assert protected_mode.context.table(cx.TR).selector == TR
    assert protected_mode.core.retired == 5


def test_task_gate_twice_goes_on_where_the_task_left_off(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.memory.write(TASK_CODE, bytes.fromhex("cf 40 eb fc"))
    protected_mode.run("int 0x80\nint 0x80\nhlt")
    assert protected_mode.memory.read_integer(SECOND_TSS + REGISTERS, 4) == 0x1111_1112


def test_task_gate_of_an_exception_pushes_the_error_code(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.gate(13, TASK, TR2, 0)
    protected_mode.run("mov eax, 0x1000\nmov ds, eax")
    assert protected_mode.registers["rsp"] == TASK_STACK - 4
    assert protected_mode.memory.read_integer(TASK_STACK - 4, 4) == 0x1000
    assert protected_mode.memory.read_integer(TSS + EIP, 4) == CODE + 5
    assert protected_mode.memory.read_integer(TSS + EFLAGS, 4) == 0x1_0002


def test_task_gate_serves_a_double_fault_on_a_bad_stack(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.gate(8, TASK, TR2, 0)
    protected_mode.set_segment(cx.SS, 0xB8)
    protected_mode.registers["rsp"] = 0x2000
    protected_mode.run("int 0x21")
    assert protected_mode.registers["rip"] == TASK_CODE + 1
    assert protected_mode.memory.read_integer(TASK_STACK - 4, 4) == 0


def test_task_gate_to_user_code_runs_at_level_3(protected_mode: Lab) -> None:
    prepare(protected_mode)
    set_segment(protected_mode, CS, USER_CS32)
    set_segments(protected_mode, (ES, SS, DATA_SEGMENT, FS, GS), USER_DS)
    protected_mode.run("int 0x80", 1)
    assert (protected_mode.context.cpl, protected_mode.registers["rip"]) == (3, TASK_CODE)


def test_task_gate_to_a_virtual_8086_task_loads_real_mode_segments(protected_mode: Lab) -> None:
    prepare(protected_mode, flags=0x2_0002)
    fill(protected_mode, SECOND_TSS + SEGMENTS, 4, range(0x100, 0x106))
    protected_mode.double(SECOND_TSS + EIP, 0x40)
    protected_mode.run("int 0x80", 1)
    context = protected_mode.context
    assert (context.cpl, context.bits) == (3, 16)
    assert [context.segment(n).base for n in range(6)] == [0x1000 + 16 * n for n in range(6)]
    assert protected_mode.registers["rflags"] == 0x2_0002 | NT


def test_task_gate_to_a_16_bit_task_loads_words(protected_mode: Lab) -> None:
    lab = protected_mode
    prepare(lab, TR3)
    words = [0x8000, 2, *(0x101 * n for n in range(4)), 0x7000, 5, 6, 7, DS, SMALL_CODE, DS, DS, 0]
    fill(lab, SECOND_TSS + 0x0E, 2, words)
    lab.memory.write(0x7FFE, b"\xf4\xf4\xf4\xf4")
    lab.double(SECOND_TSS + 0x0E, 0x0002_7FFE)
    lab.run("int 0x80")
    assert lab.registers["rip"] == 0x7FFF
    assert lab.registers["rsp"] == 0xFFFF_7000
    assert lab.registers["rcx"] == 0xFFFF_0101
    assert (lab.registers["fs"], lab.registers["gs"]) == (0, 0)


def test_task_gate_from_a_16_bit_task_saves_words(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.context.set_table(cx.TR, cx.Segment(TR, TSS, 0x2B, 0x8300))
    protected_mode.run("mov eax, 0x12345678\nint 0x80")
    assert protected_mode.memory.read_integer(TSS + 0x0E, 2) == 7
    assert protected_mode.memory.read_integer(TSS + 0x12, 2) == 0x5678
    assert protected_mode.memory.read_integer(TSS + 0x22, 2) == DS


def test_task_gate_loads_the_local_table(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.double(SECOND_TSS + LDT_SELECTOR, LDTR)
    entry = protected_mode.memory.read(GDT + DS, 8)
    protected_mode.memory.write(0x8800 + 8, entry)
    set_segment(protected_mode, FS, 8 | 4)
    protected_mode.run("int 0x80")
    assert protected_mode.registers["fs"] == 0xC
    assert protected_mode.context.table(cx.LDT).base == 0x8800


def test_task_gate_without_a_local_table_empties_ldtr(protected_mode: Lab) -> None:
    prepare(protected_mode)
    protected_mode.run("int 0x80")
    assert protected_mode.context.table(cx.LDT).selector == 0


def test_task_gate_with_paging_loads_cr3(protected_mode: Lab) -> None:
    lab = protected_mode
    prepare(lab)
    lab.double(TABLES, 0x83)
    lab.double(TABLES + 0x1000, 0x83)
    lab.double(TABLES + 0x1004, 0x83)
    lab.context.set_quad(cx.CR3, TABLES)
    lab.context.set_quad(cx.CR4, 0x610)
    lab.context.set_quad(cx.CR0, 0x8000_0033)
    lab.engine.flush_tlb()
    lab.double(SECOND_TSS + 0x1C, TABLES + 0x1000)
    lab.run("int 0x80")
    assert lab.registers["cr3"] == TABLES + 0x1000
    assert lab.registers["rip"] == TASK_CODE + 1


@pytest.mark.parametrize(
    ("selector", "vector", "code"),
    [
        (0, 13, 0),
        (TR2 | 4, 13, TR2 | 4),
        (LAST + 1, 13, LAST + 1),
        (TR, 13, TR),
        (DS, 13, DS),
        (ABSENT_TSS, 11, ABSENT_TSS),
        (SHORT_TSS, 10, SHORT_TSS),
    ],
)
def test_task_gate_with_a_bad_tss_faults_in_the_old_task(
    protected_mode: Lab, selector: int, vector: int, code: int
) -> None:
    prepare(protected_mode)
    protected_mode.gate(0x80, TASK, selector or 3, 0)
    entry = protected_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[:2]) == (vector, [code, CODE])
    assert protected_mode.context.table(cx.TR).selector == TR


@pytest.mark.parametrize(
    ("number", "selector", "vector", "code"),
    [
        (CS, 0, 10, 0),
        (CS, DS, 10, DS),
        (CS, CS32 | 1, 10, CS32),
        (CS, CS_LEVEL_1, 10, CS_LEVEL_1),
        (CS, ABSENT_CODE, 11, ABSENT_CODE),
        (SS, 0, 10, 0),
        (SS, DS | 3, 10, DS),
        (SS, CS32, 10, CS32),
        (SS, ABSENT_DATA, 12, ABSENT_DATA),
        (DATA_SEGMENT, TR2, 10, TR2),
        (DATA_SEGMENT, EXECUTE_ONLY, 10, EXECUTE_ONLY),
        (ES, ABSENT_DATA, 11, ABSENT_DATA),
        (GS, LAST + 1, 10, LAST + 1),
        (FS, DS | 3, 10, DS),
        (FS, 0xC, 10, 0xC),
    ],
)
def test_task_gate_with_a_bad_segment_faults(
    protected_mode: Lab, number: int, selector: int, vector: int, code: int
) -> None:
    prepare(protected_mode)
    set_segment(protected_mode, number, selector)
    entry = protected_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[0]) == (vector, code)


@pytest.mark.parametrize("selector", [0, 3, DS, CS32, CONFORMING32, USER_DS])
def test_task_gate_accepts_data_segments(protected_mode: Lab, selector: int) -> None:
    prepare(protected_mode)
    set_segment(protected_mode, ES, selector)
    protected_mode.run("int 0x80")
    assert protected_mode.registers["es"] == selector


def test_task_gate_accepts_conforming_code(protected_mode: Lab) -> None:
    prepare(protected_mode)
    set_segment(protected_mode, CS, CONFORMING32)
    protected_mode.run("int 0x80")
    assert protected_mode.registers["cs"] == CONFORMING32


@pytest.mark.parametrize(
    ("selector", "code"), [(LDTR | 4, LDTR | 4), (DS, DS), (ABSENT_LDT, ABSENT_LDT), (TR2, TR2)]
)
def test_task_gate_with_a_bad_local_table_is_ts(
    protected_mode: Lab, selector: int, code: int
) -> None:
    prepare(protected_mode)
    protected_mode.double(SECOND_TSS + LDT_SELECTOR, selector)
    entry = protected_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[0]) == (10, code)


def test_task_gate_to_code_beyond_the_limit_is_gp(protected_mode: Lab) -> None:
    prepare(protected_mode)
    set_segment(protected_mode, CS, SMALL_CODE)
    entry = protected_mode.enter("int 0x80")
    assert (entry.vector, entry.frame[0]) == (13, 0)


def test_task_gate_of_an_external_interrupt_saves_the_next_instruction(
    protected_mode: Lab,
) -> None:
    prepare(protected_mode)
    protected_mode.code("nop")
    protected_mode.core.deliver_interrupt(0x80)
    protected_mode.run()
    assert protected_mode.memory.read_integer(TSS + EIP, 4) == CODE
    assert protected_mode.registers["rip"] == TASK_CODE + 1


def test_task_switch_by_far_jump_runs_in_the_engine(protected_mode: Lab) -> None:
    prepare(protected_mode)
    selector = TR2.to_bytes(2, "little").hex()
    protected_mode.memory.write(CODE, bytes.fromhex("ea 00000000" + selector))
    protected_mode.registers["rip"] = CODE
    protected_mode.run()
    assert protected_mode.registers["rip"] == TASK_CODE + 1
    assert (tss_type(protected_mode, TR), tss_type(protected_mode, TR2)) == (9, 0xB)
    assert not protected_mode.registers["rflags"] & NT


def test_task_return_to_another_address_space_forgets_its_blocks(protected_mode: Lab) -> None:
    """Two tasks run different code at one linear address, block for block of the same size."""
    lab = protected_mode
    prepare(lab)
    map_2_mib(lab, TABLES, DATA)
    map_2_mib(lab, TABLES + 0x1000, DATA + 0x1000)
    lab.memory.write(DATA, bytes.fromhex("40 40 40 c3"))
    lab.memory.write(DATA + 0x1000, bytes.fromhex("83 c0 02 c3"))
    lab.memory.write(TASK_CODE, bytes.fromhex("b8 00001900 ffd0 cf"))
    lab.context.set_quad(cx.CR3, TABLES)
    lab.context.set_quad(cx.CR0, 0x8000_0033)
    lab.engine.flush_tlb()
    lab.double(SECOND_TSS + 0x1C, TABLES + 0x1000)
    lab.double(TSS + 0x1C, TABLES)
    lab.run("mov ecx, 0x190000\ncall ecx\nint 0x80\ncall ecx\nhlt")
    assert lab.registers["rip"] == CODE + 12
    assert lab.core.retired == 2 + 4 + 1 + (2 + 2 + 1) + 1 + 4 + 1


def test_handlers_do_not_overlap_the_second_task() -> None:
    assert SECOND_TSS + 0x68 <= HANDLERS
