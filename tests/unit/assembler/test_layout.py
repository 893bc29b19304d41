"""Sizes and values that need addresses."""

import pytest

from uniSMP.assembler import dialect
from uniSMP.assembler.assemble import assemble
from uniSMP.errors import AssemblyError


def test_layout_space_that_depends_on_later_space_settles() -> None:
    assert assemble(".space c - b - 1\nb: nop\n.org 9 + b\nc: hlt").symbols["c"] == 0x100011


def test_layout_boot_sector_is_padded_to_its_signature() -> None:
    source = ".code16\nstart: cli\nhlt\n.org start + 510\n.short 0xaa55"
    assert assemble(source, origin=0x7C00).data == b"\xfa\xf4" + bytes(508) + b"\x55\xaa"


def test_layout_late_difference_changes_instruction_size() -> None:
    image = assemble("add ecx, D\na: .space 4\nb:\nD = b - a")
    assert image.data.hex() == "83c10400000000"


def test_layout_that_never_settles_raises() -> None:
    source = "a: nop\n.space 3 - (b - a) + 2\nb: nop"
    with pytest.raises(AssemblyError, match=r"^<source>:2: sizes do not settle in 16 rounds"):
        assemble(source)


def test_layout_many_spaces_that_use_their_place_settle_at_once() -> None:
    parts = [f".org 0x100000 + {16 * index}\n.byte {index}" for index in range(100)]
    assert assemble("\n".join(parts)).data[::16] == bytes(range(100))


def test_layout_many_alignments_in_real_mode_settle_at_once() -> None:
    parts = [f".align 16\n.byte {index}" for index in range(100)]
    data = assemble("\n".join([".code16", *parts])).data
    assert data[::16] == bytes(range(100))
    assert data[1:16] == b"\x90" * 15


@pytest.mark.parametrize("origin", [0x1000, 0x1001, 0x1008, 0x100F])
def test_layout_alignment_counts_from_address_zero(origin: int) -> None:
    image = assemble("nop\n.align 16\na: nop", origin=origin)
    assert image.symbols["a"] == 0x1010


def test_layout_line_without_bytes_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialect, "translate", lambda *_: ("", None))
    with pytest.raises(AssemblyError, match=r"^<source>:2: Keystone takes this for nothing: hlt"):
        assemble(".byte 1\nhlt")
