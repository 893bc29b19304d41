"""Immediates and the other operands."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler.assemble import assemble
from uniSMP.errors import AssemblyError


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ("5", 5), ("K", 5), ("K*2 + 1", 11), ("-1", 0xFFFFFFFF), ("'a'", 97), ("5 % 3", 2),
        ("a", 0x100005), ("offset a", 0x100005), ("OFFSET a + 1", 0x100006), ("4 + a", 0x100009),
        ("a - 4", 0x100001), ("b - a", 3), ("4 + b - a", 7), ("(b - a) * 4", 12), ("b - a - K", -2),
        (".", 0x100000), (". + 4", 0x100004), ("late", 9), ("D", 6), ("E", 0x100007),
        ("a - (a - b)", 0x100008), ("b == a", 0), ("a < b", 1),
    ],
)  # fmt: skip
def test_immediate_expression_gives_its_value(operand: str, expected: int) -> None:
    source = f"K = 5\nmov ecx, {operand}\na: .space 3\nb:\nlate = 9\nD = (b-a)*2\nE = a + 2"
    data = assemble(source).data
    assert data[:1] == b"\xb9"
    assert int.from_bytes(data[1:5], "little") == expected & 0xFFFFFFFF


@pytest.mark.parametrize(
    ("instruction", "expected"),
    [
        ("mov eax, gs:[8]", "658b042508000000"),
        ("mov eax, [gs:8]", "658b042508000000"),
        ("mov eax, gs:8", "658b042508000000"),
        ("mov eax, dword ptr [rax]", "8b00"),
        ("mov eax, DWORD PTR fs:[rax]", "648b00"),
        ("mov dword ptr 8, ecx", "890c2508000000"),
        ("fld st(1)", "d9c1"),
        ("movaps xmm0, xmmword ptr [rax]", "0f2800"),
        ("mov cr3, rax", "0f22d8"),
        ("mov [rax], al", "8800"),
    ],
)
def test_operand_of_any_kind_is_encoded(instruction: str, expected: str) -> None:
    assert assemble(instruction).data.hex() == expected


@pytest.mark.parametrize(
    "name",
    [
        "flags",
        "k1",
        "riz",
        "size",
        "type",
        "and",
        "nop",
        ".dot",
        "a.b$c",
        "bnd0",
        "zmm1",
        "OFFSETS",
    ],
)
def test_symbol_named_like_a_word_of_keystone_is_a_symbol(name: str) -> None:
    image = assemble(f"mov ecx, {name}\nmov ecx, [rax + {name}]\n{name}: nop")
    assert image.data.hex() == "b90b0010008b880b00100090"


@pytest.mark.parametrize(
    ("operand", "message"),
    [
        ("[rax", r"unexpected `\[rax`"),
        ("rax]", r"unexpected `\]`"),
        ("(1", r"`\)` is missing"),
        ("1)", r"unexpected `\)`"),
        ("", "a value is missing"),
        ("-", "a value is missing"),
        ("1 2", "unexpected `2`"),
        ("rax + 1", "register `rax` in an expression"),
        ("a * 2", r"`\*` is applied to an address"),
        ("a + a", "neither a number nor an address"),
        ("0x1ffffffffffffffff", "`0x1ffffffffffffffff` is wider than 64 bits"),
        ('"a"', r'unexpected `"a"`'),
        ("[rax][8]", r"unexpected `\]\[8`"),
        ("8[rax]", r"unexpected `\[rax\]`"),
        ("1f", "no label `1` below"),
        ("1b", "no label `1` above"),
        ("\\a", "unexpected"),
        ("nobody", "undefined symbol `nobody`"),
        ("[nobody + 4]", "undefined symbol `nobody`"),
        ("nobody - a", "undefined symbol `nobody`"),
    ],
)
def test_operand_malformed_raises(operand: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^<source>:2: {message}"):
        assemble(f"a: nop\nmov ecx, {operand}")


@given(st.integers(-(1 << 31), (1 << 32) - 1))
@settings(derandomize=True, deadline=None)
def test_immediate_of_32_bits_is_kept(value: int) -> None:
    assert assemble(f"mov ecx, {value}").data[1:] == (value % (1 << 32)).to_bytes(4, "little")
