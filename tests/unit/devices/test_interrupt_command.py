"""The ICR (SDM table "Valid Combinations ... Interrupt Command Register")."""

import pytest

from uniSMP.arch.apic import DeliveryMode, DestinationMode, Shorthand, TriggerMode
from uniSMP.devices.interrupt_command import SendError, decode_command, decode_self_ipi
from uniSMP.devices.messages import InterruptMessage

LEVEL, ASSERT = 1 << 15, 1 << 14


def icr(mode: int, shorthand: int = 0, vector: int = 0x40, flags: int = ASSERT) -> int:
    return shorthand << 18 | flags | mode << 8 | vector


def sent(value: int, *, is_x2apic: bool = False) -> InterruptMessage:
    message = decode_command(value, 5, is_x2apic=is_x2apic)
    assert isinstance(message, InterruptMessage)
    return message


def test_xapic_command_is_decoded() -> None:
    assert sent(0xAB << 56 | 1 << 11 | icr(1)) == InterruptMessage(
        destination=0xAB,
        destination_mode=DestinationMode.LOGICAL,
        delivery_mode=DeliveryMode.LOWEST_PRIORITY,
        vector=0x40,
        trigger_mode=TriggerMode.EDGE,
        source=5,
    )


def test_x2apic_command_has_32_bit_destination() -> None:
    message = sent(0xDEAD_BEEF << 32 | icr(0), is_x2apic=True)

    assert (message.destination, message.is_x2apic) == (0xDEAD_BEEF, True)


@pytest.mark.parametrize("mode", [0, 1, 2, 4, 5, 6])
@pytest.mark.parametrize("shorthand", [0, 3])
def test_valid_combination_is_sent(mode: int, shorthand: int) -> None:
    message = sent(icr(mode, shorthand))

    assert (message.delivery_mode, message.shorthand) == (mode, shorthand)


@pytest.mark.parametrize("shorthand", [Shorthand.SELF, Shorthand.ALL_INCLUDING_SELF])
def test_fixed_to_self_is_sent(shorthand: Shorthand) -> None:
    assert sent(icr(0, shorthand)).shorthand == shorthand


@pytest.mark.parametrize("mode", [1, 2, 4, 5, 6])
@pytest.mark.parametrize("shorthand", [1, 2])
def test_other_mode_to_self_is_not_sent(mode: int, shorthand: int) -> None:
    assert decode_command(icr(mode, shorthand), 5, is_x2apic=False) is None


@pytest.mark.parametrize("mode", [3, 7])
@pytest.mark.parametrize("shorthand", [0, 1, 2, 3])
def test_reserved_mode_is_not_sent(mode: int, shorthand: int) -> None:
    assert decode_command(icr(mode, shorthand), 5, is_x2apic=False) is None


@pytest.mark.parametrize("mode", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("flags", [0, LEVEL, LEVEL | ASSERT])
def test_level_and_trigger_have_no_meaning_but_for_init(mode: int, flags: int) -> None:
    message = sent(icr(mode, flags=flags))

    assert (message.trigger_mode, message.is_assert) == (TriggerMode.EDGE, True)


@pytest.mark.parametrize("flags", [0, ASSERT, ASSERT | LEVEL])
def test_init_asserts(flags: int) -> None:
    assert sent(icr(5, flags=flags)).is_assert


@pytest.mark.parametrize("shorthand", [0, 2, 3])
def test_init_level_deassert_is_sent_as_such(shorthand: int) -> None:
    message = sent(icr(5, shorthand, flags=LEVEL))

    assert (message.trigger_mode, message.is_assert) == (TriggerMode.LEVEL, False)


@pytest.mark.parametrize("mode", [0, 1])
@pytest.mark.parametrize("vector", [0, 15])
def test_illegal_vector_is_an_error(mode: int, vector: int) -> None:
    error = decode_command(icr(mode, vector=vector), 5, is_x2apic=False)

    assert error == SendError.ILLEGAL_VECTOR


@pytest.mark.parametrize("mode", [2, 4, 5, 6])
def test_vector_of_other_modes_is_not_checked(mode: int) -> None:
    assert sent(icr(mode, vector=8)).vector == 8


@pytest.mark.parametrize("vector", [0, 0x40])
def test_lowest_priority_in_x2apic_mode_is_a_redirectable_ipi(vector: int) -> None:
    error = decode_command(icr(1, vector=vector), 5, is_x2apic=True)

    assert error == SendError.REDIRECTABLE_IPI


def test_self_ipi_is_fixed_and_edge_to_self() -> None:
    assert decode_self_ipi(0x10, 5) == InterruptMessage(
        destination=5,
        destination_mode=DestinationMode.PHYSICAL,
        delivery_mode=DeliveryMode.FIXED,
        vector=0x10,
        trigger_mode=TriggerMode.EDGE,
        shorthand=Shorthand.SELF,
        source=5,
        is_x2apic=True,
    )


def test_self_ipi_of_illegal_vector_is_an_error() -> None:
    assert decode_self_ipi(15, 5) == SendError.ILLEGAL_VECTOR
