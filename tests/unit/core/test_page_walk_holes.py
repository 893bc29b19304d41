"""Page walks of the engine that leave memory, and code that is fetched through its TLB."""

import pytest
from lab import DATA, WINDOW, Lab, cx

from uniSMP.arch.exceptions import Fault

HOLE = 0x4000_0000
"""Beyond RAM, where no device answers: reads give all ones."""
APIC_PAGE = 0xFEE0_0000
PRESENT_RESERVED = 9


@pytest.mark.parametrize("hole", [HOLE, APIC_PAGE, 0x20_0000, 0x1_0000_0000])
@pytest.mark.parametrize("shift", [39, 30, 21])
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("mov rax, [rbx]", PRESENT_RESERVED),
        ("mov [rbx], rax", PRESENT_RESERVED | 2),
        ("movaps xmm0, [rbx]", PRESENT_RESERVED),
        ("jmp rbx", PRESENT_RESERVED | 16),
    ],
)
def test_table_beyond_memory_has_reserved_bits(
    long_mode: Lab, hole: int, shift: int, source: str, error: int
) -> None:
    """An entry of all ones is present, and has bits set that must be zero."""
    lab = long_mode
    lab.map_page(WINDOW, DATA | 3)
    lab.quad(entry_of(lab, WINDOW, shift), hole | 7)
    lab.engine.flush_tlb()
    lab.registers["rbx"] = WINDOW
    entry = lab.enter(f"fxsave [{DATA + 0x800}]\n{source}")
    assert (entry.vector, entry.frame[0]) == (14, error)
    assert lab.context.quad(cx.CR2) == WINDOW
    assert lab.machine.devices.memory_holes.get(hole) is None
    with pytest.raises(Fault) as fault:
        lab.core.memory.translate(WINDOW, error & 2)
    assert fault.value.error_code == error & ~16


def entry_of(lab: Lab, linear: int, shift: int) -> int:
    """Return where the entry of a linear address at one level stands."""
    table = lab.context.quad(cx.CR3)
    for level in range(39, shift, -9):
        table = lab.memory.read_integer(table + 8 * (linear >> level & 511), 8) & ~0xFFF
    return table + 8 * (linear >> shift & 511)


@pytest.mark.parametrize("source", ["mov eax, [rcx]", "mov [rcx], eax", "lock xadd [rcx], eax"])
def test_walk_beyond_memory_does_not_disturb_a_device_access(long_mode: Lab, source: str) -> None:
    """One instruction behind the other, and one handler's inside the other's block."""
    lab = long_mode
    lab.map_page(WINDOW, DATA | 3)
    lab.quad(entry_of(lab, WINDOW, 21), HOLE | 7)
    lab.engine.flush_tlb()
    places = lab.code(
        f"""
        mov rbx, {WINDOW}
        mov ecx, {APIC_PAGE + 0x380}
        mov eax, 500
        mov [rcx], eax
        mov edx, [rcx]
    fault:
        mov rsi, [rbx]
        {source}
        mov edi, [rcx]
        hlt
    behind:
        mov r8d, [rcx]
        mov rsp, r9
        mov ebp, 1
        add r10d, ebp
        jmp fault + 3
        """
    )
    lab.registers["r9"] = lab.registers["rsp"]
    lab.gate(14, offset=places["behind"])
    lab.run()
    assert lab.registers["r10"] == 1
    assert lab.registers["rdx"] == lab.registers["r8"] == 500
    assert lab.core.exceptions == {14: 1}
    assert lab.context.linear_rip == places["behind"]


def test_device_page_behind_a_table_that_is_mapped_anew_is_reached(long_mode: Lab) -> None:
    """The walk succeeds, and the access behind it is a device's."""
    lab = long_mode
    lab.map_page(WINDOW, APIC_PAGE | 3)
    lab.run(f"mov rbx, {WINDOW}\nmov dword ptr [rbx + 0x380], 77\nmov eax, [rbx + 0x380]\nhlt")
    assert lab.registers["rax"] == 77


def test_legacy_table_beyond_memory_maps_what_all_ones_say(protected_mode: Lab) -> None:
    """Without PAE no bit of such an entry is reserved: the page is the last one below 4 GiB."""
    lab = protected_mode
    directory = 0x6_0000
    lab.double(directory, 0x83)
    lab.double(directory + 4 * 256, HOLE | 7)
    lab.context.set_quad(cx.CR3, directory)
    lab.context.set_quad(cx.CR4, 0x610)
    lab.context.set_quad(cx.CR0, lab.context.quad(cx.CR0) | 0x8000_0000)
    lab.context.update_hflags()
    lab.engine.flush_tlb()
    rom = lab.memory.read_integer(0xFFFF_FFF0, 4)
    lab.run(f"mov ebx, {0x4000_0FF0}\nmov eax, [ebx]\nhlt")
    assert lab.registers["rax"] == rom
    assert lab.core.memory.translate(0x4000_0FF0) == 0xFFFF_FFF0


# -- code through the TLB -------------------------------------------------------------------------


def test_code_is_fetched_as_the_tlb_has_it(long_mode: Lab) -> None:
    """A page whose entry was changed without INVLPG is executed, and decoded, as before."""
    lab = long_mode
    lab.memory.write(DATA, b"\x0f\xa2\xf4")  # CPUID, which Python decodes and emulates; HLT
    lab.memory.write(DATA + 0x1000, b"\xf4")
    leaf = lab.map_page(WINDOW, DATA | 3)
    lab.run(f"mov rbx, {WINDOW}\nxor eax, eax\ncall rbx\nhlt")
    assert lab.registers["rax"] != 0
    old = lab.memory.read_integer(leaf, 8)
    lab.memory.write_integer(leaf, (old & 0xFFF) | DATA + 0x1000, 8)
    assert lab.core.memory.fetch(WINDOW, 3) == b"\x0f\xa2\xf4"
    lab.engine.flush_tlb()
    assert lab.core.memory.fetch(WINDOW, 1) == b"\xf4"


def test_code_behind_the_first_page_is_fetched_by_the_tables(long_mode: Lab) -> None:
    lab = long_mode
    lab.memory.write(DATA + 0xFFE, b"ab")
    lab.memory.write(DATA + 0x3000, b"cd")
    lab.map_page(WINDOW, DATA | 3)
    lab.map_page(WINDOW + 0x1000, DATA + 0x3000 | 3)
    assert lab.core.memory.fetch(WINDOW + 0xFFE, 4) == b"abcd"


def test_code_that_cannot_be_fetched_is_none(long_mode: Lab) -> None:
    lab = long_mode
    lab.map_page(WINDOW, DATA | 3)
    assert lab.core.memory.fetch(WINDOW + 0x1000, 4) == b""
    lab.quad(entry_of(lab, WINDOW, 21), HOLE | 7)
    lab.engine.flush_tlb()
    assert lab.core.memory.fetch(WINDOW, 4) == b""


def test_fetch_sets_nothing_that_a_guest_could_see(long_mode: Lab) -> None:
    lab = long_mode
    lab.map_page(WINDOW, DATA | 3)
    cr2, exceptions = lab.context.quad(cx.CR2), dict(lab.core.exceptions)
    lab.core.memory.fetch(WINDOW + 0x5000, 4)
    lab.core.memory.fetch(WINDOW, 4)
    assert lab.context.quad(cx.CR2) == cr2
    assert lab.core.exceptions == exceptions
