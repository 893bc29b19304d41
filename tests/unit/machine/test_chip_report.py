"""The interrupt chips as text."""

from collections.abc import Iterator

import pytest

from uniSMP import Machine, assemble
from uniSMP.machine.chip_report import (
    describe_apic,
    describe_interrupts,
    describe_io_apic,
    describe_pic,
    vectors,
)

# Interrupt 0x41 is served, 0x31 and 0x40 wait below it; pin 4 is level, active low, logical.
PENDING = """
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x320], 0x20040
    mov dword ptr [rsi + 0x380], 1000000
    gate 0x41, on_call, 0x8E00
    lidt [rip + idt]
    mov dword ptr [rsi + 0x310], 0
    mov dword ptr [rsi + 0x300], 0x40041
    mov edi, 0xFEC00000
    mov dword ptr [rdi], 0x18
    mov dword ptr [rdi + 16], 0x1A855
    sti
    nop
    nop
on_call:
    mov dword ptr [rsi + 0x300], 0x40031
    mov dword ptr [rsi + 0x300], 0x40040
    finish
"""


@pytest.fixture
def fresh() -> Iterator[Machine]:
    with Machine(cores=2, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(assemble("_start: hlt"))
        yield machine


@pytest.mark.parametrize(
    ("bitmap", "text"), [(0, "none"), (1, "0x00"), (1 << 0x31 | 1 << 0xFF, "0xff 0x31")]
)
def test_vectors_are_named_highest_first(bitmap: int, text: str) -> None:
    assert vectors(bitmap) == text


def test_apic_tells_what_waits_and_what_is_served(kernel: type) -> None:
    machine = kernel(f"_start:\n{PENDING}").machine
    lines = describe_apic(machine.devices.local_apics[0]).splitlines()
    assert lines[0] == "local APIC of core 0: xapic, enabled"
    assert "PPR 0x40" in lines[1]
    assert lines[3:6] == [
        "  requested (IRR) 0x40 0x31",
        "  in service (ISR) 0x41",
        "  deliverable nothing, IPIs sent 3",
    ]
    assert lines[6] == "  timer periodic, initial count 1000000"
    assert lines[8] == "  LVT timer       vector 0x40, fixed, edge"


def test_io_apic_tells_the_fields_of_each_pin(kernel: type) -> None:
    machine = kernel(f"_start:\n{PENDING}").machine
    lines = describe_io_apic(machine).splitlines()
    assert len(lines) == 25
    assert lines[0] == "IOAPIC: IOREGSEL 0x18, ID 0x0"
    fields = "vector 0x55, fixed, level, active low, masked"
    assert lines[5] == f"  pin  4 low  to logical 0x0: {fields}"


def test_pic_tells_both_chips(fresh: Machine) -> None:
    lines = describe_pic(fresh).splitlines()
    assert lines[0] == "8259A master: vectors from 0x08"
    assert lines[3].startswith("8259A slave: vectors from 0x")
    assert len(lines) == 6


def test_interrupts_are_told_of_each_core(fresh: Machine) -> None:
    waiting = "PPR 0x00, requested none, in service none; running at rip 0x100000"
    assert describe_interrupts(fresh) == (
        f"core 0: IF 0, {waiting}\ncore 1: IF 0, {waiting}\n8259A: INT is low\n"
    )


def test_describing_changes_nothing(fresh: Machine) -> None:
    before = fresh.digest()
    describe_apic(fresh.devices.local_apics[1])
    describe_io_apic(fresh)
    describe_pic(fresh)
    describe_interrupts(fresh)
    assert fresh.digest() == before
