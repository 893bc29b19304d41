"""Macros."""

import pytest

from uniSMP.assembler.assemble import assemble
from uniSMP.errors import AssemblyError


@pytest.mark.parametrize(
    ("definition", "use", "expected"),
    [
        (".macro m\nnop\n.endm", "m\nm", b"\x90\x90"),
        (".macro m a, b\n.byte \\a, \\b\n.endm", "m 1, 2", b"\x01\x02"),
        (".macro m a, b\n.byte \\a, \\b\n.endm", "m b=1, a=2", b"\x02\x01"),
        (".macro m a, b=7\n.byte \\a, \\b\n.endm", "m 1", b"\x01\x07"),
        (".macro m a, b=7\n.byte \\a, \\b\n.endm", "m 1, b=3", b"\x01\x03"),
        (".macro m a:req\n.byte \\a\n.endm", "m 1", b"\x01"),
        (".macro m a, r:vararg\n.byte \\a\n.byte \\r\n.endm", "m 1, 2, 3", b"\x01\x02\x03"),
        (".macro m a\nl\\a\\(): .byte \\a\n.endm", "m 1", b"\x01"),
        (".macro m\nl\\@: jmp l\\@\n.endm", "m\nm", b"\xeb\xfe\xeb\xfe"),
        ('.macro m a\n.ascii "\\a"\n.endm', "m x", b"x"),
        (".macro m a\n.byte (\\a)*2\n.endm", "m 1+2", b"\x06"),
        (".macro m a\nmov al, \\a\n.endm", "m [rax + 4]", b"\x8a\x40\x04"),
        (".macro m a\n.macro \\a\nhlt\n.endm\n.endm", "m n\nn", b"\xf4"),
        (".macro m a\n.ifb \\a\n.byte 1\n.else\n.byte \\a\n.endif\n.endm", "m\nm 5", b"\x01\x05"),
        (".macro m a\n.irp i, 1, 2\n.byte \\a+\\i\n.endr\n.endm", "m 4", b"\x05\x06"),
        (".macro m n\n.if \\n\n.byte \\n\nm \\n-1\n.endif\n.endm", "m 3", b"\x03\x02\x01"),
        (".macro m\nnop\n.endmacro", "m", b"\x90"),
        (".macro m, a\n.byte \\a\n.endm", "m 4", b"\x04"),
    ],
)  # fmt: skip
def test_macro_invoked_gives_its_body(definition: str, use: str, expected: bytes) -> None:
    assert assemble(f"{definition}\n{use}").data == expected


def test_macro_label_before_use_is_defined() -> None:
    image = assemble(".macro m\nnop\n.endm\nhlt\na: m")
    assert image.symbols == {"a": 0x100001}


def test_macro_lines_are_those_of_the_outermost_use() -> None:
    image = assemble(".macro n\nnop\n.endm\n.macro m\nn\nhlt\n.endm\n\nm\nm\n.rept 2\nn\n.endr")
    assert [(line.address & 0xFF, line.line) for line in image.lines] == [(0, 9), (2, 10), (4, 11)]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (".macro m\n.endm\n.macro m\n.endm", "3: macro `m` defined twice, first at <source>:1"),
        (".macro\n.endm", "1: `` cannot name a macro"),
        (".macro 5\n.endm", "1: `5` cannot name a macro"),
        (".macro m a b\n.endm", "1: `a b` cannot name a parameter"),
        (".macro m r:vararg, a\n.endm", "1: a parameter after the `:vararg` one"),
        (".macro m a:req\n.endm\nm", "3: argument `a` is missing: m"),
        (".macro m a\n.endm\nm 1, 2", "3: `m` takes 1 arguments: m 1, 2"),
        (".macro m\nm\n.endm\nm", "4: more than 64 macros or blocks in one another"),
        (".macro m\nfoo\n.endm\n\nm", "5: unknown instruction: foo"),
        (".macro m a\nmov eax, \\b\n.endm\nm 1", "4: unexpected `\\\\b`"),
        (".irp 5-, 1\n.endr", "1: `5-` cannot name a parameter"),
    ],
)
def test_macro_misused_raises_with_line(source: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^<source>:{message.replace('.', '[.]')}"):
        assemble(source)


def test_irp_256_stubs_are_given() -> None:
    vectors = ",".join(map(str, range(256)))
    source = f"""
        .macro stub n
        stub_\\n: push \\n
        jmp common
        .endm
        .irp i, {vectors}
        stub \\i
        .endr
        common: hlt
        .align 8
        table:
        .irp i, {vectors}
        .quad stub_\\i
        .endr
    """
    image = assemble(source)
    table = image.symbols["table"] - image.origin
    found = [
        int.from_bytes(image.data[at : at + 8], "little") for at in range(table, table + 2048, 8)
    ]
    assert found == [image.symbols[f"stub_{vector}"] for vector in range(256)]
