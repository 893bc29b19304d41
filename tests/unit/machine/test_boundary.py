"""What is pending at an instruction boundary is taken in the order that `run_loop` writes down."""

from typing import Any

from uniSMP import Outcome

HANDLERS = """
nmi:
    note 2
    iretq
high:
    note 0x81
    mov dword ptr [rsi + 0xB0], 0
    iretq
low:
    note 0x41
    mov dword ptr [rsi + 0xB0], 0
    iretq
external:
    note 8
    push rax
    mov al, 0x20
    out 0x20, al
    pop rax
    iretq
"""

SETUP = """
_start:
    mov esi, APIC
    gate 2, nmi, 0x8E00
    gate 0x41, low, 0x8E00
    gate 0x81, high, 0x8E00
    gate 8, external, 0x8E00
    lidt [rip + idt]
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x350], 0x700
"""


def test_boundary_takes_nmi_then_highest_vector_then_extint(kernel: Any) -> None:
    # Everything is made pending with IF = 0; STI's shadow ends after the NOP.
    run = kernel(
        SETUP
        + """
        mov al, 0xFE                  # the PIT's line, edge already there: mode 0, count 1
        out 0x21, al
        mov al, 0x30
        out 0x43, al
        mov al, 1
        out 0x40, al
        mov al, 0
        out 0x40, al
        mov ecx, 5000
    wait:
        dec ecx
        jnz wait
        mov dword ptr [rsi + 0x310], 0
        mov dword ptr [rsi + 0x300], 0x4041
        mov dword ptr [rsi + 0x300], 0x4081
        sti
        mov dword ptr [rsi + 0x300], 0x4400
        nop
        nop
        finish
        """
        + HANDLERS
    )
    assert run.result.outcome is Outcome.FINISHED
    assert run.log == bytes([2, 0x81, 0x41, 8])


def test_boundary_with_nmi_only_takes_it_at_once_with_if_0(kernel: Any) -> None:
    run = kernel(
        SETUP
        + """
        cli
        mov dword ptr [rsi + 0x310], 0
        mov dword ptr [rsi + 0x300], 0x4400
        note 0xFF
        finish
        """
        + HANDLERS
    )
    assert run.log == bytes([2, 0xFF])


def test_boundary_in_the_shadow_of_sti_takes_nothing(kernel: Any) -> None:
    run = kernel(
        SETUP
        + """
        mov dword ptr [rsi + 0x310], 0
        mov dword ptr [rsi + 0x300], 0x4041
        sti
        cli
        note 0xFF
        finish
        """
        + HANDLERS
    )
    assert run.log == b"\xff"


def test_vector_below_tpr_waits_until_cr8_is_lowered(kernel: Any) -> None:
    run = kernel(
        SETUP
        + """
        mov eax, 8
        mov cr8, rax
        sti
        mov dword ptr [rsi + 0x310], 0
        mov dword ptr [rsi + 0x300], 0x4041
        nop
        note 0xEE
        xor eax, eax
        mov cr8, rax
        note 0xFF
        finish
        """
        + HANDLERS
    )
    assert run.log == bytes([0xEE, 0x41, 0xFF])


def test_nmi_within_its_handler_waits_for_iret(kernel: Any) -> None:
    run = kernel(
        SETUP.replace("gate 2, nmi", "gate 2, nested")
        + """
        mov dword ptr [rsi + 0x310], 0
        mov dword ptr [rsi + 0x300], 0x4400
        note 0xFF
        finish
    nested:
        note 1
        cmp dword ptr [LOG - 8], 3
        ja nested_over
        mov dword ptr [rsi + 0x300], 0x4400
        note 3
    nested_over:
        iretq
        """
        + HANDLERS
    )
    assert run.log == bytes([1, 3, 1, 3, 1, 0xFF])


def test_interrupt_wakes_a_halted_core_and_returns_behind_hlt(kernel: Any) -> None:
    run = kernel(
        SETUP
        + """
        mov dword ptr [rsi + 0x320], 0x41
        mov dword ptr [rsi + 0x3E0], 0xB
        mov dword ptr [rsi + 0x380], 1000000
        sti
        hlt
        note 0xFF
        finish
        """
        + HANDLERS
    )
    assert run.log == bytes([0x41, 0xFF])
    assert run.result.ticks >= 1_000_000 > run.result.steps


def test_init_and_start_up_restart_a_core_in_real_mode(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            test edi, edi
            jnz spin
            mov esi, APIC
            mov dword ptr [0x8000], 0x00C4C766   # mov eax-free real-mode code: see bytes below
            mov word ptr [0x8000], 0x5AB0        # mov al, 0x5A
            mov dword ptr [0x8002], 0xF41FF8A2   # mov [0x1FF8], al (ds = 0); hlt
            mov byte ptr [0x8004], 0x1F
            mov byte ptr [0x8003], 0xF8
            mov byte ptr [0x8005], 0xF4
            mov dword ptr [rsi + 0x310], 0x01000000
            mov dword ptr [rsi + 0x300], 0x4500
            mov dword ptr [rsi + 0x300], 0x4608
        wait:
            pause
            cmp byte ptr [0x1FF8], 0x5A
            jne wait
            finish
        spin:
            jmp spin
        """,
        cores=2,
    )
    assert run.result.outcome is Outcome.FINISHED
    assert run.result.cores[1].state.startswith("halted with IF=0")


def test_init_leaves_core_0_at_the_reset_vector_and_the_rom_resets(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            mov esi, APIC
            mov dword ptr [rsi + 0x310], 0
            mov dword ptr [rsi + 0x300], 0x4500
            jmp .
        """
    )
    assert "reset" in run.result.reason
