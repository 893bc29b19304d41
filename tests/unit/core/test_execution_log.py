"""The log of what cores executed, read and wrote, and its columns."""

import pytest
from lab import CODE, CODE_16, DATA, GDT, HANDLER_BYTES, HANDLERS, IDT, INNER_STACK, WINDOW, Lab

from uniSMP.core import native_state as ns
from uniSMP.core.log_decoding import DELIVERY, LOCKED, WRITE, Accesses, Executed
from uniSMP.core.register_watch import NAMES
from uniSMP.errors import InternalError

Row = tuple[int, int, int, int, int]
CAPACITY = ns.LOG_RESERVE + 4096
VALUE = 0x1122_3344_5566_7788


def start(lab: Lab, *, registers: bool = False) -> int:
    """Log everything from now on; return the step of the first instruction."""
    log = lab.machine._log
    log.start(CAPACITY, lambda: None, wants_instructions=True, logs_accesses=True)
    lab.core.watch(logs_accesses=True, logs_registers=registers)
    return lab.core.retired


def take(lab: Lab, first: int) -> Executed:
    return lab.machine._log.take(first, lab.core.retired).decode()


def traced(lab: Lab, source: str) -> Executed:
    first = start(lab)
    lab.run(source)
    return take(lab, first)


def rows(accesses: Accesses) -> list[Row]:
    """Return (step, physical, size, value, kind) of each access."""
    columns = (accesses.step, accesses.physical, accesses.size, accesses.value, accesses.kind)
    return [tuple(int(value) for value in row) for row in zip(*columns, strict=True)]  # type: ignore[misc]


def linears(accesses: Accesses) -> list[int | None]:
    pairs = zip(accesses.linear.tolist(), accesses.has_linear.tolist(), strict=True)
    return [linear if known else None for linear, known in pairs]


def test_instructions_are_told_in_order_with_their_level(long_mode: Lab) -> None:
    done = traced(long_mode, "nop\nmov eax, 1\nhlt")
    assert done.retired.rip.tolist() == [CODE, CODE + 1, CODE + 6]
    assert done.retired.cpl.tolist() == [0, 0, 0]


def test_user_code_is_told_with_its_level(long_mode: Lab) -> None:
    long_mode.enter_user()
    done = traced(long_mode, "nop\nint3")
    assert done.retired.cpl.tolist()[0] == 3
    assert done.retired.cpl.tolist()[-1] == 0


def test_faulting_instruction_is_not_retired(long_mode: Lab) -> None:
    done = traced(long_mode, "nop\nud2\nnop")
    assert done.retired.rip.tolist() == [CODE, HANDLERS + 6 * HANDLER_BYTES]


def test_load_faulting_on_its_page_leaves_no_row(long_mode: Lab) -> None:
    done = traced(long_mode, f"mov rbx, {WINDOW}\nmov eax, [rbx]")
    assert [row for row in rows(done.accesses) if not row[4] & DELIVERY] == []


