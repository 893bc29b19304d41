"""What the task priority holds back conflicts with every way to write that priority."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from comparing import explore, is_covered
from enumeration import traces, ways
from random_scenes import random_scene
from tiny_scenes import Scene, begin

SEND = "mov dword ptr [r15 + 0x300], 0x4040"
END = "mov dword ptr [r15 + 0xB0], 0\niretq"
COUNT = "inc dword ptr [0x5008]"
END_BY_MSR = """push rax
push rcx
push rdx
mov ecx, 0x80B
xor eax, eax
xor edx, edx
wrmsr
pop rdx
pop rcx
pop rax
iretq"""
TO_X2APIC = "mov ecx, 0x1B\nrdmsr\nor eax, 0xC00\nwrmsr\nxor edx, edx\nmov ecx, 0x808\nsti\nnop"
# What core 1 does at first, how it sets its priority class to 5 and to 0, how handlers end.
WAYS = {
    "in its page": (
        "sti\nnop",
        "mov dword ptr [r15 + 0x80], 0x50",
        "mov dword ptr [r15 + 0x80], 0",
        END,
    ),
    "as CR8": ("sti\nmov ebx, 5", "mov cr8, rbx", "mov cr8, rdi", END),
    "as an MSR": (TO_X2APIC, "mov eax, 0x50\nwrmsr", "xor eax, eax\nwrmsr", END_BY_MSR),
}


@pytest.mark.parametrize("name", WAYS)
def test_an_interrupt_comes_before_its_priority_is_raised_or_after_it_is_lowered(name: str) -> None:
    before, high, low, end = WAYS[name]
    body = f"{before}\n{high}\nmov ebp, [0x5008]\n{low}\nnop"
    executor = begin(Scene((SEND, body), {0x40: f"{COUNT}\n{end}"}))
    found = ways(executor)
    assert found is not None
    explored = explore(executor)
    assert is_covered(found.ends, explored)
    assert (len(found.ends), len(explored.traces)) == (2, 2)
    assert sorted(explored.traces) == sorted(traces(executor) or {})


@pytest.mark.parametrize("name", WAYS)
def test_an_interrupt_comes_before_its_priority_is_raised_or_never(name: str) -> None:
    before, high, _, end = WAYS[name]
    executor = begin(Scene((SEND, f"{before}\n{high}\nnop"), {0x40: f"{COUNT}\n{end}"}))
    found = ways(executor)
    assert found is not None
    explored = explore(executor)
    assert is_covered(found.ends, explored)
    assert (len(found.ends), len(explored.traces)) == (2, 2)
    assert sorted(explored.traces) == sorted(traces(executor) or {})


@pytest.mark.parametrize("seed", [5, 15, 16, 19, 42])
def test_dpor_ends_where_interleavings_end_with_priorities_in_cr8(seed: int) -> None:
    executor = begin(random_scene("priorities", seed))
    found = ways(executor)
    assert found is not None
    assert is_covered(found.ends, explore(executor))
