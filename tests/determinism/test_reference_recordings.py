"""The recordings in `traces/` replay, and MANIFEST says what they are."""

import hashlib
import shlex
import tomllib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from uniSMP.replay.recording import Recording
from uniSMP.replay.replayer import Replayer

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "traces"
ENTRIES: list[dict[str, Any]] = tomllib.loads((FOLDER / "MANIFEST.toml").read_text())["recording"]


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    loader = SourceFileLoader("refresh_traces", str(ROOT / "tools/refresh_traces"))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_reference_recording_replays_as_the_same_run(entry: dict[str, Any]) -> None:
    with Replayer(FOLDER / entry["file"]) as replayer:
        result = replayer.run()
    found = (result.outcome, result.steps, result.digest)
    assert found == (entry["outcome"], entry["steps"], entry["digest"])


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_manifest_tells_of_the_file_that_is_there(entry: dict[str, Any]) -> None:
    path = FOLDER / entry["file"]
    recording = Recording.open(path)
    words = shlex.split(entry["command"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"]
    assert recording.is_complete
    assert recording.manifest["facts"]["target"] == entry["program"] == words[2]
    assert recording.config.cores == int(words[words.index("--cores") + 1])
    assert words[-2:] == ["--record", f"traces/{entry['file']}"]


def test_manifest_and_folder_have_the_same_recordings() -> None:
    assert sorted(entry["file"] for entry in ENTRIES) == sorted(
        path.name for path in FOLDER.glob("*.rec")
    )


def test_recordings_are_small() -> None:
    sizes = [path.stat().st_size for path in FOLDER.glob("*.rec")]
    assert max(sizes) <= 100_000
    assert sum(sizes) <= 1_000_000


def test_recordings_have_what_a_replay_can_get_wrong() -> None:
    recordings = [Recording.open(FOLDER / entry["file"]) for entry in ENTRIES]
    assert {each.config.cores for each in recordings} == {1, 2, 4, 8}
    assert any(each.rows.faults.any() for each in recordings)
    assert sum((each.rows.vector >= 0).any() for each in recordings) > len(recordings) // 2
    assert len({each.manifest["facts"]["schedule"].get("seed") for each in recordings}) > 5


def test_tool_makes_what_the_manifest_lists(tool: ModuleType, tmp_path: Path) -> None:
    entry = tool.make("exceptions-2-seed4", tmp_path)
    tool.write_manifest([entry], tmp_path)
    assert tomllib.loads((tmp_path / "MANIFEST.toml").read_text()) == {"recording": [entry]}
    assert Recording.open(tmp_path / entry["file"]).digest == entry["digest"]
    assert [f"{name}.rec" for name in tool.RUNS] == [each["file"] for each in ENTRIES]
