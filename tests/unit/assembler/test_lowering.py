"""Directives."""

import re

import pytest

from uniSMP.assembler.assemble import assemble
from uniSMP.errors import AssemblyError


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".byte 1, -1, 'a', 0xff", "01ff61ff"),
        (".byte ','", "2c"),
        (".short 1, 0xffff, -2", "0100fffffeff"),
        (".word 1", "0100"), (".hword 1", "0100"), (".value 1", "0100"), (".2byte 1", "0100"),
        (".long 1, 0xffffffff", "01000000ffffffff"), (".int 1", "01000000"),
        (".4byte 1", "01000000"), (".8byte 1", "0100000000000000"),
        (".quad -1, 0xffffffffffffffff", "ff" * 16),
        (".quad a, b\na: nop\nb:", "1000100000000000110010000000000090"),
        (".quad a + 4, 4 + a\na:", "14001000000000001400100000000000"),
        (".quad .\n.quad .", "00001000000000000800100000000000"),
        (".byte b - a, (b - a) * 3\na: .space 2\nb:", "02060000"),
        (".long a - 5000\na:", "7cec0f00"),
        ('.ascii "a;b#c", "d"', "613b62236364"), ('.ascii ""\nnop', "90"),
        ('.asciz "a", "b"', "61006200"), ('.string "1b .f"', "3162202e6600"),
        (".space 2", "0000"), (".skip 2, 5", "0505"), (".zero 2", "0000"), (".space 0\nnop", "90"),
        (".fill 2", "0000"), (".fill 2, 1, 7", "0707"),
        (".fill 2, 4, 0x12345678", "7856341278563412"),
        (".fill 1, 8, 0x123456789abcdef0", "f0debc9a78563412"), (".fill 2, 2, -1", "ffffffff"),
        ("a: nop\n.space 4 - (. - a), 0xcc", "90cccccc"), ("nop\n.org 0x100003\nnop", "90000090"),
        ("nop\n.org . + 2, 7\nnop", "90070790"), (".org end - 1\nnop\nend:", "90"),
        ("nop\n.align 4\nnop", "900f1f0090"), ("nop\n.align 4, 0xcc\nnop", "90cccccc90"),
        ("nop\n.balign 2, 0\nnop", "900090"), ("nop\n.p2align 1, 1\nnop", "900190"),
        (".code16\nnop\n.align 8\nnop", "90" * 9), (".align 16\nnop", "90"),
        (".align 1\nnop", "90"),
        (".set A, 5\n.byte A", "05"), (".equ A, 5\n.byte A", "05"), (".equiv A, 5\n.byte A", "05"),
        ("A = 5\n.byte A\nA = A + 1\n.byte A", "0506"), (".byte A\nA = 5", "05"),
        ("A = B\nB = 3\n.byte A", "03"), ("S = e - s\ns: .byte S, S*2\ne:", "0204"),
        ("1: jmp 1b\n1: jmp 1b\njmp 1f\n1:", "ebfeebfeeb00"), ("jmp 2f\n1:\n2: jmp 1b", "eb00ebfe"),
        (".global a\n.globl a\n.extern b\n.text\n.intel_syntax noprefix\nnop", "90"),
        (".code16\nmov ax, 1\n.code32\nmov eax, 1\n.code64\nmov rax, 1",
         "b80100b80100000048c7c001000000"),
    ],
)  # fmt: skip
def test_directive_gives_bytes(source: str, expected: str) -> None:
    assert assemble(source).data.hex() == expected


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (".foo 1", "1: unknown directive `.foo`: .foo 1"),
        (".section .text", "1: there is one section only"),
        (".data", "1: there is one section only"),
        (".code64 1", "1: unexpected `1`"),
        (".byte", "1: a value is missing"),
        (".byte 1,", "1: a value is missing"),
        (".byte ,1", "1: a value is missing"),
        (".byte 256", "1: value 0x100 does not fit 8 bits"),
        (".byte -129", "1: value -0x81 does not fit 8 bits"),
        (".short 65536", "1: value 0x10000 does not fit 16 bits"),
        (".long 0x100000000", "1: value 0x100000000 does not fit 32 bits"),
        (".quad 0x1ffffffffffffffff", "1: `0x1ffffffffffffffff` is wider than 64 bits"),
        ("nop\n.byte a\na:", "2: value 0x100002 does not fit 8 bits: .byte a"),
        ("a: .space 200\nb: .byte a - b", "2: value -0xc8 does not fit 8 bits"),
        (".byte nobody", "1: undefined symbol `nobody`: .byte nobody"),
        (".quad nobody + 1", "1: undefined symbol `nobody`"),
        ('.ascii "abc', '1: `"abc` is not a string'),
        (".ascii", "1: a value is missing"),
        ('.ascii "\\q"', "1: `\\q` is an unknown escape"),
        (".space", "1: a value is missing"),
        (".space -1", "1: size -1 is not in 0..268435456"),
        (".space 100000000000", "1: size 100000000000 is not in"),
        (".space 1, 256", "1: value 0x100 does not fit 8 bits"),
        (".space 1, 2, 3", "1: unexpected `3`"),
        (".zero 1, 2", "1: unexpected `2`"),
        (".fill 1, 9", "1: size 9 is not in 1..8"),
        (".fill 1, 2, 65536", "1: value 0x10000 does not fit 16 bits"),
        (".space nobody", "1: undefined symbol `nobody`"),
        ("a: nop\n.space a - .\nnop", "2: size -1 is not in"),
        ("nop\n.org 0x100000", "2: size -1 is not in"),
        (".org 0", "1: size -1048576 is not in"),
        (".align 3", "1: alignment 3 is not a power of two"),
        (".align 0", "1: alignment 0 is not a power of two"),
        (".p2align 40", "1: alignment 1099511627776 is not a power of two"),
        (".p2align -1", "1: alignment 0 is not a power of two"),
        (".align 4, 300", "1: value 0x12c does not fit 8 bits"),
        (".align a\na:", "1: `a` is not a constant known here"),
        (".set A", "1: a value is missing"),
        (".set 5, 5", "1: `5` cannot name a symbol"),
        (".set A, 1, 2", "1: unexpected `2`"),
        ("A = ", "1: a value is missing"),
        (". = 5", "1: `.` cannot be defined; use .org"),
        ("A = A + 1", "1: symbol `A` is defined by itself"),
        ("A = B\nB = A", "1: symbol `A` is defined by itself"),
        ("a: nop\na = 5", "2: symbol `a` defined twice, first at <source>:1"),
        ("a = 5\na: nop", "2: symbol `a` defined twice, first at <source>:1"),
        ("a: nop\na: nop", "2: symbol `a` defined twice, first at <source>:1: a: nop"),
        ("A = 5\nb:\nA = b", "3: constant `A` cannot become an address"),
        ("b:\nA = b\nA = b", "3: symbol `A` defined twice, first at <source>:2"),
        ("b:\nA = b * 2", "2: `*` is applied to an address"),
        ("b:\nA = b + b", "2: neither a number nor an address"),
        ("A = nobody + 1\nnop", "1: undefined symbol `nobody`"),
        ("b: nop\nA = 1 / (b - b)\nnop", "2: division by zero"),
        ("nop\njmp 3f", "2: no label `3` below: jmp 3f"),
        ("nop\njmp 3b\n3:", "2: no label `3` above: jmp 3b"),
    ],
)
def test_directive_misused_raises_with_line(source: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^<source>:{re.escape(message)}"):
        assemble(source)
