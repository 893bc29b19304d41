"""Lines, comments, files."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler.source import SourceLine, read_lines, split_lines
from uniSMP.errors import AssemblyError


def texts(source: str) -> list[tuple[int, str]]:
    return [(line.line, line.text) for line in split_lines(source, "f")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("nop ; c", [(1, "nop")]),
        ("nop # c", [(1, "nop")]),
        ("nop // c", [(1, "nop")]),
        ("mov eax, 8/2", [(1, "mov eax, 8/2")]),
        ("; only\n\n  nop", [(3, "nop")]),
        ('.ascii "a;b#c//d/*e" ; f', [(1, '.ascii "a;b#c//d/*e"')]),
        ('.ascii "a\\";b" ; f', [(1, '.ascii "a\\";b"')]),
        ("mov al, ';' ; f", [(1, "mov al, ';'")]),
        ("mov al, '\\'' ; f", [(1, "mov al, '\\''")]),
        ("a /* b */ c", [(1, "a   c")]),
        ("a /* b\nc\n d */ e", [(1, "a"), (3, "e")]),
        ("/* a */ b /* c */", [(1, "b")]),
        ("nop\r\nhlt\r\n", [(1, "nop"), (2, "hlt")]),
        ("; it's a comment\nnop", [(2, "nop")]),
    ],
)
def test_split_lines_comment_is_removed(source: str, expected: list[tuple[int, str]]) -> None:
    assert texts(source) == expected


def test_split_lines_open_comment_raises_with_its_line() -> None:
    with pytest.raises(AssemblyError, match=r"^f:2: comment is never closed by \*/: hlt /\* x$"):
        split_lines("nop\nhlt /* x\nnop", "f")


def test_split_lines_nul_character_raises() -> None:
    with pytest.raises(AssemblyError, match=r"^f:2: NUL character in the source$"):
        split_lines("nop\n\0", "f")


@given(st.text())
@settings(derandomize=True, deadline=None)
def test_split_lines_any_text_gives_lines_or_one_line_error(source: str) -> None:
    with contextlib.suppress(AssemblyError):
        numbers = [line for line, _ in texts(source)]
        assert numbers == sorted(set(numbers))


def test_read_lines_missing_file_raises(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match=r"^f:1: cannot read .*: No such file"):
        read_lines(tmp_path / "none", "f")


def test_read_lines_missing_file_blames_the_including_line(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match=r"^g:3: cannot read .*: .include x$"):
        read_lines(tmp_path / "none", "f", SourceLine("g", 3, ".include x"))


def test_read_lines_not_utf8_raises_with_offset(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"nop\n\xff")
    with pytest.raises(AssemblyError, match=r"is not UTF-8: byte 0xff at offset 4"):
        read_lines(tmp_path / "a", "f")


def test_error_without_text_ends_with_the_message() -> None:
    assert str(SourceLine("f", 2, "").error("why")) == "f:2: why"
