"""RDTSC and RDTSCP in compiled code.

Source: Intel SDM volume 2B, instructions RDTSC and RDTSCP.
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import pointer
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_RF = np.uint32(1 << 16)
_TF = np.uint32(1 << 8)
_TSD = 1 << 2


@njit(cache=_CACHE)
def read_time(state: Any) -> bool:  # noqa: ANN401
    """Execute RDTSC or RDTSCP at RIP; False where Python must: traps, logs, or no clock.

    The block that was charged last is over then.
    """
    kind = state[ns.SENSITIVE_KIND]
    if kind == 0 or state[ns.TICKS] == 0 or state[ns.LOG] != 0:
        return False
    words = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 2,), np.uint32)
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.int64)
    hflags = words[cx.HFLAGS >> 2]
    if words[cx.EFLAGS >> 2] & _TF != 0:
        return False
    if quads[cx.CR4 >> 3] & _TSD != 0 and hflags & np.uint32(cx.HF_CPL) != 0:
        return False
    time = state[ns.TIME_BASE] + state[ns.RETIRED] * state[ns.TICKS]
    quads[cx.RAX] = time & cx.MASK32
    quads[cx.RDX] = (time >> 32) & cx.MASK32
    size = 2
    if kind == ns.READS_TIME_AUX:
        quads[cx.RCX] = quads[cx.TSC_AUX >> 3] & cx.MASK32
        size = 3
    rip = quads[cx.RIP >> 3] + size
    if hflags & np.uint32(cx.HF_CS64) == 0:
        rip &= cx.MASK32 if hflags & np.uint32(cx.HF_CS32) != 0 else 0xFFFF
    quads[cx.RIP >> 3] = rip
    words[cx.HFLAGS >> 2] = hflags & ~np.uint32(cx.HF_INHIBIT_IRQ)
    words[cx.EFLAGS >> 2] &= ~_RF
    state[ns.RETIRED] += 1
    state[ns.REMAINING] -= 1
    return True
