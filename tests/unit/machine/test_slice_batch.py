"""Slices run by compiled code are what slices run one by one are."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP import (
    Image,
    Machine,
    Outcome,
    RoundRobin,
    RunResult,
    Schedule,
    SeededRandom,
    Slice,
    assemble,
)

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

Program = Callable[[str], Image]

BUSY = (
    PREAMBLE
    + """
_start:
    mov ebp, edi
    gate 0x40, on_timer
    gate 0x41, on_call
    gate 6, on_undefined
    lidt [rip + idt]
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x3E0], 0xB
    mov dword ptr [rsi + 0x320], 0x20040
    mov dword ptr [rsi + 0x380], 3000
    sti
again:
    rdtsc
    lock xadd [0x2000], eax
    mov ecx, 50
spin:
    dec ecx
    jnz spin
    rdtscp
    lock xor [0x2008], eax
    test al, 3
    jnz no_wait
    pause
    pause
    pause
    pause
no_wait:
    lock inc dword ptr [0x2010]
    test dword ptr [0x2010], 63
    jnz no_call
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], 0x41
    ud2
    hlt
no_call:
    mov byte ptr [rip + patched + 1], al
patched:
    mov bl, 0
    lock xadd [0x2018], ebx
    jmp again
on_undefined:
    add qword ptr [rsp], 2
    iretq
on_timer:
    push rax
    rdtsc
    lock xadd [0x2020], eax
    mov dword ptr [rsi + 0xB0], 0
    pop rax
    iretq
on_call:
    lock inc dword ptr [0x2028]
    mov dword ptr [rsi + 0xB0], 0
    iretq
"""
)


class OneByOne:
    """A schedule that cannot plan."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        self.name = schedule.name

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        return self._schedule.next_slice(runnable)


def busy(cores: int, schedule: Schedule, limits: Sequence[int], ticks: int) -> list[RunResult]:
    with Machine(
        cores=cores, ticks_per_instruction=ticks, boot="long", memory_bytes=4 << 20
    ) as machine:
        machine.load(assemble(BUSY))
        return [machine.run(schedule, max_instructions=limit) for limit in limits]


@settings(deadline=None, max_examples=25)
@given(
    cores=st.integers(1, 5),
    quantum=st.sampled_from([1, 7, 40, 333, 1000, 5000, 1 << 32]),
    seed=st.none() | st.integers(0, 99),
    limits=st.lists(st.integers(1, 20_000), min_size=1, max_size=4),
    ticks=st.sampled_from([1, 3, 100]),
)
def test_plan_and_slice_by_slice_give_the_same_results(
    cores: int, quantum: int, seed: int | None, limits: list[int], ticks: int
) -> None:
    def schedule() -> Schedule:
        return RoundRobin(quantum) if seed is None else SeededRandom(seed, quantum)

    planned = busy(cores, schedule(), limits, ticks)
    assert planned == busy(cores, OneByOne(schedule()), limits, ticks)


@pytest.mark.parametrize("name", ["smp_hello", "ipi_ping", "timer_tick", "ioapic_pit", "pmm_smp"])
def test_guest_run_by_plan_and_slice_by_slice_gives_the_same_result(
    program: Program, name: str
) -> None:
    with Machine(cores=3) as machine:
        machine.load(program(name))
        planned = machine.run(SeededRandom(3, 900))
    with Machine(cores=3) as machine:
        machine.load(program(name))
        assert machine.run(OneByOne(SeededRandom(3, 900))) == planned


def test_host_is_asked_inside_a_long_slice() -> None:
    answers = iter([False, False, True])
    with Machine(cores=1, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble("_start: jmp _start"))
        result = machine.run(RoundRobin(1 << 32), is_interrupted=lambda: next(answers))
    assert result.outcome is Outcome.HOST_TIMEOUT
    assert result.steps < 10_000_000
