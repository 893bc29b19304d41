"""Writes to local APIC registers."""

import pytest

from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.checks.apic_events import is_write_of, task_priority
from uniSMP.checks.history import Event


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(0, 0, "mmio_write", address=0xFEE000B0), True),
        (Event(0, 0, "msr_write", address=0x80B), True),
        (Event(0, 0, "mmio_read", address=0xFEE000B0), False),
        (Event(0, 0, "mmio_write", address=0xFEE00080), False),
        (Event(0, 0, "mmio_write", address=0xFEC000B0), False),
        (Event(0, 0, "msr_write", address=0xFEE000B0), False),
    ],
)
def test_write_of_eoi_is_known_in_both_modes(event: Event, *, expected: bool) -> None:
    assert is_write_of(event, Reg.EOI) is expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Event(0, 0, "mmio_write", value=0x53, address=0xFEE00080), 0x53),
        (Event(0, 0, "msr_write", value=0x20, address=0x808), 0x20),
        (Event(0, 0, "control_register_write", value=5, detail="cr8"), 0x50),
        (Event(0, 0, "control_register_write", value=5, detail="cr0"), -1),
        (Event(0, 0, "mmio_write", value=0x53, address=0xFEE000B0), -1),
    ],
)
def test_task_priority_is_known_however_it_is_written(event: Event, expected: int) -> None:
    assert task_priority(event) == expected
