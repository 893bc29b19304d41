"""A damaged recording is told as damaged, or does not matter; it never becomes another run."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))
import damage

_FLIPS = 100
_TRUNCATIONS = 97


@pytest.mark.parametrize("seed", damage.SEEDS)
def test_flipped_bit_is_an_error_or_changes_nothing(tmp_path: Path, seed: int) -> None:
    whole = tmp_path / "whole.rec"
    result = damage.record(seed, whole)
    data = whole.read_bytes()
    found = [
        damage.replay_flipped(data, *flip, tmp_path / "flipped.rec", result)
        for flip in damage.flips(len(data), _FLIPS, seed)
    ]
    assert damage.wrong(found) == []
    assert found.count("error") > _FLIPS // 2


@pytest.mark.parametrize("seed", damage.SEEDS)
def test_file_cut_off_replays_up_to_its_last_checkpoint(tmp_path: Path, seed: int) -> None:
    whole, cut = tmp_path / "whole.rec", tmp_path / "cut.rec"
    damage.record(seed, whole)
    data = whole.read_bytes()
    found = []
    for size in range(0, len(data), _TRUNCATIONS):
        cut.write_bytes(data[:size])
        found.append(damage.replay_unfinished(cut))
    assert damage.wrong(found) == []
    assert found.count("unfinished") >= 10