def test_store_faulting_on_its_second_page_leaves_no_row(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    done = traced(long_mode, f"mov rbx, {WINDOW + 0xFFC}\nmov [rbx], rbx")
    assert [row for row in rows(done.accesses) if not row[4] & DELIVERY] == []


def test_push_from_memory_that_faults_keeps_no_read(long_mode: Lab) -> None:
    long_mode.registers["rsp"] = WINDOW
    long_mode.gate(14, ist=1)
    done = traced(long_mode, f"push qword ptr [{DATA}]")
    assert [row for row in rows(done.accesses) if not row[4] & DELIVERY] == []


def test_read_has_its_value_and_write_too(long_mode: Lab) -> None:
    long_mode.quad(DATA, VALUE)
    done = traced(long_mode, f"mov ax, [{DATA + 1}]\nmov [{DATA + 16}], al\nhlt")
    assert rows(done.accesses) == [
        (0, DATA + 1, 2, 0x6677, 0),
        (1, DATA + 16, 1, 0x77, WRITE),
    ]


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("lock add dword ptr [rbx], 1", 6),
        ("lock inc dword ptr [rbx]", 6),
        ("lock not dword ptr [rbx]", 0xFFFF_FFFA),
        ("lock neg dword ptr [rbx]", 0xFFFF_FFFB),
        ("lock bts dword ptr [rbx], 1", 7),
        ("lock xadd [rbx], ecx", 14),
        ("lock cmpxchg [rbx], ecx", 9),
        ("xchg [rbx], ecx", 9),
    ],
)
def test_locked_instruction_is_one_locked_read_and_write(
    long_mode: Lab, source: str, value: int
) -> None:
    long_mode.double(DATA, 5)
    long_mode.registers["rbx"], long_mode.registers["rcx"] = DATA, 9
    long_mode.registers["rax"] = 5
    done = traced(long_mode, f"{source}\nhlt")
    assert rows(done.accesses) == [
        (0, DATA, 4, 5, LOCKED),
        (0, DATA, 4, value, LOCKED | WRITE),
    ]


def test_unlocked_compare_exchange_is_not_locked(long_mode: Lab) -> None:
    done = traced(long_mode, f"cmpxchg [{DATA}], ecx\nhlt")
    assert {row[4] & LOCKED for row in rows(done.accesses)} == {0}


def test_each_repetition_of_a_string_instruction_has_its_own_step(long_mode: Lab) -> None:
    long_mode.memory.write(DATA, b"abc")
    long_mode.registers["rsi"], long_mode.registers["rdi"] = DATA, DATA + 64
    long_mode.registers["rcx"] = 3
    done = traced(long_mode, "rep movsb\nhlt")
    assert [(row[0], row[1], row[3]) for row in rows(done.accesses)] == [
        (0, DATA, ord("a")),
        (0, DATA + 64, ord("a")),
        (1, DATA + 1, ord("b")),
        (1, DATA + 65, ord("b")),
        (2, DATA + 2, ord("c")),
        (2, DATA + 66, ord("c")),
    ]
    assert len(done.retired.rip) == 5


def test_sixteen_bytes_are_two_rows(long_mode: Lab) -> None:
    long_mode.quad(DATA, 1)
    long_mode.quad(DATA + 8, 2)
    done = traced(long_mode, f"movups xmm0, [{DATA}]\nmovaps [{DATA + 32}], xmm0\nhlt")
    assert rows(done.accesses) == [
        (0, DATA, 8, 1, 0),
        (0, DATA + 8, 8, 2, 0),
        (1, DATA + 32, 8, 1, WRITE),
        (1, DATA + 40, 8, 2, WRITE),
    ]


@pytest.mark.parametrize(("source", "kind"), [("mov rax, [rbx]", 0), ("mov [rbx], rcx", WRITE)])
def test_access_that_crosses_pages_has_a_row_in_each(
    long_mode: Lab, source: str, kind: int
) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.map_page(WINDOW + 0x1000, DATA + 0x5000 | 3)
    long_mode.memory.write(DATA + 0xFFD, VALUE.to_bytes(8, "little")[:3])
    long_mode.memory.write(DATA + 0x5000, VALUE.to_bytes(8, "little")[3:])
    long_mode.registers["rbx"], long_mode.registers["rcx"] = WINDOW + 0xFFD, VALUE
    done = traced(long_mode, f"{source}\nhlt")
    assert rows(done.accesses) == [
        (0, DATA + 0xFFD, 3, VALUE & 0xFF_FFFF, kind),
        (0, DATA + 0x5000, 5, VALUE >> 24, kind),
    ]
    assert linears(done.accesses) == [WINDOW + 0xFFD, WINDOW + 0x1000]


