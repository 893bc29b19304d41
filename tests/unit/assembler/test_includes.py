"""Included files."""

from pathlib import Path

import pytest

from uniSMP.assembler import library
from uniSMP.assembler.assemble import assemble, assemble_file
from uniSMP.errors import AssemblyError


@pytest.fixture(autouse=True)
def guest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(library, "_PACKAGE", tmp_path / "uniSMP")
    (tmp_path / "guest").mkdir()
    return tmp_path / "guest"


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_include_beside_the_file_comes_first(tmp_path: Path, guest: Path) -> None:
    write(guest / "a.inc", ".byte 3")
    write(tmp_path / "paths" / "a.inc", ".byte 2")
    write(tmp_path / "src" / "a.inc", ".byte 1")
    main = write(tmp_path / "src" / "main.asm", '.include "a.inc"')
    assert assemble_file(main, include_paths=[tmp_path / "paths"]).data == b"\x01"


def test_include_paths_come_before_the_library(tmp_path: Path, guest: Path) -> None:
    write(guest / "a.inc", ".byte 3")
    write(tmp_path / "paths" / "a.inc", ".byte 2")
    assert assemble('.include "a.inc"', include_paths=[tmp_path / "paths"]).data == b"\x02"


def test_include_from_library_is_named_by_its_path_there(guest: Path) -> None:
    write(guest / "boot" / "a.inc", "\nnop")
    line = assemble('.include "boot/a.inc"').lines[0]
    assert (line.file, line.line) == ("boot/a.inc", 2)


def test_include_second_time_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "a.inc", "a: nop")
    source = '.include "a.inc"\n.include "./a.inc"\nhlt'
    assert assemble(source, include_paths=[tmp_path]).data == b"\x90\xf4"


def test_include_of_itself_raises(tmp_path: Path) -> None:
    main = write(tmp_path / "main.asm", '.include "b.inc"')
    write(tmp_path / "b.inc", '\n.include "main.asm"')
    with pytest.raises(AssemblyError, match=r"b.inc:2: .*main.asm includes itself"):
        assemble_file(main)


def test_include_missing_file_raises_with_line() -> None:
    with pytest.raises(AssemblyError, match=r"^<source>:2: file `no.inc` not found in \., "):
        assemble('nop\n.include "no.inc"')


def test_include_name_too_long_raises() -> None:
    with pytest.raises(AssemblyError, match="not found in"):
        assemble(f'.include "{"a" * 5000}"')


def test_include_not_utf8_raises_with_line(tmp_path: Path) -> None:
    (tmp_path / "a.inc").write_bytes(b"\xfe")
    with pytest.raises(AssemblyError, match=r"^<source>:1: .* is not UTF-8"):
        assemble('.include "a.inc"', include_paths=[tmp_path])


def test_include_without_quotes_raises() -> None:
    with pytest.raises(AssemblyError, match=r"^<source>:1: `a.inc` is not a string"):
        assemble(".include a.inc")


def test_include_block_must_close_in_its_file(tmp_path: Path) -> None:
    write(tmp_path / "a.inc", ".if 1")
    with pytest.raises(AssemblyError, match=r"a.inc:1: `.endif` is missing"):
        assemble('.include "a.inc"\n.endif', include_paths=[tmp_path])


def test_include_in_macro_keeps_its_own_lines(tmp_path: Path) -> None:
    write(tmp_path / "a.inc", "\n\nnop")
    source = '.macro m\n.include "a.inc"\nhlt\n.endm\nm'
    lines = assemble(source, include_paths=[tmp_path]).lines
    assert [(Path(line.file).name, line.line) for line in lines] == [("a.inc", 3), ("<source>", 5)]


def test_assemble_file_missing_raises(tmp_path: Path) -> None:
    with pytest.raises(AssemblyError, match=r"main.asm:1: cannot read .*main.asm: No such file"):
        assemble_file(tmp_path / "main.asm")


@pytest.mark.parametrize(
    ("rest", "expected"),
    [("", b"abcdef"), (", 2", b"cdef"), (", 2, 3", b"cde"), (", 9", b""), (", 0, 0", b"")],
)
def test_incbin_part_of_file_is_taken(tmp_path: Path, rest: str, expected: bytes) -> None:
    write(tmp_path / "a.bin", "abcdef")
    image = assemble(f'.incbin "a.bin"{rest}\nnop', include_paths=[tmp_path])
    assert image.data == expected + b"\x90"


def test_incbin_negative_offset_raises(tmp_path: Path) -> None:
    write(tmp_path / "a.bin", "abcdef")
    with pytest.raises(AssemblyError, match=r"^<source>:1: a negative offset or size"):
        assemble('.incbin "a.bin", -1', include_paths=[tmp_path])


def test_incbin_unreadable_file_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.bin", "abcdef")

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(AssemblyError, match=r"^<source>:1: cannot read .*Permission denied"):
        assemble('.incbin "a.bin"', include_paths=[tmp_path])
