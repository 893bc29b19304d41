"""Blocks, translations and exact counts: docs/engine.md, rows B."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import unicorn
from unicorn import Uc
from unicorn import x86_const as x86

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.core import native, page_walk
from uniSMP.core.blocks import decode_instruction, lay_out

RIP, RAX = x86.UC_X86_REG_RIP, x86.UC_X86_REG_RAX

# -- self-modifying code ---------------------------------------------------------------------------

SELF_PATCH = "lea rdi, [rip + target + 1]\nmov byte ptr [rdi], 7\nnop\ntarget: mov eax, 1\n{end}"


PATCHES_AND_PAUSES = """
_start:
    mov r11d, 0x200000
    test edi, edi
    jnz other
    mov ecx, 5
again:
    inc byte ptr [place + 1]
place:
    mov al, 7
    add [r11], al
    pause
    dec ecx
    jnz again
    mov byte ptr [0x200010], 1
    xor eax, eax
    out 0xF4, al
other:
    nop
    jmp other
"""


def blocks_of(engine: Uc) -> list[tuple[int, int]]:
    seen: list[tuple[int, int]] = []
    engine.hook_add(
        unicorn.UC_HOOK_BLOCK, lambda _uc, address, size, _data: seen.append((address, size))
    )
    return seen


def test_store_into_its_own_block_is_executed_again_as_a_block_of_one(
    raw: Callable[..., Uc],
) -> None:
    engine = raw(SELF_PATCH.format(end="hlt"))
    blocks = blocks_of(engine)
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RAX) == 7
    assert blocks == [(0x1000, 17), (0x1007, 3), (0x100A, 7)]


@pytest.mark.parametrize("quantum", [1, 2, 3, 10_000])
def test_machine_store_into_its_own_block_counts_once(
    guest: Callable[..., Any], quantum: int
) -> None:
    done = guest(
        SELF_PATCH.format(end="mov ebx, eax"), schedule=RoundRobin(quantum), max_instructions=100
    )
    assert done.result.outcome == "FINISHED"
    assert (done.register("rbx"), done.result.steps) == (7, 5 + 3)


def test_machine_store_into_a_block_that_ends_in_pause_lets_the_block_go_on() -> None:
    with Machine(cores=2, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(assemble(PATCHES_AND_PAUSES))
        result = machine.run(RoundRobin(50), max_instructions=2000)
        total = machine.memory.read_integer(0x20_0000, 1)
    assert (result.outcome, result.cores[0].instructions) == ("FINISHED", 37)
    assert total == 8 + 9 + 10 + 11 + 12


def test_machine_loop_that_patches_itself_each_time_ends(guest: Callable[..., Any]) -> None:
    done = guest(
        """
        mov ecx, 50
        xor ebx, ebx
    again:
        lea rdi, [rip + target + 2]
        mov byte ptr [rdi], cl
    target:
        add ebx, 1
        dec ecx
        jnz again
    """,
        max_instructions=2_000,
    )
    assert done.register("rbx") == sum(range(1, 51))
    assert done.result.steps == 2 + 50 * 5 + 3


# -- translations ----------------------------------------------------------------------------------


def test_new_translations_are_reported_before_they_run_except_the_first(
    raw: Callable[..., Uc],
) -> None:
    engine = raw("jmp a\na: jmp b\nb: hlt")
    events: list[tuple[str, int]] = []
    engine.hook_add(
        unicorn.UC_HOOK_EDGE_GENERATED,
        lambda _uc, block, _previous, _data: events.append(("new", block.pc)),
    )
    engine.hook_add(
        unicorn.UC_HOOK_BLOCK, lambda _uc, address, _size, _data: events.append(("run", address))
    )
    engine.emu_start(0x1000, 0)
    assert events == [
        ("run", 0x1000),
        ("new", 0x1002),
        ("run", 0x1002),
        ("new", 0x1004),
        ("run", 0x1004),
    ]


def test_machine_same_address_has_a_life_per_address_space(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov edi, 0x20000
        xor ecx, ecx
    fill:
        mov rdx, rcx
        shl rdx, 12
        or rdx, 3
        mov [rdi + rcx * 8], rdx
        mov [rdi + rcx * 8 + 0x1000], rdx
        inc ecx
        cmp ecx, 512
        jne fill
        mov qword ptr [0x20000 + 0x30 * 8], 0x31003
        mov qword ptr [0x21000 + 0x30 * 8], 0x32003
        mov rax, 0xC300000001B8             # mov eax, 1; ret
        mov [0x31000], rax
        mov rax, 0xC3C0FF00000007B8         # mov eax, 7; inc eax; ret
        mov [0x32000], rax
        mov qword ptr [0x1FB000], 0x20003
        mov r10, cr3
        mov cr3, r10
        mov edi, 0x30000
        call rdi
        mov r8d, eax
        mov qword ptr [0x1FB000], 0x21003
        mov cr3, r10
        call rdi
        mov r9d, eax
        mov qword ptr [0x1FB000], 0x20003
        mov cr3, r10
        call rdi
        mov r11d, eax
    """)
    values = [done.register(name) for name in ("r8", "r9", "r11")]
    assert values == [1, 8, 1]
    assert done.result.steps == 2 + 512 * 8 + 6 + 4 + 4 + 2 + 5 + 2 + 4 + 3


