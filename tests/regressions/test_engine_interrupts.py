"""Interrupt windows, NMI, HLT, INIT, and delivery: docs/engine.md, rows P."""

from collections.abc import Callable
from typing import Any

import pytest
from unicorn import Uc
from unicorn import x86_const as x86

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.arch.apic import LocalApicRegister
from uniSMP.core import context as cx

APIC_ON = """
    mov r15d, 0xFEE00000
    mov dword ptr [r15 + 0xF0], 0x1FF
"""
IPI_40_TO_SELF = "mov dword ptr [r15 + 0x300], 0x44040"
NMI_TO_SELF = "mov dword ptr [r15 + 0x310], 0\nmov dword ptr [r15 + 0x300], 0x4400"
"""To physical destination 0: the shorthands that include the sender take no NMI."""


# -- the window ------------------------------------------------------------------------------------


@pytest.mark.parametrize("quantum", [1, 3, 10_000])
@pytest.mark.parametrize(
    "source",
    [
        "sti\nnop\nhere: nop\nnop",
        "sti\nhlt\nhere: nop",
        "push 0x202\npopfq\nhere: nop\nnop",
        (
            "mov rax, rsp\npush 0x10\npush rax\npush 0x202\npush 8\nlea rax, [rip + here]\n"
            "push rax\niretq\nnop\nhere: nop"
        ),
        "sti\nmov eax, 0x10\nhere: mov ss, eax\nnop",
    ],
)
def test_machine_pending_interrupt_enters_at_the_first_open_boundary(
    guest: Callable[..., Any], source: str, quantum: int
) -> None:
    done = guest(
        f"{APIC_ON}\n{IPI_40_TO_SELF}\n{source}",
        {0x40: "record"},
        schedule=RoundRobin(quantum),
    )
    assert done.result.cores[0].interrupts == {0x40: 1}
    assert done.word(0) == done.label("here")


def test_machine_shadow_closed_by_cli_lets_nothing_in(guest: Callable[..., Any]) -> None:
    done = guest(f"{APIC_ON}\n{IPI_40_TO_SELF}\nsti\ncli\nnop\nnop", {0x40: "record"})
    assert done.result.cores[0].interrupts == {}


def test_machine_sti_nop_cli_lets_the_interrupt_in(guest: Callable[..., Any]) -> None:
    done = guest(f"{APIC_ON}\n{IPI_40_TO_SELF}\nsti\nnop\nhere: cli", {0x40: "record"})
    assert done.word(0) == done.label("here")


