"""The line table of an assembled image, as gdb reads it: DWARF 4, one compilation unit.

Source: DWARF Debugging Information Format, version 4, sections 6.2 "Line Number Information" and
7.5 "Format of Debugging Information".
"""

from collections.abc import Sequence
from struct import pack

from uniSMP.assembler.image import Line

_COMPILE_UNIT = 0x11
_STMT_LIST, _LOW_PC, _HIGH_PC, _LANGUAGE, _NAME, _COMP_DIR = 0x10, 0x11, 0x12, 0x13, 0x03, 0x1B
_SEC_OFFSET, _ADDRESS, _DATA8, _DATA2, _STRING = 0x17, 0x01, 0x07, 0x05, 0x08
_ATTRIBUTES = (
    *((_STMT_LIST, _SEC_OFFSET), (_LOW_PC, _ADDRESS), (_HIGH_PC, _DATA8)),
    *((_LANGUAGE, _DATA2), (_NAME, _STRING), (_COMP_DIR, _STRING)),
)
_ASSEMBLER = 0x8001
"""DW_LANG_Mips_Assembler, which every assembler uses."""
_VERSION = 4
_COPY, _ADVANCE_PC, _ADVANCE_LINE, _SET_FILE = 1, 2, 3, 4
_SET_ADDRESS = b"\0\x09\x02"
_END_SEQUENCE = b"\0\x01\x01"
_OPERANDS = bytes((0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1))
"""Number of operands of the standard opcodes 1 to 12."""
_SEVEN_BITS, _SIGN, _MORE = 0x7F, 0x40, 0x80


def debug_sections(lines: Sequence[Line], end: int, folder: str) -> dict[str, bytes]:
    """Return the contents of the debug sections by name.

    Args:
        lines: source lines, ascending by address; at least one.
        end: address behind the last one.
        folder: where relative file names begin.
    """
    first = lines[0]
    unit = b"\x01" + pack("<IQQH", 0, first.address, end - first.address, _ASSEMBLER)
    unit += _text(first.file) + _text(folder)
    head = pack("<HIB", _VERSION, 0, 8)
    attributes = b"".join(_unsigned(name) + _unsigned(form) for name, form in _ATTRIBUTES)
    return {
        ".debug_abbrev": bytes((1, _COMPILE_UNIT, 0)) + attributes + b"\0\0\0",
        ".debug_info": pack("<I", len(head + unit)) + head + unit,
        ".debug_line": _line_program(lines, end),
    }


def _line_program(lines: Sequence[Line], end: int) -> bytes:
    files = {name: number for number, name in enumerate(dict.fromkeys(x.file for x in lines), 1)}
    tables = b"\0" + b"".join(_text(name) + b"\0\0\0" for name in files) + b"\0"
    settings = pack("<BBBbBB", 1, 1, 1, -5, 14, len(_OPERANDS) + 1)
    prologue = settings + _OPERANDS + tables
    rows = _rows(lines, end, files)
    head = pack("<HI", _VERSION, len(prologue)) + prologue
    return pack("<I", len(head + rows)) + head + rows


def _rows(lines: Sequence[Line], end: int, files: dict[str, int]) -> bytes:
    address, file, number = lines[0].address, 1, 1
    program = bytearray(_SET_ADDRESS + pack("<Q", address))
    for line in lines:
        if files[line.file] != file:
            file = files[line.file]
            program += bytes([_SET_FILE]) + _unsigned(file)
        program += bytes([_ADVANCE_LINE]) + _signed(line.line - number)
        program += bytes([_ADVANCE_PC]) + _unsigned(line.address - address)
        program.append(_COPY)
        address, number = line.address, line.line
    program += bytes([_ADVANCE_PC]) + _unsigned(end - address) + _END_SEQUENCE
    return bytes(program)


def _text(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape") + b"\0"


def _unsigned(value: int) -> bytes:
    """Return `value` as unsigned LEB128."""
    encoded = bytearray()
    while value > _SEVEN_BITS:
        encoded.append(value & _SEVEN_BITS | _MORE)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def _signed(value: int) -> bytes:
    """Return `value` as signed LEB128."""
    encoded = bytearray()
    while not -_SIGN <= value < _SIGN:
        encoded.append(value & _SEVEN_BITS | _MORE)
        value >>= 7
    encoded.append(value & _SEVEN_BITS)
    return bytes(encoded)
