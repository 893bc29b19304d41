"""Scripts for the real gdb, against `unismp gdb` in a process of its own."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_LONGEST_SECONDS = 300
_SETTINGS = ("set pagination off", "set confirm off", "set width 0", "set style enabled off")
_UNISMP = (sys.executable, "-m", "uniSMP", "gdb", "--stdio")

Script = Callable[..., str]


@pytest.fixture
def session(gdb: Path, tmp_path: Path) -> Script:
    """Return a function that lets gdb run a script against a target, and returns what it wrote."""

    def run(target: str, script: str, *options: str) -> str:
        command = " ".join((*_UNISMP, target, *options))
        lines = [*_SETTINGS, f"target remote | {command}", script]
        path = tmp_path / "script.gdb"
        path.write_text("\n".join(lines) + "\n")
        done = subprocess.run(
            [gdb, "-nx", "-batch", "-x", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
        return done.stdout

    return run
