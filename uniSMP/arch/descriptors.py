"""Segment descriptors, gates and task-state segments as bit fields.

Source: Intel SDM volume 3A, sections "Segment Descriptors", "IDT Descriptors", "64-Bit Mode IDT",
and chapter "Task Management".
"""

from dataclasses import dataclass

ACCESSED = 1 << 8
"""Bit of a code or data descriptor's high doubleword."""
READABLE_OR_WRITABLE = 1 << 9
CONFORMING = 1 << 10
CODE = 1 << 11
NOT_SYSTEM = 1 << 12
PRESENT = 1 << 15
LONG = 1 << 21
BIG = 1 << 22
GRANULARITY = 1 << 23
TSS_BUSY = 1 << 9
"""Busy bit of a TSS descriptor's high doubleword."""

TASK_GATE = 0x5
INTERRUPT_GATE_16 = 0x6
TRAP_GATE_16 = 0x7
INTERRUPT_GATE_32 = 0xE
TRAP_GATE_32 = 0xF
TSS_16_AVAILABLE = 0x1
TSS_16_BUSY = 0x3
TSS_32_AVAILABLE = 0x9
TSS_32_BUSY = 0xB
LDT = 0x2

ACCESS_MASK = 0x00F0_FF00
"""Bits of the high doubleword that the hidden part of a segment register keeps."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One 8-byte descriptor of the GDT or LDT, `high` and `low` its two doublewords."""

    low: int
    high: int

    @property
    def base(self) -> int:
        """32-bit base address."""
        return (self.low >> 16) | (self.high & 0xFF) << 16 | (self.high & 0xFF00_0000)

    @property
    def limit(self) -> int:
        """Limit in bytes (highest valid offset), granularity applied."""
        limit = (self.low & 0xFFFF) | (self.high & 0xF_0000)
        return limit << 12 | 0xFFF if self.high & GRANULARITY else limit

    @property
    def dpl(self) -> int:
        """Descriptor privilege level."""
        return self.high >> 13 & 3

    @property
    def system_type(self) -> int:
        """Type field of a system descriptor (meaningless where NOT_SYSTEM is set)."""
        return self.high >> 8 & 15

    @property
    def is_present(self) -> bool:
        """Present bit."""
        return bool(self.high & PRESENT)

    @property
    def is_code(self) -> bool:
        """Whether this describes a code segment."""
        return self.high & (NOT_SYSTEM | CODE) == NOT_SYSTEM | CODE

    @property
    def is_writable_data(self) -> bool:
        """Whether this describes a data segment that can be written."""
        wanted = NOT_SYSTEM | CODE | READABLE_OR_WRITABLE
        return self.high & wanted == NOT_SYSTEM | READABLE_OR_WRITABLE


@dataclass(frozen=True, slots=True)
class Gate:
    """One IDT entry of 8 or 16 bytes."""

    selector: int
    offset: int
    gate_type: int
    dpl: int
    is_present: bool
    ist: int

    @property
    def is_trap(self) -> bool:
        """Whether the gate leaves IF alone."""
        return bool(self.gate_type & 1)

    @property
    def is_32_bit(self) -> bool:
        """Whether the gate pushes at least 32-bit values."""
        return bool(self.gate_type & 8)


def decode_gate(data: bytes) -> Gate:
    """Decode an 8-byte (legacy) or 16-byte (IA-32e) gate.

    A 16-byte gate's type field is four bits and its S bit must be 0; a set S bit is kept in
    `gate_type` as bit 4, so that no type matches it.
    """
    selector = data[2] | data[3] << 8
    offset = data[0] | data[1] << 8 | data[6] << 16 | data[7] << 24
    ist = 0
    if len(data) == 16:  # noqa: PLR2004 - the size of an IA-32e gate
        offset |= int.from_bytes(data[8:12], "little") << 32
        ist = data[4] & 7
    return Gate(selector, offset, data[5] & 0x1F, data[5] >> 5 & 3, bool(data[5] & 0x80), ist)
