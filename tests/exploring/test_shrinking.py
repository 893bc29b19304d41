"""Shrinking the violations of broken protocols."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import violating
from violating import FAILED, STUCK

from uniSMP.explore.retrying import Sighting, Trial
from uniSMP.explore.schedule import NO_VECTOR, Slice, instructions, switches
from uniSMP.explore.shrinking import shrink
from uniSMP.explore.strategy import Execution


@pytest.mark.parametrize(
    ("name", "seen", "switch_count", "delivery_count"),
    [
        ("pair_freeze_naive", STUCK, 1, 0),
        ("pair_delegate_irqoff", STUCK, 1, 0),
        ("pair_tas_irqon", STUCK, 2, 1),
        ("pair_swap_naive", FAILED, 3, 0),
        ("pair_cli_only", FAILED, 2, 0),
        ("window_arrival", FAILED, 1, 1),
        ("window_swapped", FAILED, 1, 0),
    ],
)
def test_violation_of_a_broken_program_is_minimal(
    name: str, seen: Sighting, switch_count: int, delivery_count: int
) -> None:
    performer, execution = violating.find(name)
    trial = Trial(performer, violating.judge, seen.key)
    shrunk = shrink(trial, execution.slices)
    deliveries = sum(each.vector != NO_VECTOR for each in shrunk.slices)
    assert (switches(shrunk.slices), deliveries) == (switch_count, delivery_count)
    assert shrunk.is_minimal
    assert trial(shrunk.slices) == shrunk.slices


def test_an_arrival_is_shrunk_to_its_one_instruction() -> None:
    performer, execution = violating.find("window_arrival")
    machine = performer.executor.machine
    slices = shrink(Trial(performer, violating.judge, FAILED.key), execution.slices).slices
    performer.executor.rewind()
    performer.executor.run(1, slices[0].instructions)
    performer.executor.run(0, slices[1].instructions, holds=True)
    assert machine.core(0).linear_rip == machine.symbols["arrival_open"]


def test_a_violation_that_is_complete_early_cuts_the_rest_off() -> None:
    performer, _ = violating.find("pair_cli_only")

    def judge(_execution: Execution) -> list[Sighting]:
        return [Sighting(("other",), 10), Sighting(("early",), 60), Sighting(("early",), 55)]

    found = Trial(performer, judge, ("early",))([Slice(0, 50), Slice(1, 3)])
    assert found == [Slice(0, 50), Slice(1, 5)]


def test_an_execution_without_end_is_given_up() -> None:
    performer, _ = violating.find("pair_cli_only")
    trial = Trial(performer, lambda _execution: [STUCK], STUCK.key, 60)
    found = trial([Slice(0, 50), Slice(1, 20), Slice(0, 1)])
    assert found is not None
    assert instructions(found) == 70
