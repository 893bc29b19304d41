"""Finding the line that Keystone refuses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler.assemble import assemble
from uniSMP.assembler.diagnosis import find
from uniSMP.assembler.encoder import KeystoneError
from uniSMP.assembler.items import Piece
from uniSMP.assembler.source import SourceLine
from uniSMP.errors import AssemblyError

GOOD = ["nop", "jmp top", "mov eax, [rbx + bottom]", ".quad bottom - top", ".align 8", "inc eax"]


@given(
    st.lists(st.sampled_from(GOOD), max_size=40),
    st.lists(st.sampled_from(GOOD), max_size=40),
    st.sampled_from(
        ["frobnicate", "mov ax, eax", ".byte top", "jmp nobody", "mov cl, 256", "mov eax, [nobody]"]
    ),
)
@settings(derandomize=True, deadline=None, max_examples=60)
def test_mistake_among_good_lines_is_found(before: list[str], after: list[str], bad: str) -> None:
    source = "\n".join(["top:", *before, bad, *after, "bottom: hlt"])
    with pytest.raises(AssemblyError) as caught:
        assemble(source)
    assert str(caught.value).startswith(f"<source>:{len(before) + 2}: ")
    assert str(caught.value).endswith(f": {bad}")


def test_first_of_two_mistakes_is_found() -> None:
    with pytest.raises(AssemblyError, match=r"^<source>:2: unknown instruction: foo"):
        assemble("nop\nfoo\nbar")


def test_distance_too_long_is_found_with_its_line() -> None:
    source = "a: nop\n.space 200\nloop a\nnop\njmp a"
    with pytest.raises(AssemblyError, match=r"^<source>:3: the target is further away"):
        assemble(source)


def test_undefined_symbol_in_used_definition_is_found() -> None:
    with pytest.raises(AssemblyError, match=r"^<source>:2: undefined symbol `nobody`"):
        assemble("nop\nA = nobody + 1\njmp A")


def test_symbol_missing_in_keystone_alone_names_the_last_line() -> None:
    items = [Piece(SourceLine("f", line, "nop"), "nop", None, 1) for line in (1, 2)]
    error = KeystoneError("cannot find a symbol", is_symbol_missing=True)
    assert str(find(items, 0, {}, {}, error)) == "f:2: cannot find a symbol: nop"
