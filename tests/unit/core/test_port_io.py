"""IN, OUT, INS and OUTS (SDM volume 1, "Input/Output")."""

from collections.abc import Callable

import pytest
from lab import (
    BITMAP,
    CODE,
    DATA,
    DS16,
    EXPAND_DOWN,
    KERNEL_STACK,
    SMALL_STACK,
    TSS,
    TSS_END,
    USER_CS32,
    WINDOW,
    Lab,
    cx,
)

from uniSMP.core.core import Stop

COM1 = 0x3F8
SCRATCH = COM1 + 7
"""The UART's scratch register: an 8-bit port that keeps what is written."""
IOPL_3 = 0x3002
Bench = Callable[[str], Lab]


def allow(lab: Lab, port: int, bits: int = 1) -> None:
    """Clear `bits` bits of the I/O permission bitmap from `port` on."""
    place = TSS + BITMAP + port // 8
    value = lab.memory.read_integer(place, 2) & ~((1 << bits) - 1 << port % 8)
    lab.memory.write_integer(place, value, 2)


@pytest.mark.parametrize("mode", ["real", "protected", "long"])
def test_out_and_in_reach_the_device(bench: Bench, mode: str) -> None:
    lab = bench(mode)
    lab.run(f"mov dx, {SCRATCH}\nmov al, 0x5A\nout dx, al\nxor eax, eax\nin al, dx\nhlt")
    assert lab.registers["rax"] == 0x5A


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("in al, dx", 0x1122_3344_5566_775A),
        ("in ax, dx", 0x1122_3344_5566_FF5A),
        ("in eax, dx", 0xFFFF_FF5A),
    ],
)
def test_in_changes_as_much_of_rax_as_it_reads(long_mode: Lab, source: str, expected: int) -> None:
    long_mode.run(f"mov dx, {SCRATCH}\nmov al, 0x5A\nout dx, al\nhlt")
    long_mode.run(f"mov rax, 0x1122334455667788\nmov dx, {SCRATCH}\n{source}\nhlt")
    assert long_mode.registers["rax"] == expected


def test_in_and_out_take_an_immediate_port(long_mode: Lab) -> None:
    assert long_mode.run("mov al, 65\nout 0xE9, al\nin al, 0xE9\nhlt") is Stop.HALT
    assert long_mode.output() == b"A"
    assert long_mode.registers["rax"] & 0xFF == 0xE9


@pytest.mark.parametrize("size", ["al", "ax", "eax"])
def test_out_writes_the_accumulators_part(long_mode: Lab, size: str) -> None:
    long_mode.run(f"mov eax, 0x44434241\nout 0xE9, {size}\nhlt")
    assert long_mode.output()[:1] == b"A"


# -- permission ------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["protected", "long"])
@pytest.mark.parametrize("source", ["in al, 0x80", "out 0x80, al", "insb", "outsb"])
def test_port_access_of_user_code_without_permission_is_gp(
    bench: Bench, mode: str, source: str
) -> None:
    lab = bench(mode)
    lab.enter_user()
    lab.registers["rdx"] = 0x80
    entry = lab.enter("nop\n" + source)
    assert (entry.vector, entry.frame[:2]) == (13, [0, CODE + 1])


@pytest.mark.parametrize("source", ["in al, 0x80", "out 0x80, al"])
def test_port_access_within_iopl_needs_no_bitmap(protected_mode: Lab, source: str) -> None:
    protected_mode.enter_user()
    protected_mode.registers["rflags"] = IOPL_3
    assert protected_mode.enter(source + "\nint 3").vector == 13
    assert protected_mode.entry(1).frame == [3 * 8 + 2]


@pytest.mark.parametrize(
    ("register", "bits", "is_allowed"),
    [
        ("al", 1, True),
        ("ax", 1, False),
        ("ax", 2, True),
        ("eax", 2, False),
        ("eax", 3, False),
        ("eax", 4, True),
    ],
)
@pytest.mark.parametrize("port", [0x3FC, 0x3FE, 0x3FF])
def test_port_access_needs_a_clear_bit_for_each_port(
    protected_mode: Lab,
    register: str,
    bits: int,
    is_allowed: bool,  # noqa: FBT001 - a parameter of the table above
    port: int,
) -> None:
    allow(protected_mode, port, bits)
    protected_mode.enter_user()
    entry = protected_mode.enter(f"mov edx, {port}\nin {register}, dx\nud2")
    assert entry.vector == {True: 6, False: 13}[is_allowed]


