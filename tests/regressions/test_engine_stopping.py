"""Where the engine stops, and what it repeats: docs/engine.md, rows S."""

import ctypes
from collections.abc import Callable
from typing import Any

import pytest
import unicorn
from unicorn import Uc
from unicorn import x86_const as x86

from uniSMP import RoundRobin
from uniSMP.core import context as cx

RIP = x86.UC_X86_REG_RIP
RCX = x86.UC_X86_REG_RCX
NEXT_BLOCK_FLAGS = 24
CPU_POINTER = 440


def block_sizes(engine: Uc) -> list[tuple[int, int]]:
    """Return the list that will hold (address, size) of each block entered."""
    seen: list[tuple[int, int]] = []
    engine.hook_add(
        unicorn.UC_HOOK_BLOCK, lambda _uc, address, size, _data: seen.append((address, size))
    )
    return seen


def stop_at(engine: Uc, kind: int) -> None:
    engine.hook_add(kind, lambda uc, *_rest: uc.emu_stop())


# -- repeated execution ----------------------------------------------------------------------------


def test_stop_in_a_memory_hook_repeats_the_instruction(raw: Callable[..., Uc]) -> None:
    engine = raw("inc dword ptr [0x3000]\nhlt")
    handle = engine.hook_add(unicorn.UC_HOOK_MEM_WRITE, lambda uc, *_rest: uc.emu_stop())
    engine.emu_start(0x1000, 0)
    rip = engine.reg_read(RIP)
    engine.hook_del(handle)
    engine.emu_start(rip, 0)
    assert rip == 0x1000
    assert engine.mem_read(0x3000, 1) == b"\x02"


def test_stop_in_an_mmio_callback_repeats_the_access(raw: Callable[..., Uc]) -> None:
    engine = raw("mov eax, 0x400000\nmov [rax], ecx\nhlt")
    writes: list[int] = []

    def write(uc: Uc, offset: int, _size: int, _value: int, _data: object) -> None:
        writes.append(offset)
        uc.emu_stop()

    engine.mmio_map(0x400000, 0x1000, None, None, write, None)
    engine.emu_start(0x1000, 0)
    engine.emu_start(engine.reg_read(RIP), 0)
    assert writes == [0, 0]


@pytest.mark.parametrize("kind", [unicorn.UC_HOOK_CODE, unicorn.UC_HOOK_BLOCK])
def test_stop_in_a_code_or_block_hook_repeats_nothing(raw: Callable[..., Uc], kind: int) -> None:
    engine = raw("inc dword ptr [0x3000]\njmp next\nnext: hlt")
    stop_at(engine, kind)
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RIP) == 0x1000
    assert engine.mem_read(0x3000, 1) == b"\x00"


def test_machine_device_write_happens_once(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov eax, 0xFEE00000
        mov dword ptr [rax + 0xF0], 0x1FF
        mov dword ptr [rax + 0x300], 0x440F0    # IPI to itself
        nop
    """)
    assert done.result.cores[0].ipis_sent == 1
    assert done.result.steps == 7


@pytest.mark.parametrize("instruction", ["add", "or", "xor"])
def test_machine_read_modify_write_of_a_device_reads_and_writes_once(
    guest: Callable[..., Any], instruction: str
) -> None:
    done = guest(f"""
        mov eax, 0xFEE00000
        mov dword ptr [rax + 0x80], 0x10
        {instruction} dword ptr [rax + 0x80], 0x30
        mov ecx, [rax + 0x80]
        mov edx, 0x10
        {instruction} edx, 0x30
    """)
    assert done.register("rcx") == done.register("rdx")


# -- exact counts ----------------------------------------------------------------------------------


def test_fault_in_a_run_of_one_instruction_reaches_the_hook_only_while_nothing_was_left(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30000\nmov ecx, [rax]\nhlt", {0x30: 0})
    seen: list[int] = []
    engine.hook_add(unicorn.UC_HOOK_INTR, lambda _uc, vector, _data: seen.append(vector))
    engine.emu_start(0x1000, 0, count=1)
    engine.emu_start(0x1005, 0, count=1)
    engine.emu_start(0x1005, 0, count=1)
    engine.emu_start(0x1005, 0, count=1)
    assert seen == [14, 8]
    assert engine.reg_read(RIP) == 0x1005
    assert raw_state(engine).read(cx.OLD_EXCEPTION, 4) == 8


def test_machine_fault_in_a_slice_of_one_instruction_is_delivered(
    guest: Callable[..., Any],
) -> None:
    done = guest(
        "mov rax, 0x1FF000000000\nhere: mov ecx, [rax]", {14: "record"}, schedule=RoundRobin(1)
    )
    assert done.word(1) == done.label("here")
    assert done.result.cores[0].exceptions == {14: 1}


def test_end_address_clobbers_the_fault_state(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30123\nmov ecx, [rax]\nhlt", {0x30: 0, 0x40: 0})
    engine.ctl_exits_enabled(False)  # noqa: FBT003 - the library's signature
    stop_at(engine, unicorn.UC_HOOK_INTR)
    engine.emu_start(0x1000, 0x40001)
    assert raw_state(engine).read(cx.CR2, 8) == 0x40000
    assert raw_state(engine).read(cx.OLD_EXCEPTION, 4) == 8


def test_no_end_address_keeps_the_fault_state(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30123\nmov ecx, [rax]\nhlt", {0x30: 0, 0x40: 0})
    stop_at(engine, unicorn.UC_HOOK_INTR)
    engine.emu_start(0x1000, 0x40001)
    assert raw_state(engine).read(cx.CR2, 8) == 0x30123


def test_removing_translations_of_an_unmapped_address_clobbers_the_fault_state(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov eax, 0x30123\nmov ecx, [rax]\nhlt", {0x30: 0, 0x40: 0})
    stop_at(engine, unicorn.UC_HOOK_INTR)
    engine.emu_start(0x1000, 0)
    engine.ctl_remove_cache(0x40000, 0x40010)
    assert raw_state(engine).read(cx.CR2, 8) == 0x40000


def test_machine_cr2_survives_until_the_next_page_fault(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        mov rax, 0x1FF000000123
        mov ecx, [rax]
        jmp after
    skip:
        add rsp, 8
        add qword ptr [rsp], 2
        iretq
    after:
        int 0x40
        mov byte ptr [rip + patched], 0x90
    patched:
        nop
        mov rbx, cr2
        jmp stop
    ret40:
        iretq
    """,
        {14: "skip", 0x40: "ret40"},
        schedule=RoundRobin(1),
    )
    assert done.register("rbx") == 0x1FF0_0000_0123


