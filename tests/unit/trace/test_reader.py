"""Traces as other tools and strangers' queries read them."""

import json
import sys
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pytest

from uniSMP.errors import ConfigError, FormatError
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import TABLES, Level

sys.path.insert(0, str(Path(__file__).parent))
from reading import read, write


@pytest.mark.parametrize("name", TABLES)
def test_duckdb_polars_and_pandas_read_every_table(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    rows = json.loads((tmp_path / "manifest.json").read_text())["rows"]
    present = [table for table in (name,) if rows[table]]
    files = f"{tmp_path}/{name}/*.parquet"
    by_duckdb = [duckdb.sql(f"SELECT * FROM '{files}'").fetchall() for _ in present]  # noqa: S608 - our own path
    by_polars = [pl.scan_parquet(files).collect() for _ in present]
    by_pandas = [pd.read_parquet(tmp_path / name) for _ in present]
    assert [len(each) for each in by_duckdb] == [rows[table] for table in present]
    assert [len(each) for each in by_polars] == [rows[table] for table in present]
    assert [len(each) for each in by_pandas] == [rows[table] for table in present]


def test_values_are_the_same_in_each_tool(tmp_path: Path) -> None:
    write(tmp_path)
    files = f"{tmp_path}/memory/*.parquet"
    ((by_duckdb,),) = duckdb.sql(f"SELECT sum(value::HUGEINT) FROM '{files}'").fetchall()  # noqa: S608 - our own path
    assert by_duckdb == int(pl.read_parquet(files)["value"].cast(pl.Int128).sum())
    assert by_duckdb == sum(int(value) for value in pd.read_parquet(tmp_path / "memory")["value"])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "COPY (SELECT 1) TO 'evil.csv'",
        "DROP VIEW events",
        "SELECT 1; SELECT 2",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        "ATTACH 'x.db'",
        "nonsense",
        "EXPLAIN ANALYZE DROP VIEW events",
        "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
        "EXPLAIN (ANALYZE, FORMAT json) DROP VIEW events",
        "EXPLAIN (ANALYZE /*) SELECT 1 --*/ ) DROP VIEW events",
        "/**/ EXPLAIN ANALYZE DROP VIEW events",
        "WITH x AS (INSERT INTO registers VALUES (1, 0, 'rax', 2) RETURNING *) FROM x",
        "WITH x AS (DELETE FROM registers RETURNING *) SELECT 1 --",
    ],
)
def test_query_that_is_more_than_a_query_is_refused(tmp_path: Path, query: str) -> None:
    with read(tmp_path) as trace, pytest.raises(ConfigError, match="SQL: "):
        trace.query(query)


@pytest.mark.parametrize(
    "query",
    [
        "EXPLAIN ANALYZE {copy}",
        "EXPLAIN (ANALYZE, FORMAT json) {copy}",
        "WITH x AS ({copy}) SELECT * FROM x",
        "WITH x AS ({copy}) SELECT * FROM x; -- the end",
        "EXPLAIN ANALYZE WITH x AS ({copy}) SELECT * FROM x",
        "SELECT * FROM (WITH x AS ({copy}) SELECT * FROM x)",
    ],
)
def test_query_writes_nothing_into_the_trace(tmp_path: Path, query: str) -> None:
    target = tmp_path / "evil.parquet"
    with read(tmp_path) as trace, pytest.raises(ConfigError, match="SQL: "):
        trace.query(query.format(copy=f"COPY (SELECT 1) TO '{target}'"))
    assert not target.exists()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT core, core FROM events ORDER BY step DESC LIMIT 1;",
        "SELECT 1 -- a remark",
        "SELECT 1; -- a remark",
        "SELECT ';' AS \"é;\"; ;",
        "WITH x AS (SELECT 1) FROM x",
        "VALUES (1)",
    ],
)
def test_query_of_each_form_is_answered(tmp_path: Path, query: str) -> None:
    with read(tmp_path) as trace:
        assert trace.query(query).num_rows == 1


@pytest.mark.parametrize("query", ["SHOW TABLES", "DESCRIBE events", "SUMMARIZE symbols"])
def test_query_asks_what_there_is(tmp_path: Path, query: str) -> None:
    with read(tmp_path) as trace:
        assert trace.query(query).num_rows > 1


@pytest.mark.parametrize("explain", ["EXPLAIN", "explain analyze", "EXPLAIN (FORMAT json)"])
def test_query_is_explained(tmp_path: Path, explain: str) -> None:
    with read(tmp_path) as trace:
        assert trace.query(f"{explain} FROM events").num_rows == 1


def test_query_reads_the_tables(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        assert trace.query("SELECT count(*) AS n FROM instructions").to_pylist() == [
            {"n": trace.manifest["steps"]}
        ]
        assert trace.query("FROM symbols SELECT name LIMIT 1").num_rows == 1


def test_second_query_is_answered_too(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        assert trace.query("SELECT 1 AS n").to_pylist() == [{"n": 1}]
        assert trace.query("SELECT 2 AS n").to_pylist() == [{"n": 2}]
        with pytest.raises(ConfigError, match="SQL: "):
            trace.query("FROM '/etc/passwd'")


def test_core_ids_are_known_without_a_whole_manifest(tmp_path: Path) -> None:
    with read(tmp_path) as trace:
        del trace.manifest["cores"]
        assert trace.core_ids == [0, 1]


def test_table_of_a_higher_level_is_named_with_it(tmp_path: Path) -> None:
    with read(tmp_path, Level.BLOCKS) as trace, pytest.raises(ConfigError, match="level memory"):
        trace.require("memory")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, ConfigError, "holds no trace"),
        ("{", FormatError, "damaged"),
        ("[]", FormatError, "not the manifest"),
        ('{"format": "uniSMP trace", "version": 99}', FormatError, "version 99"),
        ('{"format": "uniSMP trace", "version": 1, "level": "x"}', FormatError, "no trace level"),
    ],
)
def test_folder_without_a_good_manifest_is_refused(
    tmp_path: Path, text: str | None, error: type[Exception], message: str
) -> None:
    written = [(tmp_path / "manifest.json").write_text(each) for each in (text,) if each]
    assert len(written) <= 1
    with pytest.raises(error, match=message):
        Trace(tmp_path)


def test_damaged_segment_is_one_error(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "events" / "000000.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError), Trace(tmp_path) as trace:
        trace.rows("SELECT * FROM events")


def test_trace_that_was_killed_is_read_up_to_its_last_segment(tmp_path: Path) -> None:
    write(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    kept = {key: manifest[key] for key in ("format", "version", "level", "target")}
    (tmp_path / "manifest.json").write_text(json.dumps({**kept, "complete": False}))
    (tmp_path / "memory" / "000001.tmp").write_bytes(b"PAR1")
    with Trace(tmp_path) as trace:
        assert trace.rows("SELECT count(*) AS n FROM memory")[0]["n"] == manifest["rows"]["memory"]
