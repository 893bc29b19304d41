"""Directives and instructions to the items the encoder takes; symbols as they are defined.

Data: `.byte .short .word .hword .value .2byte .long .int .4byte .quad .8byte .ascii .asciz .string
.incbin`. Space: `.space .skip .zero .fill .org .align .balign .p2align`. Symbols: `.set .equ
.equiv` and `name = value`. `.code16 .code32 .code64`. Ignored: `.global .globl .extern .text
.intel_syntax`, since there is one section, one file and one syntax.

Not modelled: other sections, floating-point data, `.octa`.
"""

import re
from dataclasses import dataclass, field

from uniSMP.assembler import dialect
from uniSMP.assembler.expressions import (
    NAME,
    Expression,
    ExpressionError,
    Name,
    Number,
    Operation,
    evaluate,
    fold,
    names,
    parse,
)
from uniSMP.assembler.includes import Includes
from uniSMP.assembler.items import Align, Data, Define, Item, Label, Mode, ModeSwitch, Pad, Piece
from uniSMP.assembler.operands import Scope
from uniSMP.assembler.registers import is_reserved
from uniSMP.assembler.source import SourceLine
from uniSMP.assembler.statements import Statement, decode_string, split_operands

_WIDTHS = {
    ".byte": 1, ".short": 2, ".word": 2, ".hword": 2, ".value": 2, ".2byte": 2,
    ".long": 4, ".int": 4, ".4byte": 4, ".quad": 8, ".8byte": 8,
}  # fmt: skip
_IGNORED = frozenset({".global", ".globl", ".extern", ".text", ".intel_syntax", ".weak", ".type"})
_SPACES = frozenset({".space", ".skip", ".zero", ".fill", ".org"})
_ALIGNMENTS = frozenset({".align", ".balign", ".p2align"})
_ASSIGNMENTS = frozenset({".set", ".equ", ".equiv"})
_STRINGS = {".ascii": b"", ".asciz": b"\0", ".string": b"\0"}
_LOCAL_USE = re.compile(r"(?<![\w.$'])([0-9]+)([fb])(?![\w.$])")
_HERE = re.compile(r"(?<![\w.$'])\.(?![\w.$'])")
_INSTRUCTION_BYTES = 5
_MAX_ALIGNMENT = 1 << 24
MAX_IMAGE_BYTES = 1 << 28


