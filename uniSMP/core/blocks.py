"""What is known of a block of guest code: decoded once, when it is first met.

A block is what the engine translates as one piece. Its instruction boundaries tell how many
instructions were retired when it was left inside; its sensitive instructions are those the engine
lacks, gets wrong, or cannot know the machine's answer to: they are emulated by
`uniSMP.core.instructions`, and the block runs only up to the first of them.
"""

from dataclasses import dataclass
from functools import lru_cache

import capstone

from uniSMP.core import native_state as ns

SENSITIVE = frozenset(
    [
        "rdmsr",
        "wrmsr",
        "rdtsc",
        "rdtscp",
        "rdpid",
        "rdpmc",
        "rdrand",
        "rdseed",
        "cpuid",
        "xgetbv",
        "xsetbv",
        "monitor",
        "mwait",
        "monitorx",
        "mwaitx",
        "clzero",
        "syscall",
        "sysenter",
        "int1",
        "icebp",
        "in",
        "insb",
        "insw",
        "insd",
        "out",
        "outsb",
        "outsw",
        "outsd",
        "vmcall",
        "vmmcall",
        "vmrun",
        "vmload",
        "vmsave",
        "stgi",
        "clgi",
        "skinit",
        "invlpga",
    ]
)
"""Mnemonics, as Capstone prints them without prefixes, that never run natively."""
_CHECKED_WRITES = ("cr0", "cr4", "cr8", "dr")
_CHECKED_READS = ("cr8", "dr")
"""MOV to or from these is checked or emulated."""
_MAPPING_MNEMONICS = frozenset({"invlpg", "lmsw", "ljmp", "lcall", "retf", "retfq"})
_IRET = frozenset({"iret", "iretd", "iretq"})

_CAPSTONE_MODES = {
    16: capstone.CS_MODE_16,
    32: capstone.CS_MODE_32,
    64: capstone.CS_MODE_64,
}
_DECODERS = {
    bits: capstone.Cs(capstone.CS_ARCH_X86, mode) for bits, mode in _CAPSTONE_MODES.items()
}
LONGEST_INSTRUCTION_BYTES = 15


@dataclass(frozen=True, slots=True)
class Instruction:
    """One decoded instruction: its length, mnemonic without prefixes, and operand text."""

    size_bytes: int
    mnemonic: str
    operands: str
    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """Position-independent facts of a block's bytes.

    Attributes:
        offsets: start of each instruction, in bytes from the start of the block.
        safe: instructions before the first sensitive one.
        flags: ENDS_IN_PAUSE and the like, see `native_state`.
    """

    offsets: tuple[int, ...]
    safe: int
    flags: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block at its place: linear address, bytes, code width, and layout."""

    address: int
    code: bytes
    bits: int
    layout: Layout

    def index_of(self, linear: int) -> int | None:
        """Return the index of the instruction that starts at `linear`, or None."""
        try:
            return self.layout.offsets.index(linear - self.address)
        except ValueError:
            return None

    def size_of(self, index: int) -> int:
        """Return the size in bytes of instruction `index`."""
        offsets = self.layout.offsets
        end = offsets[index + 1] if index + 1 < len(offsets) else len(self.code)
        return end - offsets[index]


def is_sensitive(mnemonic: str, operands: str) -> bool:
    """Return whether an instruction must not run natively unseen."""
    if mnemonic in SENSITIVE:
        return True
    if mnemonic != "mov":
        return False
    target, _, source = operands.partition(", ")
    return target.startswith(_CHECKED_WRITES) or source.startswith(_CHECKED_READS)


@lru_cache(maxsize=1 << 16)
def decode_instruction(code: bytes, bits: int) -> Instruction | None:
    """Decode the first instruction of `code`, or return None where there is no valid one."""
    for _, size, mnemonic, operands in _DECODERS[bits].disasm_lite(code, 0, 1):
        *prefixes, name = mnemonic.split()
        return Instruction(size, name, operands, tuple(prefixes))
    return None


@lru_cache(maxsize=1 << 16)
def lay_out(code: bytes, bits: int) -> Layout:
    """Find the instruction boundaries of a block's bytes.

    What Capstone cannot decode at the end counts as one instruction: the engine ends a block at the
    first invalid one.
    """
    offsets: list[int] = []
    safe: int | None = None
    end = 0
    name = operands = ""
    for offset, size, mnemonic, operand_text in _DECODERS[bits].disasm_lite(code, 0):
        name, operands = mnemonic.rsplit(" ", 1)[-1], operand_text
        if safe is None and is_sensitive(name, operands):
            safe = len(offsets)
        offsets.append(offset)
        end = offset + size
    if end < len(code):
        offsets.append(end)
        name = operands = ""
    if safe is None:
        safe = len(offsets)
    return Layout(tuple(offsets), safe, _flags(name, operands))


def _flags(mnemonic: str, operands: str) -> int:
    """Return the table flags of a block whose last instruction is given."""
    if mnemonic == "pause":
        return ns.ENDS_IN_PAUSE
    if mnemonic in _IRET:
        return ns.ENDS_IN_IRET
    changes = mnemonic in _MAPPING_MNEMONICS
    if changes or (mnemonic == "mov" and operands.lstrip().startswith("cr")):
        return ns.CHANGES_MAPPING
    return 0
