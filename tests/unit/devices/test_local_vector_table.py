"""LVT entries (SDM "Local Vector Table")."""

import pytest

from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.arch.apic import TimerMode
from uniSMP.devices.local_vector_table import merged, reset_entries, timer_mode

MASKED = 0x1_0000
REMOTE_IRR, LEVEL = 1 << 14, 1 << 15


def test_entries_after_reset_are_masked() -> None:
    assert reset_entries() == dict.fromkeys(range(0x320, 0x380, 0x10), MASKED)


@pytest.mark.parametrize(
    ("register", "kept"),
    [
        (Reg.LVT_TIMER, 0x1_00FF),
        (Reg.LVT_THERMAL, 0x1_07FF),
        (Reg.LVT_PERFORMANCE, 0x1_07FF),
        (Reg.LVT_LINT0, 0x1_A7FF),
        (Reg.LVT_LINT1, 0x1_A7FF),
        (Reg.LVT_ERROR, 0x1_00FF),
    ],
)
def test_entry_written_with_ones_keeps_its_writable_bits(register: int, kept: int) -> None:
    assert merged(register, 0, 0xFFFF_FFFF) == kept


@pytest.mark.parametrize("mode", list(TimerMode))
def test_timer_mode_is_taken(mode: TimerMode) -> None:
    assert timer_mode(merged(Reg.LVT_TIMER, 0, mode << 17)) == mode


@pytest.mark.parametrize("mode", list(TimerMode))
def test_timer_mode_reserved_leaves_mode(mode: TimerMode) -> None:
    assert merged(Reg.LVT_TIMER, mode << 17, 3 << 17 | 0x40) == mode << 17 | 0x40


def test_timer_mode_of_reserved_encoding_is_none() -> None:
    assert timer_mode(3 << 17) is None


@pytest.mark.parametrize(
    ("written", "entry"), [(LEVEL | 0x40, LEVEL | REMOTE_IRR | 0x40), (0x40, 0x40)]
)
def test_remote_irr_survives_while_level_triggered(written: int, entry: int) -> None:
    assert merged(Reg.LVT_LINT0, LEVEL | REMOTE_IRR | 0x30, written) == entry
