"""One core: exact counts, stops, and the events of its own making."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import (
    CODE,
    CODE_16,
    DATA,
    HANDLERS,
    WINDOW,
    Lab,
    cx,
)

from uniSMP import Machine, Outcome, assemble
from uniSMP.core import native_state as ns
from uniSMP.core.core import Stop
from uniSMP.core.registers import architectural_state
from uniSMP.errors import InternalError

IF, TF, RF = 0x200, 0x100, 0x1_0000
HOLE = 0x4000_0000
APIC_TPR = 0xFEE0_0080
SCRATCH = 0x3FF
Bench = Callable[[str], Lab]

# -- exact counts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", range(1, 12))
def test_run_retires_exactly_its_budget(long_mode: Lab, budget: int) -> None:
    long_mode.code("top: inc rax\ninc rbx\ninc rcx\njmp top")
    assert long_mode.core.run(budget) is Stop.BUDGET
    assert long_mode.core.retired == budget
    values = [long_mode.registers[name] for name in ("rax", "rbx", "rcx")]
    assert values == [(budget + 3 - i) // 4 for i in range(3)]


def test_run_counts_hlt_and_stops(long_mode: Lab) -> None:
    assert long_mode.core.can_run
    assert long_mode.run("nop\nhlt\nnop") is Stop.HALT
    assert (long_mode.core.retired, long_mode.core.is_halted) == (2, True)
    assert not long_mode.core.can_run
    assert long_mode.registers["rip"] == CODE + 2


def test_run_counts_a_faulting_instruction_when_it_succeeds(long_mode: Lab) -> None:
    """The handler maps nothing: it steps over the faulting instruction."""
    long_mode.gate(6, offset=HANDLERS)
    long_mode.memory.write(HANDLERS, bytes.fromhex("48830424 02 48cf"))
    long_mode.run("nop\nud2\nnop\nhlt")
    assert long_mode.core.retired == 1 + 2 + 2
    assert long_mode.core.exceptions == {6: 1}


def test_run_counts_int_n_as_retired(long_mode: Lab) -> None:
    long_mode.gate(0x80, offset=HANDLERS)
    long_mode.memory.write(HANDLERS, bytes.fromhex("48cf"))
    long_mode.run("int 0x80\nint 0x80\nhlt")
    assert long_mode.core.retired == 5
    assert long_mode.core.exceptions == {0x80: 2}


@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_run_counts_a_repeated_string_by_its_passes(long_mode: Lab, count: int) -> None:
    long_mode.run(f"mov ecx, {count}\nmov edi, {DATA}\nmov al, 5\nrep stosb\nhlt")
    assert long_mode.memory.read(DATA, 8) == bytes([5] * count).ljust(8, b"\0")
    assert long_mode.core.retired == 4 + count + 1


@pytest.mark.parametrize("budget", range(1, 10))
def test_run_that_ends_inside_a_repeated_string_goes_on_with_it(
    long_mode: Lab, budget: int
) -> None:
    long_mode.memory.write(DATA, b"abcdef")
    long_mode.code(f"mov ecx, 6\nmov esi, {DATA}\nmov edi, {DATA + 16}\nrep movsb\nhlt")
    assert long_mode.run(budget=budget) is Stop.BUDGET
    assert long_mode.core.retired == budget
    assert long_mode.run() is Stop.HALT
    assert long_mode.memory.read(DATA + 16, 7) == b"abcdef\0"
    assert long_mode.core.retired == 11


def test_run_with_a_fault_inside_a_repeated_string_keeps_what_was_done(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    entry = long_mode.enter(f"mov rdi, {WINDOW + 0xFFE}\nmov ecx, 5\nmov al, 1\nrep stosb")
    assert (entry.vector, entry.frame[0]) == (14, 2)
    assert (long_mode.registers["rcx"], long_mode.registers["rdi"]) == (3, WINDOW + 0x1000)
    assert long_mode.core.retired == 3 + 2 + 1


def test_run_of_a_block_across_two_pages_is_exact(long_mode: Lab) -> None:
    long_mode.code("nop\n" * 8 + "mov eax, 7\nnop\nhlt", at=CODE + 0xFF6)
    assert long_mode.run() is Stop.HALT
    assert (long_mode.registers["rax"], long_mode.core.retired) == (7, 11)


def test_run_into_a_page_that_is_not_present_executes_all_before_it(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.memory.write(DATA + 0xFFC, bytes.fromhex("ffc0 ffc0"))
    long_mode.registers["rip"] = WINDOW + 0xFFC
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[:2]) == (14, [0x10, WINDOW + 0x1000])
    assert long_mode.registers["cr2"] == WINDOW + 0x1000
    assert (long_mode.registers["rax"], long_mode.core.retired) == (2, 3)


def test_run_of_an_instruction_across_a_page_that_is_not_present_faults_at_it(
    long_mode: Lab,
) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.memory.write(DATA + 0xFFD, bytes.fromhex("b80100"))
    long_mode.registers["rip"] = WINDOW + 0xFFD
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[1]) == (14, WINDOW + 0xFFD)
    assert long_mode.registers["cr2"] == WINDOW + 0x1000


OPERATIONS = [
    "inc rax",
    "add rbx, rax",
    "xor rcx, rbx",
    "rol rdx, 3",
    "adc rsi, rdx",
    "imul rdi, rax, 3",
    "mov r8, [0x50000]",
    "mov [0x50008], rbx",
    "lock xadd [0x50010], rax",
    "push rbx",
    "pop r9",
    "pushfq",
    "popfq",
    "cpuid",
    "rdtsc",
    "mov rbp, cr0",
    "mov r11, cr8",
    "in al, 0x80",
    "out 0x80, al",
    "stosb",
    "std",
    "cld",
    "sti",
    "cli",
    "mov r12d, [r15]",
    "mov [r15], r14d",
    "add [r15], r14d",
    "int 0x80",
    "ud2",
    "mov ss, r13d",
    "pause",
    "cmp rax, rbx\njb next{n}\ninc r10\nnext{n}:",
    "mov ecx, 3\nagain{n}: dec ecx\njnz again{n}",
    "lea rdi, [0x50100]\nmov ecx, 3\nrep stosq",
    "xor ecx, ecx\ndiv ecx",
    "inc byte ptr [after{n} + 1]\nafter{n}: .byte 0x04, 1",
]
IRET = bytes.fromhex("48cf")
SKIP_2 = bytes.fromhex("48830424 02 48cf")


def program(numbers: Sequence[int]) -> Lab:
    """Return a bench with a program of simple instructions; #UD and #DE are stepped over."""
    lab = Lab("long")
    lines = [OPERATIONS[number].replace("{n}", str(n)) for n, number in enumerate(numbers)]
    setup = f"mov r15d, {APIC_TPR}\nmov r14d, 0x30\nmov r13d, 0x10\nmov edi, 0x50800\n"
    lab.code(setup + "\n".join(lines) + "\nhlt")
    for vector, code in ((0x80, IRET), (6, SKIP_2), (0, SKIP_2)):
        lab.gate(vector, offset=HANDLERS + 16 * vector)
        lab.memory.write(HANDLERS + 16 * vector, code)
    return lab


