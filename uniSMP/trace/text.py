"""Names for addresses, and instructions as text."""

from bisect import bisect_right
from collections.abc import Mapping

from capstone import CS_ARCH_X86, CS_MODE_16, CS_MODE_32, CS_MODE_64, Cs

_MODES = {16: CS_MODE_16, 32: CS_MODE_32, 64: CS_MODE_64}
_FARTHEST_OFFSET = 1 << 20
"""An address farther than this from the symbol before it belongs to no symbol."""


class SymbolNames:
    """Names for addresses.

    Args:
        symbols: linear addresses by name; of several names for an address the first one counts.
    """

    def __init__(self, symbols: Mapping[str, int]) -> None:
        names: dict[int, str] = {}
        for name, address in symbols.items():
            names.setdefault(address, name)
        self._addresses = sorted(names)
        self._names = [names[address] for address in self._addresses]

    def describe(self, address: int) -> str:
        """Return `symbol+0x12`, or nothing where no symbol is near below."""
        below = bisect_right(self._addresses, address) - 1
        if below < 0 or address - self._addresses[below] > _FARTHEST_OFFSET:
            return ""
        offset = address - self._addresses[below]
        return f"{self._names[below]}+{offset:#x}" if offset else self._names[below]


def disassemble(code: bytes, address: int, bits: int) -> list[tuple[int, bytes, str]]:
    """Return (address, bytes, text) of each instruction; undecodable bytes are `.byte`."""
    decoder = Cs(CS_ARCH_X86, _MODES[bits])
    decoder.skipdata = True
    return [
        (place, code[place - address : place - address + size], f"{name} {operands}".rstrip())
        for place, size, name, operands in decoder.disasm_lite(code, address)
    ]
