"""The programs an explorer of schedules is judged by: `litmus_*`, `explore_*` and `window_*`.

They finish under any schedule, in a state that the model of each allows; the two windows break at
the one place they are about, and not beside it.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
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


@cache
def allowed_states(name: str, cores: int) -> set[State]:
    return final_states(MODELS[name](cores))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    ("name", "cores"),
    [
        *((name, 2) for name in (*ANY_CORES, *TWO_CORES)),
        *((name, 3) for name in ANY_CORES),
        ("litmus_lastzero", 5),
    ],
)
def test_litmus_ends_in_a_state_that_its_model_allows(
    program: Program, name: str, cores: int, schedule: str
) -> None:
    image = program(name)
    allowed = allowed_states(name, cores)
    cells = {cell for memory, _ in allowed for cell, _ in memory}
    with Machine(cores=cores) as machine:
        machine.load(image)
        result = machine.run(SCHEDULES[schedule](), max_instructions=2_000_000)
        state = state_of(machine, image, cores, cells)
    assert (result.outcome, result.exit_value) == FINISHED
    assert state in allowed


@pytest.mark.parametrize("cores", [1, 4])
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


@dataclass(frozen=True)
class Traced:
    """A run of two cores, in turn by one instruction each: who ran what at each step."""

    symbols: Mapping[str, int]
    core: npt.NDArray[np.uint8]
    rip: npt.NDArray[np.uint64]

    def first(self, core: int, label: str) -> int:
        """Return the step at which a core first stands at a label and runs on."""
        found = (self.core == core) & (self.rip == self.symbols[label])
        return int(np.nonzero(found)[0][0])

    def instructions(self, core: int, step: int, label: str) -> int:
        """Return how many instructions a core runs from a step on before it stands at a label."""
        return int(np.count_nonzero(self.core[step : self.first(core, label)] == core))

    def body_instructions(self, core: int, label: str) -> int:
        """Return how many of the litmus itself, interrupts left out, it runs before the label."""
        rip = self.rip[: self.first(core, label)][self.core[: self.first(core, label)] == core]
        start, end = self.symbols["explore_from"], self.symbols["explore_until"]
        return int(np.count_nonzero((rip >= start) & (rip < end)))


@pytest.fixture(scope="module")
def traced(program: Program) -> Callable[[str], Traced]:
    @cache
    def trace_program(name: str) -> Traced:
        image = program(name)
        trace = KeptTrace(Level.INSTRUCTIONS)
        with Machine(cores=2) as machine:
            machine.load(image)
            machine.run(RoundRobin(1), max_instructions=2_000_000, trace=trace)
        columns = (trace.column("instructions", name) for name in ("core", "rip"))
        return Traced(image.symbols, *columns)

    return trace_program


def run_aimed(
    image: Image, step: int, slices: Sequence[tuple[int, int]]
) -> tuple[Outcome, int | None]:
    """Return how a run ends with these slices (core, instructions) from a step on."""
    with Machine(cores=2) as machine:
        machine.load(image)
        machine.run(RoundRobin(1), max_instructions=step)
        for core, instructions in slices:
            machine.run(Only(core), max_instructions=instructions)
        result = machine.run(RoundRobin(10_000), max_instructions=1_000_000)
    return result.outcome, result.exit_value


@pytest.mark.parametrize(("beside", "end"), [(-1, FINISHED), (0, BROKEN), (1, FINISHED)])
def test_swapped_stores_break_only_if_the_core_stops_between_them(
    program: Program, traced: Callable[[str], Traced], beside: int, end: tuple[Outcome, int]
) -> None:
    run = traced("window_swapped")
    step = max(run.first(core, "explore_from") for core in (0, 1))
    stores = run.instructions(1, step, "window_open") + beside
    looks = run.instructions(0, step, "window_after_look")
    assert run_aimed(program("window_swapped"), step, [(1, stores), (0, looks)]) == end


@pytest.mark.parametrize(("beside", "end"), [(-1, FINISHED), (0, BROKEN), (1, FINISHED)])
def test_event_count_breaks_only_if_the_ipi_comes_between_load_and_store(
    program: Program, traced: Callable[[str], Traced], beside: int, end: tuple[Outcome, int]
) -> None:
    run = traced("window_arrival")
    step = run.first(0, "explore_from")
    mainline = run.body_instructions(0, "arrival_open") + beside
    sending = run.instructions(1, step, "arrival_sent")
    assert run_aimed(program("window_arrival"), step, [(0, mainline), (1, sending)]) == end


@pytest.mark.parametrize(
    ("name", "core", "instructions"),
    [("window_swapped", 0, 100_009), ("window_swapped", 1, 100_007), ("window_arrival", 0, 5_008)],
)
def test_window_lies_among_as_many_instructions_as_is_said(
    traced: Callable[[str], Traced], name: str, core: int, instructions: int
) -> None:
    assert traced(name).body_instructions(core, "explore_until") == instructions
