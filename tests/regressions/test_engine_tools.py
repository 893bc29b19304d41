"""Keystone and Capstone as they are, and what the assembler makes of it: docs/engine.md, rows K."""

import capstone
import keystone
import pytest

from uniSMP import AssemblyError, assemble


def raw_assemble(source: str) -> bytes | None:
    """Assemble with nothing of uniSMP; None where Keystone gives up."""
    engine = keystone.Ks(keystone.KS_ARCH_X86, keystone.KS_MODE_64)
    try:
        encoded, _count = engine.asm(source, 0x1000, as_bytes=True)
    except keystone.KsError:
        return None
    return bytes(encoded) if encoded is not None else None


def test_installed_tools_are_the_ones_these_tests_describe() -> None:
    assert keystone.__version__ == "0.9.2"
    assert capstone.__version__.startswith("5.")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("label: jmp label", "ebfe"),
        (".set value, 5\nmov eax, value", "b805000000"),
        (".macro two\nnop\nnop\n.endm\ntwo", "9090"),
        (".rept 3\nnop\n.endr", "909090"),
        (".irp x, 1, 2\n.byte \\x\n.endr", "0102"),
        (".if 1\nnop\n.endif", "90"),
        ("nop\n.align 4\nnop", None),
        ('.ascii "ab"', "6162"),
        (".quad 1", "0100000000000000"),
        (".code32\ninc eax\n.code64\nnop", "4090"),
        (".code16\nmov ax, 1\n.code64\nnop", "b8010090"),
    ],
)
def test_directive_works_in_keystone(source: str, code: str | None) -> None:
    data = raw_assemble(source)
    assert data
    assert data.hex() == (code or data.hex())


@pytest.mark.parametrize(
    "source",
    [
        ".org 0x100\nnop",
        ".section .text\nnop",
        "1: nop\njmp 1b",
        "label: nop\nmov eax, offset label",
        "ljmp 8, 0x1000",
    ],
)
def test_directive_or_spelling_fails_in_keystone(source: str) -> None:
    assert raw_assemble(source) is None or raw_assemble(source) == b""


def test_two_symbols_in_a_quad_work_in_keystone() -> None:
    assert raw_assemble("a: nop\nb: nop\n.quad a, b") == bytes.fromhex(
        "9090 0010000000000000 0110000000000000"
    )


def test_unknown_directive_gives_none_in_keystone(capfd: pytest.CaptureFixture[str]) -> None:
    assert not raw_assemble(".nonsense 5\nnop")
    capfd.readouterr()


def test_quad_of_a_label_is_its_address_in_keystone() -> None:
    data = raw_assemble("nop\nhere: nop\n.quad here")
    assert data is not None
    assert int.from_bytes(data[2:10], "little") == 0x1001


@pytest.mark.parametrize("source", [".nonsense 5", "mov eax, [", "notaninstruction rax"])
def test_assembler_names_the_line_it_cannot_assemble(source: str) -> None:
    with pytest.raises(AssemblyError, match="<source>:2"):
        assemble(f"nop\n{source}")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("1: nop\njmp 1b", "90ebfd"),
        ("a: nop\nb: nop\n.quad a, b", "9090 0010000000000000 0110000000000000"),
        ("a: nop\nmov eax, offset a", "90b800100000"),
    ],
)
def test_assembler_takes_what_keystone_does_not(source: str, code: str) -> None:
    assert assemble(source, origin=0x1000).data == bytes.fromhex(code)


def test_assembler_gives_symbols_and_lines() -> None:
    image = assemble("nop\nhere: nop\nnop", origin=0x1000)
    assert image.symbols == {"here": 0x1001}
    assert [line.address for line in image.lines] == [0x1000, 0x1001, 0x1002]


@pytest.mark.parametrize(
    ("code", "mnemonic"),
    [("48a18877665544332211", "movabs"), ("f0ff00", "lock inc"), ("f3a4", "rep movsb")],
)
def test_capstone_prints_moffs_and_prefixes_its_own_way(code: str, mnemonic: str) -> None:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    printed = [name for _, _, name, _ in decoder.disasm_lite(bytes.fromhex(code), 0)]
    assert printed == [mnemonic]
