"""Instructions that the engine lacks or gets wrong: docs/engine.md, rows I and D."""

from collections.abc import Callable
from typing import Any

import pytest
import unicorn
from unicorn import UC_ARCH_X86, UC_MODE_32, UC_MODE_64, Uc, UcError
from unicorn import x86_const as x86

from uniSMP.core import context as cx

RIP, RAX = x86.UC_X86_REG_RIP, x86.UC_X86_REG_RAX
RBX, RCX, RDX = x86.UC_X86_REG_RBX, x86.UC_X86_REG_RCX, x86.UC_X86_REG_RDX


def exceptions_of(engine: Uc) -> list[int]:
    """Return the list that will hold the vector of each exception; the engine stops there."""
    seen: list[int] = []

    def hook(uc: Uc, vector: int, _data: object) -> None:
        seen.append(vector)
        uc.emu_stop()

    engine.hook_add(unicorn.UC_HOOK_INTR, hook)
    return seen


def is_undefined(engine: Uc) -> bool:
    """Run the code at 0x1000; return whether it ended at an undefined opcode."""
    try:
        engine.emu_start(0x1000, 0)
    except UcError as error:
        return bool(error.errno == unicorn.UC_ERR_INSN_INVALID)
    return False


# -- model-specific registers ----------------------------------------------------------------------


@pytest.mark.parametrize("number", [0x12345, 0x10, 0x1B, 0x802, 0x803])
def test_rdmsr_of_what_the_engine_lacks_reads_0(raw: Callable[..., Uc], number: int) -> None:
    engine = raw(f"mov ecx, {number}\nmov eax, 5\nmov edx, 5\nrdmsr\nhlt")
    seen = exceptions_of(engine)
    engine.emu_start(0x1000, 0)
    assert (engine.reg_read(RAX), engine.reg_read(RDX), seen) == (0, 0, [])


@pytest.mark.parametrize("source", ["rdmsr", "wrmsr"])
@pytest.mark.parametrize("number", [0x12345, 0x802, 0xC0000000, 0xC0010000])
def test_machine_unknown_msr_is_general_protection(
    guest: Callable[..., Any], source: str, number: int
) -> None:
    done = guest(f"mov ecx, {number}\nhere: {source}", {13: "record"})
    assert (done.word(0), done.word(1)) == (0, done.label("here"))


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("mov ecx, 0x1B\nrdmsr", 0xFEE0_0900),
        ("nop\nmov ecx, 0x10\nrdmsr", 2),
        (
            (
                "mov ecx, 0x1B\nmov eax, 0xFEE00D00\nxor edx, edx\nwrmsr\nmov ecx, 0x803\nrdmsr\n"
                "and eax, 0xFF"
            ),
            0x14,
        ),
    ],
)
def test_machine_msr_reads_what_the_manual_says(
    guest: Callable[..., Any], source: str, value: int
) -> None:
    done = guest(f"{source}\nmov r8d, eax")
    assert done.result.cores[0].exceptions == {}
    assert done.register("r8") == value


@pytest.mark.parametrize("core_id", [0, 1, 2])
def test_machine_x2apic_id_is_the_core_id(guest: Callable[..., Any], core_id: int) -> None:
    done = guest(
        """
        mov ebx, edi
        mov ecx, 0x1B
        rdmsr
        or eax, 0x400
        wrmsr
        mov ecx, 0x802
        rdmsr
        mov [0x2000 + rbx * 8], eax
        lock inc dword ptr [0x3000]
    wait:
        pause
        cmp dword ptr [0x3000], 3
        jne wait
    """,
        cores=3,
    )
    assert done.word(core_id) == core_id


# -- random numbers and time -----------------------------------------------------------------------


@pytest.mark.parametrize("source", ["rdrand eax", "rdrand rax"])
def test_rdrand_runs_on_the_default_model_with_host_randomness(
    raw: Callable[..., Uc], source: str
) -> None:
    engine = raw(f"{source}\nsetc bl\nhlt")
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RBX) & 1 == 1


@pytest.mark.parametrize("source", ["rdrand eax", "rdrand rax", "rdseed eax", "rdseed rbx"])
def test_machine_random_instructions_are_undefined(guest: Callable[..., Any], source: str) -> None:
    done = guest(f"here: {source}", {6: "record"})
    assert done.word(0) == done.label("here")


