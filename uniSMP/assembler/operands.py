"""Operands of instructions: understood here, handed to Keystone in one plain form.

Keystone 0.9.2 assembles some operands to something else without a word: `mov eax, 4 + label`
becomes a load, `[rip + a - b]` forgets `b`, immediates are cut off. So each operand is parsed, and
written as one register, number, symbol, or address (see `addresses`).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from uniSMP.assembler.addresses import Sum, check_address, registers_text
from uniSMP.assembler.expressions import Expression, ExpressionError, Name, fold, parse
from uniSMP.assembler.items import Mode
from uniSMP.assembler.registers import REGISTER_BYTES, SIZES, is_register
from uniSMP.assembler.symbols import keystone_name

_OPERAND = re.compile(
    r"(?:(?P<size>byte|word|dword|qword|fword|tbyte|xmmword|ymmword)\s+ptr\b\s*)?"
    r"(?:(?P<segment>[c-gs]s)\s*:\s*)?(?:\[(?P<inside>.*)\]|(?P<bare>.*))",
    re.IGNORECASE,
)
_SEGMENT_INSIDE = re.compile(r"\[\s*([c-gs]s)\s*:\s*", re.IGNORECASE)
_OFFSET = re.compile(r"offset\s+", re.IGNORECASE)
_STACK_REGISTER = re.compile(r"st\([0-7]\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Scope:
    """What an operand may refer to.

    Attributes:
        mode: width of the code.
        constants: values of the constants known here.
        name_value: gives a name to an expression of addresses that is more than one symbol.
    """

    mode: Mode
    constants: Mapping[str, int]
    name_value: Callable[[Expression], str]


@dataclass(frozen=True, slots=True)
class Operand:
    """One operand.

    Attributes:
        text: what Keystone is given.
        bytes: its width if it tells.
        immediate: its value if it is a number.
        is_target: whether it is a number or an address without brackets.
    """

    text: str
    bytes: int | None = None
    immediate: int | None = None
    is_target: bool = False


def parse_operand(text: str, scope: Scope) -> Operand:
    """Return the operand `text` with every constant replaced by its value.

    Raises:
        ExpressionError: it is no operand.
    """
    if is_register(text):
        return Operand(text, REGISTER_BYTES.get(text.lower()))
    if _STACK_REGISTER.fullmatch(text):
        return Operand(text)
    match = _OPERAND.fullmatch(_SEGMENT_INSIDE.sub(r"\1:[", _OFFSET.sub("", text, count=1)))
    assert match is not None, text
    size, segment, inside = match["size"], match["segment"], match["inside"]
    if size is None and segment is None and inside is None:
        return _immediate(match["bare"], scope)
    address = _address(inside if inside is not None else match["bare"], scope)
    prefix = f"{size} ptr " if size else ""
    prefix += f"{segment}:" if segment else ""
    return Operand(f"{prefix}[{address}]", SIZES.get(size.lower()) if size else None)


def _immediate(text: str, scope: Scope) -> Operand:
    tree = fold(parse(text), scope.constants)
    total = Sum.of(tree)
    if total.registers:
        raise ExpressionError(f"register `{total.registers[0][0]}` in an expression")
    if not total.others:
        return Operand(str(total.constant), immediate=total.constant, is_target=True)
    name = tree.name if isinstance(tree, Name) else scope.name_value(tree)
    return Operand(keystone_name(name), is_target=True)


def _address(text: str, scope: Scope) -> str:
    total = Sum.of(fold(parse(text), scope.constants))
    check_address(total)
    parts = registers_text(total, scope.mode)
    if total.others:
        rest = total.rest()
        name = rest.name if isinstance(rest, Name) else scope.name_value(rest)
        parts.append(keystone_name(name))
    if not parts:
        return str(total.constant)
    text = " + ".join(parts)
    if total.constant == 0:
        return text
    return f"{text} {'+' if total.constant > 0 else '-'} {abs(total.constant)}"
