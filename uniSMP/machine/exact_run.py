"""Runs slices exactly as a log of an earlier run says: nothing is chosen here.

Each row of `slice_log` names its core, what is delivered at its start, and the boundary at which it
ends. Chips act, messages are routed and idle time passes as in any run: they follow from what the
cores do. Where the machine cannot do what a row says it has departed from the run that was logged.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from uniSMP.core.core import Core
from uniSMP.errors import DivergenceError
from uniSMP.machine.parts import MachineParts
from uniSMP.machine.run_loop import LONGEST_RUN_INSTRUCTIONS
from uniSMP.machine.slice_log import CONTINUED, NMI, NO_VECTOR, RowEnd, Rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from uniSMP.machine.tracer import Tracer

_FOREVER = 1 << 62


class Interrupted(Exception):  # noqa: N818 - nothing went wrong
    """The host wants to go no further; the machine stands inside a row, or between two."""


def _begins_slice(rows: Rows, row: int) -> bool:
    return row == 0 or int(rows.end[row - 1]) not in CONTINUED


@dataclass(frozen=True, slots=True)
class RowPlace:
    """What must be known, beside the machine, to go on inside a row."""

    core_id: int
    start: int
    slice_start: int
    start_faults: int
    is_over: bool


class ExactRun:
    """Runs rows on the cores of one machine.

    Args:
        parts: the machine.

    Attributes:
        core: the core whose row is under way, or ran last.
        start: what its `retired` was when the row began, behind the delivery.
        row: number of the row that is under way; where `is_row_over`, of one before.
        is_row_over: whether that row was run to its end.
        is_interrupted: asked every million instructions or so, or None; True raises `Interrupted`.
        marks: of the rows that `run_rows` or `end_row` ended last, see `fold_mark`.
    """

    def __init__(self, parts: MachineParts) -> None:
        self._loop = parts.loop
        self._boundary = parts.loop.boundary
        self._cores = parts.cores
        self._clock = parts.clock
        self._coherence = parts.coherence
        self._tracer: Tracer | None = None
        self._slice_start = 0
        self._start_faults = 0
        self.core = parts.cores[0]
        self.start = 0
        self.row = -1
        self.is_row_over = True
        self.is_interrupted: Callable[[], bool] | None = None
        self.marks: list[int] = []

    @property
    def is_over(self) -> bool:
        """Whether the guest has ended the run."""
        return self._boundary.ending is not None

    @property
    def is_traced(self) -> bool:
        """Whether somebody sees what happens."""
        return self._tracer is not None

    def save(self) -> RowPlace:
        """Return what `restore` needs beside a snapshot of the machine."""
        return RowPlace(
            *(self.core.core_id, self.start, self._slice_start, self._start_faults),
            self.is_row_over,
        )

    def restore(self, place: RowPlace) -> None:
        """Go on from `place`, after the machine was put back."""
        self.core = self._cores[place.core_id]
        self.start, self._slice_start = place.start, place.slice_start
        self._start_faults, self.is_row_over = place.start_faults, place.is_over

    def trace(self, tracer: "Tracer | None") -> None:
        """Let `tracer` see what happens from now on; None: nobody."""
        last, self._tracer = self._tracer, tracer
        if last is not None:
            self._loop.end_trace(last)
        if tracer is not None:
            self._loop.trace(tracer)

    # -- many rows -----------------------------------------------------------------------------

    def run_rows(self, rows: Rows, first: int, end: int) -> int:
        """Run rows from `first` on, as many as it likes before `end`; return where it stands.

        All of them are run whole; none has a delivery or faults, or else only the first is run.

        Raises:
            DivergenceError: the machine does something else.
        """
        done = 0 if self._tracer is not None else self._run_batch(rows, first, end)
        if not done:
            self.begin_row(rows, first)
            self.run_to(int(rows.instructions[first]))
            self.raise_faults(int(rows.faults[first]))
            self.end_row(rows, first)
            done = 1
        return first + done

    def _run_batch(self, rows: Rows, first: int, end: int) -> int:
        """Run rows in compiled code, the last one to its end; return how many."""
        batch = self._loop.batch
        end = min(end, first + batch.length)
        if rows.vector[first] != NO_VECTOR or rows.faults[first]:
            return 0
        runnable = [core.core_id for core in self._cores if core.can_run]
        begun = batch.run(
            rows.core[first:end],
            rows.instructions[first:end],
            runnable=runnable,
            busy_elsewhere=[False] * len(self._cores),
            limit_steps=_FOREVER,
            most_instructions=LONGEST_RUN_INSTRUCTIONS,
            is_exact=True,
        )
        marks = batch.marks
        if batch.open is not None:
            row = first + begun - 1
            self.core, self.start = batch.open.core, batch.open.start
            self.row, self.is_row_over = row, False
            self._start_faults = self.core.faults_at(self.start)
            if batch.open.reason is not None:
                stop = self._loop.resume(self.core, batch.open.reason)
                self._boundary.is_dead(self.core, stop)
            self.run_to(int(rows.instructions[row]))
            self.end_row(rows, row)
            marks += self.marks
        if begun:
            last = first + begun - 1
            self.core, self.row = self._cores[int(rows.core[last])], last
            if _begins_slice(rows, last):
                self._slice_start = self.core.retired - int(rows.instructions[last])
            self._coherence.synchronize()
            self.is_row_over = True
            self.marks = marks
        return begun

    # -- one row -------------------------------------------------------------------------------

    def begin_row(self, rows: Rows, row: int) -> None:
        """Let idle time pass, switch to the row's core and deliver what the row begins with."""
        self.let_time_pass()
        core = self._cores[int(rows.core[row])]
        vector = int(rows.vector[row])
        self.core = core
        if _begins_slice(rows, row):
            self._slice_start = core.retired
            if self._boundary.events is not None:
                self._boundary.events.add("slice_begin", core.core_id, value=int(rows.budget[row]))
        self._clock.switch_to(core)
        core.yield_on_pause(enabled=False)
        self._boundary.advance_due_devices()
        if vector != NO_VECTOR:
            self._deliver(core, vector)
        self.start = core.retired
        self._start_faults = core.faults_in_place
        self.row, self.is_row_over = row, False

    def let_time_pass(self) -> None:
        """Let idle time pass until some core can run."""
        boundary = self._boundary
        while not any(boundary.is_runnable(core) for core in self._cores):
            boundary.idle()
            if boundary.ending is not None:
                raise DivergenceError(
                    f"the run ends here, {boundary.ending.reason}; it went on when recorded"
                )
        boundary.idle_events = 0

    def _deliver(self, core: Core, vector: int) -> None:
        """Deliver what was delivered when the run was logged.

        Raises:
            DivergenceError: it is not pending, or something else is.
        """
        boundary = self._boundary
        if vector == NMI:
            if not boundary.is_nmi_due(core):
                raise DivergenceError(f"core {core.core_id} took an NMI here; none is due")
            boundary.deliver_nmi(core)
            return
        if not boundary.is_interrupt_due(core):
            raise DivergenceError(
                f"core {core.core_id} took interrupt {vector:#x} here; none is due"
            )
        found = boundary.acknowledge(core)
        if found != vector:
            raise DivergenceError(
                f"core {core.core_id} took interrupt {vector:#x} here; {found:#x} is due"
            )
        boundary.deliver_interrupt(core, vector)

    def run_to(self, instructions: int) -> None:
        """Run the row's core until it has retired so many instructions of the row."""
        core, end = self.core, self.start + instructions
        while core.retired < end and not self.is_over:
            self._boundary.advance_due_devices()
            if not core.can_run:
                raise DivergenceError(
                    f"core {core.core_id} retired {instructions} instructions in this slice; it "
                    f"can run no more after {core.retired - self.start}"
                )
            stop = self._loop.run_core(core, end - core.retired)
            self._boundary.is_dead(core, stop)
            if core.retired < end:
                self.ask_host()
        if core.retired < end:
            ending = self._boundary.ending
            raise DivergenceError(f"the run ended early: {ending.reason if ending else ''}")

    def ask_host(self) -> None:
        """Raise Interrupted where the host wants it."""
        if self.is_interrupted is not None and self.is_interrupted():
            raise Interrupted

    def raise_faults(self, count: int) -> None:
        """Let the row's core raise so many exceptions where it stands in the row."""
        core, at = self.core, self.core.retired
        target = count + (self._start_faults if at == self.start else 0)
        while core.faults_in_place < target and core.retired == at and not self.is_over:
            self._boundary.advance_due_devices()
            stop = self._loop.run_faults(core, target)
            self._boundary.is_dead(core, stop)
        if core.retired != at or core.faults_in_place != target:
            raise DivergenceError(
                f"core {core.core_id} raised {count} exceptions here; now it raises "
                f"{core.faults_in_place - target + count}"
            )

    @property
    def faults(self) -> int:
        """Exceptions that the row's core has raised where it stands in the row."""
        core = self.core
        return core.faults_in_place - (self._start_faults if core.retired == self.start else 0)

    def end_row(self, rows: Rows, row: int) -> None:
        """Do what belongs to a row's end, once it was run to there."""
        core, end = self.core, int(rows.end[row])
        if end in {RowEnd.BUDGET, RowEnd.INTERRUPT} and not self.is_over:
            self._boundary.advance_due_devices()
        if self._boundary.events is not None and end not in CONTINUED:
            retired = core.retired - self._slice_start
            self._boundary.events.slice_ended(core.core_id, retired, RowEnd(end).name)
        if end not in CONTINUED:
            self._coherence.synchronize()
        self.is_row_over = True
        self.marks = [self._loop.batch.mark_slice(core)]
