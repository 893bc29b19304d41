"""Short kernels for tests: a table of 256 gates at 0x3000, the local APIC enabled."""

import pytest

from uniSMP import Machine, assemble

PREAMBLE = """
.set IDT, 0x3000
.set APIC, 0xFEE00000
.set LOG, 0x2000            # handlers append a byte here; the count stands at LOG - 8
.macro gate vector, handler, kind
    lea rax, [rip + \\handler]
    mov word ptr [IDT + \\vector * 16], ax
    mov word ptr [IDT + \\vector * 16 + 2], 8
    mov word ptr [IDT + \\vector * 16 + 4], \\kind
    shr rax, 16
    mov word ptr [IDT + \\vector * 16 + 6], ax
.endm
.macro note value
    push rax
    mov eax, [LOG - 8]
    mov byte ptr [LOG + rax], \\value
    inc dword ptr [LOG - 8]
    pop rax
.endm
.macro finish
    xor eax, eax
    out 0xF4, al
.endm
    jmp _start
idt_pointer:
    .word 0xFFF
    .quad IDT
"""


class Kernel:
    """A machine that runs one short kernel."""

    def __init__(self, body: str, cores: int = 1) -> None:
        self.machine = Machine(cores=cores, memory_bytes=2 << 20, boot="long")
        image = assemble(PREAMBLE + body)
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
