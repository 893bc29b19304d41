"""Two recordings of one command are the same bytes, in any process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def record(path: Path, hash_seed: str, arguments: list[str]) -> bytes:
    command = [sys.executable, "-m", "uniSMP", "run", *arguments, "--record", str(path)]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    subprocess.run(command, env=environment, check=True, capture_output=True)
    return path.read_bytes()


@pytest.mark.parametrize(
    "arguments",
    [
        ["ipi_ping", "--cores", "3", "--seed", "5", "--quantum", "700"],
        ["timer_tick", "--cores", "1"],
        ["smp_hello", "--cores", "8", "--seed", "271828", "--quantum", "7"],
    ],
)
def test_recordings_of_two_processes_are_equal(tmp_path: Path, arguments: list[str]) -> None:
    first = record(tmp_path / "one.rec", "1", arguments)
    assert record(tmp_path / "two.rec", "271828", arguments) == first
