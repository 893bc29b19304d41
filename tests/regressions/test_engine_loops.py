"""LOOPE and LOOPNE, whose flags the engine gets wrong: docs/engine.md, rows I."""

from collections.abc import Callable
from typing import Any

import pytest
from unicorn import UC_ARCH_X86, UC_MODE_64, Uc
from unicorn import x86_const as x86

from uniSMP import Machine, assemble

STATUS = 0x8D5
SOURCE = """
_start:
    mov eax, 3
    mov ecx, COUNT
again:
    cmp eax, 5
    LOOP again
    pushfq
    pop r8
    cli
    hlt
"""


def test_loopne_that_ends_by_its_count_leaves_wrong_flags_in_the_engine() -> None:
    engine = Uc(UC_ARCH_X86, UC_MODE_64)
    image = assemble(SOURCE.replace("COUNT", "1").replace("LOOP", "loopne"))
    engine.mem_map(0x10_0000, 0x10_0000)
    engine.mem_write(image.origin, image.data)
    engine.reg_write(x86.UC_X86_REG_RSP, 0x18_0000)
    engine.emu_start(image.origin, 0)
    assert engine.reg_read(x86.UC_X86_REG_R8) & STATUS != 0x91


@pytest.mark.parametrize(
    ("loop", "count", "left"),
    [("loopne", 1, 0), ("loopne", 3, 0), ("loope", 1, 0), ("loope", 3, 2)],
)
def test_machine_loop_with_a_condition_keeps_the_flags(loop: str, count: int, left: int) -> None:
    image = assemble(SOURCE.replace("COUNT", str(count)).replace("LOOP", loop))
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(image)
        machine.run()
        registers = machine.core(0).registers
        assert registers["r8"] & STATUS == 0x91
        assert registers["rcx"] == left


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("mov ecx, 0x10000\nxor r8d, r8d\nloope next\nmov r8b, 1\nnext:", (0, 0xFFFF)),
        ("mov rcx, 0x100000001\nxor r8d, r8d\n.byte 0x67\nloope next\nmov r8b, 1\nnext:", (1, 0)),
        ("mov rcx, 0x100000002\nxor r8d, r8d\n.byte 0x67\nloope next\nmov r8b, 1\nnext:", (0, 1)),
        ("xor r8d, r8d\nmov ecx, 5\ncmp ecx, 0\nloope next\nmov r8b, 1\nnext:", (1, 4)),
    ],
)
def test_machine_loop_counts_in_the_width_of_its_address(
    guest: Callable[..., Any], source: str, expected: tuple[int, int]
) -> None:
    done = guest(source)
    assert (done.register("r8") & 1, done.register("rcx")) == expected