@pytest.mark.parametrize("quantum", [1, 2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("command", ["0x4040", "0x4400"])
def test_machine_mov_ss_shadow_holds_interrupts_and_nmi_off(
    guest: Callable[..., Any], command: str, quantum: int
) -> None:
    done = guest(
        f"""
        test edi, edi
        jz sender
        {APIC_ON}
        sti
    spin:
        mov ss, ecx
        nop
        mov ss, ecx
        nop
        jmp spin
    sender:
        mov ecx, 40
    delay:
        dec ecx
        jnz delay
        {APIC_ON}
        mov dword ptr [r15 + 0x310], 0x01000000
        mov dword ptr [r15 + 0x300], {command}
        cli
        hlt
    """,
        {2: "record", 0x40: "record"},
        cores=2,
        schedule=RoundRobin(quantum),
        before=lambda machine: machine.core(1).registers.__setitem__("rcx", 0x10),
    )
    assert done.result.outcome == "FINISHED"
    assert done.label("spin") <= done.word(0) < done.label("sender")
    assert done.machine.memory.read(done.word(0), 1) != b"\x90"


def test_machine_mov_ss_in_the_shadow_of_sti_begins_no_shadow(guest: Callable[..., Any]) -> None:
    done = guest(
        f"{APIC_ON}\nmov ecx, 0x10\n{IPI_40_TO_SELF}\nsti\nmov ss, ecx\nhere: nop\nnop",
        {0x40: "record"},
    )
    assert done.word(0) == done.label("here")


def test_machine_two_sti_in_a_row_shadow_once(guest: Callable[..., Any]) -> None:
    done = guest(f"{APIC_ON}\n{IPI_40_TO_SELF}\nsti\nsti\nhere: nop\nnop", {0x40: "record"})
    assert done.word(0) == done.label("here")


# -- NMI -------------------------------------------------------------------------------------------


def test_iret_ends_nmi_blocking_natively(raw: Callable[..., Uc], raw_state: type[Any]) -> None:
    engine = raw("push 0x10\npush 0x9000\npush 2\npush 8\npush 0x1100\niretq")
    engine.mem_write(0x1100, b"\xf4")
    engine.mem_write(0x5008, 0x00AF_9B00_0000_FFFF.to_bytes(8, "little"))
    engine.mem_write(0x5010, 0x00CF_9300_0000_FFFF.to_bytes(8, "little"))
    engine.reg_write(x86.UC_X86_REG_GDTR, (0, 0x5000, 0x17, 0))
    state = raw_state(engine)
    state.write(cx.HFLAGS2, state.read(cx.HFLAGS2, 4) | cx.HF2_NMI_BLOCKED, 4)
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(x86.UC_X86_REG_RIP) == 0x1101
    assert not raw_state(engine).read(cx.HFLAGS2, 4) & cx.HF2_NMI_BLOCKED


@pytest.mark.parametrize("quantum", [1, 10_000])
def test_machine_second_nmi_waits_for_iret(guest: Callable[..., Any], quantum: int) -> None:
    done = guest(
        f"""
        {APIC_ON}
        {NMI_TO_SELF}
        nop
        jmp stop
    handler:
        inc r8
        cmp r8, 2
        je record
        {NMI_TO_SELF}
        nop
        nop
        mov r9, r8                  # still the first
        iretq
    """,
        {2: "handler"},
        schedule=RoundRobin(quantum),
    )
    assert done.result.cores[0].interrupts == {2: 2}
    assert (done.register("r8"), done.register("r9")) == (2, 1)


def test_machine_nmi_waiting_for_iret_enters_behind_it(guest: Callable[..., Any]) -> None:
    done = guest(
        f"""
        {APIC_ON}
        {NMI_TO_SELF}
    here:
        nop
        jmp stop
    handler:
        inc r8d
        cmp r8d, 2
        je record
        {NMI_TO_SELF}
        iretq
    """,
        {2: "handler"},
    )
    assert done.result.cores[0].interrupts == {2: 2}
    assert done.word(0) == done.label("here")


# -- HLT, INIT, PAUSE ------------------------------------------------------------------------------


def test_machine_interrupt_pending_before_hlt_wakes_at_once(guest: Callable[..., Any]) -> None:
    done = guest(f"{APIC_ON}\n{IPI_40_TO_SELF}\nsti\nhlt\nhere: nop", {0x40: "record"})
    assert done.word(0) == done.label("here")
    assert done.result.outcome == "FINISHED"


def test_machine_hlt_with_if_clear_ignores_interrupts(guest: Callable[..., Any]) -> None:
    done = guest(f"{APIC_ON}\n{IPI_40_TO_SELF}\ncli\nhlt", {0x40: "record"})
    assert done.result.outcome == "DEADLOCK"
    assert done.result.cores[0].interrupts == {}


def test_machine_nmi_wakes_hlt_with_if_clear(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        test edi, edi
        jz sender
        cli
        hlt
    woken:
        nop
    sender:
        mov ecx, 50
    delay:
        dec ecx
        jnz delay
        mov r15d, 0xFEE00000
        mov dword ptr [r15 + 0xF0], 0x1FF
        mov dword ptr [r15 + 0x310], 0x01000000
        mov dword ptr [r15 + 0x300], 0x4400
        cli
        hlt
    """,
        {2: "record"},
        cores=2,
        schedule=RoundRobin(10),
    )
    assert done.result.outcome == "FINISHED"
    assert done.word(0) == done.label("woken")


AP_START = """
    test edi, edi
    jnz target
    lea rsi, [rip + trampoline]
    mov rdi, 0x8000
    mov ecx, 16
    rep movsb
    mov r15d, 0xFEE00000
    mov dword ptr [r15 + 0xF0], 0x1FF
    mov dword ptr [r15 + 0x310], 0x01000000
    mov dword ptr [r15 + 0x300], 0x4500
    mov dword ptr [r15 + 0x300], 0x4608
wait:
    pause
    cmp dword ptr [0x600], 0
    je wait
    jmp stop
target:
    {target}
trampoline:
.code16
    inc word ptr [0x600]
    cli
    hlt
.code64
"""


@pytest.mark.parametrize("target", ["target_loop: jmp target_loop", "cli\nhlt"])
def test_machine_init_and_sipi_in_one_slice_start_the_core(
    guest: Callable[..., Any], target: str
) -> None:
    done = guest(AP_START.format(target=target), cores=2, schedule=RoundRobin(1_000))
    assert done.result.outcome == "FINISHED"
    assert done.machine.memory.read_integer(0x600, 2) == 1


def test_machine_core_after_init_alone_waits_for_sipi(guest: Callable[..., Any]) -> None:
    source = AP_START.format(target="target_loop: jmp target_loop")
    done = guest(
        source.replace("    mov dword ptr [r15 + 0x300], 0x4608\n", "    cli\n    hlt\n"), cores=2
    )
    assert done.result.outcome == "DEADLOCK"
    assert done.result.cores[1].state == "waits for start-up (SIPI)"


def test_machine_pause_ends_a_slice_while_others_can_run(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        test edi, edi
        jnz writer
    wait:
        pause
        cmp dword ptr [0x3000], 0
        je wait
        jmp stop
    writer:
        mov ecx, 50
    work:
        dec ecx
        jnz work
        inc dword ptr [0x3000]
    done:
        pause
        jmp done
    """,
        cores=2,
        schedule=RoundRobin(1_000_000),
        max_instructions=100_000,
    )
    assert done.result.outcome == "FINISHED"
    assert done.result.steps < 200


def test_machine_device_access_that_raises_an_interrupt_is_seen_at_the_next_boundary(
    guest: Callable[..., Any],
) -> None:
    done = guest(f"{APIC_ON}\nsti\nnop\n{IPI_40_TO_SELF}\nhere: nop\nnop\nnop", {0x40: "record"})
    assert done.word(0) == done.label("here")


# -- delivery --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "flags"),
    [
        ("or ebx, 1\nstc", 0x205),
        ("xor eax, eax", 0x244),
        ("mov eax, 0x7FFFFFFF\nadd eax, 1", 0xA84),
        ("xor eax, eax\nstd\nstc", 0x645),
    ],
)
def test_machine_delivery_pushes_and_keeps_the_lazy_status_flags(
    guest: Callable[..., Any], source: str, flags: int
) -> None:
    done = guest(
        f"sti\nmov ebx, 3\n{source}\nint 0x40\nhandler: pushfq\npop qword ptr [0x2038]\njmp record",
        {0x40: "handler"},
    )
    assert done.word(2) & 0xEC5 == flags
    assert done.word(7) & 0xEC5 == flags & ~0x200


def test_machine_fault_while_delivering_int_n_shows_the_int_itself(
    guest: Callable[..., Any],
) -> None:
    done = guest("nop\nhere: int 0x40\nnop", {13: "record"})
    assert done.word(0) == 0x40 * 8 + 2
    assert done.word(1) == done.label("here")


def test_machine_fault_while_delivering_a_fault_is_a_double_fault(
    guest: Callable[..., Any],
) -> None:
    done = guest("mov rax, 0x1FF000000000\nhere: mov ecx, [rax]", {8: "record"})
    assert (done.word(0), done.word(1)) == (0, done.label("here"))


def test_machine_benign_fault_before_a_contributory_one_is_no_double_fault(
    guest: Callable[..., Any],
) -> None:
    done = guest("here: ud2", {13: "record"})
    assert done.word(0) == 6 * 8 + 2 + 1
    assert done.word(1) == done.label("here")


@pytest.mark.parametrize(
    "source", ["rdtsc", "in al, 0x80", "mov rbx, cr8", "mov rax, cr0\nmov cr0, rax"]
)
def test_machine_emulated_instruction_ends_the_interrupt_shadow(
    guest: Callable[..., Any], source: str
) -> None:
    *first, last = source.split("\n")
    lines = "\n".join(first)
    done = guest(
        f"{APIC_ON}\n{IPI_40_TO_SELF}\n{lines}\nsti\n{last}\nhere: nop\nnop", {0x40: "record"}
    )
    assert done.word(0) == done.label("here")


@pytest.mark.parametrize("source", ["rdtsc", "cpuid", "in al, 0x80", "out 0x80, al", "nop"])
def test_machine_single_step_traps_after_an_emulated_instruction(
    guest: Callable[..., Any], source: str
) -> None:
    done = guest(f"push 0x102\npopfq\n{source}\nhere: nop", {1: "record"})
    assert done.word(0) == done.label("here")
    assert done.register("dr6") & 0x4000
    assert done.result.cores[0].exceptions == {1: 1}


def test_machine_compatibility_code_runs_as_32_bit_code(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov rax, 0x1122334455667788
        push 0x38
        lea rbx, [rip + narrow]
        push rbx
        retfq
    narrow:
    .code32
        .byte 0x40                 # INC EAX here, a REX prefix in 64-bit code
        .byte 0xEA
        .long wide
        .short 8
    .code64
    wide:
        nop
    """)
    assert done.result.outcome == "FINISHED"
    assert done.register("rax") & 0xFFFF_FF00 == 0x5566_7700
    assert done.register("cs") == 8


def test_machine_interrupt_in_compatibility_code_enters_64_bit_code(
    guest: Callable[..., Any],
) -> None:
    done = guest(
        """
        push 0x38
        lea rbx, [rip + narrow]
        push rbx
        retfq
    narrow:
    .code32
        int 0x40
    behind:
        nop
    .code64
        nop
    """,
        {0x40: "record"},
    )
    assert (done.word(0), done.word(1)) == (done.label("behind"), 0x38)
    assert done.register("cs") == 8


# -- what firmware leaves, and time ----------------------------------------------------------------


def test_machine_starts_as_firmware_leaves_a_pc() -> None:
    with Machine(cores=2, boot="long", memory_bytes=2 << 20) as machine:
        apics = machine.devices.local_apics
        pic = machine.devices.pic.state
        assert apics[0].read(LocalApicRegister.LVT_LINT0, 4) == 0x700
        assert apics[1].read(LocalApicRegister.LVT_LINT0, 4) == 0x10000
        assert (pic.master.icw2, pic.slave.icw2) == (0x08, 0x70)
        assert machine.memory.read_integer(0x413, 2) == 639


@pytest.mark.parametrize("ticks", [1, 7, 256])
def test_machine_time_stamp_counts_ticks_per_instruction(
    guest: Callable[..., Any], ticks: int
) -> None:
    done = guest(
        "rdtsc\nmov ebx, eax\nnop\nnop\nnop\nrdtsc\nsub eax, ebx\nmov r8d, eax",
        ticks_per_instruction=ticks,
    )
    assert done.register("r8") == 5 * ticks


MULTIBOOT = """
.align 4
header:
    .long 0x1BADB002, 0x10003, CHECKSUM
    .long header, header, 0, 0, _start
_start:
    hlt
"""


def test_machine_boot_information_lies_where_no_trampoline_goes() -> None:
    flags = 0x10003
    checksum = -(0x1BAD_B002 + flags) & 0xFFFF_FFFF
    source = MULTIBOOT.replace("CHECKSUM", hex(checksum))
    with Machine(memory_bytes=2 << 20) as machine:
        machine.load(assemble(source))
        assert machine.core(0).registers["rax"] == 0x2BAD_B002
        assert 0x90000 < machine.core(0).registers["rbx"] < 0xA0000
