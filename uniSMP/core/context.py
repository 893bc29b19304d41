"""Layout of the engine's CPU state, and typed access to it.

The offsets are those of Unicorn 2.1.4's `CPUX86State` on 64-bit hosts; `Engine` checks them at
start-up against values written through the public interface and refuses another build.
"""

import struct
from dataclasses import dataclass

from uniSMP.arch.flags import STATUS_FLAGS, Cr0, Efer, Rflags

RIP = 128
EFLAGS = 136
CC_DST = 144
CC_SRC = 152
CC_SRC2 = 160
CC_OP = 168
DIRECTION = 172
HFLAGS = 176
HFLAGS2 = 180
SEGMENTS = 184
LDT = 328
TR = 352
GDT = 376
IDT = 400
CR0 = 424
CR2 = 440
CR3 = 448
CR4 = 456
A20_MASK = 496
EFER = 592
XMM = 824
STAR = 4824
LSTAR = 4840
CSTAR = 4848
FMASK = 4856
KERNEL_GS_BASE = 4864
TSC_AUX = 4896
PAT = 5280
ERROR_CODE = 5384
IS_SOFTWARE_INTERRUPT = 5388
DR = 5400
OLD_EXCEPTION = 5496
SIZE_BYTES = 5568

CC_OP_EFLAGS = 1
"""Value of CC_OP that says: the status flags stand in CC_SRC."""

HF_CPL = 3
HF_INHIBIT_IRQ = 1 << 3
HF_CS32 = 1 << 4
HF_SS32 = 1 << 5
HF_ADDSEG = 1 << 6
HF_PE = 1 << 7
HF_TS = 1 << 11
HF_LMA = 1 << 14
HF_CS64 = 1 << 15
HF2_GIF = 1
HF2_NMI_BLOCKED = 1 << 2

ES, CS, SS, DS, FS, GS = range(6)
RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI = range(8)
R11 = 11

MASK32 = 0xFFFF_FFFF
MASK64 = 0xFFFF_FFFF_FFFF_FFFF

_SEGMENT = struct.Struct("<IxxxxQII")
_SEG_SIZE = 24
_RIP_QUAD = RIP >> 3
_CS_BASE_QUAD = (SEGMENTS + _SEG_SIZE * CS + 8) >> 3
_EFLAGS_DOUBLE, _HFLAGS_DOUBLE = EFLAGS >> 2, HFLAGS >> 2
_HFLAGS_FROM_STATE = (
    HF_CPL | HF_CS32 | HF_SS32 | HF_ADDSEG | HF_PE | HF_TS | HF_LMA | HF_CS64
)  # fmt: skip
_CS_BIG = 1 << 22
_CS_LONG = 1 << 21
_IF = int(Rflags.IF)
_PE = int(Cr0.PE)
_LMA = int(Efer.LMA)
_VM = int(Rflags.VM)
_DF = int(Rflags.DF)
_RF = int(Rflags.RF)
_TS = int(Cr0.TS)


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment register with its hidden part; `flags` as in a descriptor's high doubleword."""

    selector: int
    base: int
    limit: int
    flags: int

    @property
    def dpl(self) -> int:
        """Descriptor privilege level."""
        return self.flags >> 13 & 3


