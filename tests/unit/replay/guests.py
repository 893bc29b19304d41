"""Guests with known behaviour, and how they are recorded."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uniSMP import Machine, Recorder, RoundRobin, RunResult, Schedule, assemble

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

COUNT_TO_100 = """
_start:
    mov ecx, 100
again:
    inc dword ptr [0x2000]
    dec ecx
    jnz again
    finish
"""
"""303 steps: turn n, counted from 0, stores at step 1 + 3 * n."""

TWO_CORES = """
_start:
    mov ecx, 300
again:
    lock inc dword ptr [0x2000]
    inc dword ptr [0x2010 + edi * 8]
    pause
    dec ecx
    jnz again
    lock inc dword ptr [0x2004]
wait:
    pause
    cmp dword ptr [0x2004], 2
    jb wait
    test edi, edi
    jnz wait
    finish
"""

BUSY = """
_start:
    mov ebp, edi
    gate 0x40, on_timer
    gate 0x41, on_call
    gate 2, on_nmi
    gate 6, on_undefined
    lidt [rip + idt]
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x3E0], 0xB
    mov dword ptr [rsi + 0x320], 0x20040
    mov dword ptr [rsi + 0x380], 700
    sti
again:
    rdtsc
    lock xadd [0x2000], eax
    mov ecx, 20
spin:
    dec ecx
    jnz spin
    pause
    lock inc dword ptr [0x2010]
    test dword ptr [0x2010], 15
    jnz no_call
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], 0x41
    mov dword ptr [rsi + 0x300], 0x400
    ud2
    hlt
no_call:
    mov byte ptr [rip + patched + 1], al
patched:
    mov bl, 0
    lock xadd [0x2018], ebx
    jmp again
on_undefined:
    lock inc dword ptr [0x2030]
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
on_nmi:
    lock inc dword ptr [0x2038]
    iretq
"""
"""Every core without end: timers, IPIs and NMIs to core 1, faults, HLT, PAUSE, changed code."""


def machine_with(source: str, cores: int = 1, **settings: Any) -> Machine:
    """Return a small machine with a guest."""
    machine = Machine(cores=cores, boot="long", memory_bytes=2 << 20, **settings)
    machine.load(assemble(PREAMBLE + source))
    return machine


def record(
    path: Path,
    source: str,
    cores: int = 1,
    schedule: Schedule | None = None,
    limits: Sequence[int | None] = (None,),
) -> list[RunResult]:
    """Record runs of a guest, one for each limit; return their results."""
    schedule = schedule or RoundRobin(50)
    with machine_with(source, cores) as machine, Recorder(machine, path):
        return [machine.run(schedule, max_instructions=limit) for limit in limits]


def address(source: str, name: str) -> int:
    """Return the address of a symbol of a guest."""
    return assemble(PREAMBLE + source).symbols[name]
