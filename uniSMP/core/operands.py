"""Where an instruction's memory operands lie, encoded for compiled code.

The engine tells physical addresses of accesses only. The linear page behind one is found among the
pages of the instruction's operands: compiled code computes their addresses from the registers
before the instruction runs. Each operand is two words: how the address is formed, and the
displacement.

    bits 7:0 base register, 15:8 index register (NONE: none), 23:16 scale, 31:24 segment register
    (NONE: base 0), 39:32 bits of the address; bit 40 set: there is such an operand
"""

import capstone
from capstone import x86

from uniSMP.core import context as cx
from uniSMP.core.blocks import Block

OPERAND_WORDS = 4
"""Words of one instruction: two operands."""
NONE = 0xFF
PRESENT = 1 << 40
_MOST = 2
_LONG_BITS = 64
_MODES = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}
_GENERAL = "ax cx dx bx sp bp si di".split()  # noqa: SIM905
_SEGMENTS = {"es": cx.ES, "cs": cx.CS, "ss": cx.SS, "ds": cx.DS, "fs": cx.FS, "gs": cx.GS}
_STACK_REGISTERS = frozenset({4, 5})
_SIGN = 1 << 63


def operands_of(block: Block) -> list[int]:
    """Return OPERAND_WORDS words for each instruction of a block."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, _MODES[block.bits])
    decoder.detail = True
    words: list[int] = []
    for instruction in decoder.disasm(block.code, block.address):
        row = [
            word
            for operand in instruction.operands
            if operand.type == x86.X86_OP_MEM
            for word in _encode(instruction, operand.mem, block.bits)
        ]
        words += (row + [0] * OPERAND_WORDS)[:OPERAND_WORDS]
    return words + [0] * (OPERAND_WORDS * block.count - len(words))


def _number(name: str) -> int:
    """Return the number of a general register of any width, NONE for none."""
    plain = name.lstrip("er") if name not in ("", "eiz", "riz") else ""
    if plain in _GENERAL:
        return _GENERAL.index(plain)
    digits = name[1:].rstrip("dw")
    return int(digits) if name[:1] == "r" and digits.isdigit() else NONE


def _encode(instruction: capstone.CsInsn, memory: x86.X86OpMem, bits: int) -> tuple[int, int]:
    base_name = instruction.reg_name(memory.base) or ""
    index_name = instruction.reg_name(memory.index) or ""
    base, index = _number(base_name), _number(index_name)
    displacement = memory.disp
    if base_name in ("rip", "eip"):
        displacement += instruction.address + instruction.size
    named = instruction.reg_name(memory.segment) if memory.segment else None
    segment = _SEGMENTS[named] if named else cx.SS if base in _STACK_REGISTERS else cx.DS
    if bits == _LONG_BITS and segment not in (cx.FS, cx.GS):
        segment = NONE
    width = 8 * instruction.addr_size
    form = base | index << 8 | memory.scale << 16 | segment << 24 | width << 32 | PRESENT
    displacement &= cx.MASK64
    return form, displacement - (1 << 64) if displacement >= _SIGN else displacement
