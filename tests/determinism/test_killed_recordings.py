"""A recorder that is killed leaves a file that replays up to its last checkpoint."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from uniSMP.replay.recording import Recording
from uniSMP.replay.replayer import Replayer

sys.path.insert(0, str(Path(__file__).parents[1]))
import damage

SCRIPT = Path(__file__).with_name("killed_recorder.py")
SEED = 55


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("whole") / "whole.rec"
    damage.record(SEED, path)
    return path


@pytest.mark.parametrize("size_bytes", [9_000, 9_700, 10_400, 11_111, 12_000, 12_800])
def test_killed_recorder_leaves_a_recording_up_to_its_last_checkpoint(
    tmp_path: Path, whole: Path, size_bytes: int
) -> None:
    path = tmp_path / "killed.rec"
    command = [sys.executable, str(SCRIPT), str(path), str(SEED), str(size_bytes)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert path.read_bytes() == whole.read_bytes()[:size_bytes]
    recording, complete = Recording.open(path), Recording.open(whole)
    count = len(recording.checkpoints)
    assert not recording.is_complete
    assert recording.checkpoints == complete.checkpoints[:count]
    with Replayer(recording) as replayer:
        result = replayer.run()
    assert (result.outcome, result.steps) == ("HOST_TIMEOUT", complete.checkpoints[count - 1].step)
