"""Opens a trace for reading: manifest, tables through DuckDB, symbols and source lines."""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import duckdb
import pyarrow as pa

from uniSMP.errors import ConfigError, FormatError
from uniSMP.trace.schema import FORMAT_VERSION, TABLES, Level
from uniSMP.trace.text import SymbolNames
from uniSMP.trace.writer import MANIFEST

_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([\w\s,]*\)\s*)?", re.IGNORECASE)
"""What stands before an explained statement; no comments, which could hide another statement."""
_STREAM_ROWS = 1 << 18


class Trace:
    """One trace, read only.

    Args:
        directory: its folder.

    Raises:
        ConfigError: there is no trace.
        FormatError: it is damaged, or of another version.

    Attributes:
        directory: its folder.
        manifest: what docs/formats.md says of `manifest.json`.
        level: how much was traced.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.manifest = _manifest(directory)
        self.level = Level[str(self.manifest["level"]).upper()]
        self._connection = duckdb.connect(":memory:")
        self._is_locked = False
        for name, table in TABLES.items():
            if not self.has(name):
                continue
            if self.segments(name):
                self._make_view(name)
            else:
                self._make_empty(name, table.schema)

    def has(self, name: str) -> bool:
        """Return whether the trace has a table of this name, empty or not."""
        return name in TABLES and TABLES[name].level <= self.level

    def _make_view(self, name: str) -> None:
        files = ", ".join(f"'{_quoted(path)}'" for path in self.segments(name))
        view = f"CREATE VIEW {name} AS SELECT * FROM read_parquet([{files}])"  # noqa: S608 - names of ours
        try:
            self._connection.execute(view)
        except duckdb.Error as error:
            raise FormatError(f"{self.directory}: {_first_line(error)}") from error

    def _make_empty(self, name: str, schema: pa.Schema) -> None:
        self._connection.register("no_rows", schema.empty_table())
        self._connection.execute(f"CREATE TABLE {name} AS SELECT * FROM no_rows")  # noqa: S608 - a name of ours
        self._connection.unregister("no_rows")

    def segments(self, name: str) -> list[Path]:
        """Return the files of a table, in order."""
        return sorted((self.directory / name).glob("*.parquet"))

    @cached_property
    def core_ids(self) -> list[int]:
        """The cores, in order; of a trace that was cut short those that it tells of."""
        if self.manifest.get("cores"):
            return [core["id"] for core in self.manifest["cores"]]
        rows = self.rows("SELECT DISTINCT core FROM events WHERE core IS NOT NULL ORDER BY core")
        return [row["core"] for row in rows]

    def require(self, name: str) -> None:
        """Raise ConfigError where the trace lacks a table, saying at which level it has it."""
        if not self.has(name):
            raise ConfigError(
                f"{self.directory} was traced at level {self.level.word} and has no table {name}: "
                f"--trace-level {TABLES[name].level.word} writes it"
            )

    def sql(self, query: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> pa.Table:
        """Return the result of a query over the tables.

        Raises:
            ConfigError: DuckDB refuses it.
            FormatError: a segment is damaged.
        """
        with self._errors():
            result = self._connection.sql(query, params=_bound(parameters))
            table = None if result is None else result.to_arrow_table()
        return pa.table({}) if table is None else table

    def stream(self, query: str, parameters: Sequence[object] = ()) -> Iterator[pa.RecordBatch]:
        """Yield the result of a query batch by batch, in bounded memory.

        Several streams may be open at a time. Rows come in the order of the run where the query
        does no more than choose rows and columns of one table.

        Raises:
            ConfigError: DuckDB refuses the query.
            FormatError: a segment is damaged.
        """
        cursor = self._connection.cursor()
        try:
            with self._errors():
                yield from cursor.sql(query, params=list(parameters)).to_arrow_reader(_STREAM_ROWS)
        finally:
            cursor.close()

    def rows(
        self, query: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[dict[str, Any]]:
        """Return the result of a query as a list of dictionaries."""
        rows: list[dict[str, Any]] = self.sql(query, parameters).to_pylist()
        return rows

    def query(self, text: str) -> pa.Table:
        """Return the result of a stranger's query: it reads this trace and does nothing else.

        Raises:
            ConfigError: DuckDB refuses it, or it is more than a query.
            FormatError: a segment is damaged.
        """
        schema, batches = self.query_batches(text)
        return pa.Table.from_batches(batches, schema)

    def query_batches(self, text: str) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """Return the columns of a stranger's query, and its rows in bounded memory.

        Raises:
            ConfigError: as for `query`; from the iterator too.
            FormatError: a segment is damaged; from the iterator too.
        """
        if not self._is_locked:
            self._lock()
        cursor = self._connection.cursor()
        with self._errors():
            only_reads = _only_reads(cursor, text)
        if not only_reads:
            raise ConfigError("SQL: write one SELECT (or EXPLAIN); nothing else is carried out")
        with self._errors():
            reader = cursor.sql(text).to_arrow_reader(_STREAM_ROWS)
        return reader.schema, self._read(reader)

    def _read(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._errors():
            yield from reader

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Make the errors of DuckDB ours."""
        try:
            yield
        except (duckdb.IOException, duckdb.InvalidInputException, pa.ArrowInvalid) as error:
            raise FormatError(f"{self.directory}: {_first_line(error)}") from error
        except duckdb.Error as error:
            raise ConfigError(f"SQL: {_first_line(error)}") from error

    def _lock(self) -> None:
        """Let queries read the segments of this trace and no other file from now on."""
        folder = _quoted(self.directory.resolve())
        relative = _quoted(self.directory)
        self._connection.execute(f"SET allowed_directories = ['{folder}/', '{relative}/']")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        self._is_locked = True

    @cached_property
    def symbols(self) -> Mapping[str, int]:
        """Linear addresses by name, in the order of addresses."""
        rows = self.rows("SELECT name, address FROM symbols ORDER BY address")
        return {row["name"]: row["address"] for row in rows}

    @cached_property
    def names(self) -> SymbolNames:
        """Names for addresses."""
        return SymbolNames(self.symbols)

    @cached_property
    def _lines(self) -> tuple[list[int], list[str]]:
        rows = self.rows("SELECT address, file, line FROM lines ORDER BY address")
        return (
            [row["address"] for row in rows],
            ["" if row["file"] is None else f"{row['file']}:{row['line']}" for row in rows],
        )

    def source_line(self, address: int) -> str:
        """Return `file:line` of an address, or nothing."""
        addresses, lines = self._lines
        below = bisect_right(addresses, address) - 1
        return lines[below] if below >= 0 else ""

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def _manifest(directory: Path) -> dict[str, Any]:
    path = directory / MANIFEST
    try:
        manifest = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigError(f"{directory} holds no trace (there is no {MANIFEST})") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise FormatError(f"{path} is damaged: {error}") from error
    if not isinstance(manifest, dict) or manifest.get("format") != "uniSMP trace":
        raise FormatError(f"{path} is not the manifest of a trace")
    if manifest.get("version") != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {manifest.get('version')}; this uniSMP reads "
            f"{FORMAT_VERSION}: trace the run again"
        )
    if str(manifest.get("level", "")).upper() not in Level.__members__:
        raise FormatError(f"{path} names no trace level")
    return manifest


