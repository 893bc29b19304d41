"""The IOAPIC (Intel 82093AA datasheet)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.arch.apic import DeliveryMode, DestinationMode, TriggerMode
from uniSMP.devices.device import Device
from uniSMP.devices.io_apic import IoApic, IoApicState
from uniSMP.devices.messages import InterruptMessage, Messages

MASKED, LEVEL, REMOTE_IRR, ACTIVE_LOW = 1 << 16, 1 << 15, 1 << 14, 1 << 13
SELECT, WINDOW = 0x00, 0x10


def read(chip: IoApic, index: int) -> int:
    chip.write(SELECT, index, 4)
    return chip.read(WINDOW, 4)


def write(chip: IoApic, index: int, value: int) -> Messages:
    chip.write(SELECT, index, 4)
    return chip.write(WINDOW, value, 4)


def programmed(low: int, pin: int = 5, high: int = 0) -> IoApic:
    chip = IoApic()
    write(chip, 0x11 + 2 * pin, high)
    write(chip, 0x10 + 2 * pin, low)
    return chip


def fixed(vector: int, trigger: TriggerMode = TriggerMode.EDGE) -> InterruptMessage:
    return InterruptMessage(0, DestinationMode.PHYSICAL, DeliveryMode.FIXED, vector, trigger)


def test_io_apic_is_a_device() -> None:
    assert isinstance(IoApic(), Device)


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0x00, 0),
        (0x01, 0x0017_0011),
        (0x02, 0),
        (0x03, 0),
        (0x0F, 0),
        *((0x10 + 2 * pin, MASKED) for pin in range(24)),
        *((0x11 + 2 * pin, 0) for pin in range(24)),
        (0x40, 0),
        (0xFF, 0),
    ],
)
def test_register_after_reset_has_datasheet_value(index: int, value: int) -> None:
    assert read(IoApic(), index) == value


@pytest.mark.parametrize(
    ("index", "value"),
    [
        (0x00, 0x0F00_0000),
        (0x01, 0x0017_0011),
        (0x02, 0),
        (0x03, 0),
        (0x10, 0x0001_AFFF),
        (0x11, 0xFF00_0000),
        (0x3E, 0x0001_AFFF),
        (0x3F, 0xFF00_0000),
        (0x40, 0),
    ],
)
def test_register_written_with_ones_keeps_its_writable_bits(index: int, value: int) -> None:
    chip = IoApic()

    assert write(chip, index, 0xFFFF_FFFF) == ()
    assert read(chip, index) == value


def test_arbitration_id_is_loaded_with_the_id() -> None:
    chip = IoApic()

    write(chip, 0x00, 0x0500_0000)

    assert read(chip, 0x02) == 0x0500_0000


def test_halves_of_an_entry_are_independent() -> None:
    chip = programmed(0x1_0040, high=0x0700_0000)

    assert (read(chip, 0x1A), read(chip, 0x1B)) == (0x1_0040, 0x0700_0000)


@pytest.mark.parametrize(
    ("offset", "size", "value"),
    [(0x00, 4, 1), (0x00, 1, 1), (0x01, 1, 0), (0x10, 1, 0x11), (0x12, 1, 0x17), (0x12, 2, 0x17)],
)
def test_read_shows_bytes_of_the_doubleword(offset: int, size: int, value: int) -> None:
    chip = IoApic()
    chip.write(SELECT, 1, 4)

    assert chip.read(offset, size) == value
    assert chip.after_read(offset, size) == ()


@pytest.mark.parametrize("offset", [0x04, 0x08, 0x14, 0x20, 0x40, 0xFFC])
def test_other_offset_reads_zero_and_drops_writes(offset: int) -> None:
    chip = IoApic()

    assert chip.write(offset, 0xFFFF_FFFF, 4) == ()
    assert chip.read(offset, 4) == 0
    assert chip.state == IoApicState()


def test_select_takes_its_low_byte_only() -> None:
    chip = IoApic()

    chip.write(SELECT, 0xFFFF_FF01, 4)

    assert chip.read(SELECT, 4) == 1


@pytest.mark.parametrize(("offset", "size"), [(0x10, 1), (0x10, 2), (0x11, 1)])
def test_window_narrow_write_is_dropped(offset: int, size: int) -> None:
    chip = IoApic()
    chip.write(SELECT, 0x10, 4)

    chip.write(offset, 0, size)

    assert read(chip, 0x10) == MASKED


def test_edge_sends_on_rise_only() -> None:
    chip = programmed(0x40)

    assert chip.set_line(5, is_high=True) == (fixed(0x40),)
    assert chip.set_line(5, is_high=True) == ()
    assert chip.set_line(5, is_high=False) == ()
    assert chip.set_line(5, is_high=True) == (fixed(0x40),)


def test_polarity_is_kept_but_a_quiet_pin_stays_quiet() -> None:
    chip = programmed(LEVEL | ACTIVE_LOW | 0x40)

    assert read(chip, 0x1A) == LEVEL | ACTIVE_LOW | 0x40
    assert chip.set_line(5, is_high=True) == (fixed(0x40, TriggerMode.LEVEL),)


def test_edge_while_masked_is_lost() -> None:
    chip = programmed(MASKED | 0x40)

    assert chip.set_line(5, is_high=True) == ()
    assert write(chip, 0x1A, 0x40) == ()


def test_message_carries_the_entry() -> None:
    chip = programmed(0x0940, high=0xAB00_0000)

    assert chip.set_line(5, is_high=True) == (
        InterruptMessage(
            0xAB,
            DestinationMode.LOGICAL,
            DeliveryMode.LOWEST_PRIORITY,
            0x40,
            TriggerMode.EDGE,
        ),
    )


def test_level_sends_once_and_sets_remote_irr() -> None:
    chip = programmed(LEVEL | 0x40)

    assert chip.set_line(5, is_high=True) == (fixed(0x40, TriggerMode.LEVEL),)
    assert read(chip, 0x1A) == LEVEL | REMOTE_IRR | 0x40
    assert chip.set_line(5, is_high=False) == ()
    assert chip.set_line(5, is_high=True) == ()


def test_level_still_asserted_repeats_after_eoi() -> None:
    chip = programmed(LEVEL | 0x40)
    chip.set_line(5, is_high=True)

    assert chip.end_of_interrupt(0x41) == ()
    assert chip.end_of_interrupt(0x40) == (fixed(0x40, TriggerMode.LEVEL),)


def test_level_released_before_eoi_does_not_repeat() -> None:
    chip = programmed(LEVEL | 0x40)
    chip.set_line(5, is_high=True)
    chip.set_line(5, is_high=False)

    assert chip.end_of_interrupt(0x40) == ()
    assert read(chip, 0x1A) == LEVEL | 0x40


def test_level_masked_meanwhile_does_not_repeat_until_unmasked() -> None:
    chip = programmed(LEVEL | 0x40)
    chip.set_line(5, is_high=True)
    write(chip, 0x1A, MASKED | LEVEL | 0x40)

    assert chip.end_of_interrupt(0x40) == ()
    assert write(chip, 0x1A, LEVEL | 0x40) == (fixed(0x40, TriggerMode.LEVEL),)


def test_level_asserted_while_masked_sends_when_unmasked() -> None:
    chip = programmed(MASKED | LEVEL | 0x40)

    assert chip.set_line(5, is_high=True) == ()
    assert write(chip, 0x1A, LEVEL | 0x40) == (fixed(0x40, TriggerMode.LEVEL),)


def test_level_active_low_is_quiet_on_a_pin_nobody_drives() -> None:
    chip = IoApic()

    assert write(chip, 0x1A, LEVEL | ACTIVE_LOW | 0x40) == ()


def test_eoi_of_edge_entry_with_same_vector_does_nothing() -> None:
    chip = programmed(0x40)
    chip.set_line(5, is_high=True)

    assert chip.end_of_interrupt(0x40) == ()


def test_eoi_reaches_every_entry_of_the_vector() -> None:
    chip = programmed(LEVEL | 0x40)
    write(chip, 0x10 + 2 * 7, LEVEL | 0x40)
    chip.set_line(5, is_high=True)
    chip.set_line(7, is_high=True)

    assert chip.end_of_interrupt(0x40) == (fixed(0x40, TriggerMode.LEVEL),) * 2


def test_remote_irr_survives_a_write_of_the_entry() -> None:
    chip = programmed(LEVEL | 0x40)
    chip.set_line(5, is_high=True)

    assert write(chip, 0x1A, LEVEL | 0x50) == ()
    assert read(chip, 0x1A) == LEVEL | REMOTE_IRR | 0x50


def test_remote_irr_is_lost_when_the_entry_becomes_edge_triggered() -> None:
    chip = programmed(LEVEL | 0x40)
    chip.set_line(5, is_high=True)

    write(chip, 0x1A, 0x40)

    assert read(chip, 0x1A) == 0x40


@pytest.mark.parametrize(
    "mode", [DeliveryMode.SMI, DeliveryMode.NMI, DeliveryMode.INIT, DeliveryMode.EXT_INT]
)
def test_other_mode_is_edge_triggered_whatever_the_entry_says(mode: DeliveryMode) -> None:
    chip = programmed(LEVEL | mode << 8 | 0x40)

    sent = chip.set_line(5, is_high=True)

    assert sent == (InterruptMessage(0, DestinationMode.PHYSICAL, mode, 0x40, TriggerMode.EDGE),)
    assert chip.set_line(5, is_high=True) == ()


@pytest.mark.parametrize("mode", [3, 6])
def test_reserved_mode_sends_nothing(mode: int) -> None:
    chip = programmed(mode << 8 | 0x40)

    assert chip.set_line(5, is_high=True) == ()


def test_reset_keeps_pin_levels() -> None:
    chip = programmed(LEVEL | 0x40)
    chip.set_line(5, is_high=True)

    chip.reset()

    assert read(chip, 0x1A) == MASKED
    assert chip.state.levels[5]


def test_state_round_trip_is_a_copy() -> None:
    chip = programmed(LEVEL | 0x40)
    chip.set_line(5, is_high=True)

    restored = IoApic(chip.state)

    assert restored.state == chip.state
    restored.end_of_interrupt(0x40)
    restored.set_line(5, is_high=False)
    assert restored.state != chip.state


@settings(derandomize=True, deadline=None)
@given(
    trigger=st.sampled_from([0, LEVEL]),
    levels=st.lists(st.booleans(), max_size=20),
)
def test_edges_are_sent_each_and_levels_once(trigger: int, levels: list[bool]) -> None:
    chip = programmed(trigger | 0x40)

    sent = sum([len(chip.set_line(5, is_high=level)) for level in levels])

    rises = sum(new and not old for old, new in zip([False, *levels], levels, strict=False))
    assert sent == (min(1, rises) if trigger else rises)
