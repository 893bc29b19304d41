"""The status flags, which the engine keeps lazily, in compiled code.

The engine keeps the operands of the last operation and computes the flags when they are asked for.
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.arch.flags import STATUS_FLAGS
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import call_reg_read, pointer
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_DB = 1
_STATUS = int(STATUS_FLAGS)
_UC_X86_REG_EFLAGS = 25
_CS_BASE = (cx.SEGMENTS + 24 * cx.CS + 8) >> 3


@njit(cache=_CACHE)
def read_flags(state: Any) -> int:  # noqa: ANN401
    """Return RFLAGS with the lazily kept status flags folded in."""
    scratch = carray(pointer(np.uint64(state[ns.SCRATCH])), (1,), np.int64)
    function, engine, where = state[ns.REGISTER_FUNCTION], state[ns.ENGINE], state[ns.SCRATCH]
    call_reg_read(function, engine, np.int64(_UC_X86_REG_EFLAGS), where)
    return int(scratch[0] & cx.MASK32)


@njit(cache=_CACHE)
def restore_flags(state: Any) -> None:  # noqa: ANN401
    """Put the status flags back to what they were before the instruction that did not retire.

    Under an instruction callback the engine folds the flags, and forgets that when it restores the
    state of an instruction that is undone.
    """
    if state[ns.KEEPS_PLACE] == 0:
        return
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.int64)
    doubles = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 2,), np.uint32)
    linear = quads[cx.RIP >> 3]
    if doubles[cx.HFLAGS >> 2] & np.uint32(cx.HF_CS64) == 0:
        linear = (linear + quads[_CS_BASE]) & cx.MASK32
    if linear != state[ns.FLAGS_ADDRESS]:
        return
    for word in range(ns.FLAGS_WORDS):
        quads[(cx.CC_DST >> 3) + word] = state[ns.FLAGS_KEPT + word]
    # When it left, the engine folded what it took for the flags into RFLAGS, from where it takes
    # them when it enters again.
    quads[cx.EFLAGS >> 3] &= ~_STATUS
    status = read_flags(state) & _STATUS
    quads[cx.EFLAGS >> 3] |= status
    quads[cx.CC_SRC >> 3] = status
    quads[cx.CC_DST >> 3] = 0
    doubles[cx.CC_OP >> 2] = cx.CC_OP_EFLAGS


@njit(cache=_CACHE)
def is_undone(state: Any) -> bool:  # noqa: ANN401
    """Return whether the engine undid an instruction: a fault that it met, or a device access."""
    reason = state[ns.REASON]
    is_fault = reason == ns.STOPPED_EXCEPTION and state[ns.VECTOR] != _DB
    return bool(is_fault or reason in (ns.STOPPED_MMIO, ns.STOPPED_INVALID))
