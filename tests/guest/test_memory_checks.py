"""Kernels that write to code, overflow stacks, use freed frames and stale translations."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, Machine, RoundRobin, SeededRandom
from uniSMP.checks.code_writes import CodeWrites
from uniSMP.checks.freed_frames import FreedFrames
from uniSMP.checks.guard_pages import GuardPages
from uniSMP.checks.stale_translations import StaleTranslations
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
        "core 0 at store (0x100017) writes 1 bytes to code: the instruction at patched "
        "(0x100012), executed before"
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
        "core 0 at deeper+0x4 (0x100026) pushes below the bottom of the stack "
        "stack_bottom..stack_top, at guard+0x38 (0x101038)"
    ]


def test_recursion_too_deep_reaches_the_guard_range() -> None:
    found = summaries(judge(RECURSION.format(depth=9), GuardPages(["guard..stack_bottom"])))
    assert [each.partition(" the guard")[0] for each in found] == [
        "core 0 at deeper+0x4 (0x100026) writes to",
        "core 0 at deepest (0x10002d) reads from",
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
        "core 0 at touch (0x10004c) faults at 0x7000000008, in the guard range "
        "0x7000000000..0x7000001000"
    ]


# -- frames ----------------------------------------------------------------------------------------


def pmm(image: Image, cores: int, schedule: RoundRobin | SeededRandom, most: int) -> list[str]:
    check = FreedFrames()
    with Machine(cores=cores) as machine:
        machine.load(image)
        _, history = observe(machine, check.needs, schedule, max_instructions=most)
    return summaries(check.examine(history))


@pytest.mark.parametrize("seed", [1, 2])
def test_workload_of_the_manager_uses_no_freed_frame(
    program: Callable[[str], Image], seed: int
) -> None:
    assert pmm(program("lock_ticket"), 2, SeededRandom(seed, 300), 3_000_000) == []
