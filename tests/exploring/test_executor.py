"""The executor puts a machine back exactly, and runs the same schedule the same way each time."""

import pytest

from uniSMP import Machine
from uniSMP.errors import DivergenceError
from uniSMP.explore.bounded import Bounded
from uniSMP.explore.executor import Executor
from uniSMP.explore.scene import set_scene
from uniSMP.explore.schedule import Slice, cut, switches
from uniSMP.explore.strategy import Performer, as_moves, do
from uniSMP.machine.target import Target

PROGRAMS = (
    "pair_ticket",
    "pair_swap_return",
    "pair_freeze_ordered",
    "pair_delegate",
    "explore_pmm",
)


def make(program: str, cores: int = 2) -> Executor:
    machine = Machine(cores=cores)
    machine.load(Target.of_program(program).image)
    return set_scene(machine)


def executions(executor: Executor, most: int) -> list[tuple[list[Slice], str]]:
    """Return schedules with one preemption, as many as there are up to `most`."""
    performer = Performer(executor)
    strategy = Bounded(len(executor.cores), 1)
    found: list[tuple[list[Slice], str]] = []
    while len(found) < most and (execution := performer.perform(strategy)) is not None:
        found.append((execution.slices, executor.machine.digest()))
    return found


@pytest.mark.parametrize("program", PROGRAMS)
def test_machine_is_put_back_exactly(program: str) -> None:
    executor = make(program)
    Performer(executor).perform(Bounded(len(executor.cores), 0))
    executor.rewind()  # what page walkers mark once stays marked
    scene = executor.machine.digest()
    found = executions(executor, 12)
    executor.rewind()
    assert executor.machine.digest() == scene
    assert len(found) == 12


@pytest.mark.parametrize("program", PROGRAMS)
def test_schedule_run_again_ends_in_the_same_state(program: str) -> None:
    executor = make(program)
    found = executions(executor, 12)
    again = []
    for slices, _ in found:
        executor.stop_at(())
        executor.rewind()
        for move in as_moves(slices):
            do(executor, move)
        again.append((executor.slices, executor.machine.digest()))
    assert again == found


def test_interrupt_that_is_not_pending_cannot_be_taken() -> None:
    executor = make("pair_ticket")
    with pytest.raises(DivergenceError, match="core 1 can take no interrupt here"):
        executor.take(1)


SCHEDULE = [Slice(0, 5), Slice(1, 3, 0x45), Slice(0, 4)]


@pytest.mark.parametrize(
    ("steps", "delivers", "expected"),
    [
        (0, True, []),
        (4, True, [Slice(0, 4)]),
        (5, False, [Slice(0, 5)]),
        (5, True, [Slice(0, 5), Slice(1, 0, 0x45)]),
        (7, True, [Slice(0, 5), Slice(1, 2, 0x45)]),
        (8, False, [Slice(0, 5), Slice(1, 3, 0x45)]),
        (99, False, SCHEDULE),
    ],
)
def test_schedule_is_cut_at_a_step(steps: int, delivers: bool, expected: list[Slice]) -> None:  # noqa: FBT001
    assert cut(SCHEDULE, steps, delivers=delivers) == expected


def test_switches_are_counted_between_different_cores() -> None:
    assert switches([*SCHEDULE, Slice(0, 1, 0x46)]) == 2