def _only_reads(connection: duckdb.DuckDBPyConnection, text: str) -> bool:
    """Return whether a text is one SELECT, or EXPLAIN of one: EXPLAIN ANALYZE carries it out.

    A SELECT can write too, in its WITH clause; but not where it is part of another SELECT, so that
    is what is planned here.

    Raises:
        duckdb.Error: the query is wrong, or its WITH clause writes.
    """
    statements = connection.extract_statements(text)
    if len(statements) == 1 and statements[0].type == duckdb.StatementType.EXPLAIN:
        prefix = _EXPLAIN.match(text)
        text = text[prefix.end() :] if prefix else ""
        statements = connection.extract_statements(text)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        return False
    inner = _without_end(text)
    connection.execute(f"EXPLAIN SELECT * FROM (\n{inner}\n)")  # noqa: S608 - one SELECT; only planned
    return True


def _without_end(text: str) -> str:
    """Return a statement without its semicolon, and what stands behind it."""
    code = text.encode()
    ends = [at for at, _ in duckdb.tokenize(text) if code[at : at + 1] == b";"]
    return code[: ends[0]].decode() if ends else text


def _bound(
    parameters: Sequence[object] | Mapping[str, object],
) -> list[object] | dict[str, object]:
    """Return parameters by place or by name, as DuckDB takes them."""
    return dict(parameters) if isinstance(parameters, Mapping) else list(parameters)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