def finish(lab: Lab, budgets: Sequence[int]) -> tuple[bytes, bytes, int]:
    """Run to HLT, first in slices of these budgets; return all that can be observed."""
    for budget in budgets:
        if lab.core.can_run:
            lab.run(budget=budget)
    if lab.core.can_run:
        assert lab.run(budget=10_000) is Stop.HALT
    state, memory, retired = architectural_state(lab.core), lab.memory.read(DATA, 0x1000), lab.core
    lab.machine.close()
    return state, memory, retired.retired


@settings(derandomize=True, deadline=None, max_examples=120)
@given(
    numbers=st.lists(st.integers(0, len(OPERATIONS) - 1), min_size=1, max_size=25),
    budgets=st.lists(st.integers(1, 6), max_size=40),
)
def test_run_cut_at_any_budgets_ends_in_the_same_state(
    numbers: list[int], budgets: list[int]
) -> None:
    assert finish(program(numbers), budgets) == finish(program(numbers), [])


def test_run_of_every_operation_one_by_one_ends_in_the_same_state() -> None:
    numbers = range(len(OPERATIONS))
    assert finish(program(numbers), [1] * 400) == finish(program(numbers), [])


# -- devices ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [1, 2, 100])
def test_device_store_happens_once(long_mode: Lab, budget: int) -> None:
    """A store to the EOI register of a core in service would end two interrupts if repeated."""
    long_mode.code(
        f"mov ebx, {APIC_TPR}\nmov ecx, 5\nagain: add dword ptr [rbx], 0x10\n"
        "dec ecx\njnz again\nhlt"
    )
    slices = [long_mode.run(budget=budget) for _ in range(20)]
    assert Stop.HALT in slices
    assert long_mode.machine.devices.local_apics[0].tpr == 0x50


