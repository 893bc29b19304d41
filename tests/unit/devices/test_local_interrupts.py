"""Pins and LVT entries of a local APIC (SDM "Local Vector Table")."""

import pytest

from uniSMP.devices.interrupt_acceptance import InterruptAcceptance
from uniSMP.devices.local_apic_state import LocalApicState
from uniSMP.devices.local_interrupts import LocalInterrupts
from uniSMP.devices.messages import CoreEvent

LINT0, LINT1 = 0x350, 0x360
PINS = pytest.mark.parametrize(("pin", "register"), [(0, LINT0), (1, LINT1)])
MASKED, LEVEL, REMOTE_IRR, ACTIVE_LOW = 1 << 16, 1 << 15, 1 << 14, 1 << 13
FIXED, SMI, NMI, INIT, EXT_INT = 0x000, 0x200, 0x400, 0x500, 0x700


def table(svr: int = 0x1FF, base: int = 0xFEE0_0800) -> tuple[LocalInterrupts, LocalApicState]:
    state = LocalApicState(base, svr=svr)
    return LocalInterrupts(InterruptAcceptance(state)), state


@PINS
def test_pin_fixed_edge_requests_on_rise_only(pin: int, register: int) -> None:
    local, state = table()
    local.write_entry(register, FIXED | 0x40)

    local.set_pin(pin, is_high=True)
    assert (state.irr, state.tmr) == (1 << 0x40, 0)

    state.irr = 0
    local.set_pin(pin, is_high=True)
    local.set_pin(pin, is_high=False)
    assert state.irr == 0


@PINS
def test_pin_active_low_requests_on_fall(pin: int, register: int) -> None:
    local, state = table()
    local.write_entry(register, FIXED | ACTIVE_LOW | 0x40)
    local.set_pin(pin, is_high=True)
    assert state.irr == 0

    local.set_pin(pin, is_high=False)

    assert state.irr == 1 << 0x40


@PINS
def test_pin_edge_while_masked_is_lost(pin: int, register: int) -> None:
    local, state = table()
    local.write_entry(register, MASKED | 0x40)
    local.set_pin(pin, is_high=True)

    local.write_entry(register, 0x40)

    assert state.irr == 0


@PINS
@pytest.mark.parametrize(
    ("mode", "event"),
    [(SMI, CoreEvent.SMI), (NMI, CoreEvent.NMI), (INIT, CoreEvent.INIT), (EXT_INT, None)],
)
def test_pin_delivery_mode_reaches_core(
    pin: int, register: int, mode: int, event: CoreEvent | None
) -> None:
    local, state = table()
    local.write_entry(register, mode | 0x40)

    assert local.set_pin(pin, is_high=True) == event
    assert state.irr == 0


def test_pin_nmi_marked_as_level_is_an_edge() -> None:
    local, _ = table()
    local.write_entry(LINT0, NMI | LEVEL)

    events = [local.set_pin(0, is_high=True), local.set_pin(0, is_high=True)]

    assert events == [CoreEvent.NMI, None]


@pytest.mark.parametrize("mode", [0x300, 0x600])
def test_pin_reserved_delivery_mode_does_nothing(mode: int) -> None:
    local, state = table()
    local.write_entry(LINT1, mode | 0x40)

    assert local.set_pin(1, is_high=True) is None
    assert state.irr == 0


def test_pin_fixed_illegal_vector_is_logged() -> None:
    local, state = table()
    local.write_entry(LINT1, FIXED | 5)

    local.set_pin(1, is_high=True)

    assert (state.irr, state.detected_errors) == (0, 0x40)


def test_lint0_level_sets_remote_irr_and_tmr() -> None:
    local, state = table()
    local.write_entry(LINT0, FIXED | LEVEL | 0x40)

    local.set_pin(0, is_high=True)

    assert (state.irr, state.tmr) == (1 << 0x40, 1 << 0x40)
    assert state.lvt[LINT0] == FIXED | LEVEL | REMOTE_IRR | 0x40


def test_lint0_level_still_asserted_repeats_after_eoi() -> None:
    local, state = table()
    local.write_entry(LINT0, FIXED | LEVEL | 0x40)
    local.set_pin(0, is_high=True)
    state.irr = 0

    local.end_of_level(0x41)
    assert state.irr == 0

    local.end_of_level(0x40)
    assert state.irr == 1 << 0x40


def test_lint0_level_released_before_eoi_does_not_repeat() -> None:
    local, state = table()
    local.write_entry(LINT0, FIXED | LEVEL | 0x40)
    local.set_pin(0, is_high=True)
    local.set_pin(0, is_high=False)
    state.irr = 0

    local.end_of_level(0x40)

    assert (state.irr, state.lvt[LINT0]) == (0, FIXED | LEVEL | 0x40)


def test_lint0_level_asserted_while_masked_requests_when_unmasked() -> None:
    local, state = table()
    local.write_entry(LINT0, MASKED | LEVEL | 0x40)
    local.set_pin(0, is_high=True)

    local.write_entry(LINT0, LEVEL | 0x40)

    assert state.irr == 1 << 0x40


def test_lint0_level_with_illegal_vector_leaves_remote_irr_clear() -> None:
    local, state = table()
    local.write_entry(LINT0, LEVEL | 5)

    local.set_pin(0, is_high=True)

    assert (state.lvt[LINT0], state.detected_errors) == (LEVEL | 5, 0x40)


def test_lint1_level_is_an_edge() -> None:
    local, state = table()
    local.write_entry(LINT1, LEVEL | 0x40)

    local.set_pin(1, is_high=True)

    assert (state.irr, state.tmr) == (1 << 0x40, 0)


def test_entry_written_while_software_disabled_stays_masked() -> None:
    local, state = table(svr=0xFF)

    local.write_entry(LINT0, EXT_INT)

    assert state.lvt[LINT0] == MASKED | EXT_INT


def test_mask_all_sets_every_mask_bit() -> None:
    local, state = table()
    local.write_entry(LINT0, EXT_INT)

    local.mask_all()

    assert [entry & MASKED for entry in state.lvt.values()] == [MASKED] * 6


@pytest.mark.parametrize(
    ("entry", "expected"), [(EXT_INT, True), (EXT_INT | MASKED, False), (NMI, False), (0x40, False)]
)
def test_external_interrupts_need_unmasked_ext_int(entry: int, *, expected: bool) -> None:
    local, _ = table()

    local.write_entry(LINT0, entry)

    assert local.takes_external_interrupts() == expected


def test_external_interrupts_of_disabled_local_apic_are_taken() -> None:
    local, _ = table(svr=0xFF, base=0xFEE0_0000)

    assert local.takes_external_interrupts()


def test_pins_of_disabled_local_apic_are_intr_and_nmi() -> None:
    local, _ = table(svr=0xFF, base=0xFEE0_0000)

    assert local.set_pin(0, is_high=True) is None
    assert local.set_pin(1, is_high=True) == CoreEvent.NMI
    assert local.set_pin(1, is_high=True) is None
    assert local.set_pin(1, is_high=False) is None
