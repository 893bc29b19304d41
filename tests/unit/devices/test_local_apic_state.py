"""Registers of the local APIC after resets (SDM "Local APIC State After Power-Up or Reset")."""

import pytest

from uniSMP.devices.apic_mode import ApicMode
from uniSMP.devices.local_apic_state import LocalApicState


def test_state_after_power_up_has_manual_values() -> None:
    state = LocalApicState(0xFEE0_0800)

    assert (state.dfr, state.svr) == (0xFFFF_FFFF, 0xFF)
    assert (state.tpr, state.ldr, state.isr, state.tmr, state.irr, state.icr) == (0, 0, 0, 0, 0, 0)
    assert not state.is_software_enabled


@pytest.mark.parametrize(
    ("bits", "mode"), [(0, ApicMode.DISABLED), (0x800, ApicMode.XAPIC), (0xC00, ApicMode.X2APIC)]
)
def test_mode_follows_base(bits: int, mode: ApicMode) -> None:
    assert LocalApicState(0xFEE0_0000 | bits).mode == mode


def test_reset_keeps_base_pins_and_count_only() -> None:
    state = LocalApicState(0xFEE0_0D00, tpr=1, isr=2, svr=0x1FF, icr=3, ipis_sent=4)
    state.lvt[0x350] = 0x700
    state.lint_levels[1] = True

    state.reset()

    assert state == LocalApicState(0xFEE0_0D00, lint_levels=[False, True], ipis_sent=4)
