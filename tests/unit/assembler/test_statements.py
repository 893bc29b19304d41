"""Statements taken apart."""

import pytest

from uniSMP.assembler.expressions import ExpressionError
from uniSMP.assembler.source import SourceLine
from uniSMP.assembler.statements import decode_string, parse_statement, split_operands
from uniSMP.errors import AssemblyError


@pytest.mark.parametrize(
    ("text", "labels", "operation", "rest"),
    [
        ("nop", (), "nop", ""),
        ("a: nop", ("a",), "nop", ""),
        ("a:b :1: mov eax, 1", ("a", "b", "1"), "mov", "eax, 1"),
        ("a:", ("a",), "", ""),
        (".L1: jmp .L1", (".L1",), "jmp", ".L1"),
        ("x = 5 + y", (), ".set", "x,5 + y"),
        (".byte 1, 2", (), ".byte", "1, 2"),
    ],
)
def test_parse_statement_line_is_taken_apart(
    text: str, labels: tuple[str, ...], operation: str, rest: str
) -> None:
    found = parse_statement(SourceLine("f", 1, text))
    assert (found.labels, found.operation, found.rest) == (labels, operation, rest)


@pytest.mark.parametrize("text", [",", "(", ":", ": nop", "%eax", "[nop", '"a"', "foo:::", "nop,"])
def test_parse_statement_no_statement_raises(text: str) -> None:
    with pytest.raises(AssemblyError, match=r"^f:1: not a statement: "):
        parse_statement(SourceLine("f", 1, text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("  ", []),
        ("a", ["a"]),
        ("a, b ,c", ["a", "b", "c"]),
        ("[a, b], (c, d)", ["[a, b]", "(c, d)"]),
        ('"a, b", c', ['"a, b"', "c"]),
        ('"a\\",b", c', ['"a\\",b"', "c"]),
        ("',', c", ["','", "c"]),
        ("a,", ["a", ""]),
        ('"open, a', ['"open, a']),
    ],
)
def test_split_operands_commas_outside_brackets_split(text: str, expected: list[str]) -> None:
    assert split_operands(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('""', b""),
        ('"abc"', b"abc"),
        ('"a\\n\\t\\r\\b\\f\\\\\\"\\\'"', b"a\n\t\r\b\f\\\"'"),
        ('"\\0\\101\\x41\\x4"', b"\0AA\x04"),
        ('"é"', "é".encode()),
    ],
)
def test_decode_string_literal_gives_bytes(text: str, expected: bytes) -> None:
    assert decode_string(text) == expected


@pytest.mark.parametrize("text", ["abc", '"abc', '"\\q"', '"a" "b"', ""])
def test_decode_string_no_string_raises(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"is not a string|is an unknown escape"):
        decode_string(text)
