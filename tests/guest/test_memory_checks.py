"""Kernels that write to code, overflow stacks, use freed frames and stale translations."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, Machine, RoundRobin, SeededRandom, assemble
from uniSMP.checks.code_writes import CodeWrites
from uniSMP.checks.executed_code import executed_code
from uniSMP.checks.freed_frames import FreedFrames
from uniSMP.checks.guard_pages import GuardPages
from uniSMP.checks.pmm_operations import ALLOC, FREE, manager_runs
from uniSMP.checks.stale_translations import StaleTranslations
from uniSMP.errors import ConfigError
from uniSMP.machine.observation import observe

sys.path.insert(0, str(Path(__file__).parents[1]))
from observing import judge, summaries

# -- code ------------------------------------------------------------------------------------------

PATCHED = """
_start:
    mov edi, 1
again:
    nop
patched:
    mov eax, 7
store:
    mov byte ptr [patched + 1], 8
    dec edi
    jns again
    finish
behind:
"""


def test_store_to_code_that_was_executed_is_reported() -> None:
    found = judge(PATCHED, CodeWrites())
    assert summaries(found) == [
        (
            "core 0 at store (0x100017) writes 1 bytes to code: the instruction at patched "
            "(0x100012), executed before"
        )
    ]
    assert found[0].key == ("code-writes", 0x100017, 0x100012)


def test_store_to_code_that_is_executed_later_is_reported() -> None:
    source = "_start:\nstore:\nmov byte ptr [patched + 1], 8\npatched:\nmov eax, 7\nfinish\n"
    found = summaries(judge(source, CodeWrites()))
    assert len(found) == 1
    assert found[0].endswith("executed later")


def test_store_to_code_in_a_range_that_is_meant_to_be_written_is_fine() -> None:
    assert judge(PATCHED, CodeWrites(["patched..store"])) == []


def test_store_beside_code_is_fine() -> None:
    source = "_start:\nmov dword ptr [data], 8\nfinish\nhlt\ndata: .long 0\n"
    assert judge(source, CodeWrites()) == []


def test_push_of_a_delivery_onto_code_is_reported() -> None:
    source = """
_start:
    gate 0x40, handler
    lidt [rip + idt]
    lea rsp, [rip + code + 48]
    and rsp, -16
    int 0x40
handler:
    finish
    hlt
    .balign 16
    .skip 16
    jmp code
code:
    .skip 96, 0x90
"""
    jumped = source.replace("lidt", "call code\nlidt").replace(
        ".skip 96, 0x90", "nop\n" * 40 + "ret"
    )
    found = summaries(judge(jumped, CodeWrites()))
    assert len(found) > 0
    assert all(each.startswith("a delivery to core 0, interrupted at ") for each in found)


# -- guard pages -----------------------------------------------------------------------------------

RECURSION = """
_start:
    lea rsp, [stack_top]
    mov ecx, {depth}
    call deeper
    finish
deeper:
    dec ecx
    jz deepest
    call deeper
deepest:
    ret
    .balign 4096
guard:
    .skip 64, 0
stack_bottom:
    .skip 64, 0
stack_top:
"""


@pytest.mark.parametrize(
    "check", [GuardPages(["guard..stack_bottom"]), GuardPages(stacks=["stack_bottom..stack_top"])]
)
def test_recursion_within_the_stack_is_fine(check: GuardPages) -> None:
    assert judge(RECURSION.format(depth=8), check) == []


def test_recursion_too_deep_pushes_below_the_bottom() -> None:
    found = judge(RECURSION.format(depth=9), GuardPages(stacks=["stack_bottom..stack_top"]))
    assert summaries(found) == [
        (
            "core 0 at deeper+0x4 (0x100026) pushes below the bottom of the stack "
            "stack_bottom..stack_top, at guard+0x38 (0x101038)"
        )
    ]


def test_recursion_too_deep_reaches_the_guard_range() -> None:
    found = summaries(judge(RECURSION.format(depth=9), GuardPages(["guard..stack_bottom"])))
    assert [each.partition(" the guard")[0] for each in found] == [
        "core 0 at deeper+0x4 (0x100026) writes to",
        "core 0 at deepest (0x10002b) reads from",
    ]


def test_delivery_below_the_bottom_is_reported() -> None:
    source = RECURSION.format(depth=8).replace(
        "_start:", "_start:\ngate 3, handler\nlidt [rip + idt]"
    )
    source = source.replace("deepest:", "deepest:\nint3", 1).replace(
        "guard:", "handler: iretq\nguard:"
    )
    found = summaries(judge(source, GuardPages(stacks=["stack_bottom..stack_top"]), most=300))
    assert found[0].startswith("a delivery to core 0, interrupted at deepest (")


def test_fault_in_an_absent_guard_page_is_reported() -> None:
    source = """
