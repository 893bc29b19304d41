"""Instructions whose spelling or size Keystone mistakes."""

import capstone
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.assembler.assemble import assemble
from uniSMP.errors import AssemblyError


@pytest.mark.parametrize(
    ("mode", "instruction", "expected"),
    [
        (16, "ret", "c3"), (16, "ret 4", "c20400"), (16, "retf", "cb"), (16, "retf 4", "ca0400"),
        (32, "ret", "c3"), (32, "retf", "cb"), (64, "ret", "c3"), (64, "retfq", "48cb"),
        (16, "iret", "cf"), (32, "iret", "cf"), (64, "iret", "cf"), (64, "iretq", "48cf"),
        (16, "pushf", "9c"), (32, "pushf", "9c"), (64, "pushf", "9c"), (64, "popf", "9d"),
        (32, "popf", "9d"), (16, "call x", "e80000"), (32, "call x", "e800000000"),
        (64, "call x", "e800000000"), (16, "call ax", "ffd0"),
        (16, "push 5", "6a05"), (16, "push 0xffff", "68ffff"), (32, "push 0xffff", "68ffff0000"),
        (64, "push 0xffff", "68ffff0000"), (64, "push -5", "6afb"), (64, "push 0x80", "6880000000"),
        (32, "push 0xffffffff", "68ffffffff"), (64, "push x", "6805001000"), (64, "push rax", "50"),
        (16, "lgdt [0x500]", "0f01160005"), (32, "lgdt [0x500]", "0f01142500050000"),
        (32, "lidt [eax]", "0f0118"), (32, "sgdt [ebx + ecx*4]", "0f01048b"),
        (64, "lgdt [rax]", "0f0110"), (32, "lidt [x]", "0f011c2508001000"),
        (16, "movsd", "66a5"), (32, "movsd", "a5"), (64, "rep movsd", "f3a5"), (64, "cmpsd", "a7"),
        (64, "rep movsb", "f3a4"), (64, "lock inc dword ptr [rax]", "f0ff00"), (64, "lock", "f0"),
        (64, "LOCK INC DWORD PTR [RAX]", "f0ff00"), (64, "sysretq", "480f07"),
        (16, "jmp 8:0x10", "ea10000800"), (16, "jmp dword 8:x", "66ea080010000800"),
        (32, "jmp 8:x", "ea070010000800"), (32, "call 0x18:0x1234", "9a341200001800"),
        (32, "jmp word 8:0x10", "66ea10000800"), (32, "ljmp 8:0x10", "ea100000000800"),
        (64, "loop x", "e200"), (64, "loop .", "e2fe"),
        (64, "loop 0x100000", "e2fe"), (64, "jmp short x", "eb00"), (64, "jmp near x", "eb00"),
        (64, "jmp near ptr x", "eb00"),
        (64, "call x + 1", "e801000000"), (64, "jmp gs:[rax]", "65ff20"), (64, "cqo", "4899"),
        (16, "mov ds, ax", "8ed8"), (64, "mov rax, 0x123456789a", "48b89a78563412000000"),
    ],
)  # fmt: skip
def test_instruction_in_mode_is_encoded(mode: int, instruction: str, expected: str) -> None:
    assert assemble(f".code{mode}\n{instruction}\nx:").data.hex() == expected


@pytest.mark.parametrize(
    ("mode", "instruction", "message"),
    [
        (64, "mov al, 300", "immediate 0x12c does not fit 8 bits"),
        (64, "mov byte ptr [rax], -129", "immediate -0x81 does not fit 8 bits"),
        (64, "add ax, 0x10000", "immediate 0x10000 does not fit 16 bits"),
        (64, "cmp r8d, 0x100000000", "immediate 0x100000000 does not fit 32 bits"),
        (64, "mov al, b - a", "immediate 0x12c does not fit 8 bits"),
        (64, "push 0x80000000", "immediate 0x80000000 does not fit 32 bits"),
        (32, "push 0x100000000", "immediate 0x100000000 does not fit 32 bits"),
        (16, "push 0x10000", "immediate 0x10000 does not fit 16 bits"),
        (64, "mov qword ptr [rax], 0x80000000", "no such combination of operands"),
        (64, "jmp 8:x", "a far branch with a selector is not for 64-bit code"),
        (32, "jmp 0x10000:a", "`0x10000` is not a selector"),
        (32, "jmp a:a", "`a` is not a selector"),
        (32, "jmp short b", "takes 5 bytes instead of 2"),
        (64, "loop b", "an address or distance does not fit here"),
        (64, "jrcxz 0x200000", "an address or distance does not fit here"),
        (64, "loop a - 200", "the target is further away than 128 bytes"),
        (64, "loop 0x100000 - 200", "the target is further away than 128 bytes"),
        (16, "call 0x200000", "an address or distance does not fit here"),
        (32, "cqo", "`cqo` is for 64-bit code only"),
        (64, "into", "`into` is not for 64-bit code"),
        (64, "rax", "`rax` is no instruction"),
        (64, "rep *", r"`\*` is no instruction"),
        (64, "16", "`16` is no instruction"),
        (64, "frobnicate", "unknown instruction"),
        (64, "mov ax, eax", "no such combination of operands"),
        (64, "mov eax", "no such combination of operands"),
    ],
)
def test_instruction_impossible_raises(mode: int, instruction: str, message: str) -> None:
    with pytest.raises(AssemblyError, match=f"^<source>:2: {message}"):
        assemble(f".code{mode}\n{instruction}\na: .space 300\nb:")


@given(
    st.sampled_from(["add", "or", "adc", "sbb", "and", "sub", "xor", "cmp"]),
    st.sampled_from([("cl", 8), ("dx", 16), ("ebx", 32), ("r9d", 32)]),
    st.data(),
)
@settings(derandomize=True, deadline=None)
def test_immediate_read_back_is_the_same(
    name: str, register: tuple[str, int], data: st.DataObject
) -> None:
    bits = register[1]
    value = data.draw(st.integers(-(1 << (bits - 1)), (1 << bits) - 1))
    image = assemble(f"{name} {register[0]}, {value}")
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    found = next(decoder.disasm(image.data, 0))
    assert (found.mnemonic, found.size) == (name, len(image.data))
    assert (found.operands[1].imm - value) % (1 << bits) == 0


@given(st.integers(-(1 << 31), (1 << 31) - 1))
@settings(derandomize=True, deadline=None)
def test_push_number_read_back_is_the_same(value: int) -> None:
    decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    decoder.detail = True
    found = next(decoder.disasm(assemble(f"push {value}").data, 0))
    assert (found.operands[0].imm - value) % (1 << 32) == 0
