"""IN, OUT, INS and OUTS: the engine runs them without any privilege check, so they are done here.

Source: Intel SDM volume 1, chapter "Input/Output", section "Protected-Mode I/O"; volume 2,
instructions IN, INS, OUT, OUTS, REP.
"""

from dataclasses import dataclass

from uniSMP.arch import paging
from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.flags import IOPL_SHIFT, Rflags
from uniSMP.core import context as cx
from uniSMP.core.blocks import Instruction
from uniSMP.core.engine import Engine
from uniSMP.core.guest_memory import GuestMemory, is_canonical
from uniSMP.core.platform import Platform
from uniSMP.core.segmentation import is_inside

_VM = int(Rflags.VM)
_DF = int(Rflags.DF)
_ACCUMULATOR_BYTES = {"al": 1, "ax": 2, "eax": 4}
_STRING_BYTES = {"b": 1, "w": 2, "d": 4}
_BITMAP_POINTER = 0x66
_TSS_32_BIT = 1 << 11
_USER_LEVEL = 3
_PAGE_MASK = paging.PAGE_BYTES - 1
_SEGMENT_NAMES = {"es": cx.ES, "cs": cx.CS, "ss": cx.SS, "ds": cx.DS, "fs": cx.FS, "gs": cx.GS}
_INDEX_MASKS = {"di": 0xFFFF, "si": 0xFFFF, "edi": cx.MASK32, "esi": cx.MASK32}


@dataclass(frozen=True, slots=True)
class _StringOperand:
    """The memory operand of INS or OUTS as Capstone prints it, such as `byte ptr es:[rdi]`."""

    segment: int
    index_mask: int


class PortIo:
    """Port instructions of one core. Each method raises `Fault` as the instruction does."""

    def __init__(self, engine: Engine, memory: GuestMemory, platform: Platform) -> None:
        self._engine = engine
        self._context = engine.context
        self._memory = memory
        self._platform = platform

    def transfer(self, instruction: Instruction) -> None:
        """Execute IN or OUT."""
        first, _, second = instruction.operands.partition(", ")
        is_input = instruction.mnemonic == "in"
        register, place = (first, second) if is_input else (second, first)
        size_bytes = _ACCUMULATOR_BYTES[register]
        port = self._context.register(cx.RDX) & 0xFFFF if place == "dx" else int(place, 0) & 0xFF
        self._check(port, size_bytes)
        old = self._context.register(cx.RAX)
        mask = (1 << 8 * size_bytes) - 1
        if not is_input:
            self._platform.write_port(port, old & mask, size_bytes)
            return
        value = self._platform.read_port(port, size_bytes) & mask
        kept = 0 if size_bytes == 4 else old & ~mask  # noqa: PLR2004 - EAX clears the upper half
        self._context.set_register(cx.RAX, kept | value)

    def transfer_string(self, instruction: Instruction) -> bool:
        """Execute one element of INS or OUTS.

        Returns:
            Whether the instruction is repeated: RIP stays. A REP instruction ends, like the
            engine's own string instructions, with one more pass that finds the count 0.
        """
        is_input = instruction.mnemonic.startswith("ins")
        size_bytes = _STRING_BYTES[instruction.mnemonic[-1]]
        operand = _string_operand(instruction.operands)
        is_repeated = bool(instruction.prefixes)
        if is_repeated and not self._context.register(cx.RCX) & operand.index_mask:
            return False
        port = self._context.register(cx.RDX) & 0xFFFF
        self._check(port, size_bytes)
        index = cx.RDI if is_input else cx.RSI
        offset = self._context.register(index) & operand.index_mask
        linear = self._linear(operand.segment, offset, size_bytes)
        access = paging.ERROR_USER if self._context.cpl == _USER_LEVEL else 0
        if is_input:
            # The pages must be writable before the device is read: a read may pop a FIFO.
            self._memory.translate(linear, access | paging.ERROR_WRITE)
            if linear & _PAGE_MASK > paging.PAGE_BYTES - size_bytes:
                last = (linear + size_bytes - 1) & cx.MASK64
                self._memory.translate(last, access | paging.ERROR_WRITE)
            value = self._platform.read_port(port, size_bytes) & ((1 << 8 * size_bytes) - 1)
            self._memory.write(linear, value.to_bytes(size_bytes, "little"), access)
        else:
            value = self._memory.read_integer(linear, size_bytes, access)
            self._platform.write_port(port, value, size_bytes)
        step = -size_bytes if self._engine.full_flags() & _DF else size_bytes
        self._set_index(index, offset + step, operand.index_mask)
        if is_repeated:
            count = self._context.register(cx.RCX) & operand.index_mask
            self._set_index(cx.RCX, count - 1, operand.index_mask)
        return is_repeated

    def _set_index(self, register: int, value: int, mask: int) -> None:
        kept = 0 if mask == cx.MASK32 else self._context.register(register) & ~mask
        self._context.set_register(register, kept | (value & mask))

    def _linear(self, segment: int, offset: int, size_bytes: int) -> int:
        context = self._context
        register = context.segment(segment)
        vector = Vector.SS if segment == cx.SS else Vector.GP
        if context.bits == 64:  # noqa: PLR2004 - bits of the mode
            base = register.base if segment in (cx.FS, cx.GS) else 0
            linear = (base + offset) & cx.MASK64
            if not is_canonical(linear):
                raise Fault(vector, 0)
            return linear
        if not is_inside(register, offset, offset + size_bytes - 1):
            raise Fault(vector, 0)
        return (register.base + offset) & cx.MASK32

    def _check(self, port: int, size_bytes: int) -> None:
        """Check IOPL and the I/O permission bitmap of the task-state segment."""
        context = self._context
        if not context.is_protected:
            return
        flags = context.quad(cx.EFLAGS)
        if not flags & _VM and context.cpl <= flags >> IOPL_SHIFT & 3:
            return
        task = context.table(cx.TR)
        if not task.flags & _TSS_32_BIT or task.limit < _BITMAP_POINTER + 1:
            raise Fault(Vector.GP, 0)
        offset = self._memory.read_integer(task.base + _BITMAP_POINTER, 2) + port // 8
        if offset + 1 > task.limit:
            raise Fault(Vector.GP, 0)
        bits = self._memory.read_integer(task.base + offset, 2) >> port % 8
        if bits & ((1 << size_bytes) - 1):
            raise Fault(Vector.GP, 0)


def _string_operand(operands: str) -> _StringOperand:
    memory = next(part for part in operands.split(", ") if "[" in part)
    left, _, right = memory.partition("[")
    words = left.replace(":", " ").split()
    segment = _SEGMENT_NAMES.get(words[-1], cx.DS)
    return _StringOperand(segment, _INDEX_MASKS.get(right.rstrip("]"), cx.MASK64))
