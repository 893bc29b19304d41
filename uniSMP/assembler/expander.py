r"""Files, macros, repetitions and conditions: from lines to statements in order.

`.include`, `.macro .endm`, `.rept .irp .irpc .endr`, `.if .ifeq .ifne .ifdef .ifndef
.ifb .ifnb .ifc .ifnc .elseif .else .endif`, `.err .error`. In a body `\name` is an argument,
`\@` the number of the invocation, `\()` nothing. Arguments are separated by commas, given by
position or as `name=value`; a parameter may have a default, `:req` or, the last one, `:vararg`.

Not modelled: `.exitm`, `.purgem`, `.altmacro`, arguments separated by blanks.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from uniSMP.assembler.conditions import Conditions
from uniSMP.assembler.expressions import NAME, ExpressionError
from uniSMP.assembler.includes import Includes
from uniSMP.assembler.source import SourceLine
from uniSMP.assembler.statements import (
    Statement,
    decode_string,
    parse_statement,
    split_operands,
)

_FIRST_WORD = re.compile(rf"(?:(?:{NAME}|[0-9]+)\s*:\s*)*([\w.$]+)(.*)")
_PARAMETER = re.compile(r"(\w+)(?::(req|vararg))?(?:\s*=\s*(.*))?")
_KEYWORD = re.compile(r"(\w+)\s*=(?!=)\s*(.*)")
_SEPARATOR = "\\()"
_USE = re.compile(r"\\(?:(@)|(\w+))(?:\\\(\))?")
_CLOSERS = {".macro": ".endm", ".rept": ".endr", ".irp": ".endr", ".irpc": ".endr"}
_ENDS = {".endmacro": ".endm"}
_CONDITIONS = (".if", ".ifeq", ".ifne", ".ifdef", ".ifndef", ".ifb", ".ifnb", ".ifc", ".ifnc")
_BRANCHES = (".elseif", ".else")
_STRAY = (".endm", ".endmacro", ".endr", ".endif", *_BRANCHES)
_MAX_DEPTH = 64
_MAX_STATEMENTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a macro; `kind` is "", "req" or "vararg"."""

    name: str
    kind: str
    default: str


@dataclass(frozen=True, slots=True)
class Macro:
    """A macro: where it was defined, its parameters, the lines of its body."""

    where: SourceLine
    parameters: tuple[Parameter, ...]
    body: Sequence[SourceLine]


@dataclass(slots=True)
class Expander:
    """Turns lines into statements, one after the other, so that conditions see what came before.

    Attributes:
        includes: the files.
        conditions: values of the expressions of `.if` and `.rept`.
        line_of: the line a macro was invoked on, while one is expanded.
    """

    includes: Includes
    conditions: Conditions
    macros: dict[str, Macro] = field(default_factory=dict)
    line_of: SourceLine | None = None
    depth: int = 0
    invocations: int = 0
    count: int = 0

    def expand(self, lines: Sequence[SourceLine]) -> Iterator[Statement]:
        """Yield the statements that `lines` give.

        Raises:
            AssemblyError: a block is not closed, a macro is misused, a file cannot be included.
        """
        position = 0
        while position < len(lines):
            where = self._placed(lines[position])
            word, rest = _first_word(where.text)
            if word in _CLOSERS or word in _CONDITIONS:
                yield from self._labels_before(where)
                end = _block_end(lines, position, where)
                yield from self._block(word, rest, where, lines[position + 1 : end])
                position = end
            elif word in _STRAY:
                raise where.error(f"`{word}` without its beginning")
            else:
                yield from self._line(where)
            position += 1

    def _placed(self, line: SourceLine) -> SourceLine:
        return line if self.line_of is None else self.line_of.moved(line.text)

    def _labels_before(self, where: SourceLine) -> Iterator[Statement]:
        labels = where.text[: where.text.index(".", _labels_end(where.text))]
        if labels.strip():
            yield parse_statement(where.moved(labels.strip()))

    def _line(self, where: SourceLine) -> Iterator[Statement]:
        if self.line_of is not None:
            where = where.moved(where.text.replace(_SEPARATOR, ""))
        statement = parse_statement(where)
        self.count += 1
        if self.count > _MAX_STATEMENTS:
            raise where.error(f"more than {_MAX_STATEMENTS} statements")
        operation = statement.operation
        if operation in self.macros:
            if statement.labels:
                yield Statement(where, statement.labels, "", "")
            yield from self._invoke(self.macros[operation], statement)
        elif operation == ".include":
            yield from self._include(statement)
        elif operation in {".err", ".error"}:
            raise where.error(_message(statement))
        else:
            yield statement

    def _include(self, statement: Statement) -> Iterator[Statement]:
        name = _string(statement)
        lines = self.includes.open_included(name, statement.where)
        if lines is not None:
            saved, self.line_of = self.line_of, None
            yield from self._nested(statement.where, lines)
            self.line_of = saved
            self.includes.close()

    def _nested(self, where: SourceLine, lines: Sequence[SourceLine]) -> Iterator[Statement]:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise where.error(f"more than {_MAX_DEPTH} macros or blocks in one another")
        yield from self.expand(lines)
        self.depth -= 1

    def _block(
        self, word: str, rest: str, where: SourceLine, body: Sequence[SourceLine]
    ) -> Iterator[Statement]:
        if word == ".macro":
            self._define(rest, where, body)
        elif word in _CONDITIONS:
            yield from self._nested(where, self._branch(word, rest, where, body))
        else:
            yield from self._repeat(word, rest, where, body)

    def _define(self, rest: str, where: SourceLine, body: Sequence[SourceLine]) -> None:
        name, _, parameters = rest.strip().partition(" ")
        name = name.removesuffix(",")
        if not re.fullmatch(r"[A-Za-z_][\w.$]*", name):
            raise where.error(f"`{name}` cannot name a macro")
        if name in self.macros:
            first = self.macros[name].where
            raise where.error(f"macro `{name}` defined twice, first at {first.file}:{first.line}")
        self.macros[name] = Macro(where, _parameters(parameters, where), body)

    def _branch(
        self, word: str, rest: str, where: SourceLine, body: Sequence[SourceLine]
    ) -> Sequence[SourceLine]:
        branches = _branches(body)
        held = self.conditions.holds(word, rest, where)
        chosen = 0
        while not held and chosen + 1 < len(branches):
            chosen += 1
            line = self._placed(body[branches[chosen][0] - 1])
            kind, text = _first_word(line.text)
            held = kind == ".else" or self.conditions.holds(".if", text, line)
        start, end = branches[chosen]
        return body[start:end] if held else ()

    def _repeat(
        self, word: str, rest: str, where: SourceLine, body: Sequence[SourceLine]
    ) -> Iterator[Statement]:
        saved = self.line_of
        self.line_of = saved or where
        if word == ".rept":
            for _ in range(self.conditions.repetitions(rest, where)):
                yield from self._nested(where, body)
        else:
            name, _, text = rest.strip().partition(",")
            if not re.fullmatch(r"\w+", name.strip()):
                raise where.error(f"`{name}` cannot name a parameter")
            values = split_operands(text) if word == ".irp" else list(text.strip())
            for value in values:
                yield from self._nested(where, _substituted(body, {name.strip(): value}, None))
        self.line_of = saved

    def _invoke(self, macro: Macro, statement: Statement) -> Iterator[Statement]:
        arguments = _arguments(macro, statement)
        number, self.invocations = self.invocations, self.invocations + 1
        saved = self.line_of
        self.line_of = saved or statement.where
        yield from self._nested(statement.where, _substituted(macro.body, arguments, number))
        self.line_of = saved


