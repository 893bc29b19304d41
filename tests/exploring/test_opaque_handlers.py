"""Handlers that change, or look at, what they interrupt: their arrivals differ everywhere."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from comparing import explore, is_covered, perform_all
from enumeration import ways
from tiny_scenes import Scene, begin

from uniSMP.explore.bounded import Bounded
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.strategy import Performer

SEND = "mov dword ptr [r15 + 0x300], 0x4040"
END = "mov dword ptr [r15 + 0xB0], 0\niretq"
COUNT = "mov eax, 1\nadd eax, eax\nadd eax, 3\nlea ecx, [rax + rax]"
WAIT = "mov edx, 1\nagain: mov ecx, edx\ncmp byte ptr [0x5000], 0\nje again\nadd ecx, edx"
# Bodies, handler of vector 0x40, different ends.
SCENES = {
    "changes a register": ((SEND, COUNT), f"mov eax, 100\n{END}", 5),
    "changes a vector register": (
        (SEND, "movd xmm0, edi\nmovd eax, xmm0\nmovd ecx, xmm0"),
        f"pcmpeqd xmm0, xmm0\n{END}",
        3,
    ),
    "changes flags in its frame": (
        (SEND, "clc\nadc eax, 0\nadc ecx, 0"),
        f"or byte ptr [rsp + 16], 1\n{END}",
        4,
    ),
    "looks at the interrupted address": (
        (SEND, COUNT),
        f"push rax\nmov rax, [rsp + 8]\nmov [0x5010], rax\npop rax\n{END}",
        5,
    ),
    "looks at the interrupted address by a copy": (
        (SEND, COUNT),
        f"push qword ptr [rsp]\npop qword ptr [0x5010]\n{END}",
        5,
    ),
    "comes into a wait": ((f"{SEND}\nmov byte ptr [0x5000], 1", WAIT), f"mov edx, 7\n{END}", 4),
    "comes between CLI and STI no more": (
        (SEND, "cli\nmov eax, 1\nadd eax, eax\nsti\nadd eax, eax\nadd eax, eax"),
        f"inc eax\n{END}",
        3,
    ),
    "comes to two cores": (
        (f"{SEND}\nmov eax, 1\nadd eax, eax",) * 2,
        f"mov eax, 5\n{END}",
        9,
    ),
    "comes into the handler of another": (
        (f"mov dword ptr [r15 + 0x300], 0x4041\n{SEND}", "nop"),
        f"mov ebx, 9\n{END}",
        3,
    ),
}
OTHER = f"mov dword ptr [r15 + 0xB0], 0\nsti\npush rbx\nmov ebx, 1\nadd [0x5018], ebx\npop rbx\niretq"


@pytest.mark.parametrize("name", SCENES)
def test_dpor_lets_it_arrive_at_every_instruction(name: str) -> None:
    bodies, handler, end_count = SCENES[name]
    flags = frozenset({0, 1} if name == "comes to two cores" else {1})
    executor = begin(Scene(bodies, {0x40: handler, 0x41: OTHER}, flags))
    found = ways(executor)
    assert found is not None
    assert is_covered(found.ends, explore(executor))
    assert len(found.ends) == end_count


@pytest.mark.parametrize("name", ["changes a register", "looks at the interrupted address"])
def test_bounded_search_and_random_walk_let_it_arrive_at_every_instruction(name: str) -> None:
    bodies, handler, _ = SCENES[name]
    executor = begin(Scene(bodies, {0x40: handler}, frozenset({1})))
    found = ways(executor)
    assert found is not None
    performer = Performer(executor)
    assert is_covered(found.ends, perform_all(performer, Bounded(2, 2)))
    walk = RandomWalk(learn(performer), 1, range(200))
    assert is_covered(found.ends, perform_all(performer, walk))


@pytest.mark.parametrize(
    "handler",
    [
        f"push rax\nmov eax, 100\nadd [0x5010], eax\npop rax\n{END}",
        f"sub rsp, 16\nmov [rsp], rcx\nmov ecx, 3\nmov rcx, [rsp]\nadd rsp, 16\n{END}",
        f"push rbp\nmov rbp, rsp\nand rsp, -16\npush rbx\nleave\n{END}",
    ],
)
def test_a_handler_that_leaves_all_as_it_was_costs_no_executions(handler: str) -> None:
    executor = begin(Scene((SEND, COUNT), {0x40: handler}, frozenset({1})))
    found = ways(executor)
    assert found is not None
    explored = explore(executor)
    assert is_covered(found.ends, explored)
    assert len(explored.traces) == 1