@pytest.mark.parametrize(("limit", "vector"), [(BITMAP + 8, 6), (BITMAP + 7, 13)])
def test_port_access_needs_the_byte_behind_its_bit_within_the_tss(
    protected_mode: Lab, limit: int, vector: int
) -> None:
    port = 7 * 8
    allow(protected_mode, port)
    protected_mode.context.set_table(cx.TR, cx.Segment(0x38, TSS, limit, 0x8B00))
    protected_mode.enter_user()
    assert protected_mode.enter(f"mov edx, {port}\nin al, dx\nud2").vector == vector


def test_port_access_with_a_16_bit_tss_is_gp(protected_mode: Lab) -> None:
    allow(protected_mode, 0x80)
    protected_mode.context.set_table(cx.TR, cx.Segment(0x38, TSS, TSS_END, 0x8300))
    protected_mode.word(TSS + 2, KERNEL_STACK & 0xFFFF)
    protected_mode.word(TSS + 4, 0x10)
    protected_mode.enter_user()
    assert protected_mode.enter("in al, 0x80").vector == 13


def test_port_access_with_a_tss_without_a_bitmap_is_gp(long_mode: Lab) -> None:
    allow(long_mode, 0x80)
    long_mode.context.set_table(cx.TR, cx.Segment(0x38, TSS, 0x66, 0x8B00))
    long_mode.enter_user()
    assert long_mode.enter("in al, 0x80").vector == 13


def test_port_access_in_virtual_8086_mode_looks_at_the_bitmap_alone(protected_mode: Lab) -> None:
    protected_mode.enter_virtual(io_level=3)
    assert protected_mode.enter("in al, 0x80").vector == 13


def test_port_access_in_virtual_8086_mode_with_a_clear_bit_succeeds(protected_mode: Lab) -> None:
    allow(protected_mode, 0x80)
    protected_mode.enter_virtual(io_level=0)
    assert protected_mode.enter("in al, 0x80\nud2").vector == 6


def test_port_access_with_a_page_fault_at_the_bitmap_raises_it(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, TSS | 3)
    long_mode.context.set_table(cx.TR, cx.Segment(0x38, WINDOW, 0x1FFF, 0x8B00))
    long_mode.word(TSS + 0x66, 0xFF0)
    long_mode.enter_user()
    entry = long_mode.enter("mov edx, 0x80\nin al, dx")
    assert (entry.vector, entry.frame[0]) == (14, 0)
    assert long_mode.registers["cr2"] == WINDOW + 0x1000


# -- strings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["real", "protected", "long"])
def test_outs_repeated_writes_each_element(bench: Bench, mode: str) -> None:
    lab = bench(mode)
    lab.memory.write(0x8000, b"hello")
    lab.run("mov dx, 0xE9\nmov si, 0x8000\nmov cx, 5\nrep outsb\nhlt")
    assert lab.output() == b"hello"
    assert (lab.registers["rsi"], lab.registers["rcx"]) == (0x8005, 0)


def test_outs_backwards_counts_down(long_mode: Lab) -> None:
    long_mode.memory.write(DATA, b"abc")
    long_mode.run(f"std\nmov dx, 0xE9\nmov esi, {DATA + 2}\nmov ecx, 3\nrep outsb\nhlt")
    assert long_mode.output() == b"cba"
    assert long_mode.registers["rsi"] == DATA - 1


def test_ins_repeated_fills_memory(long_mode: Lab) -> None:
    long_mode.run(f"mov dx, 0xE9\nmov edi, {DATA}\nmov ecx, 3\nrep insb\nhlt")
    assert long_mode.memory.read(DATA, 4) == b"\xe9\xe9\xe9\0"
    assert (long_mode.registers["rdi"], long_mode.registers["rcx"]) == (DATA + 3, 0)


@pytest.mark.parametrize(("source", "size"), [("insb", 1), ("insw", 2), ("insd", 4)])
def test_ins_advances_by_its_element(long_mode: Lab, source: str, size: int) -> None:
    long_mode.run(f"mov dx, 0xE9\nmov edi, {DATA}\n{source}\nhlt")
    assert long_mode.registers["rdi"] == DATA + size


