"""Rows of a trace in the order of the run: in batches, cut at steps, and the instructions' code.

Several tables are read side by side: one gives the batches, and of the others exactly the rows up
to the same step are taken. So memory does not grow with the trace.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uniSMP.errors import FormatError
from uniSMP.trace.export.listing import Listing
from uniSMP.trace.reader import Trace

Words = npt.NDArray[np.int64]
END_STEP = 1 << 62


@dataclass(frozen=True, slots=True)
class Window:
    """What of a trace is exported.

    Attributes:
        first_step: steps before are left out.
        end_step: and those from here on.
        core: one core, or None for all.
    """

    first_step: int = 0
    end_step: int = END_STEP
    core: int | None = None

    def condition(self) -> str:
        """Return what a row must fulfil, as SQL."""
        of_core = "" if self.core is None else f" AND core = {self.core}"
        return f"step >= {self.first_step} AND step < {self.end_step}{of_core}"


class Rows:
    """The rows of a query, taken up to one step after the other.

    Args:
        batches: with a column `step`, ascending.
    """

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self._waiting: list[pa.RecordBatch] = []
        self._last_step = 0

    def before(self, step: int) -> pa.Table | None:
        """Return the next rows with a smaller step, or None where there are none."""
        taken: list[pa.RecordBatch] = []
        while True:
            batch = self._waiting.pop() if self._waiting else next(self._batches, None)
            if batch is None:
                break
            if batch.num_rows == 0:
                continue
            steps = batch.column("step").to_numpy()
            self._check_order(steps)
            size = int(np.searchsorted(steps, step))
            if size:
                taken.append(batch.slice(0, size))
            if size < batch.num_rows:
                self._waiting.append(batch.slice(size))
                break
        return pa.Table.from_batches(taken) if taken else None

    def rest(self) -> Iterator[pa.Table]:
        """Yield the rows that are left, in groups that end with a step."""
        while (step := self._peek()) is not None:
            table = self.before(step + 1)
            assert table is not None
            yield table

    def _peek(self) -> int | None:
        """Return the last step of the next batch, or None at the end."""
        while not self._waiting:
            batch = next(self._batches, None)
            if batch is None:
                return None
            if batch.num_rows:
                self._waiting.append(batch)
        return int(self._waiting[-1].column("step")[-1].as_py())

    def _check_order(self, steps: Words) -> None:
        if steps[0] < self._last_step or (steps[1:] < steps[:-1]).any():
            raise FormatError("the trace is damaged: its rows are not in the order of steps")
        self._last_step = int(steps[0])


@dataclass(frozen=True, slots=True)
class Instructions:
    """Retired instructions, in order.

    Attributes:
        step: of each.
        core: of each.
        rip: linear address of each.
        cpl: privilege level of each.
        entry: its row in the listing.
    """

    step: Words
    core: npt.NDArray[np.uint8]
    rip: npt.NDArray[np.uint64]
    cpl: npt.NDArray[np.uint8]
    entry: Words


def instructions(trace: Trace, window: Window, listing: Listing) -> Iterator[Instructions]:
    """Yield the retired instructions of a window in batches.

    Raises:
        ConfigError: the trace has no instructions.
    """
    trace.require("instructions")
    condition = window.condition()
    executed = Rows(
        trace.stream(
            "SELECT step, block, instructions FROM executions "  # noqa: S608 - numbers of ours
            f"WHERE step + instructions > {window.first_step} AND step < {window.end_step}"
        )
    )
    last: pa.Table | None = None
    for batch in trace.stream(f"SELECT step, core, rip, cpl FROM instructions WHERE {condition}"):  # noqa: S608
        if batch.num_rows == 0:
            continue
        step = batch.column("step").to_numpy()
        rip = batch.column("rip").to_numpy()
        more = executed.before(int(step[-1]) + 1)
        parts = [part for part in (last, more) if part is not None]
        entry = np.full(len(step), -1, dtype=np.int64)
        if parts:
            blocks = pa.concat_tables(parts)
            last = blocks.slice(blocks.num_rows - 1)
            entry = _entries(step, blocks, listing)
        wrong = np.flatnonzero((entry < 0) | (listing.address[entry] != rip))
        entry[wrong] = listing.find(rip[wrong])
        cores, levels = batch.column("core").to_numpy(), batch.column("cpl").to_numpy()
        yield Instructions(step, cores, rip, levels, entry)


def _entries(step: Words, blocks: pa.Table, listing: Listing) -> Words:
    """Return the listing's row of each step by the block that was executed then; -1: unknown."""
    first = blocks.column("step").to_numpy()
    run = np.maximum(np.searchsorted(first, step, side="right") - 1, 0)
    within = step - first[run]
    number = blocks.column("block").to_numpy()[run]
    is_inside = (within >= 0) & (within < blocks.column("instructions").to_numpy()[run])
    entry: Words = np.where(is_inside, listing.first[number] + within, -1)
    return entry
