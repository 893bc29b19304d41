"""Names of registers."""

import pytest

from uniSMP.assembler.assemble import assemble
from uniSMP.assembler.registers import REGISTER_BYTES, is_register, is_reserved
from uniSMP.errors import AssemblyError


@pytest.mark.parametrize(
    ("name", "size"),
    [("al", 1), ("bh", 1), ("sil", 1), ("r8b", 1), ("bp", 2), ("r15w", 2), ("edi", 4), ("r10", 8)],
)
def test_register_general_has_its_width(name: str, size: int) -> None:
    assert REGISTER_BYTES[name] == size


@pytest.mark.parametrize("name", ["RAX", "cs", "cr8", "dr7", "xmm15", "mm7", "rip", "st"])
def test_register_in_either_case_is_one(name: str) -> None:
    assert is_register(name)
    assert is_reserved(name)


@pytest.mark.parametrize("name", ["ptr", "QWORD", "offset", "short"])
def test_word_of_operands_is_reserved(name: str) -> None:
    assert is_reserved(name)
    assert not is_register(name)


@pytest.mark.parametrize("source", ["rax: nop", "rax = 5", "ptr: nop", ".set Byte, 1"])
def test_symbol_with_reserved_name_raises(source: str) -> None:
    with pytest.raises(AssemblyError, match="is a reserved word"):
        assemble(source)
