"""Rows of a log are run exactly, whole or in pieces, and what departs is noticed."""

import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from uniSMP import DivergenceError, Machine, RoundRobin, SeededRandom, assemble
from uniSMP.machine.exact_run import ExactRun
from uniSMP.machine.slice_log import NO_VECTOR, RowEnd, Rows, SliceLog
from uniSMP.machine.snapshot import SnapshotStore
from uniSMP.machine.written_pages import RamTracking

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

BUSY = (
    PREAMBLE
    + """
_start:
    gate 0x40, on_timer
    gate 2, on_nmi
    gate 0x41, on_timer
    gate 6, on_undefined, 0x8F00
    gate 13, on_protection
    lidt [rip + idt]
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x3E0], 0xB
    mov dword ptr [rsi + 0x320], 0x20040
    mov dword ptr [rsi + 0x380], 300
    mov rbx, -1
    sti
again:
    mov ecx, 9
spin:
    dec ecx
    jnz spin
    lock inc dword ptr [0x2010]
    pause
    ud2
    cli
    mov dword ptr [rsi + 0x310], 0
    mov dword ptr [rsi + 0x300], 0x40041
    sti
    ud2
    test dword ptr [0x2010], 7
    jnz again
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], 0x400
    hlt
    jmp again
on_undefined:
    mov cr8, rbx
on_protection:
    mov rsp, [rsp + 32]
    add qword ptr [rsp], 2
    iretq
on_timer:
    mov dword ptr [rsi + 0xB0], 0
    iretq
on_nmi:
    iretq
"""
)
"""#UD, whose handler raises #GP at once: two exceptions at one boundary, again and again.

In the shadow of STI an interrupt waits until #UD has entered its handler through a trap gate.
"""
CORES = 3


@dataclass(frozen=True)
class Known:
    """A run that is known: its rows, and its digest at the end."""

    rows: Rows
    digest: str


def make() -> Machine:
    machine = Machine(cores=CORES, boot="long", memory_bytes=2 << 20)
    machine.load(assemble(BUSY))
    return machine


def known_run(quantum: int) -> Known:
    with make() as machine:
        loop = machine.parts.loop
        loop.log = SliceLog(loop.batch.mark_slice)
        loop.batch.set_marks(0)
        machine.run(SeededRandom(1, quantum), max_instructions=5000)
        return Known(loop.log.take(), machine.digest())


@pytest.fixture(scope="module", params=[1, 3, 30, 300])
def known(request: pytest.FixtureRequest) -> Known:
    """Return a run in slices of some length."""
    return known_run(request.param)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Return the machine of that run at its start, which makes marks."""
    with make() as made:
        made.parts.loop.batch.set_marks(0)
        made.parts.loop.begin(None)
        yield made


def run_whole(exact: ExactRun, rows: Rows, ends: Sequence[int]) -> list[int]:
    """Run rows up to each end in turn; return the marks."""
    row, marks = 0, []
    for end in ends:
        while row < end:
            row = exact.run_rows(rows, row, plain_end(rows, row, end))
            marks += exact.marks
            assert exact.is_row_over
    return marks


def plain_end(rows: Rows, row: int, end: int) -> int:
    stops = (rows.vector[row + 1 : end] != NO_VECTOR) | (rows.faults[row + 1 : end] != 0)
    return row + 1 + int(np.argmax([*stops, True]))


@pytest.mark.parametrize("seed", range(3))
def test_rows_in_any_groups_lead_to_the_same_end(machine: Machine, known: Known, seed: int) -> None:
    count = len(known.rows)
    ends = sorted(random.Random(seed).sample(range(1, count), min(20 * seed, count - 1)))
    marks = run_whole(ExactRun(machine.parts), known.rows, [*ends, count])
    assert machine.digest() == known.digest
    assert marks == known.rows.mark.tolist()


def run_in_pieces(exact: ExactRun, rows: Rows, row: int, chooser: random.Random) -> None:
    """Run a row piece by piece."""
    exact.begin_row(rows, row)
    instructions, faults = int(rows.instructions[row]), int(rows.faults[row])
    for stop in sorted(chooser.choices(range(instructions + 1), k=3)):
        exact.run_to(stop)
        assert exact.core.retired - exact.start == stop
        assert not exact.is_row_over
    exact.run_to(instructions)
    for count in range(1, faults + 1):
        exact.raise_faults(count)
        assert exact.faults == count
    exact.end_row(rows, row)


def test_rows_in_pieces_lead_to_the_same_end(machine: Machine, known: Known) -> None:
    exact, chooser, marks = ExactRun(machine.parts), random.Random(7), []
    for row in range(len(known.rows)):
        run_in_pieces(exact, known.rows, row, chooser)
        marks += exact.marks
    assert machine.digest() == known.digest
    assert marks == known.rows.mark.tolist()


def run_twice(
    machine: Machine, exact: ExactRun, store: SnapshotStore, rows: Rows, row: int, done: int
) -> None:
    """Run a row's rest two times, from a snapshot inside it."""
    core, target = machine.core(int(rows.core[row])), int(rows.instructions[row])
    exact.begin_row(rows, row)
    exact.run_to(done)
    kept, place, mark = store.take(), exact.save(), machine.parts.loop.batch.mark
    exact.run_to(target)
    exact.raise_faults(int(rows.faults[row]))
    before = core.linear_rip
    store.restore(kept)
    store.drop(kept)
    exact.restore(place)
    machine.parts.loop.batch.set_marks(mark)
    exact.run_to(target)
    exact.raise_faults(int(rows.faults[row]))
    assert core.linear_rip == before
    exact.end_row(rows, row)
    assert exact.marks == [rows.mark[row]]


