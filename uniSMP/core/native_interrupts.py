"""Software interrupts of 64-bit kernel code in compiled code, see `fast_delivery`.

What is not plain is left to Python, and nothing has changed then.

Source: Intel SDM volume 2A, instruction "INT n".
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.fast_delivery import DECLINED, enter
from uniSMP.core.native_calls import pointer
from uniSMP.core.native_flags import read_flags
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_TABLE_WORDS = ns.TABLE_ENTRIES * ns.ENTRY_WORDS
_INT_BYTES = 2
_VECTORS = 256
_PAGE_WORDS = 512
FRAME_BYTES = 40


@njit(cache=_CACHE)
def _is_plain(state: Any) -> bool:  # noqa: ANN401
    """Return whether the block charged last came to its end, and that is INT n of two bytes."""
    if (
        state[ns.DELIVERS] == 0
        or state[ns.CODE_PAGES] == 0
        or state[ns.ROW_BEGAN] == state[ns.RETIRED]
    ):
        return False
    doubles = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 2,), np.uint32)
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.int64)
    start, end = state[ns.BLOCK_START], state[ns.BLOCK_END]
    if doubles[cx.IS_SOFTWARE_INTERRUPT >> 2] == 0 or quads[cx.RIP >> 3] != end:
        return False
    table = carray(pointer(np.uint64(state[ns.TABLE])), (_TABLE_WORDS,), np.int64)
    slot = (start ^ (start >> ns.TABLE_BITS)) & (ns.TABLE_ENTRIES - 1)
    entry = slot * ns.ENTRY_WORDS
    return bool(
        table[entry + ns.ENTRY_ADDRESS] == start
        and table[entry + ns.ENTRY_SIZE] == end - start
        and table[entry + ns.ENTRY_BLOCK] == state[ns.BLOCK]
        and table[entry + ns.ENTRY_INSTRUCTIONS] == state[ns.CHARGED]
        and table[entry + ns.ENTRY_FLAGS] & ns.ENDS_IN_INT != 0
    )


@njit(cache=_CACHE)
def _holds_code(state: Any, frame: int) -> bool:  # noqa: ANN401
    pages = carray(pointer(np.uint64(state[ns.CODE_PAGES])), (state[ns.RAM_PAGES],), np.uint8)
    return bool(pages[frame >> 12] != 0 or pages[(frame + FRAME_BYTES - 1) >> 12] != 0)


@njit(cache=_CACHE)
def deliver(state: Any) -> bool:  # noqa: ANN401
    """Enter the handler of a software interrupt that the engine stopped at; False: Python must.

    FRAME is not 0 then where the frame lies on a page that holds translated code.
    """
    if not _is_plain(state):
        return False
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.int64)
    words = carray(
        pointer(np.uint64(state[ns.RAM])), (state[ns.RAM_PAGES] * _PAGE_WORDS,), np.uint64
    )
    end, vector = state[ns.BLOCK_END], state[ns.VECTOR]
    head = np.zeros(ns.LOG_HEAD_WORDS, dtype=np.int64)
    if state[ns.LOG] != 0 and state[ns.KEEPS_PLACE] != 0:  # accesses are logged
        head = carray(pointer(np.uint64(state[ns.LOG])), (ns.LOG_HEAD_WORDS,), np.int64)
    flags = read_flags(state)
    quads[cx.RIP >> 3] = end - _INT_BYTES
    frame = enter(
        *(words, state[ns.ENV], vector, flags, end, -1, head, state[ns.CORE_ID]),
    )
    if frame == DECLINED:
        quads[cx.RIP >> 3] = end
        return False
    raised = carray(pointer(np.uint64(state[ns.RAISED])), (_VECTORS,), np.int64)
    raised[vector] += 1
    state[ns.IN_A_ROW] = 1
    state[ns.ROW_BEGAN] = state[ns.RETIRED]
    state[ns.FRAME] = frame if _holds_code(state, frame) else 0
    return True
