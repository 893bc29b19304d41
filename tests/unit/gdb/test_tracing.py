"""A trace of a stretch of a time line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from uniSMP import Image, Machine, RoundRobin
from uniSMP.errors import ConfigError
from uniSMP.gdb.tracing import Tracing
from uniSMP.replay.live import LiveTimeline
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.writer import TraceWriter


def make_writer(directory: str) -> TraceWriter:
    writer = TraceWriter(Path(directory), Level.MEMORY)
    writer.begin({})
    return writer


@pytest.fixture
def line(count_image: Image) -> Iterator[LiveTimeline]:
    machine = Machine(cores=2, memory_bytes=2 << 20, boot="long")
    machine.load(count_image)
    with LiveTimeline(machine, RoundRobin(3)) as timeline:
        yield timeline


@pytest.fixture
def tracing(line: LiveTimeline) -> Tracing:
    return Tracing(line, make_writer)


def steps(folder: Path) -> list[int]:
    with Trace(folder) as trace:
        return trace.query("SELECT step FROM instructions ORDER BY step")["step"].to_pylist()  # type: ignore[no-any-return]


def test_stretch_between_on_and_off_is_traced(
    line: LiveTimeline, tracing: Tracing, tmp_path: Path
) -> None:
    line.goto(2)
    said = tracing.begin(str(tmp_path / "t"))
    assert said == "traces from step 2 to where you say `trace off`\n"
    line.goto(7)
    digest = line.machine.digest()
    assert tracing.end() == f"5 steps are in {tmp_path / 't'}: see `unismp trace show`\n"
    assert steps(tmp_path / "t") == [2, 3, 4, 5, 6]
    assert (line.step, line.machine.digest()) == (7, digest)


def test_stretch_is_the_same_backwards(
    line: LiveTimeline, tracing: Tracing, tmp_path: Path
) -> None:
    line.goto(7)
    tracing.begin(str(tmp_path / "t"))
    line.goto(2)
    tracing.end()
    assert steps(tmp_path / "t") == [2, 3, 4, 5, 6]
    assert line.step == 2


def test_way_between_the_ends_does_not_matter(
    line: LiveTimeline, tracing: Tracing, tmp_path: Path
) -> None:
    line.goto(4)
    tracing.begin(str(tmp_path / "t"))
    line.goto(9)
    line.goto(1)
    line.goto(6)
    tracing.finish()
    assert steps(tmp_path / "t") == [4, 5]


def test_manifest_tells_the_state_at_the_end(
    line: LiveTimeline, tracing: Tracing, tmp_path: Path
) -> None:
    tracing.begin(str(tmp_path / "t"))
    line.goto(4)
    tracing.end()
    with Trace(tmp_path / "t") as trace:
        manifest = trace.manifest
    assert (manifest["complete"], manifest["steps"]) == (True, 4)
    assert manifest["digest"] == line.machine.digest()
    assert [core["instructions"] for core in manifest["cores"]] == [3, 1]


def test_one_trace_at_a_time(tracing: Tracing, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no trace to end"):
        tracing.end()
    tracing.finish()
    tracing.begin(str(tmp_path / "t"))
    with pytest.raises(ConfigError, match="has begun: say `trace off` first"):
        tracing.begin(str(tmp_path / "other"))
    tracing.end()
    assert tracing.begin(str(tmp_path / "other")).startswith("traces from step 0")


def test_folder_that_cannot_be_written_begins_no_trace(tracing: Tracing, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot write"):
        tracing.begin(str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="there is no trace to end"):
        tracing.end()


def test_disk_that_is_full_is_told(
    line: LiveTimeline, tracing: Tracing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    tracing.begin(str(tmp_path / "t"))
    line.goto(4)
    monkeypatch.setattr("uniSMP.trace.writer._write_segment", fail)
    assert tracing.end() == (
        f"trace: the trace in {tmp_path / 't'} is incomplete: No space left on device\n"
    )
    assert line.step == 4
