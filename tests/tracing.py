"""What tests of traces share: a sink that keeps the rows, and what to do with them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uniSMP.trace.schema import TABLES, Level


class KeptTrace:
    """Keeps every table as Arrow tables."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self._parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        arrays = {}
        for field in TABLES[name].schema:
            values = columns.get(field.name)
            if isinstance(values, np.ndarray) and field.type == pa.uint64():
                values = values.view(np.uint64)
            size = len(next(iter(columns.values())))
            arrays[field.name] = (
                pa.nulls(size, field.type) if values is None else pa.array(values, field.type)
            )
        self._parts[name].append(pa.table(arrays))

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [row for part in self._parts[name] for row in part.to_pylist()]

    def column(self, name: str, column: str) -> npt.NDArray[Any]:
        parts = [part[column].to_numpy() for part in self._parts[name]]
        return np.concatenate(parts) if parts else np.zeros(0)

    def table(self, name: str) -> pa.Table:
        """Return all rows of a table."""
        parts = self._parts[name] or [TABLES[name].schema.empty_table()]
        return pa.concat_tables(parts).combine_chunks()

    def kinds(self) -> list[str]:
        return [row["kind"] for row in self.rows("events")]


def write_all(
    ram: npt.NDArray[np.uint8],
    physical: npt.NDArray[np.uint64],
    size: npt.NDArray[np.uint8],
    value: npt.NDArray[np.uint64],
) -> None:
    """Write rows to RAM, in order: of several values for one byte the last one stays."""
    order = np.arange(8, dtype=np.uint64)
    addresses = physical[:, None] + order
    data = (value[:, None] >> (order * np.uint64(8))).astype(np.uint8)
    inside = order < size[:, None]
    ram[addresses[inside]] = data[inside]
