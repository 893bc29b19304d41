"""Destinations of messages (SDM "Determining IPI Destination")."""

import pytest

from uniSMP.arch.apic import DeliveryMode, DestinationMode, Shorthand, TriggerMode
from uniSMP.devices.apic_addressing import Address, is_addressed, x2apic_logical_id
from uniSMP.devices.messages import InterruptMessage

PHYSICAL, LOGICAL = DestinationMode.PHYSICAL, DestinationMode.LOGICAL


def message(
    destination: int,
    mode: DestinationMode = PHYSICAL,
    shorthand: Shorthand = Shorthand.NONE,
    *,
    is_x2apic: bool = False,
) -> InterruptMessage:
    return InterruptMessage(
        destination,
        mode,
        DeliveryMode.FIXED,
        0x40,
        TriggerMode.EDGE,
        shorthand=shorthand,
        source=1,
        is_x2apic=is_x2apic,
    )


def xapic(apic_id: int, logical_id: int = 0, model: int = 0xF) -> Address:
    return Address(apic_id, apic_id, logical_id, model, is_x2apic=False)


def x2apic(apic_id: int) -> Address:
    return Address(apic_id, apic_id, x2apic_logical_id(apic_id), 0xF, is_x2apic=True)


@pytest.mark.parametrize(
    ("shorthand", "core_id", "expected"),
    [
        (Shorthand.SELF, 1, True),
        (Shorthand.SELF, 2, False),
        (Shorthand.ALL_INCLUDING_SELF, 1, True),
        (Shorthand.ALL_INCLUDING_SELF, 2, True),
        (Shorthand.ALL_EXCLUDING_SELF, 1, False),
        (Shorthand.ALL_EXCLUDING_SELF, 2, True),
    ],
)
def test_shorthand_selects_by_sender(shorthand: Shorthand, core_id: int, *, expected: bool) -> None:
    assert is_addressed(message(9, shorthand=shorthand), xapic(core_id)) == expected


@pytest.mark.parametrize(("destination", "expected"), [(3, True), (2, False), (0xFF, True)])
def test_physical_destination_matches_id_or_broadcast(destination: int, *, expected: bool) -> None:
    assert is_addressed(message(destination), xapic(3)) == expected


@pytest.mark.parametrize(
    ("mda", "logical_id", "expected"),
    [(0b0110, 0b0010, True), (0b0110, 0b1000, False), (0xFF, 0, True), (1, 0, False)],
)
def test_flat_model_matches_any_common_bit(mda: int, logical_id: int, *, expected: bool) -> None:
    assert is_addressed(message(mda, LOGICAL), xapic(3, logical_id)) == expected


@pytest.mark.parametrize(
    ("mda", "logical_id", "expected"),
    [
        (0x23, 0x22, True),
        (0x23, 0x24, False),
        (0x13, 0x22, False),
        (0xFF, 0x22, True),
        (0x20, 0x22, False),
    ],
)
def test_cluster_model_matches_within_its_cluster(
    mda: int, logical_id: int, *, expected: bool
) -> None:
    assert is_addressed(message(mda, LOGICAL), xapic(3, logical_id, model=0)) == expected


def test_reserved_model_matches_nothing() -> None:
    assert not is_addressed(message(0x01, LOGICAL), xapic(3, 0x01, model=5))


@pytest.mark.parametrize(
    ("apic_id", "logical_id"), [(0, 0x1), (15, 0x8000), (16, 0x1_0001), (0x25, 0x2_0020)]
)
def test_x2apic_logical_id_is_cluster_and_bit(apic_id: int, logical_id: int) -> None:
    assert x2apic_logical_id(apic_id) == logical_id


@pytest.mark.parametrize(
    ("destination", "expected"), [(18, True), (17, False), (0xFF, False), (0xFFFF_FFFF, True)]
)
def test_x2apic_physical_destination_has_32_bits(destination: int, *, expected: bool) -> None:
    assert is_addressed(message(destination, is_x2apic=True), x2apic(18)) == expected


@pytest.mark.parametrize(
    ("destination", "expected"),
    [(0x1_0006, True), (0x1_0002, False), (0x0_0004, False), (0xFFFF_FFFF, True)],
)
def test_x2apic_logical_destination_matches_cluster_and_bit(
    destination: int, *, expected: bool
) -> None:
    assert is_addressed(message(destination, LOGICAL, is_x2apic=True), x2apic(18)) == expected


@pytest.mark.parametrize(("destination", "expected"), [(18, True), (17, False), (0xFF, True)])
def test_8_bit_destination_reaches_x2apic(destination: int, *, expected: bool) -> None:
    assert is_addressed(message(destination), x2apic(18)) == expected


@pytest.mark.parametrize(
    ("destination", "mode", "expected"),
    [
        (3, PHYSICAL, True),
        (0x103, PHYSICAL, False),
        (0xFF, PHYSICAL, False),
        (0xFFFF_FFFF, PHYSICAL, True),
        (0x08, LOGICAL, True),
        (0x1_0008, LOGICAL, False),
    ],
)
def test_32_bit_destination_reaches_xapic_if_it_fits(
    destination: int, mode: DestinationMode, *, expected: bool
) -> None:
    assert is_addressed(message(destination, mode, is_x2apic=True), xapic(3, 0x08)) == expected
