"""The compiled loop: exactly as many instructions as a recording says, and marks."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import Lab, cx

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.core import native_batch as nb
from uniSMP.machine.slice_batch import SliceBatch
from uniSMP.machine.slice_log import SliceLog

SPIN = "_start: inc rax\npause\ncmp rax, rbx\njmp _start"
FOREVER = 1 << 62


def make(source: str = SPIN, cores: int = 3) -> Machine:
    """Return a machine whose blocks are known, so that compiled code runs them."""
    machine = Machine(cores=cores, boot="long", memory_bytes=2 << 20)
    machine.load(assemble(source))
    machine.run(RoundRobin(1), max_instructions=60 * cores)
    machine.run(RoundRobin(8), max_instructions=60 * cores)
    machine.parts.loop.batch.set_marks(0)
    return machine


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Return a machine of three cores that execute PAUSE again and again."""
    with make() as made:
        yield made


def run(
    machine: Machine,
    plan: Sequence[tuple[int, int]],
    *,
    is_exact: bool = True,
    limit_steps: int = FOREVER,
    most: int = FOREVER,
) -> SliceBatch:
    """Run slices of (core, instructions); return the batch."""
    batch = machine.parts.loop.batch
    numbers = np.array(plan, dtype=np.int64).reshape(-1, 2)
    batch.run(
        numbers[:, 0].copy(),
        numbers[:, 1].copy(),
        runnable=[core.id for core in machine.cores],
        busy_elsewhere=[False] * len(machine.cores),
        limit_steps=limit_steps,
        most_instructions=most,
        is_exact=is_exact,
    )
    return batch


def counts(machine: Machine) -> list[int]:
    return [core.instructions for core in machine.cores]


def test_exact_slices_do_not_end_in_pause(machine: Machine) -> None:
    before = counts(machine)
    batch = run(machine, [(0, 7), (2, 1), (1, 30), (0, 5)])
    assert (batch.done, batch.open) == (4, None)
    assert np.subtract(counts(machine), before).tolist() == [12, 30, 1]


def test_planned_slices_do(machine: Machine) -> None:
    before = counts(machine)
    batch = run(machine, [(0, 7), (2, 1), (1, 30)], is_exact=False)
    assert batch.done == 3
    taken = np.subtract(counts(machine), before).tolist()
    assert taken[0] <= 4
    assert taken[1] <= 4
    assert taken[2] == 1


def test_exact_slices_leave_counts_of_pauses_at_0(machine: Machine) -> None:
    machine.parts.loop.pauses[:] = [1, 2, 3]
    run(machine, [(0, 7), (2, 9)])
    assert machine.parts.loop.pauses.tolist() == [0, 2, 0]


def test_exact_slice_of_nothing_is_over_at_once(machine: Machine) -> None:
    before = machine.digest()
    batch = run(machine, [(1, 0), (1, 0)])
    assert (batch.done, batch.open, machine.digest()) == (2, None, before)


@pytest.mark.parametrize("limit", [1, 5, 11, 12, 13])
def test_slices_end_at_the_most_instructions_of_a_call(machine: Machine, limit: int) -> None:
    before = machine.steps
    batch = run(machine, [(0, 6), (1, 6), (2, 6)], most=limit)
    begun = batch.done + (batch.open is not None)
    assert begun == -(-limit // 6)
    assert machine.steps - before <= 6 * begun


def test_core_that_cannot_run_ends_it() -> None:
    with make("_start: test edi, edi\njnz away\nspin: jmp spin\naway: cli\nhlt", 2) as machine:
        batch = machine.parts.loop.batch
        numbers = np.array([0, 1, 0], dtype=np.int64), np.array([5, 5, 5], dtype=np.int64)
        begun = batch.run(
            *numbers,
            runnable=[0],
            busy_elsewhere=[False, False],
            limit_steps=FOREVER,
            most_instructions=FOREVER,
            is_exact=True,
        )
        assert (begun, batch.done, batch.open) == (1, 1, None)


def test_slice_that_needs_python_is_left_open() -> None:
    with make("_start: nop\nnop\ncpuid\nnop\njmp _start", 1) as machine:
        before = machine.core(0).instructions
        batch = run(machine, [(0, 50)])
        assert batch.done == 0
        assert batch.open is not None
        assert batch.open.reason is not None
        assert (batch.open.start, batch.open.end) == (before, before + 50)


# -- marks -------------------------------------------------------------------------------------


def marks_of(machine: Machine, plan: Sequence[tuple[int, int]]) -> list[int]:
    """Run slices whole, whatever it takes; return their marks."""
    batch, marks = machine.parts.loop.batch, []
    for each in plan:
        run(machine, [each])
        marks.append(batch.mark)
    return marks


plans = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 30)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=15)
@given(plans)
def test_marks_do_not_depend_on_how_many_slices_run_at_once(plan: list[tuple[int, int]]) -> None:
    with make() as one, make() as other:
        together = run(one, plan)
        assert together.done == len(plan)
        single = marks_of(other, plan)
        assert one.digest() == other.digest()
        assert list(together.marks) == single
        assert one.parts.loop.batch.mark == single[-1]


