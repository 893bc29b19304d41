"""The guest programs do on the machine what their first lines say."""

from collections.abc import Callable

import pytest

from uniSMP import Image, Machine, Outcome, RoundRobin, RunResult, SeededRandom
from uniSMP.assembler import library

Program = Callable[[str], Image]


def run(image: Image, cores: int, seed: int | None = None, quantum: int = 10_000) -> RunResult:
    with Machine(cores=cores) as machine:
        machine.load(image)
        schedule = RoundRobin(quantum) if seed is None else SeededRandom(seed, quantum)
        return machine.run(schedule, max_instructions=2_000_000_000)


def test_hello_on_one_core_prints_and_finishes(program: Program) -> None:
    result = run(program("hello"), 1)
    assert (result.outcome, result.exit_value) == (Outcome.FINISHED, 0)
    assert b"hello" in result.console


def test_fail_ends_as_guest_failed_with_its_value(program: Program) -> None:
    result = run(program("fail"), 2)
    assert (result.outcome, result.exit_value) == (Outcome.GUEST_FAILED, 3)


@pytest.mark.parametrize("cores", [1, 2, 5, 32])
def test_smp_hello_prints_every_core_in_order(program: Program, cores: int) -> None:
    result = run(program("smp_hello"), cores)
    lines = result.console.decode().splitlines()
    assert result.outcome is Outcome.FINISHED
    assert lines[:-1] == [f"hello from core {core}" for core in range(cores)]


@pytest.mark.parametrize("cores", [1, 2, 4, 8, 16, 32])
def test_pmm_smp_finishes_on_many_cores(program: Program, cores: int) -> None:
    result = run(program("pmm_smp"), cores)
    last = result.console.decode().splitlines()[-1]
    assert (result.outcome, result.exit_value) == (Outcome.FINISHED, 0)
    assert last == f"PMM_SMP PASS cores={cores} operations={2000 * cores}"
    assert all(core.instructions > 0 and core.interrupts for core in result.cores)


@pytest.mark.parametrize(("seed", "quantum"), [(1, 10_000), (2, 1000), (3, 317), (4, 50)])
def test_pmm_smp_finishes_under_random_schedules(program: Program, seed: int, quantum: int) -> None:
    assert run(program("pmm_smp"), 3, seed, quantum).outcome is Outcome.FINISHED


@pytest.mark.parametrize("name", library.programs())
def test_every_program_has_a_description(name: str) -> None:
    assert library.program_description(name).endswith(".")
