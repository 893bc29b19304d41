"""A guest, whatever it was made of."""

from pathlib import Path

import pytest

from uniSMP.errors import AssemblyError, ImageError
from uniSMP.machine.target import Target

SOURCE = ".set SIZE, 5\n_start:\n    nop\nend: hlt\n"


@pytest.mark.parametrize("name", ["guest.asm", "guest.S", "guest.inc"])
def test_source_is_assembled(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(SOURCE)
    target = Target.of_file(path)
    assert (target.name, target.data) == (str(path), b"\x90\xf4")
    assert target.labels == {"_start": 0x10_0000, "end": 0x10_0001}
    assert target.source_line(0x10_0001) == f"{path}:4"
    assert not target.is_multiboot


def test_other_file_is_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "flat.bin"
    path.write_bytes(b"\xf4")
    target = Target.of_file(path, "flat")
    assert (target.name, target.image, target.labels, target.lines) == ("flat", b"\xf4", {}, ())
    assert target.source_line(0x10_0000) == ""


def test_program_is_one_of_the_library() -> None:
    target = Target.of_program("hello")
    assert (target.name, target.is_multiboot) == ("hello", True)
    assert target.labels["image_start"] == 0x10_0000


def test_missing_file_and_damaged_source_are_errors(tmp_path: Path) -> None:
    (tmp_path / "bad.asm").write_text("frobnicate\n")
    with pytest.raises(ImageError, match="cannot read"):
        Target.of_file(tmp_path / "none")
    with pytest.raises(AssemblyError, match="frobnicate"):
        Target.of_file(tmp_path / "bad.asm")
