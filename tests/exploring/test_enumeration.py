"""DPOR reaches what plain enumeration reaches, and runs each trace once: random scenes."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from comparing import explore, is_covered, perform_all
from enumeration import traces, ways
from random_scenes import random_scene
from tiny_scenes import Scene, begin

from uniSMP.explore.bounded import Bounded
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.strategy import Performer

KINDS = (
    "plain",
    "locked",
    "waiting",
    "interrupts",
    "software",
    "halting",
    "nested",
    "classes",
    "mixed",
)


@pytest.mark.parametrize("seed", [3, 4, 6, 7, 8, 9])
@pytest.mark.parametrize("kind", KINDS)
def test_dpor_ends_where_interleavings_of_single_instructions_end(kind: str, seed: int) -> None:
    executor = begin(random_scene(kind, seed))
    found = ways(executor)
    assert found is not None
    assert is_covered(found.ends, explore(executor))


@pytest.mark.parametrize("seed", [3, 4, 9, 11])
@pytest.mark.parametrize(
    "kind", ["plain", "locked", "interrupts", "software", "halting", "nested", "classes"]
)
def test_dpor_executes_each_trace_of_all_interleavings_once(kind: str, seed: int) -> None:
    executor = begin(random_scene(kind, seed))
    found = traces(executor)
    assert found is not None
    explored = explore(executor)
    assert sorted(explored.traces) == sorted(found)
    assert all(len(ends) == 1 for ends in found.values())


@pytest.mark.parametrize("kind", KINDS)
def test_other_strategies_end_where_interleavings_end(kind: str) -> None:
    executor = begin(random_scene(kind, 3))
    found = ways(executor)
    assert found is not None
    performer = Performer(executor)
    learnt = learn(performer)
    walked = perform_all(performer, RandomWalk(learnt, 1, range(20)))
    bounded = perform_all(performer, Bounded(len(performer.executor.cores), 1))
    assert walked.ends | bounded.ends <= frozenset().union(*found.ends)
    assert len(walked.traces) == 20


END = "mov dword ptr [r15 + 0xB0], 0\niretq"
SEND = "mov dword ptr [r15 + 0x300], 0x4040"
SEND_HIGHER = "mov dword ptr [r15 + 0x300], 0x4041"
COUNT = f"inc dword ptr [0x5008]\n{END}"
LOOK = "mov eax, [0x5008]"
# Bodies, handler of vector 0x40, cores with IF = 1 at first; different ends and traces.
SCENES = {
    "comes before or behind what it conflicts with": ((f"{SEND}\n{LOOK}", LOOK), COUNT, {1}, 4, 4),
    "comes before CLI or never": ((SEND, f"cli\n{LOOK}"), COUNT, {1}, 2, 2),
    "comes not between CLI and STI": ((SEND, f"cli\n{LOOK}\nsti\nnop"), COUNT, {1}, 2, 2),
    "minds CLI and STI": ((SEND, "cli\nsti\nnop"), COUNT, {1}, 1, 2),
    "is what HLT waits for, or has come": ((SEND, f"sti\nhlt\n{LOOK}"), COUNT, {1}, 2, 2),
    "is one with another like it": ((f"{SEND}\n{SEND}", "nop"), COUNT, {1}, 2, 2),
    "comes behind a higher vector or before it": (
        (f"{SEND}\n{SEND_HIGHER}", "nop"),
        END,
        {1},
        1,
        2,
    ),
    "comes not into the handler of INT n": ((SEND, f"int 0x42\n{LOOK}"), COUNT, {1}, 2, 3),
    "comes to two cores": ((f"{SEND}\n{LOOK}",) * 2, COUNT, {0, 1}, 9, 30),
}


@pytest.mark.parametrize("name", SCENES)
def test_an_interrupt(name: str) -> None:
    bodies, handler, flags, end_count, trace_count = SCENES[name]
    executor = begin(Scene(bodies, {0x40: handler}, frozenset(flags)))
    found = ways(executor)
    assert found is not None
    explored = explore(executor)
    assert is_covered(found.ends, explored)
    assert (len(found.ends), len(explored.traces)) == (end_count, trace_count)
    assert sorted(explored.traces) == sorted(traces(executor) or {})


def test_a_waiting_core_sees_a_word_that_is_soon_as_it_was_before() -> None:
    blink = "mov byte ptr [0x5000], 1\nmov byte ptr [0x5000], 0"
    executor = begin(Scene((blink, "again: cmp byte ptr [0x5000], 0\nje again"), {}))
    found = ways(executor)
    assert found is not None
    explored = explore(executor)
    assert is_covered(found.ends, explored)
    assert (len(found.ends), len(explored.traces)) == (2, 4)


def test_waiting_cores_that_write_what_is_there_do_not_wake_each_other_for_ever() -> None:
    executor = begin(random_scene("mixed", 203))
    found = ways(executor)
    assert found is not None
    explored = explore(executor)
    assert is_covered(found.ends, explored)
    assert len(explored.traces) == 80


def test_a_waiting_core_goes_on_before_its_own_handler_takes_it_back() -> None:
    wait = "again: cmp byte ptr [0x5000], 0\nje again\nmov eax, [0x5008]"
    handler = f"mov byte ptr [0x5000], 0\n{END}"
    executor = begin(
        Scene((f"mov byte ptr [0x5000], 1\n{SEND}", wait), {0x40: handler}, frozenset({1}))
    )
    found = ways(executor)
    assert found is not None
    explored = explore(executor)
    assert is_covered(found.ends, explored)
    assert (len(found.ends), len(explored.traces), len(set(explored.traces))) == (2, 4, 4)