@dataclass(slots=True)
class Lowering:
    """Collects the items of one assembly.

    Attributes:
        includes: finds the files of `.incbin`.
        items: what has been collected.
        constants: values of constants as they are at this point.
        places: where each symbol was defined first.
    """

    includes: Includes
    items: list[Item] = field(default_factory=list)
    constants: dict[str, int] = field(default_factory=dict)
    places: dict[str, SourceLine] = field(default_factory=dict)
    mode: Mode = Mode.LONG
    _numeric: dict[str, int] = field(default_factory=dict)
    _awaited: dict[str, SourceLine] = field(default_factory=dict)
    _here: int = 0
    _values: int = 0

    def add(self, statement: Statement) -> None:
        """Add what `statement` means.

        Raises:
            AssemblyError: it means nothing; the text says why.
        """
        for label in statement.labels:
            self._label(label, statement.where)
        if not statement.operation:
            return
        try:
            self._operation(statement)
        except ExpressionError as error:
            raise statement.where.error(str(error)) from error

    def finish(self) -> None:
        """Check what can be known at the end of the source only.

        Raises:
            AssemblyError: a numeric label that is used further up does not follow.
        """
        for digits, where in self._awaited.items():
            raise where.error(f"no label `{digits}` below")

    def _operation(self, statement: Statement) -> None:
        name, where = statement.operation, statement.where
        low, rest = name.lower(), statement.rest
        if low not in _STRINGS:
            rest = _LOCAL_USE.sub(lambda use: self._numeric_name(use, where), rest)
        if not name.startswith("."):
            self._instruction(name, rest, where)
        elif low in _WIDTHS:
            self._numbers(_WIDTHS[low], rest, where)
        elif low in _STRINGS:
            data = [decode_string(part) + _STRINGS[low] for part in _required(rest, 1)]
            self._bytes(b"".join(data), where)
        elif low in _ASSIGNMENTS:
            self._assign(rest, where)
        elif low in _SPACES:
            self._space(low, rest, where)
        elif low in _ALIGNMENTS:
            self._align(low, rest, where)
        else:
            self._other(low, rest, where)

    def _other(self, name: str, rest: str, where: SourceLine) -> None:
        match name:
            case ".code16" | ".code32" | ".code64":
                if rest:
                    raise ExpressionError(f"unexpected `{rest}`")
                self.mode = Mode(int(name[5:]))
                self.items.append(ModeSwitch(where, self.mode))
            case ".incbin":
                self._incbin(rest, where)
            case ".section" | ".data" | ".bss":
                raise ExpressionError("there is one section only; use .align and .space")
            case _ if name not in _IGNORED:
                raise ExpressionError(f"unknown directive `{name}`")

    def _define(self, name: str, where: SourceLine) -> None:
        if is_reserved(name):
            raise where.error(f"`{name}` is a reserved word")
        if name == ".":
            raise where.error("`.` cannot be defined; use .org")
        if name in self.places:
            first = self.places[name]
            raise where.error(f"symbol `{name}` defined twice, first at {first.file}:{first.line}")
        self.places[name] = where

    def _label(self, name: str, where: SourceLine) -> None:
        if name.isdecimal():
            self._numeric[name] = self._numeric.get(name, 0) + 1
            self._awaited.pop(name, None)
            name = f".L_numeric_{name}_{self._numeric[name]}"
        self._define(name, where)
        self.items.append(Label(where, name, name.startswith(".L")))

    def _numeric_name(self, use: re.Match[str], where: SourceLine) -> str:
        digits, direction = use.groups()
        count = self._numeric.get(digits, 0)
        if direction == "f":
            count += 1
            self._awaited.setdefault(digits, where)
        elif count == 0:
            raise ExpressionError(f"no label `{digits}` above")
        return f".L_numeric_{digits}_{count}"

    def _instruction(self, name: str, rest: str, where: SourceLine) -> None:
        def name_value(value: Expression) -> str:
            self._values += 1
            symbol = f".L_value_{self._values}"
            self.items.append(Define(where, symbol, value))
            return symbol

        rest = self._with_here(rest, where)
        scope = Scope(self.mode, self.constants, name_value)
        text, size = dialect.translate(name, rest, scope)
        about = size or (2 if name.lower() in dialect.SHORT_BRANCHES else _INSTRUCTION_BYTES)
        self.items.append(Piece(where, text, size, about))

    def _with_here(self, text: str, where: SourceLine) -> str:
        """Return `text` with `.` replaced by a label at this place."""
        if not _HERE.search(text):
            return text
        return _HERE.sub(self._here_label(where), text)

    def _here_label(self, where: SourceLine) -> str:
        self._here += 1
        name = f".L_here_{self._here}"
        self.items.append(Label(where, name, is_local=True))
        return name

    def _expression(self, text: str, where: SourceLine) -> Expression:
        return fold(parse(self._with_here(text, where)), self.constants)

    def _constant(self, text: str) -> int:
        return evaluate(parse(text), self.constants)

    def _numbers(self, width: int, rest: str, where: SourceLine) -> None:
        values = [self._expression(part, where) for part in _required(rest, 1)]
        for value in values:
            if isinstance(value, Number):
                check_range(value.value, width)
        self.items.append(Data(where, tuple(values), width))

    def _bytes(self, data: bytes, where: SourceLine) -> None:
        if data:
            text = f".byte {','.join(map(str, data))}"
            self.items.append(Piece(where, text, len(data), len(data)))

    def _assign(self, rest: str, where: SourceLine) -> None:
        name, value_text = _required(rest, 2, 2)
        if not re.fullmatch(NAME, name):
            raise ExpressionError(f"`{name}` cannot name a symbol")
        if name not in self.constants:
            self._define(name, where)
        value = self._expression(value_text, where)
        if isinstance(value, Number):
            self.constants[name] = value.value
            return
        if name in names(value):
            raise ExpressionError(f"symbol `{name}` is defined by itself")
        if self.constants.pop(name, None) is not None:
            raise ExpressionError(f"constant `{name}` cannot become an address")
        self.items.append(Define(where, name, value))

    def _space(self, name: str, rest: str, where: SourceLine) -> None:
        parts = _required(rest, 1, 1 if name == ".zero" else 3 if name == ".fill" else 2)
        count = self._expression(parts[0], where)
        if name == ".fill":
            width = self._constant(parts[1]) if len(parts) > 1 else 1
            if not 1 <= width <= 8:  # noqa: PLR2004 - as in GNU as
                raise ExpressionError(f"size {width} is not in 1..8")
            value = self._constant(parts[2]) if len(parts) > 2 else 0  # noqa: PLR2004 - third one
        else:
            width, value = 1, self._constant(parts[1]) if len(parts) > 1 else 0
        check_range(value, width)
        unit = (value & ((1 << (8 * width)) - 1)).to_bytes(width, "little")
        if isinstance(count, Number) and name != ".org":
            check_count(count.value, len(unit))
        self.items.append(Pad(where, count, unit, is_target=name == ".org"))

    def _align(self, name: str, rest: str, where: SourceLine) -> None:
        parts = _required(rest, 1, 2)
        boundary = self._constant(parts[0])
        if name == ".p2align":
            boundary = 1 << boundary if 0 <= boundary < 64 else 0  # noqa: PLR2004 - bits
        if not 0 < boundary <= _MAX_ALIGNMENT or boundary & (boundary - 1):
            raise ExpressionError(f"alignment {boundary} is not a power of two up to 0x1000000")
        text = f".p2align {boundary.bit_length() - 1}"
        if len(parts) > 1:
            fill = self._constant(parts[1])
            check_range(fill, 1)
            text += f",{fill & 0xFF}"
        elif self.mode is Mode.REAL:
            self._align_real(boundary, where)
            return
        self.items.append(Align(where, text, boundary))

    def _align_real(self, boundary: int, where: SourceLine) -> None:
        """Pad with NOP: the long ones that Keystone takes are other instructions in 16-bit code."""
        here = Name(self._here_label(where))
        count = Operation("&", (Operation("-", (here,)), Number(boundary - 1)))
        self.items.append(Pad(where, count, b"\x90", is_target=False))

    def _incbin(self, rest: str, where: SourceLine) -> None:
        parts = _required(rest, 1, 3)
        path = self.includes.find(decode_string(parts[0]).decode(errors="replace"), where)
        limits = [self._constant(part) for part in parts[1:]]
        if any(limit < 0 for limit in limits):
            raise ExpressionError("a negative offset or size")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ExpressionError(f"cannot read {path}: {error.strerror}") from error
        data = data[limits[0] :] if limits else data
        self._bytes(data[: limits[1]] if len(limits) > 1 else data, where)


def check_count(count: int, unit_bytes: int) -> None:
    """Check the count of a space.

    Raises:
        ExpressionError: it is negative, or more than an image may hold.
    """
    if not 0 <= count * unit_bytes <= MAX_IMAGE_BYTES:
        raise ExpressionError(f"size {count * unit_bytes} is not in 0..{MAX_IMAGE_BYTES}")


def _required(rest: str, least: int, most: int | None = None) -> list[str]:
    parts = split_operands(rest)
    if len(parts) < least or not all(parts):
        raise ExpressionError("a value is missing")
    if most is not None and len(parts) > most:
        raise ExpressionError(f"unexpected `{parts[most]}`")
    return parts


def check_range(value: int, width: int) -> None:
    """Check that `value` fits `width` bytes, signed or unsigned.

    Raises:
        ExpressionError: it does not.
    """
    bits = 8 * width
    if not -(1 << (bits - 1)) <= value < 1 << bits:
        raise ExpressionError(f"value {value:#x} does not fit {bits} bits")
