"""Traced accesses of straight-line code against its operands, as Capstone describes them.

The oracle knows registers (as traced before each instruction), computes addresses from operands,
keeps a memory of its own, and says what each instruction must read and write.
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import capstone
import pytest
from capstone import x86

from uniSMP import Machine, assemble
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[1]))
from tracing import KeptTrace

DATA, DATA_BYTES = 0x20_0000, 0x1_0000
STACK_BYTES = 1 << 14
SIZES = {1: "byte", 2: "word", 4: "dword", 8: "qword"}
REGISTERS = {
    "rax": ("al", "ax", "eax", "rax"),
    "rcx": ("cl", "cx", "ecx", "rcx"),
    "rdx": ("dl", "dx", "edx", "rdx"),
    "r10": ("r10b", "r10w", "r10d", "r10"),
    "r11": ("r11b", "r11w", "r11d", "r11"),
}
MASK = (1 << 64) - 1
Access = tuple[int, int, str, int]


def place(choose: random.Random) -> str:
    """Return an address expression; offsets near the ends of pages are frequent."""
    base = choose.choice(["rbx", "r8", "r9"])
    near = choose.choice([0, 8, 0xFF0, 0xFF8, 0xFFC, 0xFFE, 0xFFF, 0x1234, 0x2FFD])
    index = choose.choice(["", " + r12", " + r12 * 4", " + r13 * 8"])
    return f"[{base}{index} + {near + choose.randrange(8)}]"


def instruction(choose: random.Random) -> str:  # noqa: PLR0911 - a case each
    size = choose.choice([1, 2, 4, 8])
    column = (1, 2, 4, 8).index(size)
    register = choose.choice(list(REGISTERS.values()))[column]
    memory = f"{SIZES[size]} ptr {place(choose)}"
    kind = choose.randrange(12)
    if kind <= 1:
        return f"mov {register}, {memory}"
    if kind <= 3:
        return f"mov {memory}, {register}"
    if kind == 4:
        operation = choose.choice(["add", "sub", "xor", "and", "or"])
        return choose.choice(["", "lock "]) + f"{operation} {memory}, {register}"
    if kind == 5:
        return f"{choose.choice(['add', 'cmp', 'xor'])} {register}, {memory}"
    if kind == 6:
        return (
            choose.choice(["", "lock "]) + f"{choose.choice(['inc', 'dec', 'not', 'neg'])} {memory}"
        )
    if kind == 7:
        return choose.choice([f"xchg {memory}, {register}", f"lock xadd {memory}, {register}"])
    if kind == 8:
        wide = f"qword ptr {place(choose)}"
        return choose.choice(["push rdx", f"push {wide}", "push 0x1234", "pop rcx", f"pop {wide}"])
    if kind == 9:
        wide = f"xmmword ptr {place(choose)}"
        return choose.choice([f"movups xmm1, {wide}", f"movups {wide}, xmm1"])
    if kind == 10:
        return f"movzx r10d, {choose.choice(['byte', 'word'])} ptr {place(choose)}"
    return choose.choice(
        [f"lea rax, {place(choose)}", f"mov rsi, {DATA + 0x40}\nmov rdi, {DATA + 0x5FFC}\nmovsq"]
    )


def source(seed: int, length: int) -> str:
    choose = random.Random(seed)
    setup = (
        f"_start:\nmov rbx, {DATA}\nmov r8, {DATA + 0x3000}\nmov r9, {DATA + 0x8000}\n"
        "mov r12, 0x30\nmov r13, 0x11\nmov rax, 0x1122334455667788\nmov rcx, -2\nmov rdx, 99\n"
        "movq xmm1, rax\nsub rsp, 0x1000\n"
    )
    return setup + "\n".join(instruction(choose) for _ in range(length)) + "\ncli\nhlt\n"


class Oracle:
    """Says what each instruction reads and writes."""

    def __init__(self, memory: bytes) -> None:
        self.memory = bytearray(memory)
        self.registers: dict[str, int] = {}
        self.decoder = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
        self.decoder.detail = True

    def register(self, name: str) -> int:
        for wide, names in REGISTERS.items():
            if name in names:
                return self.registers[wide] & ((1 << 8 * (1, 2, 4, 8)[names.index(name)]) - 1)
        return self.registers[name]

    def address(self, code: Any, memory: Any) -> int:
        base = self.register(code.reg_name(memory.base)) if memory.base else 0
        index = self.register(code.reg_name(memory.index)) * memory.scale if memory.index else 0
        return (base + index + memory.disp) & MASK

    def read(self, address: int, size: int) -> int:
        return int.from_bytes(self.memory[address : address + size], "little")

    def accesses(self, code: Any) -> Iterator[Access]:
        """Return (address, size, access, value) of one instruction, whole accesses in order."""
        name = code.mnemonic.split()[-1]
        lock = "locked " if "lock" in code.mnemonic or "xchg" in code.mnemonic else ""
        memory = [op for op in code.operands if op.type == x86.X86_OP_MEM]
        if name in ("push", "pop"):
            yield from self.stack(code, name, memory)
        elif name == "movsq":
            value = self.read(self.registers["rsi"], 8)
            yield self.registers["rsi"], 8, "read", value
            yield self.registers["rdi"], 8, "write", value
        elif memory and name != "lea":
            address, size = self.address(code, memory[0].mem), memory[0].size
            is_load = memory[0].access & capstone.CS_AC_READ
            is_store = memory[0].access & capstone.CS_AC_WRITE
            if name == "movups":  # Capstone takes each for a load
                is_store = code.operands[0].type == x86.X86_OP_MEM
                is_load = not is_store
            if is_load:
                yield address, size, f"{lock}read", self.read(address, size)
            if is_store:
                mask = (1 << 8 * size) - 1
                yield address, size, f"{lock}write", self.result(code, name, address, size) & mask

    def stack(self, code: Any, name: str, memory: list[Any]) -> Iterator[Access]:
        top = self.registers["rsp"]
        if name == "pop":
            yield top, 8, "read", self.read(top, 8)
            if memory:
                yield self.address(code, memory[0].mem), 8, "write", self.read(top, 8)
            return
        if memory:
            address = self.address(code, memory[0].mem)
            value = self.read(address, 8)
            yield address, 8, "read", value
        else:
            operand = code.operands[0]
            is_register = operand.type == x86.X86_OP_REG
            value = self.register(code.reg_name(operand.reg)) if is_register else operand.imm
        yield top - 8, 8, "write", value & MASK

    def result(self, code: Any, name: str, address: int, size: int) -> int:
        old = self.read(address, size)
        if name == "movups":
            return self.registers["xmm1_high"] << 64 | self.registers["xmm1_low"]
        unary = {"inc": old + 1, "dec": old - 1, "not": ~old, "neg": -old}
        if name in unary:
            return unary[name]
        other = self.register(code.reg_name(code.operands[1].reg))
        return {
            "mov": other,
            "xchg": other,
            "add": old + other,
            "xadd": old + other,
            "sub": old - other,
            "xor": old ^ other,
            "and": old & other,
            "or": old | other,
        }[name]


def merged(rows: list[Access]) -> bytes:
    """Return the bytes of accesses with address and kind, however they are split."""
    parts = [
        f"{kind} {address + byte:x} {value >> 8 * byte & 0xFF:02x}"
        for address, size, kind, value in rows
        for byte in range(size)
    ]
    return "\n".join(parts).encode()


@pytest.mark.parametrize("seed", range(20))
def test_accesses_of_straight_line_code_are_those_of_its_operands(seed: int) -> None:
    trace = KeptTrace(Level.REGISTERS)
    with Machine(cores=1, boot="long", memory_bytes=4 << 20) as machine:
        image = assemble(source(seed, 300))
        machine.load(image)
        oracle = Oracle(machine.memory.read(0, 4 << 20))
        result = machine.run(trace=trace)
        final = machine.memory.read(DATA, DATA_BYTES)
    changes: dict[int, list[tuple[str, int]]] = {}
    for row in trace.rows("registers"):
        changes.setdefault(row["step"], []).append((row["register"], row["value"]))
    initial = len(changes[0]) - sum(1 for name, _ in changes[0] if name == "rbx") + 1
    oracle.registers = dict(changes[0][: initial - 1])
    changes[0] = changes[0][initial - 1 :]
    traced: dict[int, list[Access]] = {}
    for row in trace.rows("memory"):
        assert row["origin"] != "delivery"
        if row["origin"] == "instruction":
            assert row["linear"] == row["physical"]
            access = row["linear"], row["size"], row["access"], row["value"]
            traced.setdefault(row["step"], []).append(access)
    for row in trace.rows("instructions"):
        step, rip = row["step"], row["rip"]
        place_in_image = rip - image.origin
        code = next(oracle.decoder.disasm(image.data[place_in_image : place_in_image + 15], rip))
        expected = list(oracle.accesses(code))
        assert merged(traced.get(step, [])) == merged(expected), (
            f"{step} {code.mnemonic} {code.op_str}"
        )
        for address, size, kind, value in expected:
            if kind.endswith("write"):
                oracle.memory[address : address + size] = value.to_bytes(size, "little")
        oracle.registers.update(changes.get(step, []))
    assert len(trace.rows("instructions")) == result.steps
    assert bytes(oracle.memory[DATA : DATA + DATA_BYTES]) == final
