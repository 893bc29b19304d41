"""Software interrupts that compiled code delivers are those that Python delivers."""

import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from uniSMP import Machine, Outcome, RoundRobin, RunResult, assemble
from uniSMP.core import native_state as ns
from uniSMP.core.core_parts import CoreParts
from uniSMP.core.delivery import Delivery

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

PLAIN = "int 0x80"
NESTED = "int 0x81"
IN_A_LOOP = "mov ecx, 9\nagain: int 0x80\nloop again"
WITH_A_PREFIX = ".byte 0x48, 0xCD, 0x80"
BREAKPOINT = "int3"
TRAP_GATE = "int 0x82"
ANOTHER_STACK = "int 0x83"
NOT_PRESENT = "int 0x84"
ONTO_CODE = """
    mov rbp, rsp
    lea rsp, [rip + here + 48]
    call there
    int 0x80
    call there
    mov rsp, rbp
    jmp over
there:
    lea r8, [rip + here + 8]
    call r8
    ret
    .align 64
here:
    .space 8, 0x90
    inc ebx
    ret
    .space 64, 0x90
over:
"""
AFTER_A_DEVICE = """
    mov esi, 0xFEE00000
    mov dword ptr [rsi + 0xF0], 0x1FF
    sti
    mov eax, 5
    mov cr8, rax
    int 0x80
    mov dword ptr [rsi + 0x300], 0x00040040
    int 0x82
    xor eax, eax
    mov cr8, rax
    int 0x80
"""
HANDLERS = """
    finish
plain:
    mov rax, [rsp]
    add ebx, eax
    iretq
nested:
    int 0x80
    iretq
other:
    mov dword ptr [0xFEE000B0], 0
    inc edx
    iretq
"""
SETUP = """
_start:
    lidt [rip + idt]
    xor ebx, ebx
    gate 3, plain
    gate 11, plain
    gate 0x40, other
    gate 0x80, plain
    gate 0x81, nested
    gate 0x82, plain, 0x8F00
    gate 0x83, plain, 0x8E01
    gate 0x84, plain, 0x0E00
"""
BODIES = {
    "plain": PLAIN,
    "nested": NESTED,
    "loop": IN_A_LOOP,
    "prefix": WITH_A_PREFIX,
    "int3": BREAKPOINT,
    "trap gate": TRAP_GATE,
    "ist": ANOTHER_STACK,
    "not present": NOT_PRESENT,
    "onto code": ONTO_CODE,
    "device": AFTER_A_DEVICE,
}


def _run(body: str, quantum: int, cores: int = 1) -> tuple[RunResult, list[tuple[int, int]]]:
    """Return the result, and where each core's row of exceptions began."""
    machine = Machine(cores=cores, memory_bytes=2 << 20, boot="long")
    handlers = HANDLERS.replace("[0xFEE000B0]", "[rsi + 0xB0]")
    machine.load(assemble(PREAMBLE + SETUP + body + handlers))
    result = machine.run(RoundRobin(quantum), max_instructions=2_000)
    words = [core.engine.words for core in machine.parts.cores]
    return result, [(each[ns.IN_A_ROW], each[ns.ROW_BEGAN]) for each in words]


def _never(core: CoreParts) -> None:
    core.engine.words[ns.DELIVERS] = 0


@pytest.mark.parametrize("quantum", [1, 2, 3, 7, 10_000])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_both_ways_come_to_the_same(body: str, quantum: int) -> None:
    with patch.object(CoreParts, "_allow_deliveries", _never):
        expected = _run(body, quantum)
    assert _run(body, quantum) == expected


@pytest.mark.parametrize(
    ("body", "exceptions"),
    [
        (PLAIN, {0x80: 1}),
        (NESTED, {0x80: 1, 0x81: 1}),
        (IN_A_LOOP, {0x80: 9}),
        (TRAP_GATE, {0x82: 1}),
    ],
    ids=["plain", "nested", "loop", "trap gate"],
)
def test_what_is_plain_is_never_left_to_python(body: str, exceptions: dict[int, int]) -> None:
    with patch.object(Delivery, "deliver", side_effect=AssertionError):
        result, rows = _run(body, 10_000)
    assert result.outcome is Outcome.FINISHED
    assert result.cores[0].exceptions == exceptions
    assert rows[0][0] == 1


def test_two_cores_in_one_plan_deliver_to_themselves() -> None:
    with patch.object(CoreParts, "_allow_deliveries", _never):
        expected = _run(IN_A_LOOP, 5, cores=2)
    assert _run(IN_A_LOOP, 5, cores=2) == expected
