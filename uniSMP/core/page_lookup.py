"""Translation of linear addresses for an onlooker: no fault, no accessed or dirty bit.

The walk is that of `page_walk`, over a view of RAM that drops what the walk writes.
"""

import numpy as np
import numpy.typing as npt

from uniSMP.arch.flags import Cr4
from uniSMP.core import context as cx
from uniSMP.core.guest_memory import is_canonical
from uniSMP.core.page_walk import walk

_SMAP = int(Cr4.SMAP)
_HALF = 1 << 63


class _Onlooker:
    """RAM as 64-bit words that cannot be changed."""

    def __init__(self, words: npt.NDArray[np.uint64]) -> None:
        self._words = words
        self.size = words.size

    def __getitem__(self, index: int) -> np.uint64:
        word: np.uint64 = self._words[index]
        return word

    def __setitem__(self, index: int, value: np.uint64) -> None:
        """Drop it."""


def look_up(context: cx.Context, words: npt.NDArray[np.uint64], linear: int) -> int | None:
    """Return the physical address that supervisor code of a core reads at `linear`.

    Args:
        context: the core's state.
        words: all of RAM as 64-bit words.
        linear: linear address; outside long mode only its low 32 bits count.

    Returns:
        The physical address, or None where nothing is mapped. SMAP does not apply.
    """
    if not context.is_long_mode:
        linear &= cx.MASK32
    elif not is_canonical(linear):
        return None
    result = walk.py_func(
        _Onlooker(words),
        linear if linear < _HALF else linear - (1 << 64),
        0,
        context.quad(cx.CR0),
        context.quad(cx.CR3),
        context.quad(cx.CR4) & ~_SMAP,
        context.quad(cx.EFER),
    )
    return None if result < 0 else int(result) & context.a20_mask
