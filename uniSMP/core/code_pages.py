"""Compares the pages that hold translated code with their shadows, in compiled code.

The pages are described by a head of words, so that compiled code of several modules can share it.
"""

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic

from uniSMP.core.native_calls import pointer
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
COMPARE_FUNCTION = 0
"""Host address of memcmp, which compares a page faster than a compiled loop."""
RAM = 1
PAGES = 2
SHADOWS = 3
COUNT = 4
HEAD_WORDS = 5
"""Host addresses of RAM, of the page numbers and of the shadows; how many pages there are."""
_PAGE_BYTES = 4096
_PAGE_WORDS = _PAGE_BYTES // 8
LINE_WORDS = 8
LINES = _PAGE_WORDS // LINE_WORDS
_MOST_WORDS = 1 << 40


@intrinsic
def _call_compare(
    _context: Any,  # noqa: ANN401
    function: Any,  # noqa: ANN401
    left: Any,  # noqa: ANN401
    right: Any,  # noqa: ANN401
    size: Any,  # noqa: ANN401
) -> Any:  # noqa: ANN401
    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:  # noqa: ANN401
        kind = ir.FunctionType(ir.IntType(32), [ir.IntType(64)] * 3)
        return builder.call(builder.inttoptr(args[0], kind.as_pointer()), args[1:])

    return types.int32(function, left, right, size), generate


def make_head(ram: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Return the head of no pages of `ram`."""
    head = np.zeros(HEAD_WORDS, dtype=np.int64)
    head[COMPARE_FUNCTION] = ctypes.cast(ctypes.CDLL(None).memcmp, ctypes.c_void_p).value or 0
    head[RAM] = ram.ctypes.data
    return head


@njit(cache=_CACHE)
def first_changed_page(head: Any, start: int) -> int:  # noqa: ANN401
    """Return the index of the first page, from `start` on, that differs from its shadow; or -1."""
    pages = carray(pointer(np.uint64(head[PAGES])), (_MOST_WORDS,), np.int64)
    ram, shadows, compare = head[RAM], head[SHADOWS], head[COMPARE_FUNCTION]
    for index in range(start, head[COUNT]):
        left = ram + pages[index] * _PAGE_BYTES
        if _call_compare(compare, left, shadows + index * _PAGE_BYTES, _PAGE_BYTES) != 0:
            return int(index)
    return -1


@njit(cache=_CACHE)
def first_changed_line(head: Any, start: int) -> int:  # noqa: ANN401
    """Return the first differing line as index * lines of a page + line, from `start` on, or -1."""
    index = first_changed_page(head, start // LINES)
    if index < 0:
        return -1
    pages = carray(pointer(np.uint64(head[PAGES])), (_MOST_WORDS,), np.int64)
    ram = carray(pointer(np.uint64(head[RAM])), (_MOST_WORDS,), np.int64)
    shadows = carray(pointer(np.uint64(head[SHADOWS])), (_MOST_WORDS,), np.int64)
    base, shadow = pages[index] * _PAGE_WORDS, index * _PAGE_WORDS
    for word in range(_PAGE_WORDS):
        if ram[base + word] != shadows[shadow + word]:
            return int(index * LINES + word // LINE_WORDS)
    return -1
