"""Going back to the scene undoes what a core did to its local APIC, whichever way it did it."""

import sys
from pathlib import Path

import pytest

from uniSMP import Machine, assemble
from uniSMP.explore.executor import Executor
from uniSMP.explore.halt import Halt

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

X2APIC = """
    mov ecx, 0x1B
    rdmsr
    or eax, 0xC00
    wrmsr
    mov ecx, 0x808
    mov eax, 0x50
    xor edx, edx
    wrmsr
"""


def at_the_scene(body: str) -> Executor:
    machine = Machine(cores=1, memory_bytes=2 << 20, boot="long")
    machine.load(assemble(f"{PREAMBLE}\n_start:\nbegin:\n{body}\nend: hlt\n"))
    executor = Executor(machine)
    executor.rest_at([machine.symbols["begin"]])
    assert executor.run(0, 100_000) is Halt.RESTS
    executor.rest_at([machine.symbols["end"]])
    executor.begin_scene()
    return executor


@pytest.mark.parametrize(
    "body",
    [
        "mov eax, 5\nmov cr8, rax",
        "mov eax, 0xFEE00080\nmov dword ptr [rax], 0x50",
        X2APIC,
    ],
    ids=["cr8", "page", "msr"],
)
def test_the_task_priority_is_put_back(body: str) -> None:
    executor = at_the_scene(body)
    apic = executor.machine.parts.board.local_apics[0]
    assert executor.run(0) is Halt.RESTS
    assert apic.tpr == 0x50
    executor.rewind()
    assert apic.tpr == 0
