"""Code written by one core, a chip or the host is executed as written by every core.

Each engine keeps translations of code, and notices only its own stores. So every physical page that
holds translated code has a shadow: after a core ran, and after other writes, the pages are compared
with their shadows, and where they differ the translations of all engines are dropped.

The figures behind this choice stand in docs/decisions/0004-code-coherence.md.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from uniSMP.core import code_pages
from uniSMP.core.engine import Engine

_PAGE_BYTES = 4096
_LINE_WORDS = code_pages.LINE_WORDS
_LINE_BYTES = _LINE_WORDS * 8
_PAGE_WORDS = _PAGE_BYTES // 8


class CodeCoherence:
    """The pages of RAM that hold translated code.

    Args:
        words: RAM as 64-bit words.

    Attributes:
        head: the pages as compiled code sees them, see `core.code_pages`.
        on_change: told the physical address and the size in bytes of changed code, or None.
    """

    def __init__(self, words: npt.NDArray[np.uint64]) -> None:
        self._words = words
        self._is_code: npt.NDArray[np.uint8] = np.zeros(len(words) // _PAGE_WORDS, dtype=np.uint8)
        self._engines: Sequence[Engine] = ()
        self.on_change: Callable[[int, int], None] | None = None
        self._index: dict[int, int] = {}
        self._pages: npt.NDArray[np.int64] = np.zeros(16, dtype=np.int64)
        self._shadows: npt.NDArray[np.uint64] = np.zeros((16, _PAGE_WORDS), dtype=np.uint64)
        self.head = code_pages.make_head(words)
        self._place()

    def watch(self, engines: Sequence[Engine]) -> None:
        """Name the engines whose translations are dropped."""
        self._engines = engines
        for engine in engines:
            engine.keep_stores_fast(self._words, self._is_code)

    def add_code(self, first: int, last: int) -> None:
        """Take note of code at physical addresses `first` to `last`."""
        for page in {first // _PAGE_BYTES: None, last // _PAGE_BYTES: None}:
            is_ram = 0 <= page < len(self._words) // _PAGE_WORDS
            if is_ram and page not in self._index:
                self._add_page(page)

    def _place(self) -> None:
        self.head[code_pages.PAGES] = self._pages.ctypes.data
        self.head[code_pages.SHADOWS] = self._shadows.ctypes.data

    def _add_page(self, page: int) -> None:
        index = len(self._index)
        if index == len(self._pages):
            self._pages = np.concatenate([self._pages, np.zeros_like(self._pages)])
            self._shadows = np.concatenate([self._shadows, np.zeros_like(self._shadows)])
            self._place()
        self._index[page] = index
        self._is_code[page] = 1
        self._pages[index] = page
        self._shadows[index] = self._words[page * _PAGE_WORDS : (page + 1) * _PAGE_WORDS]
        self.head[code_pages.COUNT] = index + 1

    def holds_code(self, physical: int, size_bytes: int) -> bool:
        """Return whether a range of physical memory touches a page with translated code."""
        last = (physical + size_bytes - 1) // _PAGE_BYTES
        return any(page in self._index for page in range(physical // _PAGE_BYTES, last + 1))

    def synchronize(self) -> None:
        """Drop every translation of code that has changed since the last call."""
        found = code_pages.first_changed_line(self.head, 0)
        while found >= 0:
            index, line = divmod(found, code_pages.LINES)
            first = int(self._pages[index]) * _PAGE_WORDS + line * _LINE_WORDS
            words = slice(line * _LINE_WORDS, (line + 1) * _LINE_WORDS)
            self._shadows[index, words] = self._words[first : first + _LINE_WORDS]
            if self.on_change is not None:
                self.on_change(first * 8, _LINE_BYTES)
            for engine in self._engines:
                engine.invalidate_code(first * 8, first * 8 + _LINE_BYTES - 1)
            found = code_pages.first_changed_line(self.head, found)