def test_string_with_count_0_does_nothing(long_mode: Lab) -> None:
    long_mode.enter_user()
    entry = long_mode.enter("xor ecx, ecx\nmov edx, 0xE9\nrep outsb\nud2")
    assert entry.vector == 6


def test_string_with_32_bit_addresses_uses_ecx_and_clears_the_upper_halves(long_mode: Lab) -> None:
    long_mode.memory.write(DATA, b"xy")
    long_mode.run(
        f"mov dx, 0xE9\nmov rsi, 0xFF00000000 + {DATA}\nmov rcx, 0xFF00000002\n"
        ".byte 0x67, 0xF3, 0x6E\nhlt"
    )
    assert long_mode.output() == b"xy"
    assert (long_mode.registers["rsi"], long_mode.registers["rcx"]) == (DATA + 2, 0)


def test_string_with_16_bit_addresses_keeps_the_upper_parts(protected_mode: Lab) -> None:
    protected_mode.memory.write(0xFFFF, b"z")
    protected_mode.run(
        "mov dx, 0xE9\nmov esi, 0x1234FFFF\nmov ecx, 0x56780001\n.byte 0x67, 0xF3, 0x6E\nhlt"
    )
    assert protected_mode.output() == b"z"
    assert protected_mode.registers["rsi"] == 0x1234_0000
    assert protected_mode.registers["rcx"] == 0x5678_0000


def test_outs_takes_a_segment_prefix(protected_mode: Lab) -> None:
    protected_mode.context.set_segment(cx.FS, cx.Segment(0x10, DATA, 0xFFFF, 0x9300))
    protected_mode.memory.write(DATA + 4, b"f")
    protected_mode.run("mov dx, 0xE9\nmov esi, 4\n.byte 0x64, 0x6E\nhlt")
    assert protected_mode.output() == b"f"


@pytest.mark.parametrize(("prefix", "expected"), [("0x64", b"f"), ("0x2E", b"d")])
def test_outs_in_64_bit_mode_adds_the_base_of_fs_alone(
    long_mode: Lab, prefix: str, expected: bytes
) -> None:
    long_mode.context.set_segment(cx.FS, cx.Segment(0x10, DATA, 0xFFFF, 0x9300))
    long_mode.memory.write(DATA + 0x1004, b"f")
    long_mode.memory.write(0x1004, b"d")
    long_mode.run(f"mov dx, 0xE9\nmov esi, 0x1004\n.byte {prefix}, 0x6E\nhlt")
    assert long_mode.output() == expected


def test_ins_ignores_a_segment_prefix(long_mode: Lab) -> None:
    long_mode.context.set_segment(cx.FS, cx.Segment(0x10, DATA, 0xFFFF, 0x9300))
    long_mode.run("mov dx, 0xE9\nmov edi, 0x1000\n.byte 0x64, 0x6C\nhlt")
    assert long_mode.memory.read_integer(0x1000, 1) == 0xE9


@pytest.mark.parametrize(("segment", "vector"), [("0x36", 12), ("0x3E", 13)])
def test_outs_beyond_a_segment_limit_faults(protected_mode: Lab, segment: str, vector: int) -> None:
    protected_mode.gate(12, offset=0xA0C0)
    number = {"0x36": cx.SS, "0x3E": cx.DS}[segment]
    protected_mode.set_segment(number, SMALL_STACK)
    protected_mode.registers["rsp"] = 0x800
    entry = protected_mode.enter(f"mov dx, 0xE9\nmov esi, 0x1000\n.byte {segment}, 0x6E")
    assert (entry.vector, entry.frame[0]) == (vector, 0)


def test_outs_below_an_expand_down_segment_is_gp(protected_mode: Lab) -> None:
    protected_mode.set_segment(cx.DS, EXPAND_DOWN)
    assert protected_mode.enter("mov dx, 0xE9\nmov esi, 0x1000\noutsb").vector == 13