class Context:
    """Reads and writes one engine's CPU state in place (only while the engine is stopped)."""

    __slots__ = ("_doublewords", "_memory", "_quadwords")

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._quadwords = memory.cast("Q")
        self._doublewords = memory.cast("I")

    def save(self) -> bytes:
        """Return a copy of the whole state."""
        return bytes(self._memory)

    def restore(self, saved: bytes) -> None:
        """Put back what `save` returned."""
        self._memory[:] = saved

    def quad(self, offset: int) -> int:
        """Return the 64-bit word at `offset` (a multiple of 8)."""
        return self._quadwords[offset >> 3]

    def set_quad(self, offset: int, value: int) -> None:
        """Set the 64-bit word at `offset`; higher bits of `value` are dropped."""
        self._quadwords[offset >> 3] = value & MASK64

    def double(self, offset: int) -> int:
        """Return the 32-bit word at `offset` (a multiple of 4)."""
        return self._doublewords[offset >> 2]

    def set_double(self, offset: int, value: int) -> None:
        """Set the 32-bit word at `offset`; higher bits of `value` are dropped."""
        self._doublewords[offset >> 2] = value & MASK32

    def register(self, number: int) -> int:
        """Return general register `number` (0-15, as instructions encode it)."""
        return self._quadwords[number]

    def set_register(self, number: int, value: int) -> None:
        """Set all 64 bits of general register `number`."""
        self._quadwords[number] = value & MASK64

    def set_register_32(self, number: int, value: int) -> None:
        """Set a general register as a 32-bit instruction does: the upper half becomes 0."""
        self._quadwords[number] = value & MASK32

    @property
    def rip(self) -> int:
        """Instruction pointer (an offset in the code segment)."""
        return self._quadwords[RIP >> 3]

    @rip.setter
    def rip(self, value: int) -> None:
        self._quadwords[RIP >> 3] = value & MASK64

    @property
    def cpl(self) -> int:
        """Current privilege level; 0 in real mode, 3 in virtual-8086 mode."""
        return self.double(HFLAGS) & HF_CPL

    @property
    def bits(self) -> int:
        """Width of the code being executed: 16, 32 or 64."""
        hflags = self.double(HFLAGS)
        if hflags & HF_CS64:
            return 64
        return 32 if hflags & HF_CS32 else 16

    @property
    def is_long_mode(self) -> bool:
        """IA32_EFER.LMA."""
        return bool(self.quad(EFER) & _LMA)

    @property
    def is_protected(self) -> bool:
        """CR0.PE."""
        return bool(self.quad(CR0) & _PE)

    @property
    def linear_rip(self) -> int:
        """Linear address of the next instruction."""
        quads = self._quadwords
        linear = quads[_RIP_QUAD] + quads[_CS_BASE_QUAD]
        return linear & (MASK64 if self._doublewords[_HFLAGS_DOUBLE] & HF_CS64 else MASK32)

    def segment(self, number: int) -> Segment:
        """Return a segment register (ES, CS, SS, DS, FS, GS = 0..5)."""
        return Segment(*_SEGMENT.unpack_from(self._memory, SEGMENTS + _SEG_SIZE * number))

    def set_segment(self, number: int, segment: Segment) -> None:
        """Set a segment register with its hidden part; `update_hflags` must follow."""
        self.set_table(SEGMENTS + _SEG_SIZE * number, segment)

    def table(self, offset: int) -> Segment:
        """Return LDTR, TR, GDTR or IDTR (offsets LDT, TR, GDT, IDT)."""
        return Segment(*_SEGMENT.unpack_from(self._memory, offset))

    def set_table(self, offset: int, segment: Segment) -> None:
        """Set LDTR, TR, GDTR or IDTR."""
        _SEGMENT.pack_into(
            self._memory,
            offset,
            segment.selector,
            segment.base & MASK64,
            segment.limit & MASK32,
            segment.flags & MASK32,
        )

    def set_flags(self, value: int) -> None:
        """Set RFLAGS as a whole, the lazily kept status flags included.

        The engine takes them from EFLAGS when a run begins, and from CC_SRC when they are read.
        """
        self.set_quad(EFLAGS, value | 2)
        self.set_quad(CC_SRC, value & STATUS_FLAGS)
        self.set_quad(CC_DST, 0)
        self.set_double(CC_OP, CC_OP_EFLAGS)
        self.set_double(DIRECTION, -1 if value & _DF else 1)

    def update_hflags(self) -> None:
        """Recompute the mode bits the engine keeps beside segments, CR0, EFER and RFLAGS."""
        flags = self.double(EFLAGS)
        cs, ss = self.segment(CS), self.segment(SS)
        hflags = self.double(HFLAGS) & ~_HFLAGS_FROM_STATE
        if self.is_protected:
            hflags |= HF_PE | (3 if flags & _VM else cs.selector & HF_CPL)
        if self.quad(CR0) & _TS:
            hflags |= HF_TS
        if self.is_long_mode:
            hflags |= HF_LMA
        if hflags & HF_LMA and cs.flags & _CS_LONG:
            hflags |= HF_CS64 | HF_CS32 | HF_SS32
        else:
            hflags |= HF_CS32 if cs.flags & _CS_BIG else 0
            hflags |= HF_SS32 if ss.flags & _CS_BIG else 0
            hflags |= self._addseg(hflags, flags)
        self.set_double(HFLAGS, hflags)

    def _addseg(self, hflags: int, flags: int) -> int:
        """Return HF_ADDSEG where segment bases must be added."""
        if not hflags & HF_PE or flags & _VM or not hflags & HF_CS32:
            return HF_ADDSEG
        bases = self.segment(DS).base | self.segment(ES).base | self.segment(SS).base
        return HF_ADDSEG if bases else 0

    @property
    def is_shadowed(self) -> bool:
        """Whether STI, MOV SS or POP SS still holds interrupts off for one instruction."""
        return bool(self.double(HFLAGS) & HF_INHIBIT_IRQ)

    @property
    def accepts_interrupts(self) -> bool:
        """Whether IF is set, and nothing holds interrupts off for one instruction."""
        doubles = self._doublewords
        is_enabled = doubles[_EFLAGS_DOUBLE] & _IF
        return bool(is_enabled) and not doubles[_HFLAGS_DOUBLE] & HF_INHIBIT_IRQ

    def clear_shadow(self) -> None:
        """End the interrupt shadow (an instruction was executed or an event delivered)."""
        self.set_double(HFLAGS, self.double(HFLAGS) & ~HF_INHIBIT_IRQ)

    def clear_resume(self) -> None:
        """Clear RF, which lasts for one instruction."""
        self.set_double(EFLAGS, self.double(EFLAGS) & ~_RF)

    @property
    def a20_mask(self) -> int:
        """Mask of the physical address bits that come through."""
        mask = self.double(A20_MASK)
        return mask | MASK64 & ~MASK32

    @property
    def is_nmi_blocked(self) -> bool:
        """Whether NMIs wait for an IRET."""
        return bool(self.double(HFLAGS2) & HF2_NMI_BLOCKED)

    def block_nmi(self) -> None:
        """Hold NMIs off until the next IRET, which the engine sees by itself."""
        self.set_double(HFLAGS2, self.double(HFLAGS2) | HF2_NMI_BLOCKED)
