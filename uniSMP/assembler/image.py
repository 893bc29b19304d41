"""What assembling gives: bytes, symbols and the line of every address.

Not modelled: sections, relocation, uninitialised space (it is part of `data`).
"""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Line(NamedTuple):
    """The source line whose code or data begins at `address` (linear, as assembled)."""

    address: int
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Image:
    """An assembled guest.

    Attributes:
        data: the bytes, to be loaded at `origin`.
        origin: address of the first byte.
        symbols: absolute value of each label and constant; `.L` and numeric labels are left out.
        lines: one row per stretch of bytes that came from one line, sorted by address.
        entry: the label `_start`, or `origin` without one.
        labels: names of the symbols that are addresses in the image, sorted by address.
    """

    data: bytes
    origin: int
    symbols: Mapping[str, int]
    lines: tuple[Line, ...]
    entry: int
    labels: tuple[str, ...]
    _label_addresses: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _line_addresses: tuple[int, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare the two sorted tables that the queries search."""
        addresses = tuple(self.symbols[name] for name in self.labels)
        object.__setattr__(self, "_label_addresses", addresses)
        object.__setattr__(self, "_line_addresses", tuple(row.address for row in self.lines))

    @property
    def end(self) -> int:
        """The address behind the last byte."""
        return self.origin + len(self.data)

    def symbol_at(self, address: int) -> tuple[str, int] | None:
        """Return the nearest label at or below `address` and the offset from it in bytes.

        None outside the image and below its first label. Of several labels at one address the
        one that stands first in the source is returned.
        """
        if not self.origin <= address < self.end:
            return None
        below = bisect_right(self._label_addresses, address) - 1
        if below < 0:
            return None
        start = self._label_addresses[below]
        first = self._label_addresses.index(start)
        return self.labels[first], address - start

    def line_at(self, address: int) -> Line | None:
        """Return the line that the byte at `address` came from, or None outside the image."""
        if not self.origin <= address < self.end:
            return None
        below = bisect_right(self._line_addresses, address) - 1
        return self.lines[below] if below >= 0 else None
