"""Addresses by name: what people write for an address, and how one is shown to them."""

from bisect import bisect_right
from collections.abc import Mapping

from uniSMP.errors import ConfigError

_FARTHEST = 0x1_0000
"""An address so far above a symbol has nothing to do with it."""


class Places:
    """Shows addresses of one history.

    Args:
        symbols: linear addresses by name.
    """

    def __init__(self, symbols: Mapping[str, int]) -> None:
        self._symbols = symbols
        self._names: dict[int, str] = {}
        self._addresses: list[int] = []

    def show(self, address: int) -> str:
        """Return "symbol+0x10 (0x100010)", or the address alone where no symbol is near."""
        if not self._names:
            self._sort()
        index = bisect_right(self._addresses, address) - 1
        if index < 0 or address - self._addresses[index] >= _FARTHEST:
            return f"{address & (1 << 64) - 1:#x}"
        below = self._addresses[index]
        offset = f"+{address - below:#x}" if address > below else ""
        return f"{self._names[below]}{offset} ({address:#x})"

    def _sort(self) -> None:
        """Do what only those who show an address need."""
        for name, address in self._symbols.items():
            self._names.setdefault(address, name)
        self._addresses = sorted(self._names)


def resolve(symbols: Mapping[str, int], text: str) -> int:
    """Return the address that a symbol or a number stands for.

    Raises:
        ConfigError: it is neither.
    """
    if text in symbols:
        return symbols[text]
    try:
        return int(text, 0)
    except ValueError as error:
        raise ConfigError(
            f"there is no symbol {text}, and it is no number: give a label of the guest, or an "
            "address such as 0x100000"
        ) from error


def resolve_range(symbols: Mapping[str, int], text: str) -> range:
    """Return the addresses of "FIRST..BEHIND", each a symbol or a number.

    Raises:
        ConfigError: it has another form, an end is unknown, or nothing lies between.
    """
    first, dots, behind = text.partition("..")
    if not dots or not first or not behind:
        raise ConfigError(f"range {text!r}: write FIRST..BEHIND, two symbols or addresses")
    found = range(resolve(symbols, first), resolve(symbols, behind))
    if not found:
        raise ConfigError(
            f"range {text}: {found.start:#x} does not lie below {found.stop:#x}, so it is empty"
        )
    return found