@pytest.mark.parametrize("size", ["byte", "word", "dword", "qword"])
def test_device_hole_reads_ones_and_drops_stores(long_mode: Lab, size: str) -> None:
    register = {"byte": "al", "word": "ax", "dword": "eax", "qword": "rax"}[size]
    long_mode.run(f"mov ebx, {HOLE}\nmov {size} ptr [rbx], 0\nmov {register}, [rbx]\nhlt")
    bits = {"byte": 8, "word": 16, "dword": 32, "qword": 64}[size]
    assert long_mode.registers["rax"] == (1 << bits) - 1


@pytest.mark.parametrize(
    "source",
    [
        "fxsave [rbx]",
        "fxrstor [rbx]",
        "fnsave [rbx]",
        "fxsave [rbx + 0xFF0]",
        "movups xmm0, [rbx + 0xFF9]",
        "fld tbyte ptr [rbx + 1]",
        "cmpxchg16b [rbx]",
        "mov ecx, 40\nmov rdi, rbx\nrep stosq",
        "mov ecx, 40\nmov rsi, rbx\nmov edi, 0x50000\nrep movsq",
        "push qword ptr [rbx]",
        "pop qword ptr [rbx]",
        "mov rsp, rbx\ncall next\nnext:",
        "sgdt [rbx]",
        "bts dword ptr [rbx], 77",
        "xchg eax, [rbx]",
        "enter 16, 5",
    ],
)
def test_device_accesses_of_any_number_in_one_instruction_succeed(
    long_mode: Lab, source: str
) -> None:
    assert long_mode.run(f"mov ebx, {HOLE}\n{source}\nhlt") == Stop.HALT


def test_device_access_by_a_call_through_a_hole_is_ud(long_mode: Lab) -> None:
    entry = long_mode.enter(f"mov eax, {HOLE}\njmp rax")
    assert (entry.vector, entry.frame[0]) == (6, HOLE)


def test_device_access_that_ends_the_run_needs_attention(long_mode: Lab) -> None:
    """A self-IPI must be seen at the next boundary."""
    long_mode.code(
        "mov ebx, 0xFEE000F0\nmov dword ptr [rbx], 0x1FF\nmov ebx, 0xFEE00300\n"
        "mov dword ptr [rbx], 0x44041\nnop\nnop"
    )
    long_mode.registers["rflags"] = 2 | IF
    long_mode.run(budget=3)
    long_mode.machine._platforms[0].begin_run()
    assert long_mode.core.run(100) is Stop.ATTENTION
    assert long_mode.machine.devices.has_interrupt(0)
    assert long_mode.core.retired == 4


def test_device_access_under_single_step_traps_behind_it(long_mode: Lab) -> None:
    symbols = long_mode.code(f"mov ebx, {APIC_TPR}\nmov eax, [rbx]\nbehind: nop")
    long_mode.run(budget=1)
    long_mode.registers["rflags"] = 2 | TF
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[0]) == (1, symbols["behind"])


def test_device_access_that_page_faults_in_its_second_part_is_delivered(long_mode: Lab) -> None:
    long_mode.gate(14, ist=1)
    entry = long_mode.enter(f"mov ebx, {HOLE}\nmov rsp, {WINDOW}\npush qword ptr [rbx]")
    assert (entry.vector, entry.frame[:2]) == (14, [2, CODE + 15])
    assert long_mode.core.retired == 2 + 1


# -- code that changes -----------------------------------------------------------------------------


def test_code_that_changes_its_next_instruction_executes_the_new_one(long_mode: Lab) -> None:
    source = "mov byte ptr [target + 1], 9\nnop\ntarget: mov al, 1\nhlt"
    long_mode.run(source)
    assert (long_mode.registers["rax"], long_mode.core.retired) == (9, 4)


