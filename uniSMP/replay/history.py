"""The rows of a run, and the moments between instructions as positions among them."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from uniSMP.machine.slice_log import NO_VECTOR, Column, Rows
from uniSMP.replay.chunks import Item


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A moment of a run; positions are ordered as moments are.

    Attributes:
        slice: number of the row that has begun: an interrupt delivered at its start is delivered.
            -1 is before everything.
        instructions: so many of it are retired.
        faults: so many exceptions were raised behind them, before the next one retires.
    """

    slice: int
    instructions: int
    faults: int


START = Position(-1, 0, 0)


class History:
    """What is known of a run.

    Args:
        rows: every row.
        items: what stands between rows: (row behind it, what), in order.

    Attributes:
        rows: every row.
        items: what stands between them.
        ends: for each row, steps of the run at its end.
    """

    def __init__(self, rows: Rows, items: Sequence[tuple[int, Item]]) -> None:
        self.rows = rows
        self.items = list(items)
        self.ends: Column = np.cumsum(rows.instructions)
        self._stops = np.nonzero((rows.vector != NO_VECTOR) | (rows.faults != 0))[0]
        self._item_rows = [row for row, _item in self.items]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def steps(self) -> int:
        """Steps of all rows."""
        return int(self.ends[-1]) if len(self.ends) else 0

    @property
    def end(self) -> Position:
        """The moment behind all rows."""
        return self.end_of(len(self) - 1)

    def end_of(self, row: int) -> Position:
        """The moment at which a row is over."""
        if row < 0:
            return START
        return Position(row, int(self.rows.instructions[row]), int(self.rows.faults[row]))

    def begins(self, row: int) -> int:
        """Steps of the run when a row begins."""
        return int(self.ends[row - 1]) if row > 0 else 0

    def first_at(self, step: int) -> Position:
        """Return the first moment with so many steps."""
        if step <= 0:
            return START
        row = int(np.searchsorted(self.ends, step))
        return Position(row, step - self.begins(row), 0)

    def row_of(self, step: int) -> int:
        """Return the row that retires the instruction after so many steps; len(self): none does."""
        return int(np.searchsorted(self.ends, step, side="right"))

    def core_of(self, step: int) -> int:
        """Return the core that retires the instruction after so many steps; or the last one."""
        row = min(self.row_of(step), len(self) - 1)
        return int(self.rows.core[row]) if row >= 0 else 0

    def step_of(self, position: Position) -> int:
        """Return the steps of a moment."""
        return self.begins(position.slice) + position.instructions if position.slice >= 0 else 0

    def plain_end(self, first: int, end: int) -> int:
        """Return the first row from `first` + 1 to `end` at which compiled code cannot go on."""
        place = int(np.searchsorted(self._stops, first, side="right"))
        return min(end, int(self._stops[place])) if place < len(self._stops) else end

    def next_item_row(self, row: int) -> int:
        """Return the first row behind `row` before which something stands, or len(self)."""
        place = bisect_right(self._item_rows, row)
        return self._item_rows[place] if place < len(self._item_rows) else len(self)

    def item_index(self, row: int) -> int:
        """Return how many items stand before rows up to `row`, this one included."""
        return bisect_right(self._item_rows, row)

    def next_of_core(self, core_id: int, position: Position) -> int | None:
        """Return after how many steps the core will have retired one more; None: never."""
        row, done = position.slice, position.instructions
        if row >= 0 and self.rows.core[row] == core_id and done < self.rows.instructions[row]:
            return self.step_of(position) + 1
        later = slice(row + 1, None)
        found = (self.rows.core[later] == core_id) & (self.rows.instructions[later] > 0)
        return self.begins(row + 1 + int(np.argmax(found))) + 1 if found.any() else None

    def previous_of_core(self, core_id: int | None, position: Position) -> int | None:
        """Return after how many steps the core retired the last instruction; None: it has none."""
        row, done = position.slice, position.instructions
        if row >= 0 and done and core_id in {None, int(self.rows.core[row])}:
            return self.step_of(position) - 1
        earlier = self.rows.instructions[: max(row, 0)] > 0
        if core_id is not None:
            earlier &= self.rows.core[: max(row, 0)] == core_id
        places = np.nonzero(earlier)[0]
        return int(self.ends[places[-1]]) - 1 if len(places) else None
