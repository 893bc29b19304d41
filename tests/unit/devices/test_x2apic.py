"""Which registers the two modes have (SDM tables of the register address maps)."""

from uniSMP.devices.x2apic import (
    X2APIC_ACCEPTED_BITS,
    X2APIC_READABLE,
    XAPIC_REGISTERS,
    offset_of,
)

BITMAPS = {*range(0x100, 0x280, 0x10)}
LVT = {0x320, 0x330, 0x340, 0x350, 0x360, 0x370}


def test_offset_of_msr_is_sixteen_times_its_index() -> None:
    assert (offset_of(0x800), offset_of(0x830), offset_of(0x83F)) == (0, 0x300, 0x3F0)


def test_xapic_registers_are_those_of_the_address_map() -> None:
    plain = {0x20, 0x30, 0x80, 0x90, 0xA0, 0xB0, 0xC0, 0xD0, 0xE0, 0xF0, 0x280, 0x300, 0x310}

    assert plain | BITMAPS | LVT | {0x380, 0x390, 0x3E0} == XAPIC_REGISTERS


def test_x2apic_readable_registers_are_those_of_the_address_map() -> None:
    plain = {0x20, 0x30, 0x80, 0xA0, 0xD0, 0xF0, 0x280, 0x300}

    assert plain | BITMAPS | LVT | {0x380, 0x390, 0x3E0} == X2APIC_READABLE


def test_x2apic_writable_registers_are_those_of_the_address_map() -> None:
    plain = {0x80, 0xB0, 0xF0, 0x280, 0x300, 0x380, 0x3E0, 0x3F0}

    assert plain | LVT == set(X2APIC_ACCEPTED_BITS)
