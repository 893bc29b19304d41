"""Traces on disk: segments, manifests, what is refused, what survives."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from uniSMP.assembler.image import Line
from uniSMP.errors import ConfigError
from uniSMP.trace import writer as module
from uniSMP.trace.schema import TABLES, Level
from uniSMP.trace.writer import TraceWriter


def steps(*values: int) -> dict[str, object]:
    return {"step": list(values), "kind": ["x"] * len(values), "ticks": list(values)}


def test_rows_come_back_as_they_were_added(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, Level.MEMORY)
    writer.begin({})
    writer.add(
        "memory",
        {
            "step": np.array([5]),
            "core": np.array([1], np.uint8),
            "rip": np.array([-1]),
            "physical": np.array([16]),
            "size": np.array([8], np.uint8),
            "value": np.array([-2]),
        },
    )
    writer.end({})
    (row,) = pq.read_table(tmp_path / "memory" / "000000.parquet").to_pylist()
    assert (row["rip"], row["value"], row["linear"]) == (2**64 - 1, 2**64 - 2, None)


def test_names_are_on_disk_by_address_before_the_end(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, Level.EVENTS)
    writer.begin({})
    writer.add_names({"b": 0x2000, "a": 0x1000}, [Line(0x1000, "g.asm", 3)])
    symbols = pq.read_table(tmp_path / "symbols" / "000000.parquet").to_pylist()
    assert symbols == [{"address": 0x1000, "name": "a"}, {"address": 0x2000, "name": "b"}]
    lines = pq.read_table(tmp_path / "lines" / "000000.parquet").to_pylist()
    assert lines == [{"address": 0x1000, "file": "g.asm", "line": 3}]


def test_full_segment_is_on_disk_before_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SEGMENT_ROWS", 3)
    writer = TraceWriter(tmp_path, Level.EVENTS)
    writer.begin({})
    writer.add("events", steps(1, 2))
    assert list((tmp_path / "events").iterdir()) == []
    writer.add("events", steps(3))
    writer.add("events", steps(4))
    names = [path.name for path in (tmp_path / "events").iterdir()]
    assert names == ["000000.parquet"]
    assert json.loads((tmp_path / "manifest.json").read_text())["complete"] is False
    writer.end({})
    tables = [pq.read_table(path) for path in sorted((tmp_path / "events").iterdir())]
    assert [table["step"].to_pylist() for table in tables] == [[1, 2, 3], [4]]


def test_blocks_are_on_disk_before_what_refers_to_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SEGMENT_ROWS", 2)
    writer = TraceWriter(tmp_path, Level.BLOCKS)
    writer.add("blocks", {"block": [0], "code": [b"\x90"]})
    writer.add("executions", {"step": [0, 1], "block": [0, 0]})
    assert [path.name for path in (tmp_path / "blocks").iterdir()] == ["000000.parquet"]


def test_manifest_tells_the_end(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, Level.EVENTS)
    writer.begin({"target": "t"})
    writer.add("events", steps(1))
    writer.end({"digest": "d"})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["rows"] == {"events": 1, "symbols": 0, "lines": 0}
    assert (manifest["complete"], manifest["target"], manifest["digest"]) == (True, "t", "d")
    assert (manifest["format"], manifest["version"], manifest["level"]) == (
        "uniSMP trace",
        1,
        "events",
    )


def test_level_decides_which_tables_there_are(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path, Level.BLOCKS)
    writer.add("memory", {"step": [1]})
    writer.end({})
    names = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert names == ["blocks", "events", "executions", "lines", "symbols"]


def test_trace_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    TraceWriter(tmp_path, Level.EVENTS).begin({"target": "first"})
    with pytest.raises(ConfigError, match="holds a trace already: --force"):
        TraceWriter(tmp_path, Level.EVENTS)
    assert "first" in (tmp_path / "manifest.json").read_text()


def test_force_replaces_a_trace(tmp_path: Path) -> None:
    first = TraceWriter(tmp_path, Level.MEMORY)
    first.begin({})
    first.add("events", steps(1))
    first.end({})
    second = TraceWriter(tmp_path, Level.EVENTS, force=True)
    second.begin({})
    second.end({})
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "events",
        "lines",
        "manifest.json",
        "symbols",
    ]
    assert list((tmp_path / "events").iterdir()) == []


@pytest.mark.parametrize("has_trace", [False, True])
def test_folder_with_other_files_is_left_alone(tmp_path: Path, has_trace: bool) -> None:  # noqa: FBT001 - a case
    manifests = [TraceWriter(tmp_path, Level.EVENTS).begin({}) for _ in range(has_trace)]
    (tmp_path / "precious").write_text("x")
    with pytest.raises(ConfigError, match=r"other files \(precious\)"):
        TraceWriter(tmp_path, Level.EVENTS, force=True)
    assert (tmp_path / "precious").read_text() == "x"
    assert (tmp_path / "manifest.json").exists() is bool(manifests)


def test_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write a trace"):
        TraceWriter(tmp_path / "file" / "trace", Level.EVENTS)


def test_full_disk_ends_the_trace_and_not_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_options: object) -> None:
        raise OSError(28, "No space left on device")

    writer = TraceWriter(tmp_path, Level.EVENTS)
    writer.begin({})
    monkeypatch.setattr(module.pq, "write_table", refuse)
    writer.add("events", steps(1))
    writer.end({"digest": "d"})
    assert writer.error is not None
    assert "No space left on device" in writer.error
    assert json.loads((tmp_path / "manifest.json").read_text())["complete"] is False
    assert list((tmp_path / "events").iterdir()) == []


def test_levels_are_cumulative() -> None:
    assert [level.word for level in Level] == [
        "events",
        "blocks",
        "instructions",
        "memory",
        "registers",
    ]


@pytest.mark.parametrize("name", TABLES)
def test_every_column_has_one_encoding(name: str) -> None:
    table = TABLES[name]
    stored = [*table.encodings(), *table.dictionary()]
    assert sorted(stored) == sorted(table.schema.names)


@pytest.mark.parametrize("place", ["events/mine.txt", "memory/notes.txt"])
def test_files_of_others_in_a_folder_of_a_table_are_left_alone(tmp_path: Path, place: str) -> None:
    TraceWriter(tmp_path, Level.MEMORY).begin({})
    (tmp_path / place).write_text("x")
    with pytest.raises(ConfigError, match="other files"):
        TraceWriter(tmp_path, Level.EVENTS, force=True)
    assert (tmp_path / place).read_text() == "x"


def test_manifest_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"other files \(manifest.json\)"):
        TraceWriter(tmp_path, Level.EVENTS, force=True)
