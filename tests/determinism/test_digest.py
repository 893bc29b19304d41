"""Same image, configuration, schedule and inputs: same digest, in any process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from uniSMP import Image, Machine, RoundRobin, RunResult, SeededRandom

Program = Callable[[str], Image]


def run_process(hash_seed: str, *arguments: str) -> dict[str, Any]:
    finished = subprocess.run(
        [sys.executable, "-m", "uniSMP", "run", *arguments, "--json"],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(finished.stdout)
    return result


@pytest.mark.parametrize("cores", ["1", "2", "4", "8", "16", "32"])
def test_digest_in_two_processes_is_equal(cores: str) -> None:
    arguments = ("pmm_smp", "--cores", cores)
    assert run_process("1", *arguments) == run_process("271828", *arguments)


def test_digest_of_a_random_schedule_in_two_processes_is_equal() -> None:
    arguments = ("pmm_smp", "--cores", "3", "--seed", "5", "--quantum", "2000")
    assert run_process("0", *arguments) == run_process("99", *arguments)


def run(image: Image, seed: int) -> RunResult:
    with Machine(cores=3) as machine:
        machine.load(image)
        return machine.run(SeededRandom(seed, 3000))


def test_digest_with_another_seed_differs(program: Program) -> None:
    image = program("pmm_smp")
    assert run(image, 1).digest != run(image, 2).digest


def test_digest_with_another_quantum_differs(program: Program) -> None:
    digests = []
    for quantum in (1000, 1001):
        with Machine(cores=2) as machine:
            machine.load(program("pmm_smp"))
            digests.append(machine.run(RoundRobin(quantum)).digest)
    assert digests[0] != digests[1]


def test_digest_of_a_run_in_pieces_ends_with_the_same_console(program: Program) -> None:
    with Machine(cores=1) as machine:
        machine.load(program("pmm_smp"))
        whole = machine.run()
    with Machine(cores=1) as machine:
        machine.load(program("pmm_smp"))
        machine.run(max_instructions=12_345)
        machine.run(max_instructions=1)
        pieces = machine.run()
    assert (pieces.digest, pieces.steps) == (whole.digest, whole.steps)