def test_linear_address_is_that_of_the_alias_that_was_used(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.map_page(WINDOW + 0x1000, DATA | 3)
    long_mode.registers["rbx"] = WINDOW
    done = traced(
        long_mode,
        f"mov al, [{DATA}]\nmov al, [rbx]\nmov al, [rbx + 0x1000]\nmov [rbx + 8], al\n"
        f"mov al, [{DATA + 8}]\nhlt",
    )
    expected = [DATA, WINDOW, WINDOW + 0x1000, WINDOW + 8, DATA + 8]
    assert linears(done.accesses) == expected


def test_string_move_between_two_aliases_tells_them_apart(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.registers["rsi"], long_mode.registers["rdi"] = DATA + 8, WINDOW + 24
    done = traced(long_mode, f"mov al, [{DATA}]\nmovsq\nhlt")
    assert linears(done.accesses) == [DATA, DATA + 8, WINDOW + 24]


def test_stack_accesses_have_their_linear_addresses(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, INNER_STACK - 0x1000 & ~0xFFF | 3)
    long_mode.registers["rsp"] = WINDOW + 0x100
    done = traced(long_mode, "push rax\npop rcx\ncall next\nnext: pop rdx\nhlt")
    assert linears(done.accesses) == [WINDOW + 0xF8] * 4


def test_interrupt_delivery_reads_tables_and_pushes_the_frame(long_mode: Lab) -> None:
    done = traced(long_mode, "nop\nud2")
    delivery = [row for row in rows(done.accesses) if row[4] & DELIVERY]
    assert [row[1] for row in delivery[:3]] == [IDT + 96, IDT + 104, GDT + 8]
    pushes = delivery[3:]
    assert [row[1] for row in pushes] == [INNER_STACK - 40 + 8 * word for word in range(5)]
    assert [row[3] for row in pushes] == [CODE + 1, 8, pushes[2][3], INNER_STACK, 0x10]
    assert {(row[0], row[4]) for row in pushes} == {(1, WRITE | DELIVERY)}
    assert set(done.accesses.rip.tolist()) == {CODE + 1}


def test_slow_and_compiled_delivery_log_the_same(
    long_mode: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = rows(traced(long_mode, "nop\nud2").accesses)
    monkeypatch.setattr("uniSMP.core.delivery.enter", lambda *_arguments: -1)
    slow = rows(traced(Lab("long"), "nop\nud2").accesses)
    assert compiled == slow


def test_port_strings_are_the_instruction_s_accesses(long_mode: Lab) -> None:
    long_mode.memory.write(DATA, b"xy")
    long_mode.registers["rsi"], long_mode.registers["rdx"] = DATA, 0xE9
    done = traced(long_mode, "outsb\noutsb\nhlt")
    assert rows(done.accesses) == [(0, DATA, 1, ord("x"), 0), (1, DATA + 1, 1, ord("y"), 0)]


def test_device_accesses_are_no_rows_and_their_instruction_is_told_once(long_mode: Lab) -> None:
    done = traced(long_mode, f"mov ebx, 0xFEE00000\nmov eax, [rbx + 0x30]\nmov [{DATA}], eax\nhlt")
    assert [row[:3] for row in rows(done.accesses)] == [(2, DATA, 4)]
    assert len(done.retired.rip) == 4


def test_addresses_in_16_bit_code_include_the_segment_base(real_mode: Lab) -> None:
    real_mode.word(DATA + 0x10, 0xABCD)
    done = traced(real_mode, f"mov ax, {DATA >> 4}\nmov ds, ax\nmov bx, 0x10\nmov ax, [bx]\nhlt")
    assert rows(done.accesses) == [(3, DATA + 0x10, 2, 0xABCD, 0)]
    assert linears(done.accesses) == [DATA + 0x10]
    assert done.retired.rip.tolist()[0] == CODE_16


def test_changed_code_has_a_block_of_its_own(long_mode: Lab) -> None:
    done = traced(
        long_mode,
        "again: mov eax, 1\ncmp eax, 2\nje end\nmov byte ptr [again + 1], 2\njmp again\nend: hlt",
    )
    catalog = long_mode.machine._catalog.blocks
    first = [catalog[number].code[:2] for number in done.executions.block.tolist()]
    assert b"\xb8\x01" in first
    assert b"\xb8\x02" in first


def test_store_into_its_own_block_is_told_once(long_mode: Lab) -> None:
    done = traced(long_mode, "nop\nmov byte ptr [next + 1], 7\nnext: mov al, 1\nhlt")
    assert long_mode.registers["rax"] & 0xFF == 7
    assert len(done.retired.rip) == 4
    assert [row[0] for row in rows(done.accesses)] == [1]


def test_changes_are_told_with_the_step_that_made_them(long_mode: Lab) -> None:
    first = start(long_mode, registers=True)
    take(long_mode, first)  # the values at the start
    long_mode.run("mov eax, 7\nmov ecx, 8\nadd eax, ecx\nrdtsc\nhlt")
    done = take(long_mode, first)
    told = [
        (step, NAMES[register], value)
        for step, register, value in zip(
            done.changes.step.tolist(),
            done.changes.register.tolist(),
            done.changes.value.tolist(),
            strict=True,
        )
    ]
    assert [row for row in told if row[1] in ("rax", "rcx")] == [
        (0, "rax", 7),
        (1, "rcx", 8),
        (2, "rax", 15),
        (3, "rax", long_mode.registers["rax"]),
    ]


def test_first_look_gives_every_register(long_mode: Lab) -> None:
    first = start(long_mode, registers=True)
    long_mode.run("hlt")
    assert len(set(take(long_mode, first).changes.register.tolist())) == len(NAMES)


@pytest.mark.parametrize("spare", [2, 3, 7, 64])
def test_log_of_any_capacity_tells_the_same(long_mode: Lab, spare: int) -> None:
    taken: list[Executed] = []
    log = long_mode.machine._log
    steps = [long_mode.core.retired]

    def hand_on() -> None:
        taken.append(log.take(steps[-1], long_mode.core.retired).decode())
        steps.append(long_mode.core.retired)

    log.start(ns.LOG_RESERVE + spare, hand_on, wants_instructions=True, logs_accesses=False)
    long_mode.core.watch(logs_accesses=False, logs_registers=False)
    long_mode.run(
        "mov ecx, 4\nagain: cpuid\nmov edi, 0x50000\nstosb\ndec dword ptr [0x50008]\n"
        "rdtsc\nmov rax, cr8\nint3"
    )
    hand_on()
    rips = [rip for part in taken for rip in part.retired.rip.tolist()]
    assert len(rips) == long_mode.core.retired == 9
    assert rips[0] == CODE


def test_log_that_misses_an_instruction_is_an_internal_error(long_mode: Lab) -> None:
    start(long_mode)
    long_mode.run("nop\nhlt")
    with pytest.raises(InternalError, match="2 instructions logged"):
        long_mode.machine._log.take(0, 3).decode()


def test_log_that_overflowed_is_an_internal_error(long_mode: Lab) -> None:
    start(long_mode)
    long_mode.machine._log.head[ns.LOG_OVERFLOW] = 1
    with pytest.raises(InternalError, match="too small"):
        long_mode.machine._log.take(0, 0)


def test_nothing_is_logged_after_the_end(long_mode: Lab) -> None:
    first = start(long_mode)
    long_mode.run("nop\nhlt")
    take(long_mode, first)
    long_mode.core.unwatch()
    long_mode.machine._log.stop()
    long_mode.run("nop\nhlt")
    assert not long_mode.machine._log.is_on
    assert long_mode.machine._log.head[ns.LOG_COUNT] == 0


def test_memory_is_used_again(long_mode: Lab) -> None:
    first = start(long_mode)
    log = long_mode.machine._log
    recorded = log.take(first, first)
    log.give_back(recorded)
    log.take(first, first)
    assert log.words is recorded.words
