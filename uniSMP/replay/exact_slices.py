"""Runs slices that somebody else has chosen, as a replay runs rows, on a machine that is recorded.

Nothing is chosen here. What comes of it is a recording like any other, and replays as one.
"""

from collections.abc import Sequence

import numpy as np

from uniSMP.core.core import Stop
from uniSMP.errors import DivergenceError
from uniSMP.machine.exact_run import ExactRun
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Ending, RunResult
from uniSMP.machine.slice_log import NO_VECTOR, RowEnd, Rows


def run_slices(machine: Machine, slices: Sequence[tuple[int, int, int]]) -> None:
    """Run slices one after the other.

    Args:
        machine: has not run yet; it is recorded, or not.
        slices: core, instructions to be retired, and what is delivered before the first of them: a
            vector, `slice_log.NMI`, or NO_VECTOR.

    Raises:
        DivergenceError: the machine cannot do that.
    """
    loop = machine.parts.loop
    loop.begin(None)
    exact, rows = ExactRun(machine.parts), _rows(slices)
    for row in range(len(rows)):
        _run_row(machine, exact, rows, row)
        if loop.after_slice is not None:
            loop.after_slice()


def _run_row(machine: Machine, exact: ExactRun, rows: Rows, row: int) -> None:
    """Run one slice, and tell the log of it, if there is one."""
    parts, log = machine.parts, machine.parts.loop.log
    core = parts.cores[int(rows.core[row])]
    exact.let_time_pass()
    if log is not None:
        log.begin(core, int(rows.budget[row]))
        if rows.vector[row] != NO_VECTOR:
            log.deliver(core, int(rows.vector[row]))
    exact.begin_row(rows, row)
    exact.run_to(int(rows.instructions[row]))
    if not exact.is_over:
        parts.loop.boundary.advance_due_devices()
    if log is not None:
        log.end(core, Stop.BUDGET)
    parts.coherence.synchronize()
    exact.is_row_over = True


def _rows(slices: Sequence[tuple[int, int, int]]) -> Rows:
    table = np.array(slices, dtype=np.int64).reshape(-1, 3)
    core, instructions, vector = table.T
    none = np.zeros(len(table), dtype=np.int64)
    end = np.full(len(table), int(RowEnd.BUDGET), dtype=np.int64)
    return Rows(core, instructions, instructions, vector, none, end, none)


def raise_to_end(machine: Machine, core_id: int) -> None:
    """Let a core raise the exceptions that end the run, without retiring an instruction.

    Raises:
        DivergenceError: the run goes on.
    """
    parts, loop = machine.parts, machine.parts.loop
    core = parts.cores[core_id]
    before = core.retired
    if loop.log is not None:
        loop.log.begin(core, 1)
    stop = loop.run_core(core, 1)
    loop.boundary.is_dead(core, stop)
    if core.retired != before or loop.boundary.ending is None:
        raise DivergenceError(f"core {core_id} goes on; it ended the run by exceptions before")
    if loop.log is not None:
        loop.log.end(core, stop)


def end_run(machine: Machine, ending: Ending) -> RunResult:
    """End the run where it is; an ending of the guest's own counts instead."""
    boundary = machine.parts.loop.boundary
    if boundary.ending is None:
        boundary.end(ending.outcome, ending.reason, ending.exit_value)
    assert boundary.ending is not None
    result = machine.result(boundary.ending)
    if machine.on_run_end is not None:
        machine.on_run_end(result)
    return result
