"""What gdb is told of names and lines."""

from pathlib import Path

from uniSMP import Image, assemble, assemble_file
from uniSMP.gdb import symbol_file
from uniSMP.memory import elf

SOURCE = """
_start:
    inc dword ptr [count]
    hlt
count: .quad 0
behind:
    nop
"""


def made(image: Image) -> bytes:
    data = symbol_file.make(image, {name: image.symbols[name] for name in image.labels})
    assert data is not None
    return data


def test_every_label_is_a_symbol() -> None:
    image = assemble(SOURCE)
    assert elf.read_symbols(made(image)) == dict(image.symbols)


def test_labels_in_front_of_data_are_data(tmp_path: Path) -> None:
    path = tmp_path / "guest.asm"
    path.write_text(SOURCE)
    names = made(assemble_file(path)).split(b"\0")
    assert names.count(b".text") == 2
    assert names.count(b".data") == 1


def test_files_are_named_in_the_line_table(tmp_path: Path) -> None:
    path = tmp_path / "guest.asm"
    path.write_text(SOURCE)
    assert str(path).encode() in made(assemble_file(path))


def test_guest_without_symbols_has_no_file() -> None:
    assert symbol_file.make(assemble("nop"), {}) is None
    assert symbol_file.make(b"\x90", {}) is None


def test_elf_file_of_64_bits_is_passed_on() -> None:
    data = made(assemble(SOURCE))
    assert symbol_file.make(data, {"_start": 0x100000}) is data


def test_symbols_of_another_file_are_kept() -> None:
    data = symbol_file.make(b"flat", {"one": 0x1000, "two": 0x2000})
    assert data is not None
    assert elf.read_symbols(data) == {"one": 0x1000, "two": 0x2000}
