"""What is known of a block of guest code: decoded once, when it is first met.

A block is what the engine translates as one piece. Its instruction boundaries tell how many
instructions were retired when it was left inside; its sensitive instructions are those the engine
lacks, gets wrong, or cannot know the machine's answer to: they are emulated by
`uniSMP.core.instructions`, and the block runs only up to the first of them.
"""

from bisect import bisect_right
from collections.abc import Sequence
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
        "sysret",
        "sysretq",
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
        "loope",
        "loopne",
    ]
)
"""Mnemonics, as Capstone prints them without prefixes, that never run natively."""
_CHECKED_WRITES = ("cr0", "cr4", "cr8", "dr")
_CHECKED_READS = ("cr8", "dr")
"""MOV to or from these is checked or emulated."""
_MAPPING_MNEMONICS = frozenset({"invlpg", "lmsw", "ljmp", "lcall", "retf", "retfq"})
_LOCKABLE = frozenset(
    [
        "adc",
        "add",
        "and",
        "btc",
        "btr",
        "bts",
        "cmpxchg",
        "cmpxchg16b",
        "cmpxchg8b",
        "dec",
        "inc",
        "neg",
        "not",
        "or",
        "sbb",
        "sub",
        "xadd",
        "xchg",
        "xor",
    ]
)
_VEX_GENERAL = frozenset(
    [
        "andn",
        "bextr",
        "blsi",
        "blsmsk",
        "blsr",
        "bzhi",
        "mulx",
        "pdep",
        "pext",
        "rorx",
        "sarx",
        "shlx",
        "shrx",
    ]
)
"""VEX-encoded instructions on general registers (BMI1, BMI2)."""
_FAR_ACCESSES = frozenset(
    {"cmpxchg8b", "cmpxchg16b", "fxsave", "fxsave64", "fxrstor", "fxrstor64"}
    | {"fnsave", "frstor", "fnstenv", "fldenv", "fbld", "fbstp"}
)
_NOT_VEX = frozenset({"verr", "verw"})
_LONG_BITS = 64
_PREFIXES = frozenset(b"\x66\x67\xf2\xf3\xf0\x2e\x36\x3e\x26\x64\x65")
_REX = frozenset(range(0x40, 0x50))
_LOCK = 0xF0
_XOP_OR_POP = 0x8F
_INT_BYTES = 2
_VEX_OR_LOAD = frozenset({0x62, 0xC4, 0xC5})
"""EVEX or BOUND, VEX or LES and LDS."""
_REGISTER_FORM = 0xC0
_FAR_OR_NEAR = frozenset({"jmp", "call"})
_IRET = frozenset({"iret", "iretd", "iretq"})

_TIME_READERS = {b"\x0f\x31": ns.READS_TIME, b"\x0f\x01\xf9": ns.READS_TIME_AUX}
"""RDTSC and RDTSCP without prefixes."""

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
    """One decoded instruction: length, mnemonic without prefixes, operand text, and bytes."""

    size_bytes: int
    mnemonic: str
    operands: str
    prefixes: tuple[str, ...]
    code: bytes = b""


@dataclass(frozen=True, slots=True)
class Layout:
    """Position-independent facts of a block's bytes.

    Attributes:
        offsets: start of each instruction, in bytes from the start of the block.
        safe: instructions before the first sensitive one.
        flags: ENDS_IN_PAUSE and the like, see `native_state`.
        locked: indices of the instructions whose memory accesses are locked.
    """

    offsets: tuple[int, ...]
    safe: int
    flags: int
    locked: frozenset[int]


@dataclass(frozen=True, slots=True)
class Block:
    """A block at its place: linear address, bytes, code width, and layout."""

    address: int
    code: bytes
    bits: int
    layout: Layout

    @property
    def count(self) -> int:
        """Number of instructions."""
        return len(self.layout.offsets)

    def index_of(self, linear: int) -> int | None:
        """Return the index of the instruction that starts at `linear`, or None."""
        try:
            return self.layout.offsets.index(linear - self.address)
        except ValueError:
            return None

    def nearest_index(self, linear: int) -> int:
        """Return the index of the instruction that contains `linear`, or of the one closest."""
        return max(0, bisect_right(self.layout.offsets, linear - self.address) - 1)

    def size_of(self, index: int) -> int:
        """Return the size in bytes of instruction `index`."""
        offsets = self.layout.offsets
        end = offsets[index + 1] if index + 1 < len(offsets) else len(self.code)
        return end - offsets[index]


