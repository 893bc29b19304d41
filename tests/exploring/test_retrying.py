"""Schedules run again: by the explorer, leniently, and exactly, on a fresh machine."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from violating import loaded

from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.retrying import Lenient
from uniSMP.explore.scene import set_scene
from uniSMP.explore.schedule import NO_VECTOR, Slice
from uniSMP.explore.strategy import FOREVER, Performer
from uniSMP.replay.exact_slices import run_slices


def _performer(name: str, cores: int, most_instructions: int = 100_000) -> Performer:
    executor = set_scene(loaded(name, cores))
    executor.most_instructions = most_instructions
    return Performer(executor)


@pytest.mark.parametrize(
    ("name", "cores"),
    [
        ("ipi_ping", 2),
        ("timer_tick", 1),
        ("ioapic_pit", 2),
        ("window_arrival", 2),
        ("pair_tas_irqon", 3),
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_a_schedule_has_one_end_however_it_is_run(name: str, cores: int, number: int) -> None:
    performer = _performer(name, cores)
    executor = performer.executor
    walk = RandomWalk(learn(performer), 1, range(number, number + 1))
    execution = performer.perform(walk)
    assert execution is not None
    digest, steps = executor.machine.digest(), executor.steps
    again = performer.perform(Lenient(execution.slices, goes_on=False))
    assert again is not None
    assert again.slices == execution.slices
    assert (executor.machine.digest(), executor.steps) == (digest, steps)
    fresh = loaded(name, cores)
    run_slices(fresh, [*executor.boot_slices, *execution.slices])
    assert (fresh.digest(), fresh.steps) == (digest, steps)


@pytest.mark.parametrize(
    ("slices", "ran"),
    [
        pytest.param([Slice(1, 5)], [Slice(1, 5)], id="as it is"),
        pytest.param([Slice(1, 5, 0x41)], [Slice(1, 5)], id="nothing to deliver"),
        pytest.param(
            [Slice(1, FOREVER), Slice(1, 9), Slice(0, 3)],
            [Slice(1, 9), Slice(0, 3)],
            id="at rest",
        ),
        pytest.param(
            [Slice(1, 7), Slice(0, 9), Slice(0, 2, 0x99)],
            [Slice(1, 7), Slice(0, 9), Slice(0, 2, 0x41)],
            id="what is due",
        ),
    ],
)
def test_what_cannot_be_done_is_left_out(slices: list[Slice], ran: list[Slice]) -> None:
    performer = _performer("window_arrival", 2)
    execution = performer.perform(Lenient(slices, goes_on=False))
    assert execution is not None
    assert execution.slices == ran


def test_behind_its_slices_it_goes_on_with_interrupts_as_early_as_they_can_be() -> None:
    performer = _performer("window_arrival", 2)
    execution = performer.perform(Lenient([Slice(0, 3), Slice(1, 7)]))
    assert execution is not None
    assert execution.is_complete
    assert [each[::2] for each in execution.slices] == [
        (0, NO_VECTOR),
        (1, NO_VECTOR),
        (0, 0x41),
    ]