def test_machine_same_bytes_have_a_life_per_code_width(guest: Callable[..., Any]) -> None:
    done = guest("""
        mov eax, 5
        lea rbx, [rip + shared]
        call rbx                            # 64 bits: 48 FF C0 is INC RAX
        mov r8, rax
        push 0x38
        lea rcx, [rip + narrow]
        push rcx
        retfq
    shared:
        .byte 0x48, 0xFF, 0xC0              # 32 bits: DEC EAX, INC EAX
        ret
    narrow:
    .code32
        call ebx
        .byte 0xEA
        .long wide
        .short 8
    .code64
    wide:
        mov r9, rax
    """)
    assert (done.register("r8"), done.register("r9")) == (6, 6)  # as 64-bit code it would be 7
    assert done.result.steps == 3 + 2 + 5 + 1 + 3 + 1 + 1 + 3


def test_code_hook_and_removed_translation_stop_before_an_instruction_in_mid_block(
    raw: Callable[..., Uc],
) -> None:
    engine = raw("xor eax, eax\nadd eax, 1\nstc\nnop\nhlt")
    engine.emu_start(0x1000, 0)
    engine.hook_add(unicorn.UC_HOOK_CODE, lambda uc, *_rest: uc.emu_stop(), None, 0x1006, 0x1006)
    engine.ctl_remove_cache(0x1000, 0x1008)
    engine.emu_start(0x1000, 0)
    assert engine.reg_read(RIP) == 0x1006
    assert engine.reg_read(x86.UC_X86_REG_EFLAGS) & 1


@pytest.mark.parametrize("sensitive", ["rdtsc", "cpuid", "in al, 0x80", "mov rax, cr8"])
@pytest.mark.parametrize("quantum", [1, 2, 10_000])
def test_machine_sensitive_instruction_in_mid_block_keeps_the_flags(
    guest: Callable[..., Any], sensitive: str, quantum: int
) -> None:
    done = guest(
        f"mov esi, -1\nadd esi, 1\ninc edi\n{sensitive}\nsetc r8b\nsetz r9b\nnop",
        schedule=RoundRobin(quantum),
    )
    assert (done.register("r8"), done.register("r9")) == (1, 0)
    assert done.result.steps == 7 + 3


# -- what counts -----------------------------------------------------------------------------------

SKIP = """
    jmp stop
skip_error:
    add rsp, 8
skip:
    add qword ptr [rsp], 2
    iretq
plain:
    iretq
"""


@pytest.mark.parametrize(
    ("source", "handlers", "steps"),
    [
        ("nop\nxor ecx, ecx\ndiv ecx\nnop", {0: "skip"}, 3 + 2),
        ("nop\nnop\nud2\nnop\nnop", {6: "skip"}, 4 + 2),
        ("mov rax, 0x1FF000000000\nmov ecx, [rax]\nnop", {14: "skip_error"}, 2 + 3),
        ("nop\nint 0x40\nnop", {0x40: "plain"}, 3 + 1),
        ("nop\nint3\nnop", {3: "plain"}, 3 + 1),
        ("nop\nint 0x40\nint 0x40", {0x40: "plain"}, 3 + 2),
    ],
)
@pytest.mark.parametrize("quantum", [1, 2, 3, 10_000])
def test_machine_faulting_instructions_are_not_counted_and_int_n_is(
    guest: Callable[..., Any], source: str, handlers: dict[int, str], steps: int, quantum: int
) -> None:
    done = guest(source + SKIP, handlers, schedule=RoundRobin(quantum))
    assert done.result.steps == steps + 1 + 2


