"""The programs an explorer of schedules is judged by: `litmus_*`, `explore_*` and `window_*`.

They finish under any schedule, in a state that the model of each allows; the two windows break at
the one place they are about, and not beside it.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from uniSMP import Image, Machine, Outcome, RoundRobin, SeededRandom
from uniSMP.schedule.policy import Slice
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[1]))
from interleavings import State, final_states
from litmus_models import MODELS
from tracing import KeptTrace

Program = Callable[[str], Image]
FINISHED = (Outcome.FINISHED, 0)
BROKEN = (Outcome.GUEST_FAILED, 1)
SCHEDULES = {
    "in turn": lambda: RoundRobin(10_000),
    "in turn, one instruction each": lambda: RoundRobin(1),
    "random, up to 3": lambda: SeededRandom(1, 3),
    "random, up to 50": lambda: SeededRandom(2, 50),
}
ANY_CORES = (
    "litmus_readers", "litmus_writers", "litmus_lastzero", "litmus_independent",
    "litmus_increments", "litmus_locked", "litmus_cas", "explore_ticket",
)  # fmt: skip
TWO_CORES = (
    "litmus_store_buffering", "litmus_store_buffering_fenced", "litmus_message_passing",
    "litmus_spin",
)  # fmt: skip


def value_of(machine: Machine, image: Image, cell: str) -> int:
    label, _, offset = cell.partition("+")
    return machine.memory.read_integer(image.symbols[label] + int(offset or 0), 4)


def state_of(machine: Machine, image: Image, cores: int, cells: Iterable[str]) -> State:
    """Return where the machine has ended, as the models have it."""
    found = [(cell, value_of(machine, image, cell)) for cell in sorted(cells)]
    results = image.symbols["litmus_results"]
    return (
        tuple((cell, value) for cell, value in found if value),
        tuple(machine.memory.read_integer(results + 8 * core, 8) for core in range(cores)),
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("name", "cores"),
    [
        *((name, 2) for name in (*ANY_CORES, *TWO_CORES)),
        *((name, 4) for name in ANY_CORES),
        ("litmus_lastzero", 5),
    ],
)
def test_litmus_ends_in_a_state_that_its_model_allows(
    program: Program, name: str, cores: int, schedule: str
) -> None:
    image = program(name)
    allowed = final_states(MODELS[name](cores))
    cells = {cell for memory, _ in allowed for cell, _ in memory}
    with Machine(cores=cores) as machine:
        machine.load(image)
        result = machine.run(SCHEDULES[schedule](), max_instructions=2_000_000)
        state = state_of(machine, image, cores, cells)
    assert (result.outcome, result.exit_value) == FINISHED
    assert state in allowed


@pytest.mark.parametrize("cores", [1, 3])
@pytest.mark.parametrize(
    "name", [*ANY_CORES, *TWO_CORES, "explore_pmm", "window_swapped", "window_arrival"]
)
def test_program_finishes_on_other_numbers_of_cores(
    program: Program, name: str, cores: int
) -> None:
    with Machine(cores=cores) as machine:
        machine.load(program(name))
        result = machine.run(RoundRobin(10_000), max_instructions=2_000_000)
    assert (result.outcome, result.exit_value) == FINISHED


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("name", ["explore_pmm", "window_swapped", "window_arrival"])
def test_two_cores_finish_under_schedules_that_nobody_aimed(
    program: Program, name: str, schedule: str
) -> None:
    with Machine(cores=2) as machine:
        machine.load(program(name))
        result = machine.run(SCHEDULES[schedule](), max_instructions=2_000_000)
    assert (result.outcome, result.exit_value) == FINISHED


class Only:
    """Runs one core and no other."""

    name = "only"

    def __init__(self, core: int) -> None:
        self._core = core

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        assert self._core in runnable
        return Slice(self._core, 1)


@dataclass
class Aim:
    """Two cores, in turn by one instruction each up to a step; what each does from then on."""

    step: int
    core: np.ndarray
    rip: np.ndarray

    def instructions(self, core: int, address: int) -> int:
        """Return how many instructions a core then runs before it stands at `address`."""
        own = self.rip[self.step :][self.core[self.step :] == core]
        return int(np.nonzero(own == address)[0][0])


def aim(image: Image, cores: Sequence[int]) -> Aim:
    """Return the first moment at which `cores` have come to `explore_from`."""
    trace = KeptTrace(Level.INSTRUCTIONS)
    with Machine(cores=2) as machine:
        machine.load(image)
        machine.run(RoundRobin(1), max_instructions=2_000_000, trace=trace)
    core, rip = trace.column("instructions", "core"), trace.column("instructions", "rip")
    begun = rip == image.symbols["explore_from"]
    step = max(int(np.nonzero(begun & (core == number))[0][0]) for number in cores)
    return Aim(step, core, rip)


def run_aimed(image: Image, step: int, slices: Sequence[tuple[int, int]]) -> tuple[Outcome, int | None]:
    """Return how a run ends with these slices (core, instructions) from a step on."""
    with Machine(cores=2) as machine:
        machine.load(image)
        machine.run(RoundRobin(1), max_instructions=step)
        for core, instructions in slices:
            machine.run(Only(core), max_instructions=instructions)
        result = machine.run(RoundRobin(10_000), max_instructions=1_000_000)
    return result.outcome, result.exit_value


@pytest.fixture(scope="module")
def swapped(program: Program) -> Aim:
    return aim(program("window_swapped"), [0, 1])


@pytest.fixture(scope="module")
def arrival(program: Program) -> Aim:
    return aim(program("window_arrival"), [0])


@pytest.mark.parametrize(("beside", "end"), [(-1, FINISHED), (0, BROKEN), (1, FINISHED)])
def test_swapped_stores_break_only_if_the_core_stops_between_them(
    program: Program, swapped: Aim, beside: int, end: tuple[Outcome, int]
) -> None:
    image = program("window_swapped")
    stores = swapped.instructions(1, image.symbols["window_open"]) + beside
    looks = swapped.instructions(0, image.symbols["window_after_look"])
    assert run_aimed(image, swapped.step, [(1, stores), (0, looks)]) == end


@pytest.mark.parametrize(("beside", "end"), [(-1, FINISHED), (0, BROKEN), (1, FINISHED)])
def test_event_count_breaks_only_if_the_ipi_comes_between_load_and_store(
    program: Program, arrival: Aim, beside: int, end: tuple[Outcome, int]
) -> None:
    image = program("window_arrival")
    mainline = arrival.instructions(0, image.symbols["arrival_open"]) + beside
    sent = arrival.instructions(1, image.symbols["arrival_sent"])
    assert run_aimed(image, arrival.step, [(0, mainline), (1, sent)]) == end


@pytest.mark.parametrize(
    ("name", "core", "instructions"),
    [("window_swapped", 1, 100_008), ("window_swapped", 0, 100_009), ("window_arrival", 0, 5_000)],
)
def test_window_lies_among_as_many_instructions_as_is_said(
    program: Program, name: str, core: int, instructions: int
) -> None:
    image = program(name)
    begun = aim(image, [core])
    assert begun.instructions(core, image.symbols["explore_until"]) == instructions
