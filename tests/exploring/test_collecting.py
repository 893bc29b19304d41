"""What a core accepts before each event, and how deep in handlers it is."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from tiny_scenes import Scene, begin

from uniSMP.explore.analysis import Analyst
from uniSMP.explore.collecting import (
    DELIVERED,
    E_CORE,
    E_DEPTH,
    E_KIND,
    E_OPEN,
    EVENT_WORDS,
)
from uniSMP.explore.executor import Executor
from uniSMP.explore.ordering import trace_hashes
from uniSMP.explore.strategy import do, straight_on

END = "mov dword ptr [r15 + 0xB0], 0\niretq"
SEND = "mov dword ptr [r15 + 0x300], 0x4040"
SEND_SELF = "mov dword ptr [r15 + 0x300], 0x44040"
COUNT = f"inc dword ptr [0x5008]\n{END}"


def run(executor: Executor) -> list[tuple[int, int, int, int]]:
    """Go straight on to the end; return core, kind, depth and openness of each event."""
    current = 0
    while (move := straight_on(executor, current)) is not None:
        do(executor, move)
        current = move.core
    events = Analyst(executor).look().events
    return [tuple(event) for event in events[:, [E_CORE, E_KIND, E_DEPTH, E_OPEN]].tolist()]


@pytest.mark.parametrize(("flags", "is_open"), [({0}, 16), (set(), 0)])
def test_a_device_access_is_open_where_if_is_set(flags: set[int], is_open: int) -> None:
    executor = begin(Scene((SEND, "nop"), {}, frozenset(flags)))
    assert run(executor) == [(0, 0, 0, is_open)]


def test_cli_inside_a_block_closes_behind_itself() -> None:
    body = f"{SEND_SELF}\ncli\nmov eax, [0x5008]"
    executor = begin(Scene((body,), {0x40: COUNT}, frozenset({0})))
    assert run(executor) == [
        (0, 0, 0, 16),
        (0, DELIVERED, 1, 16),
        (0, 0, 1, 0),
        (0, 0, 1, 0),
        (0, 0, 0, 16),
        (0, 0, 0, 0),
    ]


def test_a_handler_ends_where_its_frame_is_popped() -> None:
    handler = f"lea rax, [rip + elsewhere]\nmov [rsp], rax\n{COUNT}"
    body = f"{SEND_SELF}\nmov eax, [0x5008]\nelsewhere: mov ebx, [0x5008]"
    executor = begin(Scene((body,), {0x40: handler}, frozenset({0})))
    assert [depth for _, _, depth, _ in run(executor)] == [0, 1, 1, 1, 0]


def test_sti_holds_off_for_one_instruction() -> None:
    body = f"{SEND_SELF}\nsti\nhlt\nmov eax, [0x5008]"
    executor = begin(Scene((body,), {0x40: COUNT}))
    assert run(executor)[:3] == [(0, 0, 0, 0), (0, 0, 0, 0), (0, 2, 0, 0)]


def test_traces_that_differ_in_a_kind_and_a_clock_have_different_hashes() -> None:
    events = np.zeros((1, EVENT_WORDS), dtype=np.int64)
    events[0, E_CORE] = 1
    other = events.copy()
    other[0, E_KIND] = DELIVERED
    one, two = np.array([[1, 1]]), np.array([[0, 1]])
    assert int(trace_hashes(events, one)[1]) != int(trace_hashes(other, two)[1])
