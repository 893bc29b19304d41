"""Code written by a core, a chip or the host is executed as written by every core."""

from typing import Any

import pytest

from uniSMP import Machine, Outcome, RoundRobin, assemble


@pytest.fixture(autouse=True, params=["fast", "portable"])
def scheme(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Run each test under both schemes."""
    monkeypatch.setenv("UNISMP_COHERENCE", request.param)
    return str(request.param)


PATCH = """
_start:
    test edi, edi
    jnz executor
patcher:
    pause
    mov eax, [0x2000]               # rounds the executor has finished
    cmp eax, 50
    je over
    cmp eax, [0x2004]
    jne patcher
    inc eax
    mov [ALIAS + 1], eax            # the immediate of MOV EBX, imm32
    mov [0x2004], eax
    jmp patcher
over:
    xor eax, eax
    out 0xF4, al
executor:
    call patched
    cmp ebx, [0x2000]
    jbe executor
    mov [0x2000], ebx
    jmp executor
.balign 4096
patched:
    mov ebx, 0
    ret
"""


def run_patching(alias: str, quantum: int) -> Outcome:
    with Machine(cores=2, memory_bytes=4 << 20, boot="long") as machine:
        machine.load(assemble(f".set ALIAS, {alias}\n{PATCH}"))
        return machine.run(RoundRobin(quantum), max_instructions=2_000_000).outcome


def test_code_patched_by_another_core_is_executed_as_patched() -> None:
    outcomes = [run_patching("patched", quantum) for quantum in (7, 100, 5000)]
    assert outcomes == [Outcome.FINISHED] * 3


def test_code_patched_through_an_alias_in_its_own_core_is_executed_as_patched(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            mov rax, cr3
            mov rcx, [rax]              # page-directory pointer table
            and rcx, -4096
            mov rdx, [rcx]              # page directory of the first GiB
            and rdx, -4096
            mov qword ptr [rdx + 0x1F8], 0x83       # 63 * 2 MiB = 126 MiB maps 0 as well
            mov rax, cr3
            mov cr3, rax
            call patched
            note bl
            mov byte ptr [patched + 126 * 0x100000 + 1], 0x22
            call patched
            note bl
            finish
        patched:
            mov ebx, 0x11
            ret
        """
    )
    assert run.log == bytes([0x11, 0x22])


def test_code_written_by_the_host_is_executed_as_written() -> None:
    machine = Machine(cores=1, memory_bytes=2 << 20, boot="long")
    image = assemble("_start: mov ebx, 1\n jmp _start\n")
    machine.load(image)
    machine.run(max_instructions=1000)
    machine.memory.write_integer(image.origin + 1, 77, 4)
    machine.run(max_instructions=2)
    assert machine.core(0).registers.rbx == 77


def test_code_overwritten_by_the_frame_of_an_interrupt_is_executed_as_written(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            gate 0x40, handler, 0x8E00
            lidt [rip + idt]
            mov rbp, rsp
            call patched
            note bl
            lea rsp, [rip + patched_end]
            int 0x40                        # RFLAGS, RSP and SS lie over the code now
            mov rsp, rbp
            call patched
            note bl
            finish
        handler:
            mov rax, [rsp]
            mov rcx, rbp
            lea rsp, [rip + patched_end]
            mov dword ptr [patched], 0x000022B3 + 0xC3 * 0x10000    # mov bl, 0x22; ret
            mov rsp, rbp
            jmp rax
        .balign 64
        patched:
            mov bl, 0x11
            ret
            .fill 61, 1, 0x90
        .balign 16
        patched_end:
        """
    )
    assert run.log == bytes([0x11, 0x22])


def test_code_that_modifies_the_next_instruction_executes_it_as_modified(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            mov ecx, 3
        again:
            mov byte ptr [rip + next + 1], cl
        next:
            mov bl, 0
            note bl
            dec ecx
            jnz again
            finish
        """
    )
    assert run.log == bytes([3, 2, 1])
