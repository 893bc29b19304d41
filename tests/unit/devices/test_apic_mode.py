"""IA32_APIC_BASE (SDM "x2APIC State Transitions")."""

import pytest

from uniSMP.devices.apic_mode import ApicMode, address_of, mode_of, reset_base, written_base

DISABLED, XAPIC, X2APIC = 0xFEE0_0000, 0xFEE0_0800, 0xFEE0_0C00
INVALID = 0xFEE0_0400


@pytest.mark.parametrize(("is_bsp", "value"), [(True, 0xFEE0_0900), (False, 0xFEE0_0800)])
def test_base_after_reset_is_xapic_at_default_address(*, is_bsp: bool, value: int) -> None:
    assert reset_base(is_bsp=is_bsp) == value


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DISABLED, DISABLED),
        (DISABLED, XAPIC),
        (XAPIC, XAPIC),
        (XAPIC, DISABLED),
        (XAPIC, X2APIC),
        (X2APIC, X2APIC),
        (X2APIC, DISABLED),
    ],
)
def test_valid_transition_is_taken(old: int, new: int) -> None:
    assert written_base(old, new) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (DISABLED, X2APIC),
        (X2APIC, XAPIC),
        (DISABLED, INVALID),
        (XAPIC, INVALID),
        (X2APIC, INVALID),
    ],
)
def test_invalid_transition_is_refused(old: int, new: int) -> None:
    assert written_base(old, new) is None


@pytest.mark.parametrize("bit", [*range(8), 9, *range(40, 64)])
def test_reserved_bit_is_refused(bit: int) -> None:
    assert written_base(XAPIC, XAPIC | 1 << bit) is None


@pytest.mark.parametrize("bit", range(12, 40))
def test_address_bit_is_taken(bit: int) -> None:
    written = written_base(XAPIC, 0x800 | 1 << bit)

    assert written is not None
    assert address_of(written) == 1 << bit


@pytest.mark.parametrize(
    ("old", "value", "written"),
    [(XAPIC | 0x100, XAPIC, XAPIC | 0x100), (XAPIC, XAPIC | 0x100, XAPIC)],
)
def test_bsp_flag_is_kept(old: int, value: int, written: int) -> None:
    assert written_base(old, value) == written


@pytest.mark.parametrize(
    ("base", "mode"),
    [(DISABLED, ApicMode.DISABLED), (XAPIC, ApicMode.XAPIC), (X2APIC, ApicMode.X2APIC)],
)
def test_mode_follows_enable_bits(base: int, mode: ApicMode) -> None:
    assert mode_of(base) == mode