def _first_word(text: str) -> tuple[str, str]:
    match = _FIRST_WORD.match(text)
    return (match.group(1), match.group(2)) if match else ("", "")


def _labels_end(text: str) -> int:
    match = _FIRST_WORD.match(text)
    return match.start(1) if match else 0


def _block_end(lines: Sequence[SourceLine], start: int, where: SourceLine) -> int:
    """Return the index of the line that closes the block opened at `start`."""
    opened: list[str] = []
    for index in range(start, len(lines)):
        word = _first_word(lines[index].text)[0]
        word = _ENDS.get(word, word)
        if word in _CLOSERS:
            opened.append(_CLOSERS[word])
        elif word in _CONDITIONS:
            opened.append(".endif")
        elif opened and word == opened[-1]:
            opened.pop()
        if not opened:
            return index
    raise where.error(f"`{opened[0]}` is missing")


def _branches(body: Sequence[SourceLine]) -> list[tuple[int, int]]:
    """Return start and end of each branch of an `.if`, whose body this is."""
    starts, ends, index = [0], [], 0
    while index < len(body):
        word = _first_word(body[index].text)[0]
        if word in _CLOSERS or word in _CONDITIONS:
            index = _block_end(body, index, body[index])
        elif word in _BRANCHES:
            if starts[-1] and _first_word(body[starts[-1] - 1].text)[0] == ".else":
                raise body[index].error(f"`{word}` after `.else`")
            ends.append(index)
            starts.append(index + 1)
        index += 1
    return list(zip(starts, [*ends, len(body)], strict=True))


def _parameters(text: str, where: SourceLine) -> tuple[Parameter, ...]:
    parameters: list[Parameter] = []
    for part in split_operands(text):
        match = _PARAMETER.fullmatch(part)
        if match is None:
            raise where.error(f"`{part}` cannot name a parameter")
        if parameters and parameters[-1].kind == "vararg":
            raise where.error("a parameter after the `:vararg` one")
        parameters.append(Parameter(match.group(1), match.group(2) or "", match.group(3) or ""))
    return tuple(parameters)


def _arguments(macro: Macro, statement: Statement) -> dict[str, str]:
    where, given = statement.where, {}
    names = [parameter.name for parameter in macro.parameters]
    parts = split_operands(statement.rest)
    for index, part in enumerate(parts):
        keyword = _KEYWORD.fullmatch(part)
        if keyword and keyword.group(1) in names:
            given[keyword.group(1)] = keyword.group(2)
        elif index < len(names) and macro.parameters[index].kind == "vararg":
            given[names[index]] = ", ".join(parts[index:])
            break
        elif index < len(names):
            given[names[index]] = part
        else:
            raise where.error(f"`{statement.operation}` takes {len(names)} arguments")
    for parameter in macro.parameters:
        if not given.get(parameter.name):
            if parameter.kind == "req":
                raise where.error(f"argument `{parameter.name}` is missing")
            given[parameter.name] = parameter.default
    return given


def _substituted(
    body: Sequence[SourceLine], arguments: dict[str, str], number: int | None
) -> list[SourceLine]:
    def value(match: re.Match[str]) -> str:
        if match.group(1):
            return match.group() if number is None else str(number)
        return arguments.get(match.group(2), match.group())

    return [line.moved(_USE.sub(value, line.text)) for line in body]


def _message(statement: Statement) -> str:
    return _string(statement) if statement.rest else "the source asks to stop"


def _string(statement: Statement) -> str:
    try:
        return decode_string(statement.rest).decode(errors="replace")
    except ExpressionError as error:
        raise statement.where.error(str(error)) from error
