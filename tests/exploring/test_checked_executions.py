"""Checks on executions of the explorer: what they are given there, and what they find."""

from collections import Counter
from collections.abc import Sequence

import pytest

from uniSMP import Machine
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.checks.exclusion import Exclusion, parse_region
from uniSMP.checks.history import Check, History
from uniSMP.checks.races import Atomic, Races
from uniSMP.explore.judging import Judge
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Performer


def walk(name: str, checks: Sequence[Check], count: int) -> tuple[Counter[str], list[History]]:
    """Return how many of some random executions violate each check, and their histories."""
    machine = Machine(cores=2)
    machine.load(assemble_file(program_path(name)))
    executor = set_scene(machine)
    executor.most_instructions = 3000
    performer, judge = Performer(executor), Judge(executor, checks)
    strategy = RandomWalk(learn(performer), 1, range(count))
    found: Counter[str] = Counter()
    histories = []
    while (execution := performer.perform(strategy)) is not None:
        found.update({violation.check for violation in judge.judge(execution)})
        histories.append(judge.history(execution))
    return found, histories


@pytest.mark.parametrize(
    ("name", "atomic"),
    [
        ("pair_ticket", ["ticket_serving"]),
        ("pair_swap_xchg", []),
        ("pair_delegate", ["0x12c200"]),  # core 1's mailbox
        ("pair_freeze_ordered", ["0x128200..0x128300", "0x12c200..0x12c300"]),
    ],
)
def test_sound_protocol_has_no_race_but_for_the_flags_it_polls(
    name: str, atomic: list[str]
) -> None:
    found, histories = walk(name, [Races(atomic, Atomic.LOCKED_WORDS)], 50)
    assert (found, len(histories)) == (Counter(), 50)


def test_operation_without_a_lock_is_found_by_both_checks() -> None:
    checks = [Races(), Exclusion(parse_region("pmm_enter..pmm_exit"))]
    found, _ = walk("pair_cli_only", checks, 20)
    assert found["races"] == 20  # whatever the order, nothing orders the two operations
    assert 0 < found["exclusion"] < 20


def test_events_of_one_execution_are_those_of_its_steps() -> None:
    _, histories = walk("pair_delegate", [Races()], 5)
    kinds = [Counter(event.kind for event in history.events) for history in histories]
    assert [(each["ipi_sent"], each["interrupt_delivered"]) for each in kinds] == [(1, 1)] * 5
    assert all(
        history.first_step <= event.step <= history.end_step
        for history in histories
        for event in history.events
    )


def test_events_are_not_kept_where_no_check_needs_them() -> None:
    _, histories = walk("pair_delegate", [Exclusion(parse_region("pmm_enter..pmm_exit"))], 1)
    assert histories[0].events == []
