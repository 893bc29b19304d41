"""How exceptions leave the engine, and what guests see of them: docs/engine.md, rows E."""

from collections.abc import Callable
from typing import Any

import pytest
import unicorn
from unicorn import Uc
from unicorn import x86_const as x86

from uniSMP import RoundRobin
from uniSMP.core import context as cx

RIP = x86.UC_X86_REG_RIP
PAGE_30 = 0x30


def stop_at_exceptions(engine: Uc) -> list[tuple[int, int]]:
    """Return the list that will hold (vector, RIP) of each exception; the engine stops there."""
    seen: list[tuple[int, int]] = []

    def hook(uc: Uc, vector: int, _data: object) -> None:
        seen.append((vector, uc.reg_read(RIP)))
        uc.emu_stop()

    engine.hook_add(unicorn.UC_HOOK_INTR, hook)
    return seen


# -- software interrupts ---------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "vector", "size"), [("int 0x40", 0x40, 2), ("int3", 3, 1)])
def test_software_interrupt_arrives_with_the_next_rip(
    raw: Callable[..., Uc], raw_state: type[Any], source: str, vector: int, size: int
) -> None:
    engine = raw(f"{source}\nhlt")
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    assert seen == [(vector, 0x1000 + size)]
    assert raw_state(engine).read(cx.IS_SOFTWARE_INTERRUPT, 4) == 1


@pytest.mark.parametrize(("source", "vector"), [("int 0x40", 0x40), ("int3", 3)])
def test_machine_software_interrupt_pushes_the_next_rip(
    guest: Callable[..., Any], source: str, vector: int
) -> None:
    done = guest(f"{source}\nbehind:\nnop", {vector: "record"})
    assert done.word(0) == done.label("behind")
    assert done.result.cores[0].exceptions == {vector: 1}


# -- faults ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "vector"),
    [
        ("xor ecx, ecx\ndiv ecx", 0),
        ("mov rax, 0x8000000000000000\nmov ecx, [rax]", 13),
        ("mov eax, 0x30000\nmov ecx, [rax]", 14),
    ],
)
def test_fault_arrives_with_the_rip_of_its_instruction(
    raw_paged: Callable[..., Uc], source: str, vector: int
) -> None:
    engine = raw_paged(f"{source}\nhlt", {PAGE_30: 0})
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    assert [each for each, _rip in seen] == [vector]
    assert engine.mem_read(seen[0][1], 1) != b"\xf4"
    assert seen[0][1] in {0x1002, 0x1005, 0x100A}


