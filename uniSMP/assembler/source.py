"""Source text: where a line stands, reading files, taking comments out.

A comment runs from `;`, `#` or `//` to the end of the line, or from `/*` to `*/`; none begins
inside a string or a character constant.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from uniSMP.errors import AssemblyError

_PIECE = re.compile(
    r"""(?P<keep>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])')"""
    r"""|(?P<open>/\*)|(?P<comment>;|\#|//)|(?P<char>.)"""
)


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One line without its comment; `line` counts from 1."""

    file: str
    line: int
    text: str

    def error(self, message: str) -> AssemblyError:
        """Return the error that names this line, `message` and the text."""
        shown = " ".join(self.text.split())
        return AssemblyError(f"{self.file}:{self.line}: {message}: {shown}".removesuffix(": "))

    def moved(self, text: str) -> "SourceLine":
        """Return another text at the same place, for what a macro made of this line."""
        return SourceLine(self.file, self.line, text)


def split_lines(source: str, file: str) -> list[SourceLine]:
    """Return the lines of `source` that hold more than comments and blanks.

    Raises:
        AssemblyError: a `/*` is never closed, or the text contains a NUL.
    """
    return list(_code_lines(source, file))


def read_lines(path: Path, file: str, included_by: SourceLine | None = None) -> list[SourceLine]:
    """Return the lines of the file at `path`, called `file` in messages.

    Raises:
        AssemblyError: the file is missing, unreadable or not UTF-8; the text names the line that
            included it, if any.
    """
    try:
        source = path.read_bytes().decode()
    except OSError as error:
        reason = f"cannot read {path}: {error.strerror}"
        raise _blame(included_by, file, reason) from error
    except UnicodeDecodeError as error:
        reason = f"{path} is not UTF-8: byte {error.object[error.start]:#x} at offset {error.start}"
        raise _blame(included_by, file, reason) from error
    return split_lines(source, file)


def _blame(included_by: SourceLine | None, file: str, reason: str) -> AssemblyError:
    return included_by.error(reason) if included_by else AssemblyError(f"{file}:1: {reason}")


def _code_lines(source: str, file: str) -> Iterator[SourceLine]:
    opened: SourceLine | None = None
    for number, raw in enumerate(source.splitlines(), 1):
        here = SourceLine(file, number, raw)
        if "\0" in raw:
            raise SourceLine(file, number, "").error("NUL character in the source")
        text, still_open = _without_comment(raw, is_open=opened is not None)
        opened = (opened or here) if still_open else None
        if text.strip():
            yield here.moved(text.strip())
    if opened is not None:
        raise opened.error("comment is never closed by */")


def _without_comment(raw: str, *, is_open: bool) -> tuple[str, bool]:
    kept: list[str] = []
    position = 0
    while position < len(raw):
        if is_open:
            close = raw.find("*/", position)
            if close < 0:
                return "".join(kept), True
            kept.append(" ")
            position, is_open = close + 2, False
            continue
        piece = _PIECE.match(raw, position)
        assert piece is not None, raw
        if piece.lastgroup == "comment":
            break
        is_open = piece.lastgroup == "open"
        kept.append("" if is_open else piece.group())
        position = piece.end()
    return "".join(kept), is_open