def test_rows_go_on_from_snapshots_inside_them(machine: Machine, known: Known) -> None:
    rows, exact, chooser = known.rows, ExactRun(machine.parts), random.Random(3)
    store = SnapshotStore(machine.parts, RamTracking(machine.parts.ram))
    chosen = set(chooser.sample(range(len(rows)), 15))
    chosen |= set(np.nonzero(rows.faults)[0][:5].tolist())
    row = 0
    for stop in sorted(chosen):
        while row < stop:
            row = exact.run_rows(rows, row, plain_end(rows, row, stop))
        run_twice(machine, exact, store, rows, row, chooser.randint(0, int(rows.instructions[row])))
        row += 1
    while row < len(rows):
        row = exact.run_rows(rows, row, plain_end(rows, row, len(rows)))
    assert machine.digest() == known.digest
    store.close()


def test_known_runs_have_faults_behind_the_last_instruction(known: Known) -> None:
    rows = known.rows
    assert set(rows.faults.tolist()) == {0, 1}
    assert set(rows.end[rows.faults > 0].tolist()) == {RowEnd.INTERRUPT}


def one_row(**columns: int) -> Rows:
    values = {
        "core": 0,
        "instructions": 5,
        "budget": 5,
        "vector": NO_VECTOR,
        "faults": 0,
        "end": int(RowEnd.BUDGET),
        "mark": 0,
    } | columns
    return Rows(**{name: np.array([value]) for name, value in values.items()})


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"vector": 0x40}, "core 0 took interrupt 0x40 here; none is due"),
        ({"vector": 0x102}, "core 0 took an NMI here; none is due"),
        ({"faults": 1}, "core 0 raised 1 exceptions here; now it raises 0"),
        ({"faults": 2}, "core 0 raised 2 exceptions here; now it raises 0"),
    ],
)
def test_row_that_cannot_be_done_is_noticed(
    machine: Machine, columns: dict[str, int], message: str
) -> None:
    with pytest.raises(DivergenceError, match=message):
        ExactRun(machine.parts).run_rows(one_row(**columns), 0, 1)


def test_core_that_halts_before_the_row_ends_is_noticed() -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble("_start: cli\nhlt"))
        machine.parts.loop.begin(None)
        exact = ExactRun(machine.parts)
        with pytest.raises(DivergenceError, match="it can run no more after 2"):
            exact.run_rows(one_row(), 0, 1)


def test_machine_that_waits_for_ever_is_noticed() -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble("_start: cli\nhlt"))
        machine.run(RoundRobin(10), max_instructions=2)
        machine.parts.loop.begin(None)
        with pytest.raises(DivergenceError, match="no core can ever run again"):
            ExactRun(machine.parts).begin_row(one_row(), 0)


def test_core_is_the_one_that_ran_last(machine: Machine, known: Known) -> None:
    exact, row = ExactRun(machine.parts), 0
    while row < len(known.rows):
        row = exact.run_rows(known.rows, row, plain_end(known.rows, row, len(known.rows)))
        assert exact.core.core_id == known.rows.core[row - 1]


def test_pause_ends_no_row() -> None:
    with Machine(cores=2, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble("_start: pause\njmp _start"))
        machine.parts.loop.begin(None)
        rows = Rows.join([one_row(core=core, instructions=7) for core in (0, 1, 1, 0)])
        exact, row = ExactRun(machine.parts), 0
        while row < 4:
            row = exact.run_rows(rows, row, 4)
        assert [core.instructions for core in machine.cores] == [14, 14]
        assert not exact.is_traced


def test_row_without_anything_is_run() -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble("_start: inc rax\njmp _start"))
        machine.parts.loop.begin(None)
        rows = Rows.join([one_row(instructions=count) for count in (0, 3, 0, 0, 2)])
        assert len(replace(rows).core) == 5
        exact, row = ExactRun(machine.parts), 0
        while row < 5:
            row = exact.run_rows(rows, row, 5)
        assert machine.steps == 5
