"""Accesses to memory as text behind the instructions that made them."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uniSMP.trace.export import texts
from uniSMP.trace.export.rows import Rows, Window
from uniSMP.trace.reader import Trace

Words = npt.NDArray[np.int64]
Describe = Callable[[pa.Table], pa.LargeBinaryArray]
_DEVICES = (
    "SELECT step, address AS physical, NULL::UBIGINT AS linear, size, value, "
    "kind = 'mmio_write' AS is_write, true AS is_device FROM events WHERE kind[:5] = 'mmio_' AND "
)
_MEMORY = (
    "SELECT step, physical, linear, size, value, access[-5:] = 'write' AS is_write, "
    "false AS is_device FROM memory WHERE origin = 'instruction' AND "
)


class Accesses:
    """The accesses that instructions made, to memory and to devices, as text by instruction.

    A trace without the table `memory` has accesses to devices only.

    Args:
        trace: what to read.
        window: of it.
        describe: the text of each row of a table with columns physical, linear (null: unknown),
            size, value, is_write, is_device.
    """

    def __init__(self, trace: Trace, window: Window, describe: Describe) -> None:
        condition = window.condition()
        self._memory = Rows(trace.stream(_MEMORY + condition) if trace.has("memory") else iter(()))
        self._devices = Rows(trace.stream(_DEVICES + condition))
        self._describe = describe

    def of(self, steps: Words) -> pa.LargeBinaryArray:
        """Return the text of the accesses of the instructions at these steps, in order."""
        parts = [rows.before(int(steps[-1]) + 1) for rows in (self._memory, self._devices)]
        tables = [part for part in parts if part is not None]
        if not tables:
            return texts.from_bytes(np.empty(0, np.uint8), np.zeros(len(steps), np.int64))
        table = pa.concat_tables(tables)
        step = table.column("step").to_numpy()
        if len(tables) > 1:
            order = np.argsort(step, kind="stable")
            table, step = table.take(order), step[order]
        place = np.minimum(np.searchsorted(steps, step), len(steps) - 1)
        is_ours = steps[place] == step
        if not is_ours.all():
            table, step = table.filter(pa.array(is_ours)), step[is_ours]
        edges = np.append(np.searchsorted(step, steps), len(step))
        return texts.grouped(self._describe(table), edges)


def numbers(table: pa.Table, name: str) -> npt.NDArray[np.uint64]:
    """Return a column of numbers; null is 0."""
    column = table.column(name).combine_chunks()
    filled: npt.NDArray[np.uint64] = column.fill_null(0).to_numpy(zero_copy_only=False)
    return filled


def words(choices: npt.NDArray[np.bool_], if_false: bytes, if_true: bytes) -> pa.LargeBinaryArray:
    """Return one of two words for each row."""
    return pa.array([if_false, if_true], pa.large_binary()).take(pa.array(choices.astype(np.int8)))