def test_python_makes_the_same_mark(machine: Machine) -> None:
    with make() as other:
        batch = run(machine, [(1, 5)])
        made_by_code = batch.mark
        core = other.parts.cores[1]
        other.parts.clock.switch_to(core)
        core.yield_on_pause(enabled=False)
        other.parts.loop.run_core(core, 5)
        assert other.parts.loop.batch.mark_slice(core) == made_by_code


def fold(lab: Lab, mark: int = 0) -> int:
    return int(nb.fold_mark(lab.engine.state, mark))


@pytest.mark.parametrize("number", range(16))
def test_mark_tells_every_register(long_mode: Lab, number: int) -> None:
    before = fold(long_mode)
    long_mode.context.set_register(number, long_mode.context.register(number) ^ 1 << 40)
    assert fold(long_mode) != before


def test_mark_tells_rip_retired_and_what_was_before(long_mode: Lab) -> None:
    first = fold(long_mode)
    assert fold(long_mode) == first
    assert fold(long_mode, 1) != first
    long_mode.context.rip += 1
    second = fold(long_mode)
    long_mode.context.rip -= 1
    long_mode.run("nop\nnop\nnop\nhlt", budget=1)
    assert len({first, second, fold(long_mode)}) == 3


def test_mark_tells_swapped_registers(long_mode: Lab) -> None:
    context = long_mode.context
    context.set_register(cx.RAX, 5)
    context.set_register(cx.RCX, 9)
    before = fold(long_mode)
    context.set_register(cx.RAX, 9)
    context.set_register(cx.RCX, 5)
    assert fold(long_mode) != before


def test_mark_does_not_tell_status_flags(long_mode: Lab) -> None:
    """What the engine keeps of them depends on how it came there."""
    before = fold(long_mode)
    long_mode.registers["rflags"] = 0x8D7
    assert fold(long_mode) == before


def test_mark_tells_the_core() -> None:
    lab = Lab("long", cores=2)
    first, second = (core.engine.state for core in lab.machine.parts.cores)
    lab.context.set_register(cx.RDI, 0)
    same = [int(nb.fold_mark(state, 0)) for state in (first, second)]
    assert same[0] != same[1]
    lab.machine.close()


def test_no_marks_are_made_where_none_are_wanted(machine: Machine) -> None:
    batch = machine.parts.loop.batch
    batch.set_marks(7)
    assert batch.mark == 7
    run(machine, [(0, 5)])
    assert batch.mark != 7
    batch.set_marks(None)
    run(machine, [(0, 5)])
    assert batch.mark == 0


@pytest.mark.parametrize("quantum", [3, 50])
def test_log_of_a_run_has_the_mark_of_each_slice(quantum: int) -> None:
    def logged(make_schedule: Callable[[], Any]) -> list[int]:
        with make() as machine:
            loop = machine.parts.loop
            log = loop.log = SliceLog(loop.batch.mark_slice)
            machine.run(make_schedule(), max_instructions=500)
            rows = log.take()
            assert loop.batch.mark == rows.mark[-1]
            return [int(mark) for mark in rows.mark]

    first = logged(lambda: RoundRobin(quantum))
    assert first == logged(lambda: RoundRobin(quantum))
    assert len(set(first)) == len(first) > 10
