"""Virtual time is a function of the retired instructions."""

from typing import Any

import pytest

from uniSMP import Machine, assemble


def registers_after(source: str, ticks: int) -> dict[str, int]:
    machine = Machine(cores=1, memory_bytes=2 << 20, boot="long", ticks_per_instruction=ticks)
    machine.load(assemble(f"_start:\n{source}\n cli\n hlt\n"))
    machine.run(max_instructions=100_000)
    return dict(machine.core(0).registers)


@pytest.mark.parametrize("ticks", [1, 3, 256])
def test_rdtsc_counts_the_instructions_before_it(ticks: int) -> None:
    registers = registers_after("nop\n nop\n rdtsc\n mov ebx, eax\n rdtsc", ticks)
    assert (registers["rbx"], registers["rax"]) == (2 * ticks, 4 * ticks)


def test_rdtsc_within_a_block_is_exact_in_slices_of_any_length() -> None:
    seen = set()
    for piece in (1, 2, 3, 7):
        machine = Machine(cores=1, memory_bytes=2 << 20, boot="long")
        machine.load(assemble("_start: nop\n nop\n nop\n rdtsc\n cli\n hlt\n"))
        for _ in range(20):
            machine.run(max_instructions=piece)
        seen.add(machine.core(0).registers.rax)
    assert seen == {3}


def test_tsc_written_goes_on_from_there_and_moves_tsc_adjust() -> None:
    registers = registers_after(
        """
        mov ecx, 0x10
        mov eax, 1000
        xor edx, edx
        wrmsr
        rdtsc
        mov ebx, eax
        mov ecx, 0x3B
        rdmsr
        """,
        1,
    )
    assert registers["rbx"] == 1001
    assert registers["rax"] == 1000 - 3


def test_timer_fires_at_its_exact_instruction(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            mov esi, APIC
            gate 0x41, handler, 0x8E00
            lidt [rip + idt]
            mov dword ptr [rsi + 0xF0], 0x1FF
            mov dword ptr [rsi + 0x320], 0x41
            mov dword ptr [rsi + 0x3E0], 0xB
            xor ecx, ecx
            sti
            mov dword ptr [rsi + 0x380], 100
        count:
            inc ecx
            jmp count
        handler:
            mov [LOG], ecx
            finish
        """
    )
    assert run.machine.memory.read_integer(0x2000, 4) == 50


def test_tsc_deadline_fires_when_the_tsc_reaches_it(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            mov esi, APIC
            gate 0x41, handler, 0x8E00
            lidt [rip + idt]
            mov dword ptr [rsi + 0xF0], 0x1FF
            mov dword ptr [rsi + 0x320], 0x40041
            mov ecx, 0x6E0
            mov eax, 5000
            xor edx, edx
            wrmsr
            sti
            hlt
        handler:
            rdtsc
            mov [LOG], eax
            finish
        """
    )
    assert run.machine.memory.read_integer(0x2000, 4) == 5000


def test_idle_machine_jumps_to_the_next_deadline() -> None:
    machine = Machine(cores=4, memory_bytes=2 << 20)
    assert machine.steps == 0
