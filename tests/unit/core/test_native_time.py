"""RDTSC and RDTSCP in compiled code are what Python makes of them."""

import pytest
from lab import Lab

from uniSMP import Machine, RoundRobin, RunResult, assemble
from uniSMP.core import native_state as ns

GUEST = """
_start:
    mov r8d, 30
again:
    rdtsc
    lock xadd [0x2000], eax
    rdtscp
    lock xadd [0x2008], edx
    lock xadd [0x2010], ecx
    .byte 0x66, 0x0F, 0x31          # a prefix: Python executes it
    lock xadd [0x2018], eax
    test r8d, 7
    jnz plain
    mov ecx, 0x10
    mov eax, r8d
    mov edx, -1
    wrmsr
    rdtsc
    lock xadd [0x2020], edx
plain:
    sti
    rdtsc
    cli
    dec r8d
    jnz again
    lock inc dword ptr [0x2030]
wait:
    pause
    cmp dword ptr [0x2030], 3
    jne wait
    xor eax, eax
    out 0xF4, al
"""


def run(ticks: int, quantum: int, *, is_compiled: bool) -> RunResult:
    with Machine(
        cores=3, boot="long", memory_bytes=4 << 20, ticks_per_instruction=ticks
    ) as machine:
        machine.load(assemble(GUEST))
        for core in machine._cores if not is_compiled else ():
            core.keep_time(0)
        return machine.run(RoundRobin(quantum), max_instructions=100_000)


@pytest.mark.parametrize("ticks", [1, 7, 1000])
@pytest.mark.parametrize("quantum", [1, 3, 50, 10_000])
def test_time_read_by_compiled_code_is_the_time_python_reads(ticks: int, quantum: int) -> None:
    assert run(ticks, quantum, is_compiled=True) == run(ticks, quantum, is_compiled=False)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("rdtsc", ns.READS_TIME),
        ("rdtscp", ns.READS_TIME_AUX),
        (".byte 0x66, 0x0F, 0x31", 0),
        ("cpuid", 0),
    ],
)
def test_layout_says_which_instruction_reads_the_time(long_mode: Lab, code: str, kind: int) -> None:
    long_mode.code(code)
    long_mode.core.run(1)
    assert long_mode.core.blocks.block(0).layout.flags == kind
