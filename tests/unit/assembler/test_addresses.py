"""Memory operands, read back with Capstone."""

import capstone
import pytest
from capstone import x86
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler.assemble import assemble
from uniSMP.errors import AssemblyError

BASES = ["rax", "rcx", "rbx", "rsp", "rbp", "rsi", "r8", "r12", "r13", "r15"]
INDEXES = ["rax", "rdx", "rbp", "rdi", "r9", "r12", "r13"]


def memory(source: str, mode: int = capstone.CS_MODE_64) -> tuple[str, str, int, int]:
    """Return base, index, scale and displacement of the memory operand of the first instruction."""
    image = assemble(source)
    decoder = capstone.Cs(capstone.CS_ARCH_X86, mode)
    decoder.detail = True
    instruction = next(decoder.disasm(image.data, image.origin))
    operand = next(item for item in instruction.operands if item.type == x86.X86_OP_MEM)
    base, index = operand.mem.base, operand.mem.index
    return (
        instruction.reg_name(base) if base else "",
        instruction.reg_name(index) if index else "",
        operand.mem.scale,
        operand.mem.disp,
    )


@given(
    st.sampled_from(BASES),
    st.sampled_from(INDEXES),
    st.sampled_from([1, 2, 4, 8]),
    st.integers(-(1 << 31), (1 << 31) - 1),
)
@settings(derandomize=True, deadline=None)
def test_address_base_index_displacement_is_encoded(
    base: str, index: str, scale: int, displacement: int
) -> None:
    source = f"mov ecx, [{base} + {index}*({scale}) + {displacement}]"
    assert memory(source) == (base, index, scale, displacement)


@given(st.integers(-(1 << 31), (1 << 31) - 1))
@settings(derandomize=True, deadline=None)
def test_address_absolute_does_not_depend_on_rip(address: int) -> None:
    assert memory(f"mov ecx, gs:[{address}]") == ("", "", 1, address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("rax", ("rax", "", 1, 0)),
        ("rax + 8*2", ("rax", "", 1, 16)),
        ("8 + rax - 2*2", ("rax", "", 1, 4)),
        ("4*rcx + rax", ("rax", "rcx", 4, 0)),
        ("rcx*(2*2) + rax + K", ("rax", "rcx", 4, 5)),
        ("rax - K", ("rax", "", 1, -5)),
        ("rax + (K<<2|1)", ("rax", "", 1, 21)),
        ("rax + rsp", ("rsp", "rax", 1, 0)),
        ("RSP + RAX*8", ("rsp", "rax", 8, 0)),
        ("rax*2", ("", "rax", 2, 0)),
        ("rbx + rbx", ("rbx", "rbx", 1, 0)),
        ("rax + ~3", ("rax", "", 1, -4)),
        ("rax + b - a", ("rax", "", 1, 7)),
        ("rax - a + b + 4", ("rax", "", 1, 11)),
        ("rax + rcx*4 + a", ("rax", "rcx", 4, 0x100010)),
        ("a", ("", "", 1, 0x100010)),
        ("a + 4", ("", "", 1, 0x100014)),
        ("4 + a - 8", ("", "", 1, 0x10000C)),
        ("b - a", ("", "", 1, 7)),
        ("D", ("", "", 1, 15)),
        ("-8", ("", "", 1, -8)),
        ("rip + 4 + a - 4", ("rip", "", 1, 10)),
        ("eax + ecx", ("eax", "ecx", 1, 0)),
    ],
)
def test_address_expression_gives_its_sum(
    address: str, expected: tuple[str, str, int, int]
) -> None:
    source = f"""
        K = 5
        inc dword ptr [{address}]
        .org 0x100010
        a: .space 7
        b:
        D = b - a + 8
    """
    assert memory(source) == expected


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("eax + 0xffffff80", ("eax", "", 1, -0x80)),
        ("esp + 4", ("esp", "", 1, 4)),
        ("ebx + esp", ("esp", "ebx", 1, 0)),
        ("0xfee00300", ("", "", 1, 0xFEE00300)),
    ],
)
def test_address_protected_mode_is_encoded(
    address: str, expected: tuple[str, str, int, int]
) -> None:
    found = memory(f".code32\ninc dword ptr [{address}]", capstone.CS_MODE_32)
    assert (*found[:3], (found[3] - expected[3]) % (1 << 32)) == (*expected[:3], 0)


def test_address_real_mode_is_encoded() -> None:
    source = ".code16\ninc word ptr [bx + si + 4]"
    assert memory(source, capstone.CS_MODE_16) == ("bx", "si", 1, 4)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("rax*3", "`rax` times 3 in an address"),
        ("8 - rax", "`rax` times -1 in an address"),
        ("rax + rbx + rcx", "more than two registers in an address"),
        ("rax + ecx", "registers of different widths in an address"),
        ("al", "`al` cannot be part of this address"),
        ("ax", "`ax` cannot be part of this address"),
        ("bx*2", "`bx` cannot be part of this address"),
        ("cr0", "`cr0` cannot be part of this address"),
        ("cs", "`cs` cannot be part of this address"),
        ("rip + rax", "`rip` cannot be part of this address"),
        ("rip*2", "`rip` cannot be part of this address"),
        ("rsp*2", "`rsp` cannot be an index"),
        ("rax + rsp*2", "`rsp` cannot be an index"),
        ("rsp + rsp", "`rsp` cannot be an index"),
        ("rax + 0x80000000", "displacement 0x80000000 does not fit"),
        ("rax - 0x80000001", "displacement -0x80000001 does not fit"),
        ("ecx + 0x100000000", "displacement 0x100000000 does not fit"),
        ("0xfee00300", "address 0xfee00300 is not a signed 32-bit number"),
        ("rax + D", "displacement 0x10000000000 does not fit"),
        ("D", "address 0x10000000000 is not a signed 32-bit number"),
        ("", "a value is missing"),
        ("rax +", "a value is missing"),
        ("a + b", "neither a number nor an address"),
        ("-a", "neither a number nor an address"),
        ("rax + 'ab'", "unexpected"),
    ],
)
def test_address_impossible_raises(address: str, message: str) -> None:
    source = f"inc dword ptr [{address}]\na: nop\nb:\nD = (b - a) << 40"
    with pytest.raises(AssemblyError, match=message):
        assemble(source)
