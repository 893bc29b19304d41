"""Scenes of a few instructions for each core, written in assembly by hand or at random.

All cores get ready and stand at their own first instruction; each rests behind its last one. What
they share is at `WORDS`; handlers are entered by gates for `VECTORS`. R15 holds the base
of the local APIC, whose ICR names the next core as the destination.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from kernel_preamble import PREAMBLE

from uniSMP import Machine
from uniSMP.assembler.assemble import assemble
from uniSMP.explore.executor import Executor

WORDS = 0x5000
WORD_BYTES = 64
STACK_TOP, STACK_BYTES = 0x9000, 0x1000
VECTORS = (0x40, 0x41, 0x42, 0x43, 0x51)
IDLE = "mov dword ptr [r15 + 0xB0], 0\niretq"


@dataclass(frozen=True)
class Scene:
    """What each core does, and each handler by its vector.

    Attributes:
        bodies: code of each core, with IF = 0 at its beginning.
        handlers: code of handlers by vector, IRETQ included.
        flags: cores that begin with IF = 1.
    """

    bodies: Sequence[str]
    handlers: Mapping[int, str]
    flags: frozenset[int] = frozenset()

    def source(self) -> str:
        """Return a kernel for `boot="long"`."""
        handlers = {vector: self.handlers.get(vector, IDLE) for vector in VECTORS}
        return "\n".join(
            [
                PREAMBLE,
                _ENTER,
                *(f"gate {vector}, handler_{vector}" for vector in VECTORS),
                _READY,
                *(f"cmp edi, {core}\nje get_ready_{core}" for core in range(len(self.bodies))),
                *(self._body(core) for core in range(len(self.bodies))),
                *(f"handler_{vector}:\n{code}" for vector, code in handlers.items()),
            ]
        )

    def _body(self, core: int) -> str:
        target = (core + 1) % len(self.bodies)
        flag = "sti\nnop" if core in self.flags else ""
        return (
            f"get_ready_{core}:\nmov dword ptr [r15 + 0x310], {target << 24}\n"
            f"xor edi, edi\n{flag}\n"
            f"from_{core}:\n{self.bodies[core]}\nuntil_{core}:\nnop\n"
        )


_ENTER = f"""
_start:
    mov esp, edi
    inc esp
    shl esp, 12
    add esp, {STACK_TOP - STACK_BYTES}
    lidt [idt]
    mov r15d, 0xFEE00000
    mov dword ptr [r15 + 0xF0], 0x1FF
"""
_READY = """
    xor eax, eax
    xor ecx, ecx
    xor edx, edx
    xor ebx, ebx
    xor ebp, ebp
    xor esi, esi
"""


def begin(scene: Scene) -> Executor:
    """Return an executor at the beginning of a scene."""
    cores = len(scene.bodies)
    machine = Machine(cores=cores, boot="long", memory_bytes=2 << 20)
    machine.load(assemble(scene.source()))
    executor = Executor(machine)
    symbols = machine.symbols
    executor.rest_at(symbols[f"from_{core}"] for core in range(cores))
    for core in range(cores):
        while not executor.rests[core]:
            executor.run(core, 1000)
    executor.rest_at(symbols[f"until_{core}"] for core in range(cores))
    executor.begin_scene()
    return executor
