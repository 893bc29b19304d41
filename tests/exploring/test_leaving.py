"""Cores that disturb each other in waiting loops, or accept interrupts there, may leave them."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from comparing import explore, is_covered
from enumeration import ways
from random_scenes import random_scene
from tiny_scenes import IDLE, Scene, begin

from uniSMP.explore.bounded import Bounded
from uniSMP.explore.dpor import Dpor
from uniSMP.explore.judging import Judge
from uniSMP.explore.pct import Pct
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.strategy import Performer, Strategy

Make = Callable[[Performer], Strategy]
STRATEGIES: dict[str, Make] = {
    "dpor": lambda performer: Dpor(performer.executor),
    "bounded": lambda performer: Bounded(len(performer.executor.cores), 2),
    "pct": lambda performer: Pct(learn(performer), 1, range(60), depth=2, cores=2),
    "random": lambda performer: RandomWalk(learn(performer), 1, range(60)),
}
SURE = {name: STRATEGIES[name] for name in ("dpor", "bounded", "random")}
"""PCT may keep a core from being seen to wait until the limit of instructions."""
FIRST, SECOND, THIRD = (f"byte ptr [{place:#x}]" for place in (0x5000, 0x5008, 0x5010))
BLINK = f"again: mov {FIRST}, 1\nmov {FIRST}, 0\ncmp {SECOND}, 0\nje again"
RETRY = f"""
again: mov {SECOND}, 1
mov {FIRST}, 1
cmp {SECOND}, 0
je out
mov {FIRST}, 0
jmp again
out:
"""


def wait(name: str, value: int) -> str:
    """Return a loop that waits until the first byte holds a value."""
    return f"{name}: cmp {FIRST}, {value}\njne {name}"


STOP = f"mov {SECOND}, 1"
LOOK_TWICE = f"{wait('on', 1)}\n{wait('off', 0)}\n{wait('on_again', 1)}"
CAN_LEAVE = {
    "one look": (BLINK, f"{wait('on', 1)}\n{STOP}"),
    "three looks": (BLINK, f"{LOOK_TWICE}\n{STOP}"),
    "one whose own loop writes what it was": (
        f"mov {THIRD}, 1\n{BLINK}",
        f"wait: cmp {THIRD}, 1\njne wait\nmov {FIRST}, 1\n{wait('off', 0)}\n{STOP}",
    ),
    "one that blinks for what comes later": (
        f"first: mov {FIRST}, 1\nmov {FIRST}, 0\ncmp {SECOND}, 0\nje first",
        f"second: mov {THIRD}, 1\nmov {THIRD}, 0\ncmp {SECOND}, 0\nje second",
        f"{wait('on', 1)}\nwait: cmp {THIRD}, 1\njne wait\n{STOP}",
    ),
    "two that blink": (
        f"first: mov {FIRST}, 1\nmov {FIRST}, 0\ncmp {SECOND}, 0\nje first",
        f"second: mov {THIRD}, 1\nmov {THIRD}, 0\ncmp {SECOND}, 0\nje second",
        f"both: mov al, {FIRST}\nand al, {THIRD}\njz both\n{STOP}",
    ),
}


def wrong(scene: Scene, make: Make) -> tuple[set[str], set[tuple[bool, ...]], bool]:
    """Return what is wrong with the executions, who rests at their ends, and whether all ended."""
    executor = begin(scene)
    executor.most_instructions = 2000
    performer = Performer(executor)
    judge, strategy = Judge(executor, ()), make(performer)
    found, rests, is_sure = set(), set(), True
    while (execution := performer.perform(strategy)) is not None:
        found |= {each.check for each in judge.judge(execution)}
        is_sure &= not execution.is_unfinished
        if execution.is_complete:
            rests.add(execution.rests)
    return found, rests, is_sure


@pytest.mark.parametrize("make", SURE.values(), ids=SURE)
@pytest.mark.parametrize("name", CAN_LEAVE)
def test_core_that_sees_what_another_takes_back_is_not_stuck(name: str, make: Make) -> None:
    bodies = CAN_LEAVE[name]
    assert wrong(Scene(bodies, {}), make) == (set(), {(True,) * len(bodies)}, True)


@pytest.mark.parametrize("name", CAN_LEAVE)
def test_pct_tells_no_core_stuck_that_sees_what_another_takes_back(name: str) -> None:
    bodies = CAN_LEAVE[name]
    assert wrong(Scene(bodies, {}), STRATEGIES["pct"])[:2] == (set(), {(True,) * len(bodies)})


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_livelock_behind_rounds_of_waiting_is_found(make: Make) -> None:
    scene = Scene((RETRY, f"{LOOK_TWICE}\nmov {SECOND}, 0"), {})
    # Core 0 leaves, or core 1 writes too early: then core 0 overwrites it, and never leaves.
    assert wrong(scene, make) == ({"livelock"}, {(True, True), (False, True)}, True)


def test_dpor_ends_where_interleavings_end_behind_rounds_of_waiting() -> None:
    executor = begin(Scene((RETRY, f"{LOOK_TWICE}\nmov {SECOND}, 0"), {}))
    found = ways(executor)
    assert found is not None
    assert len(found.ends) == 2
    assert is_covered(found.ends, explore(executor))


@pytest.mark.parametrize("seed", [3, 6, 9, 10, 13, 18])
def test_dpor_ends_where_interleavings_of_cores_that_take_back_what_they_wrote_end(
    seed: int,
) -> None:
    executor = begin(random_scene("retrying", seed))
    found = ways(executor)
    assert found is not None
    assert is_covered(found.ends, explore(executor))


@pytest.mark.parametrize("make", SURE.values(), ids=SURE)
def test_cores_that_disturb_each_other_in_vain_are_stuck(make: Make) -> None:
    scene = Scene((BLINK, f"{wait('on', 2)}\n{STOP}"), {})
    assert wrong(scene, make) == ({"livelock"}, {(False, False)}, True)


WINDOWS = {
    "sti and cli": f"again: sti\nnop\ncli\ncmp {FIRST}, 0\nje again",
    "popf": f"again: pushfq\nsti\nnop\npopfq\ncmp {FIRST}, 0\nje again",
}
SEND = "mov dword ptr [r15 + 0x300], 0x4040"


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
@pytest.mark.parametrize("name", WINDOWS)
def test_core_that_accepts_interrupts_within_its_waiting_loop_is_not_stuck(
    name: str, make: Make
) -> None:
    scene = Scene((SEND, WINDOWS[name]), {0x40: f"mov {FIRST}, 1\n{IDLE}"})
    assert wrong(scene, make) == (set(), {(True, True)}, True)


@pytest.mark.parametrize("make", STRATEGIES.values(), ids=STRATEGIES)
def test_core_whose_waiting_loop_accepts_no_interrupt_is_stuck(make: Make) -> None:
    never = f"again: sti\ncli\ncmp {FIRST}, 0\nje again"  # STI holds them off until behind CLI
    scene = Scene((SEND, never), {0x40: f"mov {FIRST}, 1\n{IDLE}"})
    assert wrong(scene, make) == ({"livelock"}, {(True, False)}, True)
