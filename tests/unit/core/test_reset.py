"""States a core starts from (SDM volume 3A, "Processor Management and Initialization")."""

import pytest
from lab import CODE, Lab, cx

from uniSMP.core import reset
from uniSMP.core.cpuid import SIGNATURE


@pytest.fixture
def started(long_mode: Lab) -> Lab:
    """A core after power-on."""
    long_mode.core.power_on()
    return long_mode


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rip", 0xFFF0),
        ("rflags", 2),
        ("rdx", SIGNATURE),
        ("rax", 0),
        ("rsp", 0),
        ("r15", 0),
        ("cr0", 0x6000_0010),
        ("cr2", 0),
        ("cr3", 0),
        ("cr4", 0),
        ("efer", 0),
        ("dr6", 0xFFFF_0FF0),
        ("dr7", 0x400),
        ("cs", 0xF000),
        ("ss", 0),
        ("pat", 0x0007_0406_0007_0406),
    ],
)
def test_power_on_sets_the_manuals_values(started: Lab, name: str, expected: int) -> None:
    assert started.registers[name] == expected


def test_power_on_sets_hidden_parts(started: Lab) -> None:
    context = started.context
    assert context.segment(cx.CS) == cx.Segment(0xF000, 0xFFFF_0000, 0xFFFF, 0x9B00)
    assert context.segment(cx.DS) == cx.Segment(0, 0, 0xFFFF, 0x9300)
    assert context.table(cx.IDT).limit == context.table(cx.GDT).limit == 0xFFFF
    assert context.table(cx.TR).flags == 0x8B00
    assert (context.bits, context.is_protected, context.cpl) == (16, False, 0)


def test_power_on_resets_the_fpu(long_mode: Lab) -> None:
    fresh = long_mode.engine.extended_state()
    long_mode.run("fld1\nhlt")
    long_mode.core.power_on()
    assert long_mode.engine.extended_state() == fresh


def test_init_keeps_the_fpu(long_mode: Lab) -> None:
    long_mode.run("fld1\nhlt")
    kept = long_mode.engine.extended_state()
    long_mode.core.init()
    assert long_mode.engine.extended_state() == kept


@pytest.mark.parametrize(("before", "after"), [(0x8000_0033, 0x10), (0xE000_0033, 0x6000_0010)])
def test_init_keeps_the_cache_bits_of_cr0(long_mode: Lab, before: int, after: int) -> None:
    long_mode.context.set_quad(cx.CR0, before)
    long_mode.core.init()
    assert long_mode.registers["cr0"] == after


def test_init_unblocks_nmis_and_ends_the_shadow(long_mode: Lab) -> None:
    long_mode.context.block_nmi()
    long_mode.run("sti", 1)
    long_mode.core.init()
    assert long_mode.core.accepts_nmi


@pytest.mark.parametrize("vector", [0, 8, 0x9A, 0xFF])
def test_start_up_begins_at_the_vectors_page(started: Lab, vector: int) -> None:
    reset.start_up(started.engine, vector)
    assert started.context.linear_rip == vector << 12
    assert started.registers["cs"] == vector << 8


def test_multiboot_enters_flat_protected_mode(started: Lab) -> None:
    reset.multiboot(started.engine, CODE, 0x9_8000)
    registers = started.registers
    assert (registers["rax"], registers["rbx"]) == (0x2BAD_B002, 0x9_8000)
    assert (registers["cr0"], registers["rip"]) == (0x11, CODE)
    assert (started.context.bits, registers["rflags"]) == (32, 2)
    assert started.context.segment(cx.CS).limit == cx.MASK32


def test_direct_start_is_64_bit_code_at_level_0(started: Lab) -> None:
    tables = reset.LongTables(0x1F_9000, 0x4000, 23)
    reset.long_mode(started.engine, CODE, 0x9000, 7, tables)
    registers = started.registers
    assert (registers["rip"], registers["rsp"], registers["rdi"]) == (CODE, 0x9000, 7)
    assert (started.context.bits, started.context.cpl) == (64, 0)
    assert started.context.table(cx.GDT).base == 0x4000
    assert not registers["rflags"] & 0x200
