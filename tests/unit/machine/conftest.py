"""Short kernels for tests: a table of 256 gates at 0x3000, the local APIC enabled."""

import sys
from pathlib import Path

import pytest

from uniSMP import Machine, assemble

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

NOTES = """
.set LOG, 0x2000            # handlers append a byte here; the count stands at LOG - 8
.macro note value
    push rax
    mov eax, [LOG - 8]
    mov byte ptr [LOG + rax], \\value
    inc dword ptr [LOG - 8]
    pop rax
.endm
"""


class Kernel:
    """A machine that runs one short kernel."""

    def __init__(self, body: str, cores: int = 1) -> None:
        self.machine = Machine(cores=cores, memory_bytes=2 << 20, boot="long")
        image = assemble(NOTES + PREAMBLE + body)
        self.machine.load(image)
        self.result = self.machine.run(max_instructions=200_000)

    @property
    def log(self) -> bytes:
        """What the handlers noted."""
        return self.machine.memory.read(0x2000, self.machine.memory.read_integer(0x1FF8, 4))


@pytest.fixture
def kernel() -> type[Kernel]:
    """Return the class that runs a short kernel."""
    return Kernel
