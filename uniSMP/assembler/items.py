"""What the front end hands to the encoder: labels, and pieces of output with their place."""

import enum
from dataclasses import dataclass

from uniSMP.assembler.expressions import Expression
from uniSMP.assembler.source import SourceLine


class Mode(enum.IntEnum):
    """Width of the code, as `.code16`, `.code32` and `.code64` set it."""

    REAL = 16
    PROTECTED = 32
    LONG = 64


@dataclass(frozen=True, slots=True)
class Label:
    """A name for the address of what follows; local ones do not become symbols."""

    where: SourceLine
    name: str
    is_local: bool


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that Keystone takes.

    Attributes:
        where: the line it came from.
        text: statements for Keystone.
        size_bytes: what they must give, or None for an instruction (at least one byte).
        approximate_bytes: stands in for the size of an instruction while a mistake is looked for.
    """

    where: SourceLine
    text: str
    size_bytes: int | None
    approximate_bytes: int


@dataclass(frozen=True, slots=True)
class Data:
    """Numbers of `width` bytes each; they are put in when every address is known."""

    where: SourceLine
    values: tuple[Expression, ...]
    width: int

    @property
    def size_bytes(self) -> int:
        """The size of all of them."""
        return self.width * len(self.values)


@dataclass(frozen=True, slots=True)
class Align:
    """Padding to a multiple of `boundary` (a power of two) with `text`, a Keystone directive."""

    where: SourceLine
    text: str
    boundary: int


@dataclass(frozen=True, slots=True)
class Pad:
    """`count` times `unit`; a count that needs addresses is known after a first layout.

    With `is_target` the count is the address to pad to, as `.org` asks.
    """

    where: SourceLine
    count: Expression
    unit: bytes
    is_target: bool


@dataclass(frozen=True, slots=True)
class Define:
    """A symbol whose value needs addresses; its `.` has been replaced by the label `here`."""

    where: SourceLine
    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class ModeSwitch:
    """`.code16`, `.code32` or `.code64`."""

    where: SourceLine
    mode: Mode


Item = Label | Piece | Data | Align | Pad | Define | ModeSwitch
