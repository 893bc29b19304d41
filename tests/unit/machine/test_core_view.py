"""A core as an onlooker sees it."""

import pytest

from uniSMP import Machine, assemble

# Page 0x7000 of the table for the first 2 MiB maps 0x1000 to 0x3000, 0x2000 to 0x1000, not 0x3000.
PAGED = """
.set PRESENT, 3
_start:
    mov rax, cr3
    mov rbx, [rax]
    and rbx, -4096
    mov rcx, [rbx]
    and rcx, -4096
    mov edi, 0x7000
    mov eax, PRESENT
fill:
    mov [rdi], rax
    add rdi, 8
    add rax, 0x1000
    cmp edi, 0x8000
    jne fill
    mov dword ptr [0x7008], 0x3000 + PRESENT
    mov dword ptr [0x7010], 0x1000 + PRESENT
    mov dword ptr [0x7018], 0
    mov qword ptr [rcx], 0x7000 + PRESENT
    mov rax, cr3
    mov cr3, rax
    cli
    hlt
"""


@pytest.fixture(scope="module")
def machine() -> Machine:
    machine = Machine(cores=2, memory_bytes=4 << 20, boot="long")
    machine.load(assemble(PAGED))
    machine.run(max_instructions=10_000)
    machine.memory.write(0x3FFE, b"ab")
    machine.memory.write(0x1000, b"cd")
    return machine


@pytest.mark.parametrize(
    ("linear", "physical"),
    [(0x1234, 0x3234), (0x2000, 0x1000), (0x3000, None), (0x20_0123, 0x20_0123), (1 << 47, None)],
)
def test_address_is_translated_through_the_page_tables(
    machine: Machine, linear: int, physical: int | None
) -> None:
    assert machine.core(0).translate(linear) == physical


@pytest.mark.parametrize(
    ("linear", "size", "pieces"),
    [
        (0x1000, 0, []),
        (0x1FFE, 2, [(0x3FFE, 2)]),
        (0x1FFE, 4, [(0x3FFE, 2), (0x1000, 2)]),
        (0x2FFF, 8, [(0x1FFF, 1)]),
        (0x3000, 8, []),
        (0x40_0000, 8, [(0x40_0000, 8)]),
    ],
)
def test_range_is_cut_at_pages_up_to_one_that_is_not_mapped(
    machine: Machine, linear: int, size: int, pieces: list[tuple[int, int]]
) -> None:
    assert list(machine.core(0).pieces(linear, size)) == pieces


def test_bytes_are_read_across_pages_that_lie_apart(machine: Machine) -> None:
    assert machine.core(0).read(0x1FFE, 4) == b"abcd"


@pytest.mark.parametrize(
    ("linear", "size"), [(0x2FFF, 1), (0x3F_FFFC, 4), (0xFEE0_0000, 0), (0xFFFF_FFFE, 2)]
)
def test_reading_ends_with_mapping_ram_or_rom(machine: Machine, linear: int, size: int) -> None:
    assert len(machine.core(0).read(linear, 8)) == size


def test_instructions_are_those_at_the_place(machine: Machine) -> None:
    machine.memory.write(0x9000, bytes.fromhex("0FA2 90"))
    assert machine.core(0).disassemble(0x9000, 2) == [
        (0x9000, b"\x0f\xa2", "cpuid"),
        (0x9002, b"\x90", "nop"),
    ]


def test_instructions_end_where_memory_does(machine: Machine) -> None:
    machine.memory.write(0x1FFF, b"\x90")
    assert machine.core(0).disassemble(0x2FFF, 3) == [(0x2FFF, b"\x90", "nop")]


def test_looking_sets_no_accessed_bit() -> None:
    with Machine(cores=1, memory_bytes=4 << 20, boot="long") as machine:
        machine.load(assemble("_start: hlt"))
        before = machine.digest()
        machine.core(0).read(0x20_0000, 4)
        machine.core(0).disassemble(0x10_0000, 1)
        assert machine.digest() == before


def test_core_tells_where_it_stands_and_why(machine: Machine) -> None:
    core = machine.core(0)
    assert (core.id, core.code_bits, core.can_run) == (0, 64, False)
    assert core.linear_rip == core.registers["rip"]
    assert machine.core(1).instructions > 0
