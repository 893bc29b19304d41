"""Machine runs as histories."""

import sys
from pathlib import Path

import numpy as np
import pytest

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.checks.history import DELIVERY, LOCKED, WRITE, History, Needs
from uniSMP.machine.observation import level_for, observe
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

ALL = Needs.ACCESSES | Needs.EVENTS | Needs.FLAGS
SOURCE = (
    PREAMBLE
    + """
_start:
    gate 0x40, handler
    lidt [rip + idt]
    mov eax, [0x2000]
    lock add dword ptr [0x2000], 3
    mov dword ptr [0xF0100], 1
    sti
    int 0x40
back:
    finish
handler:
    iretq
"""
)


def run(needs: Needs, source: str = SOURCE, cores: int = 1) -> tuple[History, dict[str, int]]:
    with Machine(cores=cores, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble(source))
        machine.memory.write_integer(0x2000, 4, 4)
        _, history = observe(machine, needs, RoundRobin(7))
    return history, dict(history.symbols)


@pytest.mark.parametrize(
    ("needs", "level"),
    [
        (Needs.NOTHING, Level.INSTRUCTIONS),
        (Needs.EVENTS, Level.INSTRUCTIONS),
        (Needs.ACCESSES, Level.MEMORY),
        (Needs.EVENTS | Needs.FLAGS, Level.REGISTERS),
    ],
)
def test_needs_decide_how_much_is_traced(needs: Needs, level: Level) -> None:
    assert level_for(needs) is level


def test_history_without_needs_has_instructions_only() -> None:
    history, symbols = run(Needs.NOTHING)
    assert history.accesses is None
    assert history.flags is None
    assert history.events == []
    assert (history.first_step, history.end_step) == (0, len(history.rip))
    assert history.is_over
    assert symbols["handler"] in history.rip.tolist()


def rows(history: History, *, delivery: bool) -> list[tuple[int, int, int, int]]:
    """Return (rip, physical, value, kind) of accesses."""
    found = history.accesses
    assert found is not None
    chosen = np.nonzero(((found.kind & DELIVERY) != 0) == delivery)[0]
    columns = (found.rip, found.physical, found.value, found.kind)
    return [tuple(int(column[row]) for column in columns) for row in chosen]


def test_accesses_have_values_and_kinds() -> None:
    history, _ = run(ALL)
    at_word = [row[2:] for row in rows(history, delivery=False) if row[1] == 0x2000]
    assert at_word == [(4, 0), (4, LOCKED), (7, WRITE | LOCKED)]


def test_pushes_of_a_delivery_are_rows_of_their_own() -> None:
    history, symbols = run(ALL)
    pushed = [row for row in rows(history, delivery=True) if row[3] & WRITE]
    assert len(pushed) == 5
    assert symbols["back"] in [row[2] for row in pushed]


def test_stores_to_rom_did_not_take_place() -> None:
    history, _ = run(ALL)
    assert [row for row in rows(history, delivery=False) if row[1] == 0xF0100] == []


def test_memory_stays_as_it_was_at_the_beginning() -> None:
    history, _ = run(ALL)
    assert history.memory(0x2000, 4) == b"\4\0\0\0"


def test_flags_hold_from_the_instruction_behind_the_one_that_set_them() -> None:
    history, symbols = run(ALL)
    assert history.flags is not None
    enabled = (history.flags.value & 0x200).tolist()
    steps = history.flags.step.tolist()
    changed = [
        (int(history.rip[step - 1]), enabled[row])
        for row, step in enumerate(steps)
        if row and enabled[row] != enabled[row - 1]
    ]
    rip = history.rip.tolist()
    first = rip.index(symbols["handler"])
    assert changed == [
        (rip[first - 2], 0x200),  # STI
        (rip[first - 1], 0),  # INT, whose delivery comes before the handler's first instruction
        (symbols["handler"], 0x200),  # IRET
    ]


def test_events_are_kept_without_slices() -> None:
    history, symbols = run(ALL)
    kinds = [event.kind for event in history.events]
    assert kinds == ["mode", "software_interrupt", "port_write", "exit"]
    assert history.events[1].vector == 0x40
    assert history.events[2].address == 0xF4
    assert history.events[1].rip == symbols["back"] - 2


def test_run_cut_by_a_limit_is_not_over() -> None:
    with Machine(cores=1, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble("_start: jmp _start"))
        _, first = observe(machine, ALL, max_instructions=10)
        _, second = observe(machine, ALL, max_instructions=5)
    assert (first.first_step, first.end_step, first.is_over) == (0, 10, False)
    assert (second.first_step, second.end_step, second.is_over) == (10, 15, False)


PAGING = """
_start:
    gate 14, fault
    lidt [rip + idt]
    mov rax, cr3
    mov rbx, [rax]
    mov [0x10000], rbx
    mov ebx, 0x10000
    mov cr3, rbx
reloaded:
    xor eax, eax
    mov cr8, rax
    mov rbx, 0x7000000008
    mov eax, [rbx]
fault:
    finish
"""


def test_cr3_holds_from_the_instruction_behind_the_one_that_set_it() -> None:
    history, symbols = run(Needs.PAGING, PREAMBLE + PAGING)
    assert history.flags is None
    assert history.cr3 is not None
    assert history.cr3.step.tolist() == [0, history.rip.tolist().index(symbols["reloaded"])]
    assert history.cr3.value.tolist()[1] == 0x10000


def test_events_have_details_and_the_address_of_a_page_fault() -> None:
    history, _ = run(Needs.EVENTS, PREAMBLE + PAGING)
    told = [(event.kind, event.detail, event.address) for event in history.events[:3]]
    assert told == [
        ("mode", "64-bit", -1),
        ("control_register_write", "cr8", -1),
        ("exception", "", 0x7000000008),
    ]