def test_count_of_a_rep_instruction_is_one_more_than_its_elements(
    raw: Callable[..., Uc],
) -> None:
    engine = raw("mov ecx, 5\nrep movsb\nhlt")
    engine.reg_write(x86.UC_X86_REG_RSI, 0x3000)
    engine.reg_write(x86.UC_X86_REG_RDI, 0x4000)
    engine.emu_start(0x1000, 0, count=1 + 5)
    after_elements = engine.reg_read(RIP)
    engine.emu_start(after_elements, 0, count=1)
    assert (after_elements, engine.reg_read(RIP)) == (0x1005, 0x1007)


def test_slice_may_end_inside_a_rep_instruction(raw: Callable[..., Uc]) -> None:
    engine = raw("mov ecx, 5\nrep movsb\nhlt")
    engine.reg_write(x86.UC_X86_REG_RSI, 0x3000)
    engine.reg_write(x86.UC_X86_REG_RDI, 0x4000)
    engine.emu_start(0x1000, 0, count=3)
    assert (engine.reg_read(RIP), engine.reg_read(RCX)) == (0x1005, 3)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7, 8])
def test_machine_budget_works_inside_a_rep_instruction(
    guest: Callable[..., Any], limit: int
) -> None:
    done = guest("mov ecx, 10\nrep stosb", max_instructions=limit)
    assert done.result.steps == limit
    assert done.register("rcx") == 10 - (limit - 1)


def test_faulting_attempt_counts_one_and_its_retry_one_again(raw_paged: Callable[..., Uc]) -> None:
    engine = raw_paged("mov eax, 0x30000\nmov ecx, [rax]\nnop\nnop\nhlt", {0x30: 0})
    seen: list[int] = []

    def repair(uc: Uc, vector: int, _data: object) -> None:
        seen.append(vector)
        uc.mem_write(0x13000 + 8 * 0x30, (0x30007).to_bytes(8, "little"))

    engine.hook_add(unicorn.UC_HOOK_INTR, repair)
    engine.emu_start(0x1000, 0, count=4)
    assert seen == [14]
    assert engine.reg_read(RIP) == 0x1008  # mov, attempt, retry, one nop


