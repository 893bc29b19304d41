"""Names of a timeline's events by number; each is written once."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uniSMP.trace.text import SymbolNames

Words = npt.NDArray[np.int64]


class Names:
    """Numbers for names, from 1; the empty name is 0.

    Args:
        symbols: names of addresses.
    """

    def __init__(self, symbols: SymbolNames) -> None:
        self._symbols = symbols
        self._numbers = {"": 0}
        self._functions: dict[int, int] = {}
        self._new: list[tuple[int, str]] = []

    def of_column(self, texts: pa.ChunkedArray) -> Words:
        """Return the number of each text of a column."""
        encoded = texts.combine_chunks().fill_null("").dictionary_encode()
        if not len(encoded):
            return np.zeros(0, dtype=np.int64)
        texts_of = encoded.dictionary.to_pylist()
        numbers = np.array([self._number(text) for text in texts_of], dtype=np.int64)
        column: Words = numbers[np.asarray(encoded.indices)]
        return column

    def of_function(self, address: int) -> int:
        """Return the number of a function's name: its symbol, or its address."""
        number = self._functions.get(address)
        if number is None:
            name = self._symbols.describe(address) or f"{address:#x}"
            number = self._functions[address] = self._number(name)
        return number

    def take_new(self) -> list[tuple[int, str]]:
        """Return number and name of those that were not returned before."""
        new, self._new = self._new, []
        return new

    def _number(self, name: str) -> int:
        number = self._numbers.get(name)
        if number is None:
            number = self._numbers[name] = len(self._numbers)
            self._new.append((number, name))
        return number
