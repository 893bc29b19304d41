"""Writes a trace: a folder with one folder per table, in it Parquet segments, and a manifest.

Rows are collected until a segment is full. A segment is written under another name and then
renamed, so what is there is whole: a run that is killed leaves a trace that ends with its last
segment. When a segment cannot be written the trace ends there, and the run goes on.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from uniSMP.assembler.image import Line
from uniSMP.errors import ConfigError
from uniSMP.trace.schema import BLOCKS, EVENTS, FORMAT_VERSION, TABLES, Level, Table

MANIFEST = "manifest.json"
_FORMAT = "uniSMP trace"
_SEGMENT_SUFFIXES = frozenset({".parquet", ".tmp"})
_SEGMENT_ROWS = 1 << 21
_ROW_GROUP_ROWS = 1 << 18
_STATISTICS = ["step"]
"""Columns by whose range a reader skips row groups; each costs time."""
Columns = Mapping[str, Any]


class TraceWriter:
    """One trace being written.

    Args:
        directory: its folder; made where it is missing.
        level: which tables it has.
        force: replace a trace that is there.

    Raises:
        ConfigError: the folder cannot be written, holds a trace (without `force`), or other files.

    Attributes:
        directory: its folder.
        level: how much is traced.
        error: why the trace ended before the run, or None.
        rows: rows written or waiting, by table.
    """

    def __init__(self, directory: Path, level: Level, *, force: bool = False) -> None:
        self.directory = directory
        self.level = level
        self.error: str | None = None
        self.rows = {name: 0 for name, table in TABLES.items() if table.level <= level}
        self._waiting: dict[str, list[pa.Table]] = {name: [] for name in self.rows}
        self._waiting_rows = dict.fromkeys(self.rows, 0)
        self._segments = dict.fromkeys(self.rows, 0)
        self._manifest: dict[str, Any] = {}
        self._prepare(force=force)

    def _prepare(self, *, force: bool) -> None:
        directory = self.directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            found = sorted(path.name for path in directory.iterdir())
            others = [name for name in found if not _is_ours(directory / name)]
            if others or (found and MANIFEST not in found):
                name = (others or found)[0]
                raise ConfigError(f"{directory} holds other files ({name}): choose an empty folder")
            if found and not force:
                raise ConfigError(f"{directory} holds a trace already: --force replaces it")
            for name in found:
                _remove(directory / name)
            for name in self.rows:
                (directory / name).mkdir()
        except OSError as error:
            raise ConfigError(f"cannot write a trace to {directory}: {error.strerror}") from error

    def begin(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest of a trace that has not ended.

        Raises:
            ConfigError: it cannot be written.
        """
        self._manifest = {"format": _FORMAT, "version": FORMAT_VERSION, **manifest}
        self._manifest["level"] = self.level.word
        try:
            self._write_manifest(complete=False)
        except OSError as error:
            raise ConfigError(
                f"cannot write a trace to {self.directory}: {error.strerror}"
            ) from error

    def add(self, name: str, columns: Columns) -> None:
        """Add rows to a table; a table that this level does not have drops them.

        Args:
            name: the table.
            columns: array, list or Arrow array by column name; a missing column is null.
        """
        if self.error is not None or name not in self.rows:
            return
        table = _arrow_table(TABLES[name], columns)
        if table.num_rows == 0:
            return
        self.rows[name] += table.num_rows
        self._waiting[name].append(table)
        self._waiting_rows[name] += table.num_rows
        if self._waiting_rows[name] >= _SEGMENT_ROWS:
            # First what the rows refer to, and what happened between them: a run may be killed.
            self.flush(BLOCKS.name)
            self.flush(EVENTS.name)
            self.flush(name)

    def add_names(self, labels: Mapping[str, int], lines: Sequence[Line]) -> None:
        """Write what addresses are called, and where they come from.

        Args:
            labels: linear addresses by name.
            lines: of the guest's source.
        """
        names = sorted(labels.items(), key=lambda item: item[1])
        self.add("symbols", {"address": [at for _, at in names], "name": [n for n, _ in names]})
        self.add(
            "lines",
            {
                "address": [line.address for line in lines],
                "file": [line.file for line in lines],
                "line": [line.line for line in lines],
            },
        )
        self.flush("symbols")
        self.flush("lines")

    def flush(self, name: str) -> None:
        """Write the rows of a table that wait for more."""
        if self._waiting_rows.get(name):
            self._flush(name)

    def end(self, manifest: Mapping[str, Any]) -> None:
        """Write what waits, and the manifest of the whole trace."""
        self.abandon()
        self._manifest |= dict(manifest)
        if self.error is None:
            try:
                self._write_manifest(complete=True)
            except OSError as error:
                self._fail(error)

    def abandon(self) -> None:
        """Write what waits, for a run that ended by an error: the manifest says incomplete."""
        for name in reversed(self.rows):
            self.flush(name)

    def _flush(self, name: str) -> None:
        """Write the waiting rows of a table as a segment."""
        if self.error is not None:
            return
        rows = pa.concat_tables(self._waiting[name])
        path = self.directory / name / f"{self._segments[name]:06}.parquet"
        self._waiting[name] = []
        self._waiting_rows[name] = 0
        self._segments[name] += 1
        try:
            _write_segment(path, rows, TABLES[name])
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        """End the trace; the run goes on."""
        self.error = f"the trace in {self.directory} is incomplete: {error.strerror or error}"
        self._waiting = {name: [] for name in self.rows}

    def _write_manifest(self, *, complete: bool) -> None:
        content = {**self._manifest, "complete": complete, "rows": self.rows}
        temporary = self.directory / f".{MANIFEST}.tmp"
        temporary.write_text(json.dumps(content, indent=2) + "\n")
        temporary.replace(self.directory / MANIFEST)


def _arrow_table(table: Table, columns: Columns) -> pa.Table:
    size = len(next(iter(columns.values()), ()))
    arrays = []
    for field in table.schema:
        values = columns.get(field.name)
        arrays.append(pa.nulls(size, field.type) if values is None else _array(values, field.type))
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Return an Arrow array; signed words are taken as unsigned where the column is."""
    if isinstance(values, pa.Array):
        return values if values.type == kind else values.cast(kind)
    if isinstance(values, np.ndarray):
        if kind == pa.uint64() and values.dtype == np.int64:
            values = values.view(np.uint64)
        return pa.array(values, type=kind)
    return pa.array(values, type=kind)


def _write_segment(path: Path, rows: pa.Table, table: Table) -> None:
    temporary = path.with_suffix(".tmp")
    try:
        pq.write_table(
            rows,
            temporary,
            compression="zstd",
            compression_level=1,
            use_dictionary=table.dictionary(),
            column_encoding=table.encodings() or None,
            row_group_size=_ROW_GROUP_ROWS,
            store_schema=False,
            write_statistics=_STATISTICS,
        )
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _is_ours(path: Path) -> bool:
    """Return whether a trace has a file or folder like this, and nothing else is in it."""
    if path.name in TABLES and path.is_dir() and not path.is_symlink():
        return all(each.suffix in _SEGMENT_SUFFIXES for each in path.iterdir())
    if path.name == MANIFEST:
        try:
            return _FORMAT in path.read_text()
        except (OSError, ValueError):
            return False
    return path.name == f".{MANIFEST}.tmp"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