def test_page_fault_leaves_error_code_and_cr2_in_the_context(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30123\nmov [rax], ecx\nhlt", {PAGE_30: 0})
    stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    state = raw_state(engine)
    assert state.read(cx.ERROR_CODE, 4) == 2
    assert state.read(cx.CR2, 8) == 0x30123
    assert state.read(cx.OLD_EXCEPTION, 4) == 14


@pytest.mark.parametrize(
    ("source", "vector"),
    [
        ("xor ecx, ecx\nhere: div ecx", 0),
        ("mov rax, cr0\nor eax, 8\nmov cr0, rax\nhere: fld1", 7),
    ],
)
def test_machine_fault_without_error_code_pushes_its_own_rip(
    guest: Callable[..., Any], source: str, vector: int
) -> None:
    done = guest(source, {vector: "record"})
    assert (done.word(0), done.word(1)) == (done.label("here"), 8)


@pytest.mark.parametrize(
    ("source", "vector", "error_code"),
    [
        ("mov rax, 0x8000000000000000\nhere: mov ecx, [rax]", 13, 0),
        ("mov eax, 0x70\nhere: mov ds, eax", 13, 0x70),
        ("mov rax, 0x1FF000000000\nhere: mov ecx, [rax]", 14, 0),
        ("mov rax, 0x1FF000000000\nhere: mov [rax], ecx", 14, 2),
    ],
)
def test_machine_fault_with_error_code_pushes_it_and_its_own_rip(
    guest: Callable[..., Any], source: str, vector: int, error_code: int
) -> None:
    done = guest(source, {vector: "record"})
    assert (done.word(0), done.word(1)) == (error_code, done.label("here"))


@pytest.mark.parametrize("quantum", [1, 2, 3, 10_000])
@pytest.mark.parametrize("what", ["rcl byte ptr [rax], 7", "rcr dword ptr [rax], cl"])
def test_machine_faulting_rotate_through_carry_keeps_the_flags(
    guest: Callable[..., Any], what: str, quantum: int
) -> None:
    source = f"mov rax, 0x1FF000000000\nmov ecx, 5\nmov edx, 0\nadd edx, edx\n{what}"
    done = guest(source, {14: "record"}, schedule=RoundRobin(quantum))
    assert done.word(3) & 0xCD5 == 0x44


def test_machine_page_fault_sets_cr2(guest: Callable[..., Any]) -> None:
    done = guest("mov rax, 0x1FF000000123\nmov ecx, [rax]", {14: "record"})
    assert done.register("cr2") == 0x1FF0_0000_0123


# -- #DB -------------------------------------------------------------------------------------------


def test_single_step_arrives_after_the_instruction(raw: Callable[..., Uc]) -> None:
    engine = raw("pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nafter: hlt")
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    assert seen == [(1, 0x100A)]


def test_machine_single_step_pushes_the_rip_after_the_instruction(
    guest: Callable[..., Any],
) -> None:
    done = guest("pushfq\nor dword ptr [rsp], 0x100\npopfq\nnop\nafter: nop", {1: "record"})
    assert done.word(0) == done.label("after")
    assert done.word(2) & 0x100
    assert done.register("dr6") & 0x4000
    assert not done.register("rflags") & 0x100


def test_code_breakpoint_arrives_at_the_breakpoint(raw: Callable[..., Uc]) -> None:
    engine = raw("mov eax, 0x1010\nmov dr0, rax\nmov eax, 2\nmov dr7, rax\nnop\nnop\nnop\nhlt")
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    assert seen == [(1, 0x1010)]


def test_machine_code_breakpoint_pushes_the_rip_of_the_breakpoint(
    guest: Callable[..., Any],
) -> None:
    source = """
        lea rax, [rip + here]
        mov dr0, rax
        mov eax, 0x402
        mov dr7, rax
        jmp next
    next:
        mov ebx, 1
    here:
        mov ebx, 2
    """
    done = guest(source, {1: "record"})
    assert done.word(0) == done.label("here")
    assert done.register("rbx") == 1
    assert done.register("dr6") & 1


# -- #UD and physical holes ------------------------------------------------------------------------


def test_undefined_opcode_arrives_in_its_own_hook_only(raw: Callable[..., Uc]) -> None:
    engine = raw("nop\nud2\nhlt")
    seen = stop_at_exceptions(engine)
    invalid: list[int] = []

    def hook(uc: Uc, _data: object) -> bool:
        invalid.append(uc.reg_read(RIP))
        uc.emu_stop()
        return True

    engine.hook_add(unicorn.UC_HOOK_INSN_INVALID, hook)
    engine.emu_start(0x1000, 0)
    assert (seen, invalid) == ([], [0x1001])


@pytest.mark.parametrize("source", ["ud2", ".byte 0x0F, 0xFF", ".byte 0x06", ".byte 0xF0, 0x90"])
def test_machine_undefined_opcode_pushes_its_own_rip(
    guest: Callable[..., Any], source: str
) -> None:
    done = guest(f"nop\nhere: {source}", {6: "record"})
    assert done.word(0) == done.label("here")
    assert done.result.cores[0].exceptions == {6: 1}


def test_unmapped_physical_memory_arrives_with_its_physical_address(
    raw_paged: Callable[..., Uc],
) -> None:
    engine = raw_paged("mov eax, 0x30008\nmov ecx, [rax]\nhlt", {PAGE_30: 0x4000_0007})
    exceptions = stop_at_exceptions(engine)
    seen: list[tuple[int, int]] = []

    def hook(uc: Uc, _kind: int, address: int, _size: int, _value: int, _data: object) -> bool:
        seen.append((address, uc.reg_read(RIP)))
        return False

    engine.hook_add(unicorn.UC_HOOK_MEM_READ_UNMAPPED, hook)
    with pytest.raises(unicorn.UcError):
        engine.emu_start(0x1000, 0)
    assert (seen, exceptions) == ([(0x4000_0008, 0x1005)], [])


def test_machine_physical_hole_reads_all_ones_and_drops_writes(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov eax, 0x40000008
        mov qword ptr [rax], 5
        mov rcx, [rax]
        movzx edx, byte ptr [rax]
    """)
    assert done.register("rcx") == 0xFFFF_FFFF_FFFF_FFFF
    assert done.register("rdx") == 0xFF
    assert done.result.cores[0].exceptions == {}
    assert done.machine.devices.memory_holes


# -- a row of faults -------------------------------------------------------------------------------


def test_second_page_fault_becomes_a_double_fault_and_the_third_a_silent_stop(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30000\nmov ecx, [rax]\nhlt", {PAGE_30: 0})
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    engine.emu_start(0x1005, 0)
    engine.emu_start(0x1005, 0)
    assert [vector for vector, _rip in seen] == [14, 8]
    assert raw_state(engine).read(cx.OLD_EXCEPTION, 4) == 8


def test_clearing_the_old_exception_makes_the_next_page_fault_a_page_fault(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30000\nmov ecx, [rax]\nhlt", {PAGE_30: 0})
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    raw_state(engine).write(cx.OLD_EXCEPTION, -1, 4)
    engine.emu_start(0x1005, 0)
    assert [vector for vector, _rip in seen] == [14, 14]


def test_machine_page_faults_in_a_row_stay_page_faults(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        mov rax, 0x1FF000000000
        mov ecx, [rax]
        mov ecx, [rax]
        mov ecx, [rax]
        mov ecx, [rax]
        jmp stop
    skip:
        add rsp, 8
        add qword ptr [rsp], 2
        iretq
    """,
        {14: "skip"},
    )
    assert done.result.outcome == "FINISHED"
    assert done.result.cores[0].exceptions == {14: 4}


# -- delivery --------------------------------------------------------------------------------------


def test_engine_never_walks_the_idt(raw: Callable[..., Uc]) -> None:
    engine = raw("int 0x40\nhlt")
    engine.mem_write(0x6400, bytes.fromhex("0020 0800 008e 0000 0000000000000000"))
    engine.reg_write(x86.UC_X86_REG_IDTR, (0, 0x6000, 0xFFF, 0))
    engine.hook_add(unicorn.UC_HOOK_INTR, lambda _uc, _vector, _data: None)
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RIP) == 0x1003
    assert engine.reg_read(x86.UC_X86_REG_RSP) == 0x9000