_start:
    gate 14, handler
    lidt [rip + idt]
    mov rbx, 0x7000000000
touch:
    mov eax, [rbx + 8]
handler:
    finish
"""
    found = summaries(judge(source, GuardPages(["0x7000000000..0x7000001000"])))
    assert found == [
        (
            "core 0 at touch (0x10004c) faults at 0x7000000008, in the guard range "
            "0x7000000000..0x7000001000"
        )
    ]


# -- frames ----------------------------------------------------------------------------------------

PMM = """
.include "boot/kernel.asm"
.include "locks/swap_xchg.asm"
.include "pmm/pmm.asm"
.code64
main:
    call pmm_init
    mov edi, 2
    call pmm_alloc
    mov rbx, rax
    mov dword ptr [rbx], 1
    mov dword ptr [rbx + 0x1008], 1
BODY
    xor eax, eax
    ret
.include "boot/data.asm"
.include "pmm/data.asm"
.include "boot/end.asm"
"""
FREE_BOTH = "mov rdi, rbx\nmov esi, 2\ncall pmm_free\n"
FREE_SECOND = "lea rdi, [rbx + 0x1000]\nmov esi, 1\ncall pmm_free\n"
FREE_UNALIGNED = "lea rdi, [rbx + 8]\nmov esi, 1\ncall pmm_free\n"
ALLOC_ONE = "mov edi, 1\ncall pmm_alloc\n"
WRITE_SECOND = "use: mov dword ptr [rbx + 0x1008], 2\n"


def freed_in(body: str) -> list[str]:
    check = FreedFrames()
    with Machine(cores=1) as machine:
        machine.load(assemble(PMM.replace("BODY", body)))
        _, history = observe(machine, check.needs, RoundRobin(1000), max_instructions=1_000_000)
    return summaries(check.examine(history))


def test_frame_that_is_written_after_it_was_freed_is_reported() -> None:
    found = freed_in(FREE_BOTH + WRITE_SECOND)
    assert len(found) == 1
    assert found[0].startswith("core 0 at use (0x10")
    assert " writes to 0x1b2008: frame 0x1b2 was freed by core 0 at step " in found[0]


def test_frame_that_is_read_after_a_part_of_its_range_was_freed_is_reported() -> None:
    found = freed_in(FREE_SECOND + "mov eax, [rbx]\nuse: mov eax, [rbx + 0x1008]\n")
    assert len(found) == 1
    assert " reads from 0x1b2008: frame 0x1b2 was freed by core 0 at step " in found[0]


@pytest.mark.parametrize(
    "body",
    [
        WRITE_SECOND + FREE_BOTH,
        FREE_SECOND + "mov dword ptr [rbx], 2\n",
        FREE_SECOND + ALLOC_ONE + WRITE_SECOND,
        FREE_UNALIGNED + WRITE_SECOND,  # an error: nothing was freed
    ],
)
def test_frame_that_is_used_while_it_is_allocated_is_fine(body: str) -> None:
    assert freed_in(body) == []


def test_frame_that_was_allocated_and_freed_anew_is_reported() -> None:
    found = freed_in(
        FREE_SECOND + ALLOC_ONE + WRITE_SECOND + FREE_SECOND + "mov dword ptr [rbx + 0x1FF8], 3\n"
    )
    assert len(found) == 1
    assert " writes to 0x1b2ff8: frame 0x1b2 was freed" in found[0]


def test_workload_of_the_manager_uses_no_freed_frame(program: Callable[[str], Image]) -> None:
    check = FreedFrames()
    with Machine(cores=2) as machine:
        machine.load(program("lock_ticket"))
        result, history = observe(
            machine, check.needs, SeededRandom(1, 300), max_instructions=3_000_000
        )
    assert history.accesses is not None
    runs = manager_runs(history, history.accesses, executed_code(history))
    assert result.console.endswith(b"LOCK PASS cores=2 operations=400\n")
    assert Counter(each.kind for each in runs.operations) == {ALLOC: 200, FREE: 200}
    assert check.examine(history) == []


def test_guest_without_the_manager_is_refused() -> None:
    with pytest.raises(ConfigError, match="no symbol pmm_enter"):
        judge("_start:\nfinish\n", FreedFrames())


# -- translations ----------------------------------------------------------------------------------

PAGING = """
.set TABLE, 0x10000
.macro fill page, target
    mov dword ptr [TABLE + \\page * 8], \\target + 3
