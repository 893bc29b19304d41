"""Scenes in which cores wait for a timer, and HLT against an interrupt."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tiny_scenes import IDLE, Scene, begin

from uniSMP.explore.bounded import Bounded
from uniSMP.explore.dpor import Dpor
from uniSMP.explore.executor import Executor
from uniSMP.explore.judging import Judge
from uniSMP.explore.pct import Pct
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.strategy import Execution, Performer, Strategy

TIMER = """
    mov dword ptr [r15 + 0x320], 0x40
    mov dword ptr [r15 + 0x3E0], 0xB
    mov dword ptr [r15 + 0x380], 500
"""
COUNT = f"lock inc dword ptr [0x5000]\n{IDLE}"
Make = Callable[[Performer], Strategy]
STRATEGIES: dict[str, Make] = {
    "dpor": lambda performer: Dpor(performer.executor),
    "bounded": lambda performer: Bounded(len(performer.executor.cores), 2),
    "pct": lambda performer: Pct(learn(performer), 1, range(200), depth=2, cores=2),
    "random": lambda performer: RandomWalk(learn(performer), 1, range(200)),
}


def executions(executor: Executor, make: Make) -> list[tuple[Execution, list[str]]]:
    """Return all executions of a strategy, each with the names of what is wrong with it."""
    performer = Performer(executor)
    judge, strategy = Judge(executor, ()), make(performer)
    found = []
    while (execution := performer.perform(strategy)) is not None:
        found.append((execution, [each.check for each in judge.judge(execution)]))
    return found


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_halted_cores_are_woken_by_their_timers(make: Make) -> None:
    body = f"{TIMER}\nsti\nhlt"
    found = executions(begin(Scene([body, body], {0x40: COUNT})), make)
    # A timer may still run when the other core rests; no time passes then.
    assert {sum(execution.rests) for execution, _ in found if execution.is_complete} >= {1}
    assert all(not wrong for _, wrong in found)


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_core_that_spins_until_its_timer_gets_there(make: Make) -> None:
    body = f"{TIMER}\nsti\nspin:\ncmp dword ptr [0x5000], 0\nje spin"
    found = executions(begin(Scene([body, "nop"], {0x40: COUNT})), make)
    complete = [(execution, wrong) for execution, wrong in found if execution.is_complete]
    assert complete
    assert all(all(execution.rests) and not wrong for execution, wrong in complete)


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_core_halted_for_a_timer_while_another_rests_is_not_stuck(make: Make) -> None:
    scene = Scene([f"{TIMER}\nsti\nhlt", "nop"], {0x40: COUNT})
    found = executions(begin(scene), make)
    assert any(execution.is_complete for execution, _ in found)
    assert all(not wrong for _, wrong in found)


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_wakeup_that_comes_just_before_hlt_is_lost(make: Make) -> None:
    send = "mov dword ptr [0x5008], 1\nmov dword ptr [r15 + 0x300], 0x4040"
    sleep = "cmp dword ptr [0x5008], 0\njne awake\nhlt\nawake:"
    found = executions(begin(Scene([send, sleep], {0x40: IDLE}, frozenset({1}))), make)
    wrong = [each for _, each in found]
    assert ["deadlock"] in wrong
    assert [] in wrong
