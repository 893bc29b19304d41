"""Targets and a debugger for them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `debugging`, which these tests share

from debugging import UNISMP, run_gdb

from uniSMP import Image, Machine, RoundRobin
from uniSMP.replay.recorder import Recorder

PMM_CORES = 4
PMM_STEPS = 1_500_000

Session = Callable[..., str]


@pytest.fixture
def session(gdb: Path, tmp_path: Path) -> Session:
    """Return a function that debugs a target over a pipe with a script."""

    def run(target: object, script: str, *options: str) -> str:
        command = " ".join((*UNISMP, "--stdio", str(target), *options))
        return run_gdb(gdb, tmp_path / "script.gdb", f"target remote | {command}", script)

    return run


@pytest.fixture(scope="session")
def recording(program: Callable[[str], Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of the first part of `pmm_smp`."""
    path = tmp_path_factory.mktemp("recording") / "pmm.rec"
    with Machine(cores=PMM_CORES) as machine:
        machine.load(program("pmm_smp"))
        with Recorder(machine, path):
            machine.run(RoundRobin(1000), max_instructions=PMM_STEPS)
    return path


@pytest.fixture(scope="session")
def finished(program: Callable[[str], Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of all of `smp_hello`."""
    path = tmp_path_factory.mktemp("recording") / "hello.rec"
    with Machine(cores=2) as machine:
        machine.load(program("smp_hello"))
        with Recorder(machine, path):
            machine.run(RoundRobin(1000))
    return path