@pytest.mark.parametrize("source", ["outsb", "insb"])
def test_string_at_a_non_canonical_address_is_gp(long_mode: Lab, source: str) -> None:
    long_mode.registers["rsi"] = long_mode.registers["rdi"] = 1 << 47
    entry = long_mode.enter("mov dx, 0xE9\n" + source)
    assert (entry.vector, entry.frame[0]) == (13, 0)


def test_ins_to_an_unmapped_page_reads_no_device(long_mode: Lab) -> None:
    """A read of the receive buffer would lose the byte."""
    long_mode.machine.devices.uart.receive(b"Q")
    entry = long_mode.enter(f"mov dx, {COM1}\nmov rdi, {WINDOW}\ninsb")
    assert (entry.vector, entry.frame[0]) == (14, 2)
    assert long_mode.registers["cr2"] == WINDOW
    long_mode.run(f"mov dx, {COM1}\nin al, dx\nhlt")
    assert long_mode.registers["rax"] & 0xFF == ord("Q")


def test_ins_across_a_page_whose_second_half_is_unmapped_reads_no_device(long_mode: Lab) -> None:
    long_mode.machine.devices.uart.receive(b"Q")
    long_mode.map_page(WINDOW, DATA | 3)
    entry = long_mode.enter(f"mov dx, {COM1}\nmov rdi, {WINDOW + 0xFFF}\ninsw")
    assert (entry.vector, long_mode.registers["cr2"]) == (14, WINDOW + 0x1000)
    long_mode.run(f"mov dx, {COM1}\nin al, dx\nhlt")
    assert long_mode.registers["rax"] & 0xFF == ord("Q")


def test_outs_across_two_pages_reads_both(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.map_page(WINDOW + 0x1000, DATA + 0x2000 | 3)
    long_mode.memory.write(DATA + 0xFFF, b"1")
    long_mode.memory.write(DATA + 0x2000, b"2")
    long_mode.run(f"mov dx, 0xE9\nmov rsi, {WINDOW + 0xFFF}\nmov ecx, 2\nrep outsb\nhlt")
    assert long_mode.output() == b"12"


def test_string_faulting_in_the_middle_keeps_what_was_done(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.memory.write(DATA + 0xFFE, b"ab")
    entry = long_mode.enter(f"mov dx, 0xE9\nmov rsi, {WINDOW + 0xFFE}\nmov ecx, 5\nrep outsb")
    assert (entry.vector, long_mode.registers["rcx"]) == (14, 3)
    assert long_mode.registers["rsi"] == WINDOW + 0x1000
    assert long_mode.output() == b"ab"


def test_string_of_user_code_respects_the_user_bit(long_mode: Lab) -> None:
    long_mode.map_page(WINDOW, DATA | 3)
    long_mode.enter_user()
    long_mode.registers["rflags"] = IOPL_3
    entry = long_mode.enter(f"mov edx, 0xE9\nmov rsi, {WINDOW}\noutsb")
    assert (entry.vector, entry.frame[0]) == (14, 5)


def test_string_of_compatibility_mode_code_uses_segments(long_mode: Lab) -> None:
    long_mode.enter_user(USER_CS32)
    long_mode.registers["rflags"] = IOPL_3
    long_mode.memory.write(DATA, b"c")
    long_mode.enter(f"mov dx, 0xE9\nmov esi, {DATA}\noutsb\nud2")
    assert long_mode.output() == b"c"


def test_string_in_a_16_bit_segment_wraps_its_index(real_mode: Lab) -> None:
    real_mode.context.set_segment(cx.DS, cx.Segment(DS16, 0, 0xFFFF, 0x9300))
    real_mode.memory.write(0xFFFF, b"w")
    real_mode.run("mov dx, 0xE9\nmov si, 0xFFFF\noutsb\nhlt")
    assert (real_mode.output(), real_mode.registers["rsi"]) == (b"w", 0)


def test_string_cut_at_each_instruction_ends_in_the_same_state(long_mode: Lab) -> None:
    long_mode.memory.write(DATA, b"hello")
    long_mode.code(f"mov dx, 0xE9\nmov esi, {DATA}\nmov ecx, 5\nrep outsb\nmov ebx, 7\nhlt")
    stops = [long_mode.run(budget=1) for _ in range(11)]
    assert stops == [Stop.BUDGET] * 10 + [Stop.HALT]
    assert long_mode.output() == b"hello"
    assert long_mode.core.retired == 11
