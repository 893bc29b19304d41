"""Any way through a real time line, forwards and back, leads to the same end."""

import random
from typing import Any

import pytest

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.replay.live import LiveTimeline

GUEST = """
_start:
    mov ecx, 40
next:
    lock inc dword ptr [count]
    mov eax, [count]
    mov [last + rdi * 8], rax
    dec ecx
    jnz next
    lock inc dword ptr [done]
wait:
    pause
    cmp dword ptr [done], 3
    jne wait
    cmp edi, 0
    jne park
    xor eax, eax
    out 0xF4, al
park:
    cli
    hlt
.balign 8
count: .quad 0
done: .quad 0
last: .quad 0, 0, 0
"""
CORES = 3
QUANTUM = 7
IMAGE = assemble(GUEST)


def new_machine() -> Machine:
    machine = Machine(cores=CORES, memory_bytes=2 << 20, boot="long")
    machine.load(IMAGE)
    return machine


@pytest.fixture(scope="module")
def expected() -> str:
    with new_machine() as machine:
        return machine.run(RoundRobin(QUANTUM)).digest


def act(debugger: Any, choose: random.Random) -> None:
    """Send one packet that moves the target, sets a point or removes one."""
    core = choose.randint(1, CORES)
    kind = choose.choice("ZZzzscrbB")
    label = choose.choice(["next", "wait", "count", "done", "last"])
    point = f"{2 if label in ('count', 'done', 'last') else 0},{debugger.at(label)},4"
    match kind:
        case "Z" | "z":
            assert debugger(kind + point) == "OK"
        case "s":
            assert debugger(f"vCont;s:{core};c")[:3] == "T05"
        case "c":
            assert debugger("vCont;c")[:3] == "T05"
        case "r":
            debugger(f"Hc{core}")
            assert debugger("bs")[:3] == "T05"
        case _:
            assert debugger("bc")[:3] == "T05"


@pytest.mark.parametrize("seed", range(12))
def test_any_walk_ends_with_the_same_digest(
    seed: int, expected: str, debugger_of: type[Any]
) -> None:
    choose = random.Random(seed)
    with LiveTimeline(new_machine(), RoundRobin(QUANTUM), quantum=QUANTUM) as timeline:
        debugger = debugger_of(IMAGE, timeline)
        for _ in range(25):
            act(debugger, choose)
        debugger.stub.begin()
        assert "replaylog:end" in debugger("vCont;c")
        assert timeline.machine.digest() == expected


@pytest.mark.parametrize("label", ["count", "done"])
def test_stores_found_backwards_are_those_found_forwards(
    label: str, debugger_of: type[Any]
) -> None:
    with LiveTimeline(new_machine(), RoundRobin(QUANTUM), quantum=QUANTUM) as timeline:
        debugger = debugger_of(IMAGE, timeline)
        debugger(f"Z2,{debugger.at(label)},4")
        there, back = [], []
        while "watch:" in (reply := debugger("vCont;c")):
            there.append((timeline.step - 1, reply.split("thread:")[1][0]))
        while "watch:" in (reply := debugger("bc")):
            back.append((timeline.step, reply.split("thread:")[1][0]))
    assert there == back[::-1]
    assert len(there) == {"count": 40 * CORES, "done": CORES}[label]
