"""Recordings of varied runs replay to the same end, whoever replays them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from uniSMP.replay.recording import Recording
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[1]))
import replaying

_CASES = 200
_BATCH = 10
_SCRIPT = Path(__file__).parents[2] / "benchmarks/replays.py"


@pytest.mark.parametrize("first", range(0, _CASES, _BATCH))
def test_replays_of_varied_runs_are_equal(tmp_path: Path, first: int) -> None:
    cases = [replaying.make_case(seed) for seed in range(first, first + _BATCH)]
    path = tmp_path / "one.rec"
    found = {str(case): replaying.check(case, path) for case in cases}
    assert [each for each in found.items() if each[1] is not None] == []


@pytest.mark.parametrize("seed", [1, 5, 8, 14, 22, 26, 57, 87, 161, 162])
def test_moments_of_a_recording_are_the_same_however_they_are_reached(
    tmp_path: Path, seed: int
) -> None:
    assert replaying.check(replaying.make_case(seed), tmp_path / "one.rec", walk=10) is None


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("seed", [5, 22, 162])
def test_trace_of_a_replay_is_that_of_the_run(tmp_path: Path, seed: int, level: Level) -> None:
    case = replaying.make_case(seed)
    assert replaying.check(case, tmp_path / "one.rec", level=level) is None


def test_replays_in_a_process_with_another_hash_seed_are_equal(tmp_path: Path) -> None:
    for seed in (0, 1, 2, 7, 12, 40):
        replaying.record(replaying.make_case(seed), tmp_path / f"{seed}.rec")
    wanted = {path.name: Recording.open(path).digest for path in tmp_path.glob("*.rec")}
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), "--replay", str(tmp_path)],
        env={**os.environ, "PYTHONHASHSEED": "271828"},
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == wanted