def test_machine_faulting_attempt_counts_nothing(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        mov rax, 0x1FF000000000
        mov ecx, [rax]
        jmp stop
    skip:
        add rsp, 8
        add qword ptr [rsp], 2
        iretq
    """,
        {14: "skip"},
    )
    assert done.result.steps == 1 + 3 + 1 + 2


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0, 0, []), (5, 5, []), (5, 0, [0x1000, 0x1001])],
)
def test_switching_from_count_to_no_count_flushes_translations(
    raw: Callable[..., Uc], first: int, second: int, expected: list[int]
) -> None:
    engine = raw("nop\nhlt")
    engine.emu_start(0x1000, 0, count=first)
    seen: list[int] = []  # a hook added now sees only what is translated from now on
    engine.hook_add(unicorn.UC_HOOK_CODE, lambda _uc, address, _size, _data: seen.append(address))
    engine.emu_start(0x1000, 0, count=second)
    assert seen == expected


def test_count_is_ignored_in_a_block_that_was_translated_without_it(raw: Callable[..., Uc]) -> None:
    engine = raw("nop\nnop\nnop\nnop\nhlt")
    engine.emu_start(0x1000, 0)
    engine.emu_start(0x1000, 0, count=2)
    assert engine.reg_read(RIP) == 0x1005


def test_poked_flags_cut_the_next_block_exactly(raw: Callable[..., Uc]) -> None:
    engine = raw("inc eax\ninc eax\ninc eax\ninc eax\nhlt")
    cpu = ctypes.c_uint64.from_address(engine._uch.value + CPU_POINTER).value
    blocks = block_sizes(engine)
    ctypes.c_uint32.from_address(cpu + NEXT_BLOCK_FLAGS).value = 3
    engine.emu_start(0x1000, 0)
    assert blocks[:2] == [(0x1000, 6), (0x1006, 3)]
    assert engine.reg_read(x86.UC_X86_REG_EAX) == 4


LOOP = """
    mov ecx, 20
    xor eax, eax
loop:
    add rax, rcx
    mov [0x3000], rax
    imul rdx, rax, 3
    adc rbx, rdx
    dec ecx
    jnz loop
    cpuid
    pushfq
    pop r8
"""


@pytest.mark.parametrize("quantum", [1, 2, 3, 5, 7, 11, 64])
def test_machine_slices_of_any_length_end_in_the_same_state(
    guest: Callable[..., Any], quantum: int
) -> None:
    whole = guest(LOOP).result
    cut = guest(LOOP, schedule=RoundRobin(quantum)).result
    assert (cut.digest, cut.steps) == (whole.digest, whole.steps)


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 9, 10, 50, 123])
def test_machine_retires_exactly_the_limit(guest: Callable[..., Any], limit: int) -> None:
    done = guest(LOOP, max_instructions=limit)
    assert done.result.outcome == "INSTRUCTION_LIMIT"
    assert done.result.steps == limit


# -- where blocks end ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "size"),
    [
        ("sti\nnop\nnop\nhlt", 1),
        ("mov rax, cr0\nmov cr0, rax\nnop\nhlt", 6),
        ("nop\npause\nnop\nhlt", 3),
        ("rdtsc\nnop\nhlt", 4),
        ("in al, 0x80\nnop\nhlt", 4),
        ("cpuid\nnop\nhlt", 4),
    ],
)
def test_first_block_ends_where_the_engine_says(
    raw: Callable[..., Uc], source: str, size: int
) -> None:
    engine = raw(source)
    blocks = block_sizes(engine)
    engine.emu_start(0x1000, 0)
    assert blocks[0] == (0x1000, size)


def test_block_ends_behind_the_sti_shadow(raw: Callable[..., Uc]) -> None:
    engine = raw("sti\nnop\nnop\nhlt")
    blocks = block_sizes(engine)
    engine.emu_start(0x1000, 0)
    assert blocks == [(0x1000, 1), (0x1001, 1), (0x1002, 2)]


def test_block_crosses_a_page_boundary(raw: Callable[..., Uc]) -> None:
    engine = raw(".rept 10\nnop\n.endr\nhlt", origin=0x1FFC)
    blocks = block_sizes(engine)
    engine.emu_start(0x1FFC, 0)
    assert blocks == [(0x1FFC, 11)]


def test_block_longer_than_a_page_less_32_bytes_ends_there(raw: Callable[..., Uc]) -> None:
    engine = raw(".rept 500\nmovabs rax, 0x1122334455667788\n.endr\nhlt")
    blocks = block_sizes(engine)
    engine.emu_start(0x1000, 0)
    assert blocks == [(0x1000, 4070), (0x1000 + 4070, 931)]


def test_missing_page_behind_a_block_faults_before_its_instructions(
    raw_paged: Callable[..., Uc],
) -> None:
    engine = raw_paged("nop", {2: 0})
    engine.mem_write(0x1FFC, bytes.fromhex("ffc0 ffc0"))
    seen: list[tuple[int, int, int]] = []

    def hook(uc: Uc, vector: int, _data: object) -> None:
        seen.append((vector, uc.reg_read(RIP), uc.reg_read(x86.UC_X86_REG_CR2)))
        uc.emu_stop()

    engine.hook_add(unicorn.UC_HOOK_INTR, hook)
    engine.emu_start(0x1FFC, 0)
    assert seen == [(14, 0x1FFC, 0x2000)]
    assert engine.reg_read(x86.UC_X86_REG_EAX) == 0


MISSING_PAGE = """
    mov edi, 0x20000
    xor ecx, ecx
fill:
    mov rdx, rcx
    shl rdx, 12
    or rdx, 3
    mov [rdi + rcx * 8], rdx
    inc ecx
    cmp ecx, 512
    jne fill
    mov qword ptr [0x20000 + 0x31 * 8], 0
    mov qword ptr [0x1FB000], 0x20003
    mov ecx, 0xC0000080
    rdmsr
    {efer}
    wrmsr
    mov rax, cr3
    mov cr3, rax
    mov rax, {code}
    mov [0x30FF8], rax
    xor eax, eax
    mov ecx, {begin}
    jmp rcx
"""
INCREMENTS = 0xC0FF_C0FF_C0FF_C0FF
CUT_OFF = 0xB890_9090_90C0_FFC0  # the last byte begins a MOV of five bytes


@pytest.mark.parametrize("quantum", [1, 2, 1000])
@pytest.mark.parametrize("efer", ["nop", "and eax, 0xFFFFF7FF"])
@pytest.mark.parametrize(
    ("code", "begin", "rip", "count"),
    [
        (INCREMENTS, 0x30FF8, 0x31000, 4),
        (INCREMENTS, 0x30FFE, 0x31000, 1),
        (CUT_OFF, 0x30FF9, 0x30FFF, 1),
    ],
)
def test_machine_runs_up_to_a_missing_page_before_it_faults(  # noqa: PLR0913, PLR0917 - a product
    guest: Callable[..., Any],
    code: int,
    begin: int,
    rip: int,
    count: int,
    efer: str,
    quantum: int,
) -> None:
    source = MISSING_PAGE.format(code=code, begin=begin, efer=efer)
    source += "\nhandler: mov [0x2038], rax\njmp record"
    done = guest(source, {14: "handler"}, schedule=RoundRobin(quantum))
    assert done.word(1) == rip
    assert done.word(7) == count
    assert done.register("cr2") == 0x31000
    assert done.result.cores[0].exceptions == {14: 1}


def test_block_ends_after_512_instructions(raw: Callable[..., Uc]) -> None:
    engine = raw(".rept 600\nnop\n.endr\nhlt")
    blocks = block_sizes(engine)
    engine.emu_start(0x1000, 0)
    assert blocks == [(0x1000, 512), (0x1200, 89)]


@pytest.mark.parametrize("count", [511, 512, 513, 5000])
def test_machine_counts_straight_code_of_any_length(guest: Callable[..., Any], count: int) -> None:
    done = guest(f".rept {count}\nnop\n.endr\njmp stop")
    assert done.result.steps == count + 3


# -- hooks and code that is translated already -----------------------------------------------------


def test_hook_added_after_translation_misses_that_code(raw: Callable[..., Uc]) -> None:
    engine = raw("nop\nhlt")
    engine.emu_start(0x1000, 0)
    seen: list[int] = []
    engine.hook_add(unicorn.UC_HOOK_CODE, lambda _uc, address, _size, _data: seen.append(address))
    engine.emu_start(0x1000, 0)
    assert seen == []


@pytest.mark.parametrize("name", ["RDTSC", "RDTSCP"])
def test_binding_rejects_a_hook_for_rdtsc(raw: Callable[..., Uc], name: str) -> None:
    with pytest.raises(unicorn.UcError):
        raw().hook_add(
            unicorn.UC_HOOK_INSN, lambda _uc, _data: 1, None, 1, 0,
            getattr(x86, f"UC_X86_INS_{name}"),
        )  # fmt: skip


@pytest.mark.parametrize(("name", "source"), [("RDTSC", "rdtsc"), ("RDTSCP", "rdtscp")])
def test_raw_call_hooks_rdtsc(
    raw: Callable[..., Uc], raw_library: ctypes.CDLL, name: str, source: str
) -> None:
    engine = raw(f"xor eax, eax\nmov edx, 5\n{source}\nhlt")
    calls: list[int] = []
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)

    def callback(_engine: int, _data: int) -> int:
        calls.append(1)
        return 1

    function = kind(callback)
    hook = ctypes.c_size_t()
    status = raw_library.uc_hook_add(
        engine._uch, ctypes.byref(hook), unicorn.UC_HOOK_INSN, function, None,
        ctypes.c_uint64(1), ctypes.c_uint64(0), getattr(x86, f"UC_X86_INS_{name}"),
    )  # fmt: skip
    engine.emu_start(0x1000, 0)
    assert (status, calls) == (0, [1])
    assert engine.reg_read(x86.UC_X86_REG_RDX) == 5
