"""What the engines' page walkers write: accessed and dirty bits, which no callback tells.

A shadow of RAM follows every write that is logged. After a core ran, the pages that hold paging
structures are compared with it; what differs is logged as a write of the page walker. At the end
all of RAM is compared, so that nothing is missed. The step is that of the comparison, not of the
walk.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from uniSMP.arch import paging
from uniSMP.arch.flags import Cr0, Cr4, Efer
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.core import Core
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.machine import firmware
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_PAGE_WORDS = 512
_ROM_LOW, _ROM_END = firmware.ROM_LOW, firmware.ROM_LOW + firmware.ROM_BYTES
_PG, _PAE, _LMA = int(Cr0.PG), int(Cr4.PAE), int(Efer.LMA)
_LONG, _PAE_LEGACY, _LEGACY = 4, 3, 2
"""Levels of the paging modes."""


@njit(cache=_CACHE)
def _follow(words: Any, begin: int, end: int, shadow: Any, is_table: Any) -> bool:  # noqa: ANN401
    """Apply the logged writes to the shadow; return whether one touched a table."""
    touched = False
    executed = np.int64(1 << 32)
    at = begin
    while at < end:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK:
            executed = words[at + 1]
            at += 2
        elif kind == ns.RECORD_REGISTER:
            at += 2
        else:
            # A store that faulted on its second page wrote nothing.
            is_lost = (
                kind == ns.RECORD_ACCESS
                and word & ns.RECORD_CROSSING != 0
                and word >> 16 >= executed
            )
            # ROM drops what is stored to it.
            is_lost = is_lost or _ROM_LOW <= words[at + 1] < _ROM_END
            if word & ns.RECORD_WRITE != 0 and not is_lost:
                physical, value = words[at + 1], words[at + 2]
                for byte in range(word >> 8 & 0xFF):
                    shadow[physical + byte] = value >> 8 * byte & 0xFF
                touched = touched or is_table[physical >> 12]
            at += 4 if kind == ns.RECORD_ACCESS else 5
    return touched


@njit(cache=_CACHE)
def _mark(ram: Any, page: int, levels: int, pae: bool, is_table: Any) -> None:  # noqa: ANN401, FBT001
    """Mark the paging structures below the one at physical page number `page`."""
    if page >= len(is_table):
        return
    is_table[page] = True
    if levels == 1:
        return
    for index in range(_PAGE_WORDS if pae else 2 * _PAGE_WORDS):
        if pae:
            entry = np.int64(ram[page * _PAGE_WORDS + index])
        else:
            entry = np.int64(ram[page * _PAGE_WORDS + (index >> 1)]) >> (32 * (index & 1))
            entry &= 0xFFFF_FFFF
        if entry & paging.PRESENT == 0:
            continue
        if levels <= 3 and entry & paging.PAGE_SIZE != 0:  # noqa: PLR2004 - a page, not a table
            continue
        _mark(ram, (entry & paging.ADDRESS_MASK) >> 12, levels - 1, pae, is_table)


@njit(cache=_CACHE)
def _differences(ram: Any, shadow: Any, pages: Any) -> Any:  # noqa: ANN401
    """Return the numbers of the words of these pages that differ."""
    count = 0
    for page in pages:
        for word in range(page * _PAGE_WORDS, (page + 1) * _PAGE_WORDS):
            count += ram[word] != shadow[word]
    found = np.empty(count, dtype=np.int64)
    count = 0
    if len(found) > 0:
        for page in pages:
            for word in range(page * _PAGE_WORDS, (page + 1) * _PAGE_WORDS):
                if ram[word] != shadow[word]:
                    found[count] = word
                    count += 1
    return found


def paging_pages(words: npt.NDArray[np.uint64], cores: Sequence[Core]) -> npt.NDArray[np.bool_]:
    """Return for each page of RAM whether it holds paging structures that some core uses now."""
    is_table: npt.NDArray[np.bool_] = np.zeros(len(words) // _PAGE_WORDS, dtype=np.bool_)
    for core in cores:
        context = core.engine.context
        _mark_root(words, is_table, *(context.quad(at) for at in (cx.CR0, cx.CR3, cx.CR4, cx.EFER)))
    return is_table


def _mark_root(
    words: npt.NDArray[np.uint64],
    is_table: npt.NDArray[np.bool_],
    cr0: int,
    cr3: int,
    cr4: int,
    efer: int,
) -> None:
    """Mark the pages that hold paging structures of a core with these control registers."""
    if not cr0 & _PG:
        return
    levels = _LONG if efer & _LMA else _PAE_LEGACY if cr4 & _PAE else _LEGACY
    _mark(words, (cr3 & paging.ADDRESS_MASK) >> 12, levels, bool(cr4 & _PAE), is_table)


class PageWalkWrites:
    """Finds the page walkers' writes of one machine.

    Args:
        words: RAM.
        cores: all cores.
        log: where the cores' accesses are logged.
    """

    def __init__(
        self, words: npt.NDArray[np.uint64], cores: Sequence[Core], log: ExecutionLog
    ) -> None:
        self._words = words
        self._cores = cores
        self._log = log
        self._shadow: npt.NDArray[np.uint64] = np.zeros(0, dtype=np.uint64)
        self._is_table: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)
        self._tables: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._roots: dict[int, tuple[int, ...]] = {}
        self._followed = 0
        self._is_touched = False

    def begin(self) -> None:
        """Take RAM as it is."""
        self._shadow = self._words.copy()
        self._is_table = np.zeros(len(self._words) // _PAGE_WORDS, dtype=np.bool_)
        self._tables = np.zeros(0, dtype=np.int64)
        self._roots = {}
        self._followed = 0
        self._is_touched = False
        self._log.on_take = self._before_take

    def end(self) -> None:
        """Compare all of RAM."""
        self._catch_up()
        self._log_differences(self._cores[0], np.arange(len(self._is_table)))
        self._log.on_take = None

    def follow(self, core: Core) -> None:
        """Log what the page walker of a core that ran has written."""
        context = core.engine.context
        root = tuple(context.quad(place) for place in (cx.CR0, cx.CR3, cx.CR4, cx.EFER))
        self._catch_up()
        if self._is_touched or self._roots.get(core.core_id) != root:
            self._is_touched = False
            self._roots[core.core_id] = root
            self._find_tables(*root)
        self._log_differences(core, self._tables)

    def _before_take(self) -> None:
        self._catch_up()
        self._followed = 0

    def _catch_up(self) -> None:
        """Apply what was logged since the last call."""
        end = int(self._log.head[ns.LOG_COUNT])
        begin, self._followed = self._followed, end
        shadow = self._shadow.view(np.uint8)
        if _follow(self._log.words, begin, end, shadow, self._is_table):
            self._is_touched = True

    def _find_tables(self, cr0: int, cr3: int, cr4: int, efer: int) -> None:
        _mark_root(self._words, self._is_table, cr0, cr3, cr4, efer)
        self._tables = np.flatnonzero(self._is_table)

    def _log_differences(self, core: Core, pages: npt.NDArray[np.int64]) -> None:
        for word in _differences(self._words, self._shadow, pages):
            value = int(self._words[word])
            self._shadow[word] = value
            self._log.add_page_walk(core.core_id, int(word) * 8, value)
        self._followed = int(self._log.head[ns.LOG_COUNT])