@pytest.mark.parametrize("quantum", [1, 2, 10_000])
def test_machine_store_that_faults_in_mid_block_leaves_nothing_behind(
    guest: Callable[..., Any], quantum: int
) -> None:
    done = guest(
        "mov rax, 0x1FF000000000\ninc r8\ninc r8\nmov [rax], r8\nhere: inc r8" + SKIP,
        {14: "record"},
        schedule=RoundRobin(quantum),
    )
    assert done.register("r8") == 2


def test_each_iteration_of_rep_enters_a_block(raw: Callable[..., Uc]) -> None:
    engine = raw("mov ecx, 3\nmov edi, 0x3000\nrep stosb\nhlt")
    blocks = blocks_of(engine)
    engine.emu_start(0x1000, 0)
    assert blocks == [(0x1000, 12), (0x100A, 2), (0x100A, 2), (0x100A, 2), (0x100C, 1)]


@pytest.mark.parametrize("quantum", [1, 2, 3, 4, 10_000])
@pytest.mark.parametrize("source", ["rep stosb", "rep movsb", "repe cmpsb", "rep lodsd"])
def test_machine_rep_gives_the_same_end_in_any_slices(
    guest: Callable[..., Any], source: str, quantum: int
) -> None:
    text = f"mov ecx, 9\nmov edi, 0x3000\nmov esi, 0x4000\n{source}\nmov ebx, 1"
    whole, cut = guest(text), guest(text, schedule=RoundRobin(quantum))
    assert cut.result.digest == whole.result.digest
    assert cut.register("rcx") == 0


# -- the compiled callbacks and the digest ---------------------------------------------------------


@pytest.mark.parametrize("function", [native.run, native.run_one, page_walk.walk])
def test_compiled_functions_are_kept_on_disk(
    function: Any,
    guest: Callable[..., Any],
) -> None:
    guest("nop")
    folder = Path(function.stats.cache_path)
    assert list(folder.glob(f"*{function.py_func.__name__}*.nbi"))


@pytest.mark.parametrize(
    "callback", ["on_block", "on_translation", "on_interrupt", "on_invalid", "on_device_read"]
)
def test_compiled_callbacks_have_an_address_and_a_cache(callback: str) -> None:
    function = getattr(native, callback)
    assert function.address
    assert list(Path(function._cache.cache_path).glob(f"*{callback}*.nbi"))


def test_machine_digest_leaves_out_engine_scratch() -> None:
    digests = set()
    image = assemble("_start: mov eax, 5\nmul eax\ncli\nhlt")
    with Machine(boot="long", memory_bytes=2 << 20) as one:
        one.load(image)
        digests.add(one.run().digest)
        saved = bytearray(one._cores[0].engine.context.save())
        saved[5560:5568] = b"\xa5" * 8
        one._cores[0].engine.context.restore(bytes(saved))
        digests.add(one.digest())
    with Machine(boot="long", memory_bytes=2 << 20) as two:
        two.load(image)
        digests.add(two.run().digest)
    assert len(digests) == 1


# -- the disassembler ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "mnemonic", "prefixes"),
    [
        ("48a18877665544332211", "movabs", ()),
        ("f0ff00", "inc", ("lock",)),
        ("f3a4", "movsb", ("rep",)),
        ("f3a6", "cmpsb", ("repe",)),
        ("f36c", "insb", ("rep",)),
    ],
)
def test_decoder_names_moffs_movabs_and_splits_prefixes_off(
    code: str, mnemonic: str, prefixes: tuple[str, ...]
) -> None:
    instruction = decode_instruction(bytes.fromhex(code), 64)
    assert instruction is not None
    assert (instruction.mnemonic, instruction.prefixes) == (mnemonic, prefixes)


@pytest.mark.parametrize("code", ["90 f36c", "90 f3a4 0f31", "90 0f32"])
def test_layout_finds_the_first_sensitive_instruction_behind_prefixes(code: str) -> None:
    layout = lay_out(bytes.fromhex(code), 64)
    assert layout.safe == len(layout.offsets) - 1


def test_machine_load_from_an_absolute_device_address_works(guest: Callable[..., Any]) -> None:
    done = guest(".byte 0xA1\n.quad 0xFEE00020\nmov r8d, eax\n.byte 0xA1\n.quad 0xFEE00030\n"
                 "mov r9d, eax")  # fmt: skip
    assert done.register("r8") == 0
    assert done.register("r9") & 0xFF >= 0x14