.endm
_start:
    mov esi, 0xFEE00000
    mov dword ptr [rsi + 0xF0], 0x1FF
    cmp edi, 1
    je second
    gate 0x40, shootdown
    gate 14, absent
    fill 0, 0x20000
    mov rax, cr3
    mov rax, [rax]                      # the table below the root
    and rax, -4096
    mov rax, [rax]                      # the first page directory
    and rax, -4096
    mov dword ptr [rax + 8 * 2], TABLE + 3      # linear 4 MiB on
    mov dword ptr [0x5000], 1
wait_first:
    pause
    cmp dword ptr [0x5000], 2
    jne wait_first
change:
    CHANGE
    mov dword ptr [0x5000], 3
wait_second:
    pause
    cmp dword ptr [0x5000], 4
    jne wait_second
    finish
second:
    lidt [rip + idt]
    mov rbx, 0x400000
wait_ready:
    pause
    cmp dword ptr [0x5000], 1
    jne wait_ready
    sti
    BEFORE
    mov dword ptr [0x5000], 2
wait_change:
    pause
    cmp dword ptr [0x5000], 3
    jne wait_change
    AFTER
use:
    mov eax, [rbx + 8]
absent:
    mov dword ptr [0x5000], 4
    cli
    hlt
shootdown:
    HANDLER
    mov dword ptr [rsi + 0xB0], 0
    mov dword ptr [0x5004], 1
    iretq
"""
TOUCH = "mov eax, [rbx]"
REMAP = "fill 0, 0x21000"
UNMAP = "mov dword ptr [TABLE], 0"
TELL = """
    mov dword ptr [rsi + 0x310], 1 << 24
    mov dword ptr [rsi + 0x300], 0x40
wait_told:
    pause
    cmp dword ptr [0x5004], 1
    jne wait_told
"""


def stale(change: str, *, before: str = TOUCH, after: str = "", handler: str = "") -> list[str]:
    source = PAGING.replace("CHANGE", change).replace("BEFORE", before)
    source = source.replace("AFTER", after).replace("HANDLER", handler)
    return summaries(judge(source, StaleTranslations(), cores=2))


def test_page_that_another_core_moved_is_used_through_the_old_translation() -> None:
    assert stale(REMAP) == [
        (
            "core 1 at use (0x10011a) uses the old translation to 0x20000 of linear 0x400008, "
            "which core 0 changed at change (0x1000c0) (now 0x21000): core 1 has not invalidated it"
        )
    ]


def test_page_that_another_core_unmapped_is_still_used() -> None:
    found = stale(UNMAP)
    assert len(found) == 1
    assert "(now not present)" in found[0]


@pytest.mark.parametrize(
    "after", ["invlpg [rbx]", "mov rax, cr3\nmov cr3, rax", "mov rax, cr4\nmov cr4, rax"]
)
def test_core_that_invalidates_before_it_uses_the_page_again_is_right(after: str) -> None:
    assert stale(REMAP, after=after) == []


def test_core_that_has_never_used_the_page_is_right() -> None:
    assert stale(REMAP, before="") == []


def test_core_that_uses_another_page_of_the_table_is_right() -> None:
    assert stale("fill 1, 0x21000\nfill 1, 0x22000") == []


def test_change_of_an_absent_entry_needs_no_invalidation() -> None:
    assert stale("fill 3, 0x21000", after="add rbx, 0x3000") == []


def test_core_that_is_told_and_invalidates_is_right() -> None:
    assert stale(REMAP + TELL, handler="invlpg [rbx]") == []


def test_core_that_is_told_and_does_not_invalidate_is_reported() -> None:
    found = stale(REMAP + TELL)
    assert len(found) == 1
    assert found[0].startswith("core 1 at use (")


def test_new_value_of_accessed_bits_alone_is_no_change() -> None:
    assert stale("fill 0, 0x20060") == []


def test_table_that_is_unlinked_is_used_through_old_translations() -> None:
    found = stale("mov dword ptr [rax + 8 * 2], 0")
    assert len(found) == 1
    assert "may still use the old translation of linear 0x400008" in found[0]
