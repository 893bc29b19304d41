"""The log of slices says exactly what ran, by whichever code it ran."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP import Machine, RoundRobin, Schedule, SeededRandom, Slice, assemble
from uniSMP.machine.slice_log import NMI, NO_VECTOR, RowEnd, Rows, SliceLog

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

BUSY = (
    PREAMBLE
    + """
_start:
    gate 0x40, on_timer
    gate 2, on_nmi
    gate 6, on_undefined
    lidt [rip + idt]
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x3E0], 0xB
    mov dword ptr [rsi + 0x320], 0x20040
    mov dword ptr [rsi + 0x380], 300
    sti
again:
    mov ecx, 9
spin:
    dec ecx
    jnz spin
    lock inc dword ptr [0x2010]
    pause
    test dword ptr [0x2010], 7
    jnz again
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], 0x400
    ud2
    hlt
    jmp again
on_undefined:
    add qword ptr [rsp], 2
    iretq
on_timer:
    mov dword ptr [rsi + 0xB0], 0
    iretq
on_nmi:
    iretq
"""
)
NAMES = Rows.__slots__


class OneByOne:
    """A schedule that cannot plan, so that nothing runs in compiled code."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.name = schedule.name

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        return self._schedule.next_slice(runnable)


def run_logged(
    source: str, schedule: Schedule, limits: Sequence[int], cores: int = 1
) -> tuple[Rows, list[Any]]:
    """Return the rows of several runs, and their results."""
    with Machine(cores=cores, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble(source))
        loop = machine.parts.loop
        loop.log = SliceLog(loop.batch.mark_slice)
        loop.batch.set_marks(0)
        results = [machine.run(schedule, max_instructions=limit) for limit in limits]
        return loop.log.take(), results


def lists(rows: Rows) -> dict[str, list[int]]:
    return {name: getattr(rows, name).tolist() for name in NAMES}


@settings(deadline=None, max_examples=20)
@given(
    cores=st.integers(1, 3),
    quantum=st.sampled_from([1, 5, 33, 200, 5000]),
    seed=st.none() | st.integers(0, 9),
    limits=st.lists(st.integers(1, 2000), min_size=1, max_size=3),
)
def test_compiled_code_and_python_log_the_same(
    cores: int, quantum: int, seed: int | None, limits: list[int]
) -> None:
    def schedule() -> Schedule:
        return RoundRobin(quantum) if seed is None else SeededRandom(seed, quantum)

    planned, results = run_logged(BUSY, schedule(), limits, cores)
    single, others = run_logged(BUSY, OneByOne(schedule()), limits, cores)
    assert lists(planned) == lists(single)
    assert results == others


@pytest.mark.parametrize("cores", [1, 2, 3])
@pytest.mark.parametrize("quantum", [1, 20, 400])
def test_rows_account_for_every_instruction_and_every_interrupt(cores: int, quantum: int) -> None:
    rows, results = run_logged(BUSY, RoundRobin(quantum), [3000, 3000], cores)
    taken = np.bincount(rows.core, weights=rows.instructions, minlength=cores)
    assert taken.tolist() == [core.instructions for core in results[-1].cores]
    vectors = np.where(rows.vector == NMI, 2, rows.vector)
    delivered = [
        int(np.count_nonzero((rows.core == core.id) & (vectors == vector)))
        for core in results[-1].cores
        for vector in (2, 0x40)
    ]
    assert delivered == [
        core.interrupts.get(vector, 0) for core in results[-1].cores for vector in (2, 0x40)
    ]


def test_budget_stands_in_the_first_row_of_each_slice() -> None:
    rows, _results = run_logged(BUSY, RoundRobin(100), [5000], 2)
    goes_on = np.concatenate([[False], rows.end[:-1] == RowEnd.INTERRUPT])
    assert goes_on.any()
    assert np.array_equal(rows.budget, np.where(goes_on, 0, 100))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("_start: cli\nhlt", [(2, RowEnd.HALT, NO_VECTOR, 0)]),
        ("_start: xor eax, eax\nout 0xF4, al", [(2, RowEnd.ATTENTION, NO_VECTOR, 0)]),
        ("_start: inc eax\njmp _start", [(10, RowEnd.BUDGET, NO_VECTOR, 0)] * 2),
        (
            "_start: lidt [rip + none]\nud2\nnone: .quad 0, 0",
            [(1, RowEnd.SHUTDOWN, NO_VECTOR, 1)],
        ),
    ],
)
def test_row_says_what_ended_it(source: str, expected: list[tuple[int, ...]]) -> None:
    rows, _results = run_logged(source, RoundRobin(10), [20])
    columns = (rows.instructions, rows.end, rows.vector, rows.faults)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == expected


