"""Addresses by name."""

import pytest

from uniSMP.checks.places import Places, resolve, resolve_range
from uniSMP.errors import ConfigError

SYMBOLS = {"start": 0x100, "alias": 0x100, "data": 0x200, "high": -0x8000}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (0x100, "start (0x100)"),
        (0x1FF, "start+0xff (0x1ff)"),
        (0x200, "data (0x200)"),
        (0x101FF, "data+0xffff (0x101ff)"),
        (0x10200, "0x10200"),
        (-0x9000, "0xffffffffffff7000"),
    ],
)
def test_address_is_shown_by_the_symbol_below(address: int, shown: str) -> None:
    assert Places(SYMBOLS).show(address) == shown


def test_address_without_symbols_is_shown_alone() -> None:
    assert Places({}).show(0x1234) == "0x1234"


@pytest.mark.parametrize(("text", "address"), [("data", 0x200), ("0x30", 0x30), ("48", 48)])
def test_symbol_or_number_is_resolved(text: str, address: int) -> None:
    assert resolve(SYMBOLS, text) == address


def test_unknown_symbol_is_refused() -> None:
    with pytest.raises(ConfigError, match="no symbol missing"):
        resolve(SYMBOLS, "missing")


def test_range_is_resolved() -> None:
    assert resolve_range(SYMBOLS, "start..0x208") == range(0x100, 0x208)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("start", "write FIRST..BEHIND"),
        ("start..", "write FIRST..BEHIND"),
        ("..data", "write FIRST..BEHIND"),
        ("data..start", "so it is empty"),
        ("start..alias", "so it is empty"),
        ("start..missing", "no symbol missing"),
    ],
)
def test_range_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        resolve_range(SYMBOLS, text)
