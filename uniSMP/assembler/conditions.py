"""Values that decide what is assembled: `.if` and its kin, counts of repetitions."""

from collections.abc import Container, Mapping
from dataclasses import dataclass

from uniSMP.assembler.expressions import ExpressionError, evaluate, parse
from uniSMP.assembler.source import SourceLine
from uniSMP.assembler.statements import split_operands

MAX_REPETITIONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Conditions:
    """Evaluates with the constants and names defined so far; both grow while lines are read."""

    constants: Mapping[str, int]
    defined: Container[str]

    def holds(self, word: str, rest: str, where: SourceLine) -> bool:
        """Return whether the condition `word rest` holds.

        Raises:
            AssemblyError: the condition is malformed, or names what is not a constant.
        """
        text = rest.strip()
        match word:
            case ".ifdef" | ".ifndef":
                if not text:
                    raise where.error("a name is missing")
                return (text in self.defined) == (word == ".ifdef")
            case ".ifb" | ".ifnb":
                return (not text) == (word == ".ifb")
            case ".ifc" | ".ifnc":
                return self._is_same(text, where) == (word == ".ifc")
            case _:
                return (self.value(text, where) == 0) == (word == ".ifeq")

    def repetitions(self, rest: str, where: SourceLine) -> int:
        """Return the count of a `.rept`.

        Raises:
            AssemblyError: it is no constant, negative, or more than `MAX_REPETITIONS`.
        """
        count = self.value(rest, where)
        if not 0 <= count <= MAX_REPETITIONS:
            raise where.error(f"count {count} is not in 0..{MAX_REPETITIONS}")
        return count

    def value(self, text: str, where: SourceLine) -> int:
        """Return the value of the constant expression `text`.

        Raises:
            AssemblyError: it is malformed or not constant.
        """
        try:
            return evaluate(parse(text), self.constants)
        except ExpressionError as error:
            raise where.error(str(error)) from error

    @staticmethod
    def _is_same(text: str, where: SourceLine) -> bool:
        parts = split_operands(text)
        if text.endswith(",") or text.startswith(","):
            parts = [*parts, ""][:2]
        if len(parts) != 2:  # noqa: PLR2004 - it compares two texts
            raise where.error("two texts are needed")
        return parts[0] == parts[1]
