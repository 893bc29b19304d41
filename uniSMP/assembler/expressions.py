"""Integer expressions of directives: parsing, folding, evaluation.

Values wrap at 64 bits and are signed. Operators bind as in C, in directives and operands alike:
`||`, `&&`, `|`, `^`, `&`, `== != <>`, `< <= > >=`, `<< >>`, `+ -`, `* / %`, unary `- + ~ !`.
A comparison that holds is 1. Division truncates towards zero. Numbers: 10, 0x1f, 1fh, 0b101, 017,
'a'. The name `.` is the address of the statement.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from uniSMP.assembler.symbols import keystone_name

NAME = r"[A-Za-z_.][A-Za-z0-9_.$]*"
_TOKEN = re.compile(
    rf"\s*(?:(?P<number>[0-9][0-9A-Za-z_]*)|(?P<char>'(?:\\.|[^'\\])')|(?P<name>{NAME})"
    r"|(?P<op>\|\||&&|<<|>>|==|!=|<>|<=|>=|[-+*/%~!|^&<>()]))"
)
_ESCAPES = {"n": 10, "t": 9, "r": 13, "b": 8, "f": 12, "0": 0, "\\": 92, "'": 39, '"': 34}
_LEVELS = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!=", "<>"),
    ("<", "<=", ">", ">="), ("<<", ">>"), ("+", "-"), ("*", "/", "%"),
)  # fmt: skip
_MAX_DEPTH = 60
_BITS = 64


class ExpressionError(Exception):
    """An expression is malformed, or has no value; the caller adds file and line."""


class UndefinedNameError(ExpressionError):
    """A name in an expression has no value yet."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant."""

    value: int