def test_machine_delivers_through_a_64_bit_gate(guest: Callable[..., Any]) -> None:
    done = guest("sti\nnop\nstc\nint 0x40\nbehind: nop", {0x40: "record"})
    frame = [done.word(index) for index in range(5)]
    stack = 0x1F9000
    assert frame == [done.label("behind"), 8, 0x203, stack, 0x10]
    assert not done.register("rflags") & 0x200


def test_machine_delivery_from_user_mode_switches_the_stack(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        push 0x1B
        push 0x7000
        push 2
        push 0x23
        lea rax, [rip + user]
        push rax
        iretq
    user:
        int 0x40
    behind:
        nop
    inner:
        mov [0x2030], rsp
        jmp record
    """,
        {0x40: "inner"},
        user_pages=True,
    )
    assert [done.word(i) for i in range(5)] == [done.label("behind"), 0x23, 2, 0x7000, 0x1B]
    assert done.word(6) == 0x9000 - 40
    assert done.register("ss") == 0


def test_machine_delivery_with_ist_takes_that_stack(guest: Callable[..., Any]) -> None:
    done = guest(
        "int 0x40\nhandler:\nmov [0x2030], rsp\njmp record", {0x40: "handler"}, ist={0x40: 1}
    )
    assert done.word(6) == 0xA000 - 40
    assert done.word(3) == 0x1F9000


def test_iretq_ltr_lidt_lgdt_and_far_return_run_natively(
    raw: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw("""
        lgdt [0x4000]
        lidt [0x4010]
        mov eax, 0x40
        ltr ax
        push 8
        push 0x1100
        retfq
    """)
    code = bytes.fromhex(
        "6a10 6800900000 6a02 6a08 6800120000 48cf"
    )  # push 0x10, 0x9000, 2, 8, 0x1200; iretq
    engine.mem_write(0x1100, code)
    engine.mem_write(0x1200, b"\xf4")
    engine.mem_write(0x4000, b"\x4f\0" + (0x5000).to_bytes(8, "little"))
    engine.mem_write(0x4010, b"\xff\x0f" + (0x6000).to_bytes(8, "little"))
    engine.mem_write(0x5008, 0x00AF_9B00_0000_FFFF.to_bytes(8, "little"))
    engine.mem_write(0x5010, 0x00CF_9300_0000_FFFF.to_bytes(8, "little"))
    engine.mem_write(0x5040, 0x0000_8900_5800_0067.to_bytes(8, "little"))
    engine.emu_start(0x1000, 0)
    state = raw_state(engine)
    assert engine.reg_read(RIP) == 0x1201
    assert (state.read(cx.GDT + 8, 8), state.read(cx.IDT + 8, 8)) == (0x5000, 0x6000)
    assert (state.read(cx.TR, 4), state.read(cx.TR + 8, 8)) == (0x40, 0x5800)


def test_machine_table_loads_and_far_transfers_work(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov eax, 0x40
        ltr ax
        str ecx
        push 8
        lea rax, [rip + away]
        push rax
        retfq
    away:
        mov rbx, rsp
        push 0x10
        push rbx
        push 2
        push 8
        lea rax, [rip + here]
        push rax
        iretq
    here:
        mov edx, 7
    """)
    assert (done.register("rcx"), done.register("rdx")) == (0x40, 7)