def has_far_accesses(mnemonic: str, operands: str) -> bool:
    """Return whether the engine makes an instruction's accesses in a function of its own.

    A device access that stops such an instruction does not undo it. RCL and RCR count: they fold
    the flags in one, and an access that stops them loses the flags.
    """
    return (
        mnemonic in _FAR_ACCESSES
        or (mnemonic in ("fld", "fstp") and "xword" in operands)
        or (mnemonic in ("rcl", "rcr") and "[" in operands)
    )


def is_sensitive(mnemonic: str, operands: str) -> bool:
    """Return whether an instruction must not run natively unseen."""
    if mnemonic in SENSITIVE or has_far_accesses(mnemonic, operands):
        return True
    if mnemonic != "mov":
        return False
    target, _, source = operands.partition(", ")
    return target.startswith(_CHECKED_WRITES) or source.startswith(_CHECKED_READS)


def is_undefined(mnemonic: str, operands: str, prefixes: Sequence[str]) -> bool:
    """Return whether an instruction is #UD on this processor, though the engine would run it.

    The engine knows VEX encodings that CPUID does not advertise, and ignores a LOCK prefix where it
    is not allowed (SDM volume 2A, "LOCK").
    """
    if mnemonic in _VEX_GENERAL or (mnemonic.startswith("v") and mnemonic not in _NOT_VEX):
        return True
    if "lock" not in prefixes:
        return False
    return mnemonic not in _LOCKABLE or "[" not in operands.partition(",")[0]


def is_undefined_encoding(code: bytes, bits: int) -> bool:
    """Return whether bytes that Capstone cannot decode are #UD whatever the engine makes of them.

    These are a misplaced LOCK, and VEX, EVEX and XOP encodings.
    """
    prefix_bytes = _PREFIXES | _REX if bits == _LONG_BITS else _PREFIXES
    size = next((i for i, byte in enumerate(code) if byte not in prefix_bytes), len(code))
    opcode, operand = (code[size:] + b"\0\0")[:2]
    if _LOCK in code[:size]:
        return True
    if opcode == _XOP_OR_POP:
        return bool(operand & 0x38)
    return opcode in _VEX_OR_LOAD and (bits == _LONG_BITS or operand >= _REGISTER_FORM)


@lru_cache(maxsize=1 << 16)
def decode_instruction(code: bytes, bits: int) -> Instruction | None:
    """Decode the first instruction of `code`, or return None where there is no valid one."""
    for _, size, mnemonic, operands in _DECODERS[bits].disasm_lite(code, 0, 1):
        *prefixes, name = mnemonic.split()
        return Instruction(size, name, operands, tuple(prefixes), code[:size])
    return None


@lru_cache(maxsize=1 << 16)
def lay_out(code: bytes, bits: int) -> Layout:
    """Find the instruction boundaries of a block's bytes.

    What Capstone cannot decode at the end counts as one sensitive instruction, so that the core
    looks at it before the engine does.
    """
    offsets: list[int] = []
    locked: list[int] = []
    safe: int | None = None
    end = 0
    name = operands = ""
    for offset, size, mnemonic, operand_text in _DECODERS[bits].disasm_lite(code, 0):
        *prefixes, name = mnemonic.split()
        operands = operand_text
        if safe is None and (
            is_sensitive(name, operands) or is_undefined(name, operands, prefixes)
        ):
            safe = len(offsets)
        if "lock" in prefixes or (name == "xchg" and "[" in operands):
            locked.append(len(offsets))
        offsets.append(offset)
        end = offset + size
    if end < len(code):
        safe = len(offsets) if safe is None else safe
        offsets.append(end)
        name = operands = ""
    if safe is None:
        safe = len(offsets)
    flags = _flags(name, operands, end - offsets[-1] if offsets else 0)
    if safe == 0:
        first = code[: offsets[1] if len(offsets) > 1 else len(code)]
        flags |= _TIME_READERS.get(first, 0)
    return Layout(tuple(offsets), safe, flags, frozenset(locked))


def _flags(mnemonic: str, operands: str, size_bytes: int) -> int:
    """Return the table flags of a block whose last instruction is given."""
    if mnemonic == "int" and size_bytes == _INT_BYTES:
        return ns.ENDS_IN_INT
    if mnemonic == "pause":
        return ns.ENDS_IN_PAUSE
    if mnemonic in _IRET:
        return ns.ENDS_IN_IRET
    # Capstone writes some far jumps and calls as "jmp ptr [...]".
    is_far = mnemonic in _FAR_OR_NEAR and operands.startswith("ptr [")
    changes = is_far or mnemonic in _MAPPING_MNEMONICS
    if changes or (mnemonic == "mov" and operands.lstrip().startswith("cr")):
        return ns.CHANGES_MAPPING
    return 0
