"""RAM, ROM, holes and address line 20."""

from typing import Any

import pytest

from uniSMP import ConfigError, Machine, assemble


def registers_after(source: str, memory_bytes: int = 2 << 20) -> dict[str, int]:
    machine = Machine(cores=1, memory_bytes=memory_bytes, boot="long")
    machine.load(assemble(f"_start:\n{source}\n cli\n hlt\n"))
    machine.run(max_instructions=10_000)
    return dict(machine.core(0).registers)


@pytest.mark.parametrize("address", [0x20_0000, 0x8000_0000, 0xFED0_0000])
def test_hole_reads_all_ones_and_drops_writes(address: int) -> None:
    registers = registers_after(f"mov ebx, {address}\n mov [rbx], ebx\n mov rax, [rbx]")
    assert registers["rax"] == (1 << 64) - 1


def test_hole_access_is_reported() -> None:
    machine = Machine(cores=1, memory_bytes=2 << 20, boot="long")
    machine.load(assemble("_start: mov ebx, 0x80000000\n mov al, [rbx]\n in al, 0x99\n cli\n hlt"))
    machine.run(max_instructions=100)
    assert machine.devices.memory_holes == {0x8000_0000: 1}
    assert machine.devices.ports.holes == {0x99: 1}


@pytest.mark.parametrize("address", [0xF0000, 0xFFFF_0000])
def test_rom_keeps_its_bytes(address: int) -> None:
    registers = registers_after(
        f"mov ebx, {address}\n mov dword ptr [rbx], 0x12345678\n mov eax, [rbx]"
    )
    assert registers["rax"] == 0xFFFF_FFFF


def test_rom_stands_at_the_end_of_4_gib_too() -> None:
    registers = registers_after("mov ebx, 0xFFFFFFF0\n mov rax, [rbx]\n mov rcx, [0xFFFF0]")
    assert registers["rax"] == registers["rcx"] != (1 << 64) - 1


def test_access_across_the_end_of_ram_sees_both_sides() -> None:
    registers = registers_after(
        "mov dword ptr [0x1FFFFC], 0x11223344\n mov ebx, 0x1FFFFC\n mov rax, [rbx]"
    )
    assert registers["rax"] == 0xFFFF_FFFF_1122_3344


def test_a20_masked_wraps_addresses_at_1_mib() -> None:
    # Through a 4 KiB page: the engine does not mask the offset within a 2 MiB page.
    registers = registers_after(
        """
            mov dword ptr [0x2000], 0x11111111
            mov dword ptr [0x102000], 0x22222222
            mov rax, cr3
            mov rax, [rax]
            and rax, -4096
            mov rax, [rax]
            and rax, -4096                # page directory of the first GiB
            mov qword ptr [rax + 16], 0x5003
            mov qword ptr [0x5000], 0x102003
            mov ecx, code_end - code
            lea rsi, [rip + code]
            mov edi, 0x4000
            rep movsb                     # below 1 MiB the code stays visible
            mov eax, 0x4000
            jmp rax
        code:
            in al, 0x92
            and al, 0xFD
            out 0x92, al
            mov ebx, [0x400000]
            or al, 2
            out 0x92, al
            mov ecx, [0x400000]
            cli
            hlt
        code_end:
        """,
        memory_bytes=3 << 20,  # page tables where line 20 is 0
    )
    assert (registers["rbx"], registers["rcx"]) == (0x1111_1111, 0x2222_2222)


def test_host_reads_and_writes_stay_inside_ram() -> None:
    memory = Machine(cores=1, memory_bytes=1 << 20).memory
    assert memory.read(0xFFFF_FFF0, 1) == b"\xea"
    for address, size in ((-1, 1), (1 << 20, 1), ((1 << 20) - 1, 2), (1 << 64, 1)):
        with pytest.raises(ConfigError):
            memory.read(address, size)
    with pytest.raises(ConfigError):
        memory.write((1 << 20) - 1, b"ab")
    with pytest.raises(ConfigError):
        memory.write_integer(0, 256, 1)


def test_device_registers_answer_accesses_of_every_width(kernel: Any) -> None:
    run = kernel(
        """
        _start:
            mov ebx, APIC
            mov eax, [rbx + 0x30]
            mov cl, al
            note cl
            mov al, [rbx + 0x30]
            mov cl, al
            note cl
            movzx eax, word ptr [rbx + 0x30]
            mov cl, al
            note cl
            mov rax, [rbx + 0x30]
            mov cl, al
            note cl
            finish
        """
    )
    assert run.log == bytes([0x14] * 4)
