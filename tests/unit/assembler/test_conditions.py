"""Conditions and repetitions."""

import pytest

from uniSMP.assembler import expander
from uniSMP.assembler.assemble import assemble
from uniSMP.errors import AssemblyError


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        (".if 1", True), (".if 0", False), (".if K == 5", True), (".if K > 5", False),
        (".ifeq K-5", True), (".ifne K-5", False), (".ifdef K", True), (".ifdef L", False),
        (".ifndef K", False), (".ifndef L", True), (".ifdef here", True), (".ifb", True),
        (".ifb x", False), (".ifnb x", True), (".ifnb", False), (".ifc a,a", True),
        (".ifc a, b", False), (".ifnc a,b", True), (".ifc ,", True), (".ifc a,", False),
    ],
)  # fmt: skip
def test_condition_holds_chooses_its_branch(condition: str, holds: bool) -> None:  # noqa: FBT001
    source = f"K = 5\nhere:\n{condition}\n.byte 1\n.else\n.byte 0\n.endif"
    assert assemble(source).data == bytes([holds])


@pytest.mark.parametrize(("value", "expected"), [(1, b"\x01"), (2, b"\x02"), (3, b"\x03")])
def test_if_elseif_else_takes_the_first_that_holds(value: int, expected: bytes) -> None:
    source = f"""
        K = {value}
        .if K == 1
        .byte 1
        .elseif K == 2
        .byte 2
        .else
        .byte 3
        .endif
    """
    assert assemble(source).data == expected


def test_if_nested_in_skipped_branch_is_skipped() -> None:
    source = """
        .if 0
        .if nobody
        foo
        .else
        bar
        .endif
        .macro m
        .endm
        .elseif 1
        nop
        .endif
    """
    assert assemble(source).data == b"\x90"


def test_if_without_else_and_false_gives_nothing() -> None:
    assert assemble(".if 0\nnop\n.endif\nhlt").data == b"\xf4"


def test_if_label_before_it_is_defined() -> None:
    assert assemble("nop\na: .if 1\nnop\n.endif").symbols == {"a": 0x100001}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (".if 1", "1: `.endif` is missing"),
        (".if 1\n.rept 2\n.endif", "1: `.endif` is missing"),
        (".rept 2\nnop", "1: `.endr` is missing"),
        (".irp i,1", "1: `.endr` is missing"),
        (".macro m", "1: `.endm` is missing"),
        ("nop\n.endif", "2: `.endif` without its beginning"),
        (".else", "1: `.else` without its beginning"),
        (".endr", "1: `.endr` without its beginning"),
        (".endm", "1: `.endm` without its beginning"),
        (".if 1\n.else\n.else\n.endif", "3: `.else` after `.else`"),
        (".if 1\n.else\n.elseif 1\n.endif", "3: `.elseif` after `.else`"),
        (".if nobody\n.endif", "1: `nobody` is not a constant known here"),
        ("a:\n.if a\n.endif", "2: `a` is not a constant known here"),
        (".if\n.endif", "1: a value is missing"),
        (".if 1/0\n.endif", "1: division by zero"),
        (".if 0\n.elseif x\n.endif", "2: `x` is not a constant known here"),
        (".ifdef\n.endif", "1: a name is missing"),
        (".ifc a\n.endif", "1: two texts are needed"),
        (".rept -1\n.endr", "1: count -1 is not in 0..1000000"),
        (".rept 1000001\n.endr", "1: count 1000001 is not in 0..1000000"),
        (".rept\n.endr", "1: a value is missing"),
        ("nop\n.err", "2: the source asks to stop: .err"),
        ('.error "too small"', '1: too small: .error "too small"'),
        (".error x", "1: `x` is not a string"),
    ],
)
def test_block_misused_raises_with_line(source: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^<source>:{message.replace('.', '[.]')}"):
        assemble(source)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (".rept 3\n.byte 7\n.endr", bytes([7, 7, 7])),
        (".rept 0\n.byte 7\n.endr\nnop", b"\x90"),
        ("i = 0\n.rept 4\n.byte i\ni = i+1\n.endr", bytes([0, 1, 2, 3])),
        (".irp i, 1, 2, 3\n.byte \\i, 9\n.endr", bytes([1, 9, 2, 9, 3, 9])),
        (".irpc c, 123\n.byte \\c\n.endr", bytes([1, 2, 3])),
        (".irp i, 1, 2\n.irp j, 3, 4\n.byte \\i*10+\\j\n.endr\n.endr", bytes([13, 14, 23, 24])),
        (".irp i\n.byte 1\n.endr\nnop", b"\x90"),
        (".irp i, a\nx_\\i\\()_y: .byte 1\n.byte x_a_y-x_\\()a_y\n.endr", b"\x01\x00"),
    ],
)
def test_repetition_gives_its_body_again(source: str, expected: bytes) -> None:
    assert assemble(source).data == expected


def test_repetition_without_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expander, "_MAX_STATEMENTS", 100)
    with pytest.raises(AssemblyError, match=r"^<source>:1: more than 100 statements: nop$"):
        assemble(".rept 1000\n.rept 1000\nnop\n.endr\n.endr")
