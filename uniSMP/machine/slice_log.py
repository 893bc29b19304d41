"""What cores ran, slice by slice, exactly: what a replay needs beside image and configuration.

A schedule's slice is one row, or several where an interrupt was delivered inside it: each delivery
begins a row. A row ends after so many retired instructions, and then so many exceptions raised
before the next one retires (nearly always none): with both, it names one instruction boundary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from uniSMP.core.core import Core, Stop

Column = npt.NDArray[np.int64]
NO_VECTOR = -1
NMI = 0x102
"""In a row's vector: the NMI, which is no interrupt with vector 2."""


class RowEnd(IntEnum):
    """What ended a row."""

    BUDGET = 0
    PAUSE = 1
    HALT = 2
    INTERRUPT = 3
    """The schedule's slice goes on in the next row, which begins with a delivery."""
    OTHER = 4
    """The run ended in it."""


_ENDS = {Stop.BUDGET: RowEnd.BUDGET, Stop.PAUSE: RowEnd.PAUSE, Stop.HALT: RowEnd.HALT}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of slices, as columns of equal length.

    Attributes:
        core: core ids.
        instructions: retired in each.
        budget: what the schedule allowed, in the first row of its slice; else 0.
        vector: delivered at the start, NMI, or NO_VECTOR.
        faults: exceptions raised behind the last instruction.
        end: what ended it, see `RowEnd`.
        mark: hash of the registers when it ended, see `core.native_batch.fold_mark`.
    """

    core: Column
    instructions: Column
    budget: Column
    vector: Column
    faults: Column
    end: Column
    mark: Column

    def __len__(self) -> int:
        return len(self.core)

    @staticmethod
    def join(parts: "Sequence[Rows]") -> "Rows":
        """Return rows one after the other."""
        names = Rows.__slots__
        none = np.zeros(0, dtype=np.int64)
        columns = {
            name: np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in names
        }
        return Rows(**columns)


class SliceLog:
    """Collects rows while a machine runs.

    Args:
        mark: makes the mark of a slice of a core that has just ended.

    Attributes:
        count: rows since the log began.
    """

    def __init__(self, mark: Callable[[Core], int]) -> None:
        self._mark = mark
        self._parts: list[Rows] = []
        self._rows: list[tuple[int, int, int, int, int, int, int]] = []
        self._retired = self._faults = self._budget = 0
        self._vector = NO_VECTOR
        self.count = 0

    def begin(self, core: Core, budget: int, *, retired: int | None = None) -> None:
        """Begin a slice of the schedule; `retired` where some of it has run already."""
        self._budget = budget
        self._vector = NO_VECTOR
        self._retired = core.retired if retired is None else retired
        self._faults = core.faults_at(self._retired)

    def deliver(self, core: Core, vector: int) -> None:
        """Note that an interrupt is delivered before the next instruction."""
        self._close(core, RowEnd.INTERRUPT)
        self._vector = vector
        self._retired, self._faults = core.retired, 0

    def end(self, core: Core, stop: Stop) -> None:
        """End the slice."""
        self._close(core, _ENDS.get(stop, RowEnd.OTHER))

    def _close(self, core: Core, end: RowEnd) -> None:
        instructions = core.retired - self._retired
        faults = core.faults_in_place - (0 if instructions else self._faults)
        if not (instructions or faults or self._vector != NO_VECTOR) and end == RowEnd.INTERRUPT:
            return  # nothing yet: the delivery is the slice's beginning
        self._rows.append(
            (
                core.core_id,
                instructions,
                self._budget,
                self._vector,
                faults,
                end,
                self._mark(core),
            )
        )
        self.count += 1
        self._budget = 0

    def extend(self, core: Column, budget: Column, results: Column) -> None:
        """Add slices that compiled code ran; `results` as `SliceBatch.results`."""
        if not len(results):
            return
        self._flush()
        count = len(results)
        instructions, is_paused, mark = results.T.copy()
        self._parts.append(
            Rows(
                core=core[:count].copy(),
                instructions=instructions,
                budget=budget[:count].copy(),
                vector=np.full(count, NO_VECTOR, dtype=np.int64),
                faults=np.zeros(count, dtype=np.int64),
                end=is_paused * int(RowEnd.PAUSE),
                mark=mark,
            )
        )
        self.count += count

    def _flush(self) -> None:
        if self._rows:
            self._parts.append(Rows(*np.array(self._rows, dtype=np.int64).T.copy()))
            self._rows = []

    def take(self) -> Rows:
        """Return the rows since the last call."""
        self._flush()
        parts, self._parts = self._parts, []
        return Rows.join(parts)