@pytest.mark.parametrize(("source", "size"), [("syscall", 2), ("sysenter", 2)])
def test_syscall_only_calls_its_hook_and_rip_advances(
    raw: Callable[..., Uc], source: str, size: int
) -> None:
    engine = raw(f"{source}\nhlt")
    engine.reg_write(x86.UC_X86_REG_MSR, (0xC000_0082, 0x3000))
    calls: list[int] = []
    instruction = getattr(x86, f"UC_X86_INS_{source.upper()}")
    engine.hook_add(
        unicorn.UC_HOOK_INSN, lambda uc, _data: calls.append(uc.reg_read(RIP)), None, 1, 0,
        instruction,
    )  # fmt: skip
    engine.emu_start(0x1000, 0)
    assert calls == [0x1000]
    assert engine.reg_read(RIP) == 0x1000 + size + 1


SYSCALL = """
    mov ecx, 0xC0000082
    lea rax, [rip + entry]
    xor edx, edx
    wrmsr
    mov ecx, 0xC0000081
    mov edx, 0x00100008
    xor eax, eax
    wrmsr
    mov ecx, 0xC0000084
    mov eax, 0x1
    xor edx, edx
    wrmsr
    push 0x1B
    push 0x7000
    push 2
    push 0x23
    lea rax, [rip + user]
    push rax
    iretq
user:
    stc
    syscall
behind:
    mov ebx, 1
    int 0x40
entry:
    mov [0x2038], rcx
    mov [0x2040], r11
    mov eax, cs
    mov [0x2048], rax
    pushfq
    pop qword ptr [0x2050]
    mov rsp, 0x8000
    sysretq
"""


def test_machine_syscall_and_sysret_do_what_the_manual_says(guest: Callable[..., Any]) -> None:
    done = guest(SYSCALL, {0x40: "record"}, user_pages=True)
    assert done.word(7) == done.label("behind")
    assert done.word(8) == 0x3
    assert done.word(9) == 8
    assert done.word(10) == 0x2
    assert done.word(1) == 0x23
    assert done.word(2) == 0x3
    assert done.register("rbx") == 1


