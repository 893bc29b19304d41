"""The register file: its description, and its bytes."""

from xml.etree import ElementTree as ET

import pytest

from uniSMP import Machine, assemble
from uniSMP.errors import ConfigError
from uniSMP.gdb.registers import FILE, NUMBER, RegisterFile, target_xml

PROGRAM = """
_start:
    mov rax, 0x1122334455667788
    movq xmm3, rax
    fld1
    fldz
    mov ecx, 0xC0000102         # IA32_KERNEL_GS_BASE
    mov eax, 0x5000
    xor edx, edx
    wrmsr
    mov ecx, 0xC0000100         # IA32_FS_BASE
    mov eax, 0x6000
    wrmsr
    mov eax, 9
    mov cr8, rax
    stc
    cli
    hlt
"""


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(cores=1, memory_bytes=2 << 20, boot="long")
    machine.load(assemble(PROGRAM))
    machine.run()
    return machine


def value(machine: Machine, name: str) -> int:
    return int.from_bytes(RegisterFile(machine, 0).read(NUMBER[name]), "little")


def test_description_has_every_register_with_its_number_and_size() -> None:
    rows = list(ET.fromstring(target_xml()).iter("reg"))  # noqa: S314 - our own text
    found = [(row.get("name"), int(row.get("bitsize", "0")) // 8) for row in rows]
    assert [int(row.get("regnum", "-1")) for row in rows] == list(range(len(FILE)))
    assert found == [(register.name, register.size_bytes) for register in FILE]


def test_first_registers_stand_where_gdb_wants_them() -> None:
    names = [register.name for register in FILE]
    assert names[:8] == ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"]
    assert (names[16], names[17], names[18], names[24], names[40]) == (
        "rip", "eflags", "cs", "st0", "xmm0",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rax", 9),
        ("rcx", 0xC0000100),
        ("cs", 8),
        ("xmm3", 0x1122334455667788),
        ("st0", 0),
        ("st1", 0x3FFF_8000_0000_0000_0000),
        ("mxcsr", 0x1F80),
        ("k_gs_base", 0x5000),
        ("fs_base", 0x6000),
        ("cr0", 0x80000033),
        ("cr8", 9),
        ("efer", 0xD01),
        ("fop", 0),
    ],
)
def test_register_has_what_the_guest_put_there(machine: Machine, name: str, expected: int) -> None:
    assert value(machine, name) == expected


def test_flags_are_the_visible_ones(machine: Machine) -> None:
    assert value(machine, "eflags") & 1 == 1


def test_whole_file_is_its_registers_one_after_the_other(machine: Machine) -> None:
    file = RegisterFile(machine, 0)
    assert file.read_all() == b"".join(file.read(number) for number in range(len(FILE)))


def test_written_register_reads_back(machine: Machine) -> None:
    file = RegisterFile(machine, 0)
    file.write(NUMBER["rbx"], (77).to_bytes(8, "little"))
    assert value(machine, "rbx") == 77
    file.write_all(file.read_all())


@pytest.mark.parametrize(
    ("number", "data"),
    [
        (NUMBER["cr3"], bytes(8)),
        (NUMBER["xmm0"], b"\1" + bytes(15)),
        (NUMBER["rax"], bytes(4)),
        (len(FILE), bytes(8)),
    ],
)
def test_register_that_cannot_be_set_is_refused(machine: Machine, number: int, data: bytes) -> None:
    with pytest.raises(ConfigError):
        RegisterFile(machine, 0).write(number, data)


def test_file_of_another_size_is_refused(machine: Machine) -> None:
    with pytest.raises(ConfigError, match="no register file"):
        RegisterFile(machine, 0).write_all(bytes(3))