def test_rdtsc_reads_the_time_of_the_host(raw: Callable[..., Uc]) -> None:
    engine = raw("rdtsc\nhlt")
    engine.emu_start(0x1000, 0)
    first = engine.reg_read(RDX) << 32 | engine.reg_read(RAX)
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RDX) << 32 | engine.reg_read(RAX) > first > 1_000_000


@pytest.mark.parametrize("source", ["rdtsc", "rdtscp"])
@pytest.mark.parametrize("nops", [0, 1, 5])
def test_machine_rdtsc_is_virtual_time_of_its_instruction(
    guest: Callable[..., Any], source: str, nops: int
) -> None:
    done = guest("nop\n" * nops + f"{source}\nmov r8d, eax")
    assert done.register("r8") == nops


# -- CR8, ports, MWAIT, CPUID ----------------------------------------------------------------------


def test_cr8_reads_0_whatever_was_written(raw: Callable[..., Uc]) -> None:
    engine = raw("mov eax, 5\nmov cr8, rax\nmov rbx, cr8\nhlt")
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RBX) == 0


def test_machine_cr8_is_the_task_priority(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov eax, 5
        mov cr8, rax
        mov rbx, cr8
        mov eax, 0xFEE00080
        mov ecx, [rax]
        mov dword ptr [rax], 0x70
        mov rdx, cr8
    """)
    assert [done.register(name) for name in ("rbx", "rcx", "rdx")] == [5, 0x50, 7]


@pytest.mark.parametrize("source", ["in al, 0x80", "out 0x80, al"])
def test_ports_are_open_at_level_3(
    raw: Callable[..., Uc], raw_state: type[Any], source: str
) -> None:
    engine = raw(f"{source}\nud2")
    raw_state(engine).set_user_mode()
    seen = exceptions_of(engine)
    assert is_undefined(engine)
    assert (seen, engine.reg_read(RIP)) == ([], 0x1002)


USER = """
    push 0x1B
    push 0x7000
    push {flags}
    push 0x23
    lea rax, [rip + user]
    push rax
    iretq
user:
    {source}
    int 0x40
"""


@pytest.mark.parametrize("source", ["in al, 0x80", "out 0x80, al", "insb", "outsb"])
@pytest.mark.parametrize(("flags", "vector"), [(0x2, 13), (0x3002, 0x40)])
def test_machine_ports_at_level_3_need_iopl(
    guest: Callable[..., Any], source: str, flags: int, vector: int
) -> None:
    done = guest(
        USER.format(flags=flags, source=f"mov edi, 0x3000\nmov esi, edi\n{source}"),
        {13: "record", 0x40: "record"},
        user_pages=True,
    )
    assert done.result.cores[0].exceptions == {vector: 1}


@pytest.mark.parametrize("source", ["monitor", "mwait"])
def test_monitor_and_mwait_are_undefined_on_the_default_model(
    raw: Callable[..., Uc], source: str
) -> None:
    assert is_undefined(raw(f"xor ecx, ecx\n{source}\nhlt"))


@pytest.mark.parametrize("source", ["monitor", "mwait"])
def test_machine_monitor_and_mwait_are_undefined_and_hidden(
    guest: Callable[..., Any], source: str
) -> None:
    done = guest(f"mov eax, 1\ncpuid\nmov r8d, ecx\nxor ecx, ecx\nhere: {source}", {6: "record"})
    assert done.word(0) == done.label("here")
    assert not done.register("r8") & 8


def test_cpuid_of_every_engine_says_apic_id_0(raw: Callable[..., Uc]) -> None:
    engines = [raw("mov eax, 1\ncpuid\nhlt") for _ in range(2)]
    engines[0].emu_start(0x1000, 0)
    engines[1].emu_start(0x1000, 0)
    assert [engine.reg_read(RBX) >> 24 for engine in engines] == [0, 0]


@pytest.mark.parametrize("leaf", [1, 0xB])
def test_machine_cpuid_says_each_core_its_apic_id(guest: Callable[..., Any], leaf: int) -> None:
    done = guest(
        f"""
        mov esi, edi
        mov eax, {leaf}
        xor ecx, ecx
        cpuid
        mov [0x2000 + rsi * 8], ebx
        mov [0x2100 + rsi * 8], edx
        lock inc dword ptr [0x3000]
    wait:
        pause
        cmp dword ptr [0x3000], 3
        jne wait
    """,
        cores=3,
    )
    ids = {
        1: [done.word(index) >> 24 for index in range(3)],
        0xB: [done.word(32 + index) for index in range(3)],
    }
    assert ids[leaf] == [0, 1, 2]


def test_cpuid_of_the_engine_lies_about_avx(raw: Callable[..., Uc]) -> None:
    engine = raw("mov eax, 0xD\nxor ecx, ecx\ncpuid\nhlt")
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RAX) == 7
    assert is_undefined(raw(".byte 0xC5, 0xFC, 0x58, 0xC1\nhlt"))  # vaddps ymm0, ymm0, ymm1


def test_machine_avx_and_xsave_are_hidden_and_undefined(guest: Callable[..., Any]) -> None:
    done = guest(
        "mov eax, 1\ncpuid\nmov r8d, ecx\nhere: .byte 0xC5, 0xFC, 0x58, 0xC1", {6: "record"}
    )
    assert done.word(0) == done.label("here")
    assert not done.register("r8") & (1 << 26 | 1 << 27 | 1 << 28)


def test_machine_xsetbv_is_undefined(guest: Callable[..., Any]) -> None:
    done = guest("xor ecx, ecx\nhere: xsetbv", {6: "record"})
    assert done.word(0) == done.label("here")


# -- debug registers -------------------------------------------------------------------------------

WATCH = "mov eax, 0x3000\nmov dr0, rax\nmov eax, 0xD0402\nmov dr7, rax\njmp next\nnext:\n"


def test_data_breakpoints_never_fire(raw: Callable[..., Uc]) -> None:
    engine = raw(f"{WATCH}mov dword ptr [0x3000], 1\nnop\nhlt")
    seen = exceptions_of(engine)
    engine.emu_start(0x1000, 0)
    assert seen == []


def test_machine_data_breakpoint_registers_read_back(guest: Callable[..., Any]) -> None:
    done = guest(f"{WATCH}nop", {1: "record"})
    assert (done.register("dr0"), done.register("dr7")) == (0x3000, 0xD0402)


def test_icebp_is_an_invalid_instruction_to_the_engine(raw: Callable[..., Uc]) -> None:
    assert is_undefined(raw(".byte 0xF1\nhlt"))


def test_machine_icebp_raises_debug_behind_itself(guest: Callable[..., Any]) -> None:
    done = guest(".byte 0xF1\nhere: nop", {1: "record"})
    assert done.word(0) == done.label("here")


def test_general_detect_is_missing(raw: Callable[..., Uc]) -> None:
    engine = raw("mov eax, 0x2400\nmov dr7, rax\nmov rbx, dr0\nhlt")
    seen = exceptions_of(engine)
    engine.emu_start(0x1000, 0)
    assert seen == []


def test_machine_general_detect_raises_debug(guest: Callable[..., Any]) -> None:
    done = guest("mov eax, 0x2400\nmov dr7, rax\nhere: mov rbx, dr0", {1: "record"})
    assert done.word(0) == done.label("here")
    assert done.register("dr6") & 1 << 13
    assert not done.register("dr7") & 1 << 13


# -- models ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "has_smap"),
    [
        (x86.UC_CPU_X86_HASWELL, False),
        (x86.UC_CPU_X86_BROADWELL, True),
        (x86.UC_CPU_X86_ICELAKE_SERVER, True),
        (x86.UC_CPU_X86_EPYC_ROME, True),
    ],
)
def test_model_without_smap_drops_its_bit_in_silence(
    raw: Callable[..., Uc],
    model: int,
    has_smap: bool,  # noqa: FBT001 - an expected value
) -> None:
    code = bytes(raw("mov eax, 0x200020\nmov cr4, rax\nmov rbx, cr4\nhlt").mem_read(0x1000, 32))
    engine = Uc(UC_ARCH_X86, UC_MODE_64)
    engine.ctl_set_cpu_model(model)
    engine.mem_map(0, 0x10000)
    engine.mem_write(0x1000, code)
    engine.emu_start(0x1000, 0)
    assert bool(engine.reg_read(RBX) & 1 << 21) is has_smap


def test_machine_keeps_every_control_bit_that_it_advertises(guest: Callable[..., Any]) -> None:
    done = guest("mov eax, 0x3007BC\nmov cr4, rax\nmov rbx, cr4\nstac\npushfq\npop rcx\nclac")
    assert done.register("rbx") == 0x3007BC
    assert done.register("rcx") & 1 << 18


@pytest.mark.parametrize("bit", [11, 12, 13, 14, 16, 17, 18, 22, 23, 24])
def test_machine_control_bit_that_is_not_advertised_is_general_protection(
    guest: Callable[..., Any], bit: int
) -> None:
    done = guest(f"mov rax, cr4\nbts rax, {bit}\nhere: mov cr4, rax", {13: "record"})
    assert (done.word(0), done.word(1)) == (0, done.label("here"))


@pytest.mark.parametrize("model", [x86.UC_CPU_X86_ICELAKE_SERVER, x86.UC_CPU_X86_EPYC_ROME])
def test_rdpid_is_missing_on_any_model(model: int) -> None:
    engine = Uc(UC_ARCH_X86, UC_MODE_64)
    engine.ctl_set_cpu_model(model)
    engine.mem_map(0, 0x10000)
    engine.mem_write(0x1000, bytes.fromhex("f30fc7f8 f4"))
    assert is_undefined(engine)


def test_machine_rdpid_is_undefined_and_hidden(guest: Callable[..., Any]) -> None:
    done = guest(
        "mov eax, 7\nxor ecx, ecx\ncpuid\nmov r8d, ecx\nhere: .byte 0xF3, 0x0F, 0xC7, 0xF8",
        {6: "record"},
    )
    assert done.word(0) == done.label("here")
    assert not done.register("r8") & 1 << 22


# -- small deviations ------------------------------------------------------------------------------


def test_resume_flag_shows_in_pushf(raw: Callable[..., Uc]) -> None:
    engine = raw("pushfq\npop rax\nhlt")
    engine.reg_write(x86.UC_X86_REG_EFLAGS, 0x10002)
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RAX) & 0x10000


def test_movaps_takes_any_address(raw: Callable[..., Uc]) -> None:
    engine = raw("movaps xmm0, [0x3001]\nhlt")
    seen = exceptions_of(engine)
    engine.emu_start(0x1000, 0)
    assert seen == []


def test_push_on_a_non_canonical_stack_is_not_a_stack_fault(
    raw_paged: Callable[..., Uc], raw_state: type[Any]
) -> None:
    engine = raw_paged("mov rsp, 0x8000000000000000\npush rax\nhlt")
    seen = exceptions_of(engine)
    engine.emu_start(0x1000, 0)
    assert seen == [13]
    assert raw_state(engine).read(cx.ERROR_CODE, 4) == 0


def test_machine_resume_flag_reads_0_in_pushf(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov rbx, rsp
        push 0x10
        push rbx
        push 0x10002
        push 8
        lea rax, [rip + here]
        push rax
        iretq
    here:
        pushfq
        pop r8
    """)
    assert not done.register("r8") & 0x10000


def test_smsw_outside_long_mode_keeps_the_upper_half_of_its_register() -> None:
    engine = Uc(UC_ARCH_X86, UC_MODE_32)
    engine.mem_map(0, 0x10000)
    engine.mem_write(0x1000, bytes.fromhex("0f01e0 f4"))
    engine.reg_write(x86.UC_X86_REG_EAX, 0xFFFF_FFFF)
    engine.reg_write(x86.UC_X86_REG_CR0, 0x6000_0011)
    engine.emu_start(0x1000, 0x1003)
    assert engine.reg_read(x86.UC_X86_REG_EAX) == 0xFFFF_0011


def test_machine_smsw_in_64_bit_code_gives_all_of_cr0(guest: Callable[..., Any]) -> None:
    done = guest("mov rax, -1\nsmsw rax\nmov r8, rax\nmov r9, cr0")
    assert done.register("r8") == done.register("r9")


def test_machine_umip_is_not_advertised(guest: Callable[..., Any]) -> None:
    done = guest("mov eax, 7\nxor ecx, ecx\ncpuid\nmov r8d, ecx")
    assert not done.register("r8") & 4