def test_code_that_changes_a_page_through_an_alias_is_seen(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, CODE | 3)
    symbols = long_mode.code(
        f"call target\nmov bl, al\nmov rcx, {WINDOW}\n"
        "mov byte ptr [rcx + 0x41], 9\ncall target\nhlt\n"
        ".align 64\ntarget: mov al, 1\nret"
    )
    assert symbols["target"] == CODE + 0x40
    long_mode.run()
    assert (long_mode.registers["rbx"], long_mode.registers["rax"]) == (1, 9)


@pytest.mark.parametrize("place", [0x2_0000, 0xE_0000, 0x10_4000, 0x1D_0000])
def test_code_written_by_the_host_is_executed_as_written(long_mode: Lab, place: int) -> None:
    long_mode.code("mov eax, 1\nhlt", at=place)
    long_mode.run()
    long_mode.code("mov eax, 2\nhlt", at=place)
    long_mode.run()
    assert long_mode.registers["rax"] == 2


@pytest.mark.parametrize("place", [0x2_0000, 0x10_4000, 0x1A_0000])
def test_code_written_by_another_core_is_executed_as_written(place: int) -> None:
    image = assemble(
        f"""
        _start:
            mov esi, {place}
            test edi, edi
            jnz second
            mov dword ptr [rsi], 0x000001B8     # mov eax, 1
            mov dword ptr [rsi + 4], 0x9090C300 # ret
            call rsi
            lock inc dword ptr [0x8000]
        wait:
            pause
            cmp dword ptr [0x8000], 2
            jne wait
            call rsi
            dec eax
            dec eax
            out 0xF4, al
        second:
            pause
            cmp dword ptr [0x8000], 1
            jne second
            mov byte ptr [rsi + 1], 2
            lock inc dword ptr [0x8000]
            cli
            hlt
        """
    )
    with Machine(cores=2, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(image)
        assert machine.run(max_instructions=100_000).outcome is Outcome.FINISHED


def test_code_written_by_the_core_through_ins_is_executed_as_written(long_mode: Lab) -> None:
    long_mode.run(
        "call target\nmov dx, 0xE9\nlea rdi, [target + 1]\ninsb\ncall target\nhlt\n"
        "target: mov al, 1\nret"
    )
    assert long_mode.registers["rax"] & 0xFF == 0xE9


def test_code_at_one_address_in_two_address_spaces_is_counted_apart(long_mode: Lab) -> None:
    leaf = long_mode.map_page(WINDOW, DATA | 3)
    long_mode.memory.write(DATA, bytes.fromhex("909090c3"))
    long_mode.memory.write(DATA + 0x1000, bytes.fromhex("0f1fc0c3"))
    long_mode.run(
        f"mov rbx, {WINDOW}\ncall rbx\nmov rax, {leaf}\nmov qword ptr [rax], {DATA + 0x1003}\n"
        "invlpg [rbx]\ncall rbx\nhlt"
    )
    assert long_mode.core.retired == 1 + 1 + 4 + 3 + 1 + 2 + 1


def test_code_of_two_widths_at_one_address_is_decoded_apart(protected_mode: Lab) -> None:
    """B8 takes two or four bytes of immediate."""
    code = bytes.fromhex("b8 0000 9090 f4")
    protected_mode.memory.write(0x3000, code)
    protected_mode.registers["rip"] = 0x3000
    protected_mode.run()
    assert protected_mode.core.retired == 2
    protected_mode.set_segment(cx.CS, 0x48)
    protected_mode.registers["rip"] = 0x3000
    protected_mode.run()
    assert protected_mode.core.retired == 2 + 4


def test_unknown_instruction_hides_no_sensitive_one(long_mode: Lab) -> None:
    """0F 1E C0 is a NOP that the decoder does not know; RDTSC behind it must be virtual time."""
    long_mode.run(".byte 0x0F, 0x1E, 0xC0\nnop\nrdtsc\nnop\nhlt")
    assert (long_mode.registers["rax"], long_mode.core.retired) == (2, 5)


# -- stops -----------------------------------------------------------------------------------------


def test_run_watching_interrupts_stops_where_they_open(long_mode: Lab) -> None:
    long_mode.code("nop\nsti\nnop\nnop\nhlt")
    assert long_mode.core.run(100, watch_interrupts=True) is Stop.WINDOW
    assert long_mode.core.retired == 3


def test_run_watching_interrupts_stops_behind_popf(long_mode: Lab) -> None:
    long_mode.code("push 0x202\npopfq\nnop\nhlt")
    assert long_mode.core.run(100, watch_interrupts=True) is Stop.WINDOW
    assert long_mode.core.retired == 2


def test_run_watching_iret_stops_behind_it(long_mode: Lab) -> None:
    long_mode.gate(0x80, offset=HANDLERS)
    long_mode.memory.write(HANDLERS, IRET)
    long_mode.code("int 0x80\nnop\nhlt")
    assert long_mode.core.run(100, watch_iret=True) is Stop.WINDOW
    assert long_mode.core.retired == 2


def test_run_stops_behind_pause_where_asked(long_mode: Lab) -> None:
    long_mode.core.yield_on_pause(enabled=True)
    long_mode.code("nop\npause\nnop\nhlt")
    assert long_mode.core.run(100) is Stop.PAUSE
    assert long_mode.core.retired == 2


def test_run_that_only_faults_is_stuck(long_mode: Lab) -> None:
    long_mode.gate(6, offset=CODE)
    long_mode.registers["rsp"] = WINDOW - 0x1000
    long_mode.gate(14, ist=1, offset=CODE)
    long_mode.gate(6, ist=1, offset=CODE)
    assert long_mode.run("ud2", budget=10) is Stop.STUCK


# -- debug exceptions ------------------------------------------------------------------------------


@pytest.mark.parametrize("dr6", [0xFFFF_0FF0, 0xFFFF_4FF0])
def test_breakpoint_faults_before_its_instruction_with_an_exact_count(
    long_mode: Lab, dr6: int
) -> None:
    symbols = long_mode.code(
        f"mov rax, {dr6}\nmov dr6, rax\nlea rax, [target]\nmov dr0, rax\nmov eax, 0x402\n"
        "mov dr7, rax\nnop\nnop\ntarget: inc rbx\nnop\nnop\njmp target"
    )
    entry = long_mode.enter()
    assert (entry.vector, entry.frame[0]) == (1, symbols["target"])
    assert long_mode.registers["dr6"] & 0xF == 1
    assert (long_mode.registers["rbx"], long_mode.core.retired) == (0, 8 + 1)


def test_breakpoint_with_rf_set_by_iret_is_passed(long_mode: Lab) -> None:
    long_mode.gate(1, offset=HANDLERS)
    long_mode.memory.write(
        HANDLERS, bytes.fromhex("ffc2 48814c24 10 00000100 48cf".replace(" ", ""))
    )
    long_mode.run(
        "lea rax, [target]\nmov dr0, rax\nmov eax, 0x402\nmov dr7, rax\nxor edx, edx\n"
        "target: inc rbx\nhlt"
    )
    assert (long_mode.registers["rdx"], long_mode.registers["rbx"]) == (1, 1)


def test_single_step_of_a_jump_to_itself_counts_each(long_mode: Lab) -> None:
    long_mode.gate(1, offset=HANDLERS)
    long_mode.memory.write(HANDLERS, IRET)
    long_mode.code("self: jmp self")
    long_mode.registers["rflags"] = 2 | TF
    long_mode.run(budget=10)
    assert (long_mode.core.retired, long_mode.core.exceptions) == (10, {1: 5})


# -- events from outside ---------------------------------------------------------------------------


def test_init_makes_a_core_wait_and_sipi_starts_it() -> None:
    lab = Lab("long", cores=2)
    second = lab.machine._cores[1]
    second.init()
    assert (second.waits_for_start, second.can_run) == (True, False)
    second.start_up(0x9A)
    assert second.can_run
    context = second.engine.context
    assert (context.segment(cx.CS).selector, context.linear_rip) == (0x9A00, 0x9_A000)
    assert context.bits == 16
    lab.machine.close()


def test_sipi_to_a_running_core_is_ignored(long_mode: Lab) -> None:
    long_mode.code("nop")
    long_mode.core.start_up(0x9A)
    assert long_mode.registers["rip"] == CODE


def test_init_of_the_first_core_begins_at_the_reset_vector(long_mode: Lab) -> None:
    long_mode.run("hlt")
    long_mode.core.init()
    assert (long_mode.core.can_run, long_mode.context.linear_rip) == (True, 0xFFFF_FFF0)


def test_a20_held_low_wraps_at_1_mib(real_mode: Lab) -> None:
    real_mode.memory.write(0x10_0000, b"H")
    real_mode.memory.write(0, b"L")
    source = "mov ax, 0xFFFF\nmov ds, ax\nmov al, [0x10]\nhlt"
    real_mode.core.set_a20(is_enabled=False)
    real_mode.run(source)
    assert real_mode.registers["rax"] & 0xFF == ord("L")
    real_mode.core.set_a20(is_enabled=True)
    real_mode.run(source)
    assert real_mode.registers["rax"] & 0xFF == ord("H")


def test_a20_held_low_hides_code_above_1_mib_from_the_decoder(real_mode: Lab) -> None:
    real_mode.memory.write(0x8000, bytes.fromhex("e480 f4"))
    real_mode.memory.write(0x10_8000, bytes.fromhex("9090 f4"))
    real_mode.core.set_a20(is_enabled=False)
    real_mode.context.set_segment(cx.CS, cx.Segment(0xFFFF, 0xF_FFF0, 0xFFFF, 0x9B00))
    real_mode.registers["rip"] = 0x8010
    real_mode.run()
    assert real_mode.core.retired == 2


# -- inside ----------------------------------------------------------------------------------------


def test_engine_error_that_is_no_fetch_is_an_internal_error(long_mode: Lab) -> None:
    long_mode.core._state[ns.ENGINE_ERROR] = 1
    with pytest.raises(InternalError, match="engine error 1"):
        long_mode.core._after_engine_error()


def test_device_access_outside_a_block_is_an_internal_error(long_mode: Lab) -> None:
    long_mode.core._forget_block()
    with pytest.raises(InternalError, match="outside a block"):
        long_mode.core._after_device_access()


def test_device_accesses_beyond_all_bounds_are_an_internal_error(long_mode: Lab) -> None:
    long_mode.core._state[ns.MMIO_KNOWN] = ns.ANSWER_COUNT
    with pytest.raises(InternalError, match="too many"):
        long_mode.core._answer_device_access()


def test_real_mode_runs_from_the_reset_state(real_mode: Lab) -> None:
    assert real_mode.context.linear_rip == 0 or CODE_16
    assert real_mode.run("mov ax, 0x1234\nmov ss, ax\nmov bx, ss\nhlt") is Stop.HALT
    assert real_mode.registers["rbx"] == 0x1234


def test_run_into_a_missing_page_without_nxe_executes_all_before_it(protected_mode: Lab) -> None:
    """Without NXE and SMEP the error code does not tell a fetch from a load."""
    lab = protected_mode
    table = 0x6_1000
    lab.double(0x6_0000, table | 3)
    pages = b"".join((page << 12 | 3).to_bytes(4, "little") for page in range(0x180))
    lab.memory.write(table, pages)
    lab.context.set_quad(cx.CR3, 0x6_0000)
    lab.context.set_quad(cx.CR0, 0x8000_0033)
    lab.engine.flush_tlb()
    lab.memory.write(0x17_FFFA, bytes.fromhex("40 40 40 40 40 40"))
    lab.registers["rip"] = 0x17_FFFA
    entry = lab.enter()
    assert (entry.vector, entry.frame[:2]) == (14, [0, 0x18_0000])
    assert (lab.registers["rax"], lab.core.retired) == (6, 7)


def test_run_loading_from_the_next_missing_page_faults_at_the_load(protected_mode: Lab) -> None:
    lab = protected_mode
    table = 0x6_1000
    lab.double(0x6_0000, table | 3)
    pages = b"".join((page << 12 | 3).to_bytes(4, "little") for page in range(0x180))
    lab.memory.write(table, pages)
    lab.context.set_quad(cx.CR3, 0x6_0000)
    lab.context.set_quad(cx.CR0, 0x8000_0033)
    lab.engine.flush_tlb()
    lab.memory.write(0x17_FF00, bytes.fromhex("40 a1 00001800 40"))
    lab.registers["rip"] = 0x17_FF00
    entry = lab.enter()
    assert (entry.vector, entry.frame[:2]) == (14, [0, 0x17_FF01])
    assert (lab.registers["rax"], lab.core.retired) == (1, 2)