def test_pause_ends_a_row_while_another_core_can_run() -> None:
    source = "_start: nop\npause\njmp _start"
    rows, _results = run_logged(source, RoundRobin(10), [9], 2)
    assert rows.end.tolist()[:3] == [RowEnd.PAUSE] * 3
    assert rows.instructions.tolist()[:3] == [2, 2, 3]


def test_slice_that_ends_behind_a_fault_counts_it() -> None:
    """The budget ends with the instruction before #UD is raised, or with the handler's first."""
    source = PREAMBLE + "_start: gate 6, on_ud\nlidt [rip + idt]\nnop\nud2\non_ud: nop\njmp on_ud"
    at_fault, _results = run_logged(source, RoundRobin(8), [16])
    assert at_fault.instructions.tolist() == [8, 8]
    assert at_fault.faults.tolist() == [0, 0]


def test_delivery_before_the_first_instruction_begins_no_row_of_its_own() -> None:
    source = (
        PREAMBLE
        + """
    _start:
        gate 0x40, on_timer
        lidt [rip + idt]
        mov esi, APIC
        mov dword ptr [rsi + 0xF0], 0x1FF
        mov dword ptr [rsi + 0x320], 0x40
        mov dword ptr [rsi + 0x380], 1000
        sti
        hlt
    on_timer:
        jmp on_timer
    """
    )
    rows, _results = run_logged(source, RoundRobin(50), [80])
    assert rows.end.tolist() == [RowEnd.HALT, RowEnd.BUDGET, RowEnd.BUDGET]
    assert rows.vector.tolist() == [NO_VECTOR, 0x40, NO_VECTOR]
    assert rows.budget.tolist() == [50, 50, 50]


def test_rows_are_taken_once_and_counted_for_ever() -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble("_start: inc rax\njmp _start"))
        loop = machine.parts.loop
        log = loop.log = SliceLog(loop.batch.mark_slice)
        machine.run(RoundRobin(10), max_instructions=50)
        assert (log.count, len(log.take())) == (5, 5)
        assert (log.count, len(log.take())) == (5, 0)
        machine.run(RoundRobin(10), max_instructions=25)
        rows = log.take()
        assert (log.count, rows.instructions.tolist()) == (8, [10, 10, 5])


def test_many_rows_are_kept() -> None:
    rows, results = run_logged("_start: inc rax\njmp _start", RoundRobin(1), [70_000])
    assert len(rows) == 70_000 == results[0].steps
    assert (rows.instructions == 1).all()
    assert len(set(rows.mark.tolist())) == 70_000


def test_rows_are_joined_in_order() -> None:
    one, _results = run_logged("_start: cli\nhlt", RoundRobin(10), [20])
    empty = Rows.join([])
    assert (len(empty), empty.core.dtype) == (0, np.int64)
    assert lists(Rows.join([one, empty, one])) == {
        name: 2 * values for name, values in lists(one).items()
    }


def test_input_inside_a_slice_cuts_its_row() -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble("_start: nop\nmov al, 'a'\nout 0xE9, al\nnop\njmp _start"))
        loop = machine.parts.loop
        log = loop.log = SliceLog(loop.batch.mark_slice)
        log.put_in()
        assert log.count == 0

        def put_in_twice(_data: bytes) -> None:
            log.put_in()
            log.put_in()

        machine.run(RoundRobin(7), max_instructions=14, on_console=put_in_twice)
        log.put_in()
        rows = log.take()
    assert rows.instructions.tolist() == [3, 4, 1, 5, 1]
    assert rows.end.tolist() == [RowEnd.INPUT, 0, RowEnd.INPUT, RowEnd.INPUT, 0]
    assert rows.budget.tolist() == [7, 0, 7, 0, 0]
