"""Fields shared by LVT entries, the ICR and redirection entries."""

import pytest

from uniSMP.arch.apic import DeliveryMode, DestinationMode, TriggerMode
from uniSMP.devices import interrupt_entry


@pytest.mark.parametrize("mode", list(DeliveryMode))
def test_delivery_mode_of_known_encoding_is_decoded(mode: DeliveryMode) -> None:
    assert interrupt_entry.delivery_mode(mode << 8 | 0x1_F8FF) == mode


def test_delivery_mode_of_reserved_encoding_is_none() -> None:
    assert interrupt_entry.delivery_mode(0x300) is None


@pytest.mark.parametrize(("bit", "mode"), [(0, TriggerMode.EDGE), (1 << 15, TriggerMode.LEVEL)])
def test_trigger_mode_follows_bit_15(bit: int, mode: TriggerMode) -> None:
    assert interrupt_entry.trigger_mode(bit) == mode


@pytest.mark.parametrize(
    ("bit", "mode"), [(0, DestinationMode.PHYSICAL), (1 << 11, DestinationMode.LOGICAL)]
)
def test_destination_mode_follows_bit_11(bit: int, mode: DestinationMode) -> None:
    assert interrupt_entry.destination_mode(bit) == mode


@pytest.mark.parametrize(
    ("entry", "is_high", "is_active"),
    [(0, True, True), (0, False, False), (1 << 13, True, False), (1 << 13, False, True)],
)
def test_pin_is_active_by_polarity(entry: int, *, is_high: bool, is_active: bool) -> None:
    assert interrupt_entry.is_active(entry, is_high=is_high) == is_active
