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

from uniSMP.core import native_batch as nb
from uniSMP.core.core import Core, Stop

Column = npt.NDArray[np.int64]
NO_VECTOR = nb.NO_VECTOR
NMI = 0x102
"""In a row's vector: the NMI, which is no interrupt with vector 2."""


class RowEnd(IntEnum):
    """What ended a row; but for INTERRUPT the names are those of `Stop`."""

    BUDGET = nb.ENDED_BY_BUDGET
    PAUSE = nb.ENDED_BY_PAUSE
    HALT = 2
    INTERRUPT = 3
    """The schedule's slice goes on in the next row, which begins with a delivery."""
    ATTENTION = 4
    """An access ended the run, as those behind do."""
    SHUTDOWN = 5
    STUCK = 6
    WINDOW = 7
    INPUT = 8
    """The host put something in; the schedule's slice goes on in the next row."""


CONTINUED = frozenset({RowEnd.INTERRUPT, RowEnd.INPUT})
"""What ends a row, but not its slice."""


_ENDS: dict[Stop, RowEnd] = {
    stop: RowEnd[stop.name] for stop in Stop if stop not in {Stop.SPIN, Stop.REST}
}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of slices, as columns of equal length, in the order of `core.native_batch.ROW_...`.

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


_FIRST_CAPACITY = 1 << 14


class SliceLog:
    """Collects rows while a machine runs.

    Args:
        mark: makes the mark of a slice of a core that has just ended.
    """

    def __init__(self, mark: Callable[[Core], int]) -> None:
        self._mark = mark
        shape = (_FIRST_CAPACITY, nb.ROW_WORDS)
        self._table: npt.NDArray[np.int64] = np.zeros(shape, dtype=np.int64)
        self._single: list[tuple[int, int, int, int, int, int, int]] = []
        self._places: list[int] = []
        self._first = self._used = 0
        self._retired = self._faults = self._budget = 0
        self._vector = NO_VECTOR
        self._core: Core | None = None

    @property
    def count(self) -> int:
        """Rows since the log began."""
        return self._first + self._used

    def begin(self, core: Core, budget: int, *, retired: int | None = None) -> None:
        """Begin a slice of the schedule; `retired` where some of it has run already."""
        self.abandon()
        self._core = core
        self._budget = budget
        self._vector = NO_VECTOR
        self._retired = core.retired if retired is None else retired
        self._faults = core.faults_at(self._retired)

    def deliver(self, core: Core, vector: int) -> None:
        """Note that an interrupt is delivered before the next instruction."""
        self._close(core, RowEnd.INTERRUPT)
        self._vector = vector
        self._retired, self._faults = core.retired, 0

    def put_in(self) -> None:
        """Note that the host is about to put something in, maybe inside a slice."""
        core = self._core
        if core is not None:
            self._close(core, RowEnd.INPUT)
            self._vector = NO_VECTOR
            self._retired, self._faults = core.retired, core.faults_in_place

    def end(self, core: Core, stop: Stop) -> None:
        """End the slice."""
        self._core = None
        self._close(core, _ENDS[stop])

    def abandon(self) -> None:
        """End the slice that an exception has left, if there is one."""
        core, self._core = self._core, None
        if core is not None:
            self._close(core, RowEnd.BUDGET)

    def _close(self, core: Core, end: RowEnd) -> None:
        instructions = core.retired - self._retired
        faults = core.faults_in_place
        if faults and not instructions:
            faults -= self._faults
        vector = self._vector
        if end in CONTINUED and not (instructions or faults or vector != NO_VECTOR):
            return  # nothing yet: what comes now is the slice's beginning
        mark = self._mark(core)
        self._single.append((core.core_id, instructions, self._budget, vector, faults, end, mark))
        self._places.append(self._used)
        self._used += 1
        self._budget = 0

    def room(self, count: int) -> tuple[npt.NDArray[np.int64], int]:
        """Return where compiled code may write `count` rows, and the number of the first."""
        while self._used + count > len(self._table):
            self._table = np.concatenate([self._table, np.zeros_like(self._table)])
        return self._table, self._used

    def filled(self, count: int) -> None:
        """Say that so many rows were written there."""
        self._used += count

    def take(self) -> Rows:
        """Return the rows since the last call."""
        table, used = self.room(0)
        if self._single:
            table[self._places] = self._single
        self._single, self._places = [], []
        self._first, self._used = self._first + used, 0
        return Rows(*table[:used].T.copy())
