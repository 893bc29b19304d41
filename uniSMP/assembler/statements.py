"""One statement: its labels, its operation, its operands; splitting and checking them.

Keystone loops for ever on some malformed lines and drops others in silence, so that nothing
reaches it whose form has not been checked here.
"""

import re
from dataclasses import dataclass

from uniSMP.assembler.expressions import NAME, ExpressionError
from uniSMP.assembler.source import SourceLine

_LABEL = re.compile(rf"({NAME}|[0-9]+)\s*:(?!:)\s*")
_ASSIGNMENT = re.compile(rf"({NAME})\s*=(?!=)\s*(.*)")
_OPERATION = re.compile(r"(\.?[A-Za-z_0-9][A-Za-z0-9_.$]*)(?:\s+(.*))?$")
_STRING = re.compile(r'"(?:\\.|[^"\\])*"')


@dataclass(frozen=True, slots=True)
class Statement:
    """A line taken apart: labels, then an operation and the text behind it."""

    where: SourceLine
    labels: tuple[str, ...]
    operation: str
    rest: str


def parse_statement(where: SourceLine) -> Statement:
    """Take the line apart; `name = value` becomes the operation `.set`.

    Raises:
        AssemblyError: the line is no statement.
    """
    text = where.text
    labels: list[str] = []
    while label := _LABEL.match(text):
        labels.append(label.group(1))
        text = text[label.end() :]
    if not text:
        return Statement(where, tuple(labels), "", "")
    if assignment := _ASSIGNMENT.fullmatch(text):
        rest = f"{assignment.group(1)},{assignment.group(2)}"
        return Statement(where, tuple(labels), ".set", rest)
    operation = _OPERATION.fullmatch(text)
    if operation is None:
        raise where.error("not a statement")
    name, rest = operation.group(1), (operation.group(2) or "").strip()
    return Statement(where, tuple(labels), name, rest)


def split_operands(text: str) -> list[str]:
    """Split at the commas outside strings and brackets; no text gives no operands."""
    if not text.strip():
        return []
    parts, depth, start, position = [], 0, 0, 0
    while position < len(text):
        char = text[position]
        if char in "\"'":
            position = _quote_end(text, position)
            continue
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            parts.append(text[start:position].strip())
            start = position + 1
        position += 1
    return [*parts, text[start:].strip()]


def _quote_end(text: str, start: int) -> int:
    position = start + 1
    while position < len(text) and text[position] != text[start]:
        position += 2 if text[position] == "\\" else 1
    return position + 1


def decode_string(text: str) -> bytes:
    r"""Return the bytes of a string literal: UTF-8, with \n \t \r \b \f \\ \" \' \ooo \xhh.

    Raises:
        ExpressionError: it is no string, or holds an unknown escape.
    """
    if not _STRING.fullmatch(text):
        raise ExpressionError(f"`{text}` is not a string")
    result = bytearray()
    for piece in _PIECES.finditer(text[1:-1]):
        kind, found = piece.lastgroup, piece.group()
        if kind == "plain":
            result += found.encode()
        elif kind == "octal":
            result.append(int(found[1:], 8) & 0xFF)
        elif kind == "hexadecimal":
            result.append(int(f"0{found[1:]}", 16))
        elif kind == "simple":
            result.append(_SIMPLE[found[1]])
        else:
            raise ExpressionError(f"`{found}` is an unknown escape")
    return bytes(result)


_SIMPLE = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "\\": 92, '"': 34, "'": 39}
_PIECES = re.compile(
    r"(?P<plain>[^\\]+)|(?P<octal>\\[0-7]{1,3})|(?P<hexadecimal>\\x[0-9A-Fa-f]{1,2})"
    r"|(?P<simple>\\[ntrbf\\\"'])|(?P<unknown>\\.?)"
)