def test_machine_sysenter_enters_level_0(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov ecx, 0x174
        mov eax, 8
        xor edx, edx
        wrmsr
        mov ecx, 0x175
        mov eax, 0x8800
        wrmsr
        mov ecx, 0x176
        lea rax, [rip + entry]
        wrmsr
        sti
        sysenter
        hlt
    entry:
        mov [0x2000], rsp
        mov eax, ss
    """)
    assert done.result.outcome == "FINISHED"
    assert done.word(0) == 0x8800
    assert done.register("cs") == 8
    assert not done.register("rflags") & 0x200


# -- paging ----------------------------------------------------------------------------------------


def test_engine_walks_page_tables_and_sets_accessed_and_dirty(
    raw_paged: Callable[..., Uc],
) -> None:
    engine = raw_paged("mov eax, [0x30000]\nmov [0x31000], eax\nhlt")
    engine.emu_start(0x1000, 0)
    assert engine.mem_read(0x13000 + 8 * 0x30, 1) == b"\x27"
    assert engine.mem_read(0x13000 + 8 * 0x31, 1) == b"\x67"
    assert engine.mem_read(0x13000 + 8 * 0x32, 1) == b"\x07"


@pytest.mark.parametrize(
    ("source", "entry", "error_code"),
    [
        ("mov eax, 0x30000\njmp rax", 1 << 63 | 0x30007, 0x11),
        ("mov eax, 0x30000\nmov [rax], ecx", 0x30005, 0x3),
    ],
)
def test_engine_page_fault_has_the_error_code_of_the_access(
    raw_paged: Callable[..., Uc],
    raw_state: type[Any],
    source: str,
    entry: int,
    error_code: int,
) -> None:
    engine = raw_paged(f"{source}\nhlt", {PAGE_30: entry})
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    assert [vector for vector, _rip in seen] == [14]
    assert raw_state(engine).read(cx.ERROR_CODE, 4) == error_code


PAGES = """
    mov rax, [0x1FB000]                 # identity directory: entry 0 becomes a page table
    mov edi, 0x20000
    xor ecx, ecx
fill:
    mov rdx, rcx
    shl rdx, 12
    or rdx, 7
    mov [rdi + rcx * 8], rdx
    inc ecx
    cmp ecx, 512
    jne fill
    mov rdx, {entry}
    mov [0x20000 + 0x30 * 8], rdx
    mov qword ptr [0x1FB000], 0x20007
    or qword ptr [0x1FA000], 4
    or qword ptr [0x1F9000], 4
    mov rax, cr4
    or eax, {cr4}
    mov rax, cr3
    mov cr3, rax
    mov rax, cr0
    or eax, 0x10000
    mov cr0, rax
    mov rax, cr4
    or eax, {cr4}
    mov cr4, rax
    mov eax, 0x30000
here:
    {access}
"""


@pytest.mark.parametrize(
    ("entry", "cr4", "access", "error_code"),
    [
        (0x30003, 0, "mov ecx, [rax]", None),
        (0x30000, 0, "mov ecx, [rax]", 0x0),
        (0x30001, 0, "mov [rax], ecx", 0x3),
        (1 << 63 | 0x30003, 0, "jmp rax", 0x11),
        (1 << 51 | 0x30003, 0, "mov ecx, [rax]", 0x9),
    ],
)
def test_machine_page_fault_has_the_error_code_of_the_access(
    guest: Callable[..., Any], entry: int, cr4: int, access: str, error_code: int | None
) -> None:
    done = guest(PAGES.format(entry=entry, cr4=cr4, access=access), {14: "record"})
    expected = {} if error_code is None else {14: 1}
    assert done.result.outcome == "FINISHED"
    assert done.result.cores[0].exceptions == expected
    assert done.word(0) == (error_code or 0)


@pytest.mark.parametrize(
    ("entry", "cr4", "access", "error_code"),
    [
        ("0x30007", 1 << 20, "jmp rax", 0x11),
        ("0x30007", 1 << 21, "mov ecx, [rax]", 0x1),
        ("0x30007", 1 << 21, "mov [rax], ecx", 0x3),
    ],
)
def test_machine_smep_and_smap_guard_user_pages(
    guest: Callable[..., Any], entry: str, cr4: int, access: str, error_code: int
) -> None:
    source = PAGES.format(entry=entry, cr4=cr4, access=access).replace("or rdx, 7", "or rdx, 3")
    done = guest(source, {14: "record"})
    assert done.result.cores[0].exceptions == {14: 1}
    assert done.word(0) == error_code


def test_machine_accesses_set_accessed_and_dirty(guest: Callable[..., Any]) -> None:
    done = guest(PAGES.format(entry="0x30003", cr4=0, access="mov [rax], ecx\nmov edx, [0x31000]"))
    assert done.machine.memory.read_integer(0x20000 + 8 * 0x30, 1) & 0x60 == 0x60
    assert done.machine.memory.read_integer(0x20000 + 8 * 0x31, 1) & 0x60 == 0x20
    assert done.machine.memory.read_integer(0x20000 + 8 * 0x32, 1) & 0x60 == 0


# -- the end of the road ---------------------------------------------------------------------------


def test_triple_fault_is_a_stop_without_an_error(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30000\nmov ecx, [rax]\nhlt", {PAGE_30: 0})
    raw_state(engine).write(cx.OLD_EXCEPTION, 8, 4)
    seen = stop_at_exceptions(engine)
    engine.emu_start(0x1000, 0)
    assert seen == []
    assert engine.reg_read(RIP) == 0x1005
    assert raw_state(engine).read(cx.OLD_EXCEPTION, 4) == 8


def test_machine_triple_fault_is_an_outcome(guest: Callable[..., Any]) -> None:
    done = guest("mov rax, 0x1FF000000000\nhere: mov ecx, [rax]")
    assert done.result.outcome == "TRIPLE_FAULT"
    assert done.result.cores[0].rip == done.label("here")
    assert "core 0" in done.result.reason


def test_hlt_is_a_normal_return_with_rip_behind_it(raw: Callable[..., Uc]) -> None:
    engine = raw("nop\nhlt\nnop")
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RIP) == 0x1002


def test_machine_hlt_retires_and_leaves_rip_behind_it(guest: Callable[..., Any]) -> None:
    done = guest("nop\nhlt\nbehind: nop")
    assert done.result.outcome == "DEADLOCK"
    assert done.result.cores[0].rip == done.label("behind")
    assert done.result.steps == 2
