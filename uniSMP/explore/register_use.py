"""What instructions do with registers, encoded for compiled code that follows them in handlers.

Each instruction is a row of `WORDS` numbers. Masks of general registers have a bit each, as
instructions encode them; RSP is left out.
"""

import capstone
from capstone import x86

from uniSMP.core.blocks import Block

READ, READ_WORD, READ_BYTE, WRITTEN, WRITTEN_WORD, WRITTEN_BYTE = range(6)
FLAGS_READ, FLAGS_WRITTEN, KIND, REGISTER, OTHER, SIZE = range(6, 12)
TOUCHED = 12
WORDS = 13
"""Masks of registers read as a whole, as 16 and as 8 bits; the same of registers written; flags
that count and flags that are set; what the instruction moves (PLAIN, ...); the register that it
moves, not among those that it reads; the register it moves that to; bytes of a move; registers it
may change."""
PLAIN, STORE, LOAD, COPY, PUSH_FLAGS, POP_FLAGS, RETURN = range(7)
FLAGS = ("cf", "pf", "af", "zf", "sf", "df", "of")
_RSP, _RBP = 4, 5
_ALL_BUT_RSP = 0xFFFF & ~(1 << _RSP)
_MODES = {16: capstone.CS_MODE_16, 32: capstone.CS_MODE_32, 64: capstone.CS_MODE_64}
_GENERAL = "ax cx dx bx sp bp si di".split()  # noqa: SIM905
_BYTES = {16: 2, 32: 4, 64: 8}
_NO_READS = ("nop", "endbr64", "endbr32")
_ZEROING = ("xor", "sub")
_COLUMNS = {8: 0, 4: 0, 2: 1, 1: 2}
_SETTING = ("MODIFY", "RESET", "SET", "UNDEFINED")


def _names() -> dict[str, tuple[int, int]]:
    """Return number and bytes of each name of a general register; 0 bytes: AH to BH."""
    names = {}
    for number, name in enumerate(_GENERAL):
        names.update({f"r{name}": (number, 8), f"e{name}": (number, 4), name: (number, 2)})
        names[f"{name[0]}l" if number < _RSP else f"{name}l"] = number, 1
    for number, name in enumerate("acdb"):
        names[f"{name}h"] = number, 0
    for number in range(8, 16):
        sizes = ("", 8), ("d", 4), ("w", 2), ("b", 1)
        names.update({f"r{number}{suffix}": (number, size) for suffix, size in sizes})
    return names


_NAMES = _names()


def _flag_bits(verbs: tuple[str, ...]) -> list[tuple[int, int]]:
    """Return pairs: bit in capstone's word of flags, bit here."""
    return [
        (bit, 1 << place)
        for place, flag in enumerate(FLAGS)
        for verb in verbs
        if (bit := getattr(x86, f"X86_EFLAGS_{verb}_{flag.upper()}", 0))
    ]


_TESTED, _SET = _flag_bits(("TEST",)), _flag_bits(_SETTING)


def register_use(block: Block) -> list[list[int]]:
    """Return the rows of a block's instructions."""
    decoder = capstone.Cs(capstone.CS_ARCH_X86, _MODES[block.bits])
    decoder.detail = True
    rows = [_row(each, _BYTES[block.bits]) for each in decoder.disasm(block.code, block.address)]
    unknown = [0] * WORDS
    unknown[READ] = unknown[TOUCHED] = _ALL_BUT_RSP
    unknown[SIZE] = _BYTES[block.bits]
    return [*rows, *[unknown] * (block.count - len(rows))][: block.count]


def _row(instruction: capstone.CsInsn, width: int) -> list[int]:
    row = [0] * WORDS
    row[SIZE] = width
    name = instruction.mnemonic.rpartition(" ")[2]
    if name in _NO_READS:
        return row
    if name.startswith("iret"):
        row[KIND] = RETURN
        return row
    read, written = instruction.regs_access()
    _add(row, READ, {instruction.reg_name(each) for each in read})
    names = {instruction.reg_name(each) for each in written}
    row[TOUCHED] = _touched(names)
    if not name.startswith("cmov"):
        _add(row, WRITTEN, names)
    is_x87 = instruction.group(x86.X86_GRP_FPU)
    flags = 0 if is_x87 else instruction.eflags
    row[FLAGS_READ] = _mask(flags, _TESTED)
    row[FLAGS_WRITTEN] = _mask(flags, _SET)
    _find_move(row, instruction, name, width)
    return row


def _mask(flags: int, pairs: list[tuple[int, int]]) -> int:
    mask = 0
    for bit, here in pairs:
        mask |= here if flags & bit else 0
    return mask


def _add(row: list[int], first: int, names: set[str]) -> None:
    for name in names:
        number, size = _NAMES.get(name, (_RSP, 0))
        if number == _RSP:
            continue
        if size:
            row[first + _COLUMNS[size]] |= 1 << number
        elif first == READ:
            row[READ_WORD] |= 1 << number


def _touched(names: set[str]) -> int:
    mask = 0
    for name in names:
        mask |= 1 << _NAMES.get(name, (_RSP, 0))[0]
    return mask & _ALL_BUT_RSP


def _find_move(row: list[int], instruction: capstone.CsInsn, name: str, width: int) -> None:
    """Note what an instruction moves, which does not count as reading it."""
    operands = instruction.operands
    numbers = [_whole(instruction, each, width) for each in operands]
    if name.startswith(("pushf", "popf")):
        row[KIND] = PUSH_FLAGS if name.startswith("pushf") else POP_FLAGS
        row[FLAGS_READ] = row[FLAGS_WRITTEN] = 0
    elif name == "leave":
        row[KIND], row[REGISTER] = LOAD, _RBP
    elif name == "push" and numbers[0] is not None:
        row[KIND], row[REGISTER], row[READ] = STORE, numbers[0], 0
    elif name == "pop" and numbers[0] is not None:
        row[KIND], row[REGISTER] = LOAD, numbers[0]
    elif name == "mov":
        _find_mov(row, instruction, numbers)
    elif name in _ZEROING and _are_same(instruction):
        row[READ] = 0


def _find_mov(row: list[int], instruction: capstone.CsInsn, numbers: list[int | None]) -> None:
    """Note what MOV moves."""
    target, source = instruction.operands
    to, out_of = numbers
    if target.type == x86.X86_OP_MEM and out_of is not None:
        row[KIND], row[REGISTER], row[READ] = STORE, out_of, 0
        parts = target.mem.base, target.mem.index
        _add(row, READ, {instruction.reg_name(each) for each in parts if each})
    elif source.type == x86.X86_OP_MEM and to is not None:
        row[KIND], row[REGISTER] = LOAD, to
    elif to not in (None, _RSP) and out_of is not None:
        row[KIND], row[REGISTER], row[OTHER], row[READ] = COPY, out_of, to or 0, 0


def _are_same(instruction: capstone.CsInsn) -> bool:
    """Return whether both operands are the same register."""
    target, source = instruction.operands
    is_register = target.type == source.type == x86.X86_OP_REG
    return bool(is_register and target.reg == source.reg)


def _whole(instruction: capstone.CsInsn, operand: x86.X86Op, width: int) -> int | None:
    """Return the number of an operand that is a whole general register; None: it is none."""
    if operand.type != x86.X86_OP_REG:
        return None
    number, size = _NAMES.get(instruction.reg_name(operand.reg), (0, 0))
    return number if size == width else None
