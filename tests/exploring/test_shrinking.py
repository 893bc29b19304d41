"""Shrinking the violations of broken protocols."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from violating import Found

from uniSMP.checks.history import Violation
from uniSMP.explore.retrying import Trial
from uniSMP.explore.schedule import NO_VECTOR, Slice, instructions, switches
from uniSMP.explore.shrinking import shrink
from uniSMP.explore.strategy import Execution


@pytest.mark.parametrize(
    ("name", "check", "switch_count", "delivery_count"),
    [
        ("pair_freeze_naive", "livelock", 1, 0),
        ("pair_delegate_irqoff", "livelock", 1, 0),
        ("pair_tas_irqon", "livelock", 2, 2),
        ("pair_swap_naive", "failure", 3, 0),
        ("pair_swap_naive", "exclusion", 2, 0),
        ("pair_cli_only", "failure", 2, 0),
        ("pair_cli_only", "exclusion", 1, 0),
        ("window_arrival", "failure", 1, 1),
        ("window_swapped", "failure", 1, 0),
    ],
)
def test_violation_of_a_broken_program_is_minimal(
    name: str, check: str, switch_count: int, delivery_count: int
) -> None:
    found = Found(name, check, rests=check != "failure")
    shrunk = shrink(found.trial, found.slices)
    deliveries = sum(each.vector != NO_VECTOR for each in shrunk.slices)
    assert switches(shrunk.slices) <= switch_count
    assert deliveries <= delivery_count
    assert shrunk.is_minimal
    assert found.trial(shrunk.slices) == shrunk.slices


def test_an_arrival_is_shrunk_to_its_one_instruction() -> None:
    found = Found("window_arrival", "failure")
    slices = shrink(found.trial, found.slices).slices
    executor = found.performer.executor
    executor.rewind()
    executor.run(1, slices[0].instructions)
    executor.run(0, slices[1].instructions, holds=True)
    assert executor.machine.core(0).linear_rip == executor.machine.symbols["arrival_open"]


def test_a_violation_that_is_complete_early_cuts_the_rest_off() -> None:
    performer = Found("pair_cli_only", "failure", rests=False).performer
    first = performer.executor.first_step

    def judge(_execution: Execution) -> list[Violation]:
        places = [("other", 10), ("early", 60), ("early", 54)]
        return [Violation(key, "", first + step, 0, (key,)) for key, step in places]

    trial = Trial(performer, judge, ("early",))
    assert trial([Slice(0, 50), Slice(1, 3)]) == [Slice(0, 50), Slice(1, 5)]
    assert trial.violation is not None
    assert trial.violation.step == first + 54


def test_an_execution_without_end_is_given_up() -> None:
    found = Found("pair_cli_only", "failure", rests=False)
    found.performer.executor.most_instructions = 60
    ran: list[int] = []

    def judge(execution: Execution) -> list[Violation]:
        ran.append(instructions(execution.slices))
        return []

    assert Trial(found.performer, judge, ("any",))([Slice(0, 50), Slice(1, 20)]) is None
    assert ran == [60]
