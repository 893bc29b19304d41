"""PCT finds planted bugs at least as often as its bound says, and depends on the seed alone."""

import pytest

from uniSMP import Machine, assemble
from uniSMP.explore.pct import Pct
from uniSMP.explore.points import learn
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Performer

_HEAD = """
_start:
    test edi, edi
explore_from:
    jnz other
"""
_TAIL = """
explore_until:
    hlt
.balign 64
a: .long 0
b: .long 0
c: .long 0
d: .long 0
failed: .long 0
"""
BUGS = {
    1: """
    mov dword ptr [a], 1
    jmp explore_until
other:
    cmp dword ptr [a], 0
    jne explore_until
    mov dword ptr [failed], 1
""",
    2: """
    mov dword ptr [a], 1
    mov dword ptr [b], 1
    jmp explore_until
other:
    cmp dword ptr [a], 1
    jne explore_until
    cmp dword ptr [b], 0
    jne explore_until
    mov dword ptr [failed], 1
""",
    3: """
    mov dword ptr [a], 1
    cmp dword ptr [c], 1
    jne on
    mov dword ptr [d], 1
on:
    mov dword ptr [b], 1
    jmp explore_until
other:
    cmp dword ptr [a], 1
    jne explore_until
    cmp dword ptr [b], 0
    jne explore_until
    mov dword ptr [c], 1
    cmp dword ptr [d], 1
    jne explore_until
    mov dword ptr [failed], 1
""",
}
EXECUTIONS = 2_000


def hits(bug: int, depth: int, seed: int) -> tuple[list[int], float]:
    """Return the numbers of the executions that fail, and the bound."""
    machine = Machine(cores=2, boot="long")
    machine.load(assemble(_HEAD + BUGS[bug] + _TAIL))
    performer = Performer(set_scene(machine))
    strategy = Pct(learn(performer), seed, range(EXECUTIONS), depth=depth, cores=2)
    place = machine.symbols["failed"]
    found = []
    for number in range(EXECUTIONS):
        performer.perform(strategy)
        if machine.memory.read_integer(place, 4):
            found.append(number)
    return found, strategy.bound


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_bug_is_hit_at_least_as_often_as_the_bound_says(depth: int) -> None:
    found, bound = hits(depth, depth, seed=1)
    assert len(found) / EXECUTIONS >= bound


def test_bug_of_depth_three_is_out_of_reach_of_depth_one() -> None:
    assert hits(3, 1, seed=1)[0] == []


def test_same_seed_finds_the_same_and_another_one_something_else() -> None:
    first = hits(2, 2, seed=1)
    assert hits(2, 2, seed=1) == first
    assert hits(2, 2, seed=2) != first