@dataclass(frozen=True, slots=True)
class Name:
    """A symbol."""

    name: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator with one or two operands."""

    operator: str
    operands: tuple["Expression", ...]


Expression = Number | Name | Operation


def wrap(value: int) -> int:
    """Return `value` as a signed 64-bit number."""
    return ((value + (1 << (_BITS - 1))) & ((1 << _BITS) - 1)) - (1 << (_BITS - 1))


def parse(text: str) -> Expression:
    """Return the tree of the expression `text`.

    Raises:
        ExpressionError: the text is no expression; the message says why.
    """
    return _Parser(text).whole()


def number(text: str) -> int:
    """Return the value of a number as the assembler writes it: 10, 0x1f, 1fh, 0b101, 017.

    Raises:
        ExpressionError: it is none, or wider than 64 bits.
    """
    low = text.lower()
    digits, base = low, 10
    if low.startswith("0x"):
        digits, base = low[2:], 16
    elif low.endswith("h"):
        digits, base = low[:-1], 16
    elif low.startswith("0b"):
        digits, base = low[2:], 2
    elif low.startswith("0") and low != "0":
        digits, base = low[1:], 8
    try:
        value = int(digits, base) if "_" not in digits else -1
    except ValueError:
        value = -1
    if value < 0:
        raise ExpressionError(f"`{text}` is not a number")
    if value >> _BITS:
        raise ExpressionError(f"`{text}` is wider than 64 bits")
    return value


def character(text: str) -> int:
    r"""Return the code of a quoted character constant such as 'a' or '\n'.

    Raises:
        ExpressionError: it is outside ASCII or an unknown escape.
    """
    inner = text[1:-1]
    if not inner.startswith("\\"):
        if not inner.isascii():
            raise ExpressionError(f"{text} is not ASCII")
        return ord(inner)
    if inner[1] not in _ESCAPES:
        raise ExpressionError(f"{text} is an unknown escape")
    return _ESCAPES[inner[1]]


def evaluate(tree: Expression, values: Mapping[str, int]) -> int:
    """Return the value of `tree`, names taken from `values`.

    Raises:
        UndefinedNameError: a name is not in `values`.
        ExpressionError: a division by zero, or a shift by a negative number.
    """
    match tree:
        case Number(value):
            return wrap(value)
        case Name(name):
            if name not in values:
                raise UndefinedNameError(f"`{name}` is not a constant known here")
            return wrap(values[name])
        case Operation(operator, (operand,)):
            return wrap(_UNARY[operator](evaluate(operand, values)))
        case Operation(operator, operands):
            left, right = (evaluate(operand, values) for operand in operands)
            return wrap(_BINARY[operator](left, right))


def names(tree: Expression) -> tuple[str, ...]:
    """Return the names in `tree` from left to right."""
    match tree:
        case Number():
            return ()
        case Name(name):
            return (name,)
        case Operation(_, operands):
            return tuple(name for operand in operands for name in names(operand))


def fold(tree: Expression, values: Mapping[str, int]) -> Expression:
    """Return `tree` with every part that `values` decide replaced by its number."""
    match tree:
        case Operation(operator, operands):
            folded = Operation(operator, tuple(fold(operand, values) for operand in operands))
            if all(isinstance(operand, Number) for operand in folded.operands):
                return Number(evaluate(folded, {}))
            return folded
        case Name(name) if name in values:
            return Number(wrap(values[name]))
        case _:
            return tree


def weight(tree: Expression, weights: Mapping[str, int]) -> int:
    """Return how often the load address is in `tree`: 0 absolute, 1 an address.

    Args:
        tree: the expression.
        weights: the weight of each name; a name that is missing weighs 1, as a label does.

    Raises:
        ExpressionError: an operator other than + and - is applied to an address.
    """
    match tree:
        case Number():
            return 0
        case Name(name):
            return weights.get(name, 1)
        case Operation(operator, operands):
            parts = [weight(operand, weights) for operand in operands]
            if operator in {"+", "-"}:
                sign = 1 if operator == "+" else -1
                return sign * parts[0] if len(parts) == 1 else parts[0] + sign * parts[1]
            if any(parts) and operator not in _COMPARISONS:
                raise ExpressionError(f"`{operator}` is applied to an address")
            return 0


def render(tree: Expression) -> str:
    """Return `tree` as text for Keystone with every operation in parentheses."""
    match tree:
        case Number(value):
            return str(value)
        case Name(name):
            return keystone_name(name)
        case Operation(operator, (operand,)):
            return f"({operator}{render(operand)})"
        case Operation(operator, operands):
            return f"({render(operands[0])}{operator}{render(operands[1])})"


def _divide(left: int, right: int) -> int:
    if right == 0:
        raise ExpressionError("division by zero")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _shift_left(left: int, right: int) -> int:
    return left << _shift_count(right)


def _shift_right(left: int, right: int) -> int:
    return left >> _shift_count(right)


def _shift_count(count: int) -> int:
    if count < 0:
        raise ExpressionError(f"shift by {count}")
    return min(count, _BITS)


_COMPARISONS = frozenset({"==", "!=", "<>", "<", "<=", ">", ">="})
_UNARY: dict[str, Callable[[int], int]] = {
    "-": lambda value: -value,
    "+": lambda value: value,
    "~": lambda value: ~value,
    "!": lambda value: int(value == 0),
}
_BINARY: dict[str, Callable[[int, int], int]] = {
    "||": lambda left, right: int(left != 0 or right != 0),
    "&&": lambda left, right: int(left != 0 and right != 0),
    "|": lambda left, right: left | right,
    "^": lambda left, right: left ^ right,
    "&": lambda left, right: left & right,
    "==": lambda left, right: int(left == right),
    "!=": lambda left, right: int(left != right),
    "<>": lambda left, right: int(left != right),
    "<": lambda left, right: int(left < right),
    "<=": lambda left, right: int(left <= right),
    ">": lambda left, right: int(left > right),
    ">=": lambda left, right: int(left >= right),
    "<<": _shift_left,
    ">>": _shift_right,
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
    "/": _divide,
    "%": lambda left, right: left - right * _divide(left, right),
}


class _Parser:
    """Precedence climbing over the tokens of one expression."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split(text.rstrip())
        self._next = 0
        self._depth = 0

    def whole(self) -> Expression:
        tree = self._binary(0)
        if self._next < len(self._tokens):
            self._fail(f"unexpected `{self._tokens[self._next][1]}`")
        return tree

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            if token is None:
                self._fail(f"unexpected `{text[position:].split(maxsplit=1)[0]}`")
            kind = token.lastgroup or ""
            tokens.append((kind, token.group(kind)))
            position = token.end()
        return tokens

    def _fail(self, reason: str) -> NoReturn:
        raise ExpressionError(f"{reason} in the expression `{self._text.strip()}`")

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        tree = self._binary(level + 1)
        while self._peek()[0] == "op" and self._peek()[1] in _LEVELS[level]:
            operator = self._peek()[1]
            self._next += 1
            tree = Operation(operator, (tree, self._binary(level + 1)))
        return tree

    def _unary(self) -> Expression:
        kind, text = self._peek()
        self._next += 1
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            self._fail("too many nested operators")
        tree = self._primary(kind, text)
        self._depth -= 1
        return tree

    def _primary(self, kind: str, text: str) -> Expression:
        if kind == "number":
            return Number(wrap(number(text)))
        if kind == "char":
            return Number(character(text))
        if kind == "name":
            return Name(text)
        if text in _UNARY:
            return Operation(text, (self._unary(),))
        if text != "(":
            self._fail(f"unexpected `{text}`" if text else "a value is missing")
        tree = self._binary(0)
        if self._peek()[1] != ")":
            self._fail("`)` is missing")
        self._next += 1
        return tree
