"""Notices that a core comes back to a block with the registers it had there before.

Only while somebody explores (`native_state.SPINS`), and only at blocks that are reached by going
backwards, so that straight code costs nothing. Whether the core really waits is for the caller to
find out: what it wrote meanwhile is in the execution log.
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.arch.apic import LocalApicRegister
from uniSMP.arch.flags import STATUS_FLAGS
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import pointer
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
LAST_END = 0
"""Linear address behind the block entered last."""
FOUND = 1
"""Where in the table the visit begins that the core has come back to."""
_FIRST = 2
_PLACES = 32
ADDRESS, FINGERPRINT, RETIRED, LOG_COUNT, DEVICES = range(5)
VISIT_WORDS = 5
"""A visit: block, registers, and how far the core, the log and device accesses had come."""
WORDS = _FIRST + _PLACES * VISIT_WORDS
_FACTOR = np.uint64(0x9E37_79B9_7F4A_7C15)
_STEP = np.uint64(0xD1B5_4A32_D192_ED02)
_KEPT_FLAGS = np.uint64(~int(STATUS_FLAGS) & 0xFFFF_FFFF)
_QUADS = cx.SIZE_BYTES >> 3
_REGISTERS = 16
_APIC, _APIC_BYTES = 0xFEE0_0000, 0x1000
_FIRST_REQUEST, _LAST_REQUEST = int(LocalApicRegister.IRR), int(LocalApicRegister.IRR) + 0x70
_UNSTEADY = (int(LocalApicRegister.TIMER_CURRENT_COUNT),)
_XMM_STRIDE = 8
"""Quadwords from one vector register to the next."""


@njit(cache=_CACHE)
def fingerprint(state: Any) -> int:  # noqa: ANN401
    """Return a hash of general, x87 and SSE registers, flags, segments, control registers."""
    quads = carray(pointer(np.uint64(state[ns.ENV])), (_QUADS,), np.uint64)
    total, factor = np.uint64(0), _FACTOR
    for number in range(_REGISTERS):
        total += (quads[number] ^ (quads[number] >> np.uint64(29))) * factor
        factor += _STEP
    for number in range(_REGISTERS):
        at = (cx.XMM >> 3) + number * _XMM_STRIDE
        total += (quads[at] ^ (quads[at + 1] << np.uint64(1))) * factor
        factor += _STEP
    for number in range(cx.HFLAGS >> 3, cx.XMM >> 3):  # mode, segments, control registers, x87
        factor += _STEP
        total += (quads[number] ^ (quads[number] >> np.uint64(27))) * factor
    factor += _STEP
    total += (quads[cx.EFLAGS >> 3] & _KEPT_FLAGS) * factor
    for number in range(cx.CC_DST >> 3, (cx.CC_OP >> 3) + 2):
        factor += _STEP
        total += (quads[number] ^ (quads[number] >> np.uint64(31))) * factor
    return int(np.int64(total ^ (total >> np.uint64(32))))


@njit(cache=_CACHE)
def is_steady(address: int) -> bool:
    """Return whether a device register reads the same until its core does something about it.

    These are the local APIC's, but for requests that others make (IRR) and the timer's count.
    """
    register = address - _APIC
    if register < 0 or register >= _APIC_BYTES:
        return False
    return bool(register not in _UNSTEADY and not _FIRST_REQUEST <= register <= _LAST_REQUEST)


@njit(cache=_CACHE)
def _slot(start: int) -> int:
    return _FIRST + ((start ^ (start >> 5)) & (_PLACES - 1)) * VISIT_WORDS


@njit(cache=_CACHE)
def _note_visit(state: Any, table: Any, at: int) -> None:  # noqa: ANN401
    head = carray(pointer(np.uint64(state[ns.LOG])), (ns.LOG_HEAD_WORDS,), np.int64)
    table[at + RETIRED] = state[ns.RETIRED]
    table[at + LOG_COUNT] = head[ns.LOG_COUNT]
    table[at + DEVICES] = state[ns.DEVICES]


@njit(cache=_CACHE)
def begin(state: Any, start: int) -> None:  # noqa: ANN401
    """Forget all visits but that of the block at `start`, where the core stands."""
    table = carray(pointer(np.uint64(state[ns.SPINS])), (WORDS,), np.int64)
    for index in range(WORDS):
        table[index] = 0
    table[LAST_END] = start
    at = _slot(start)
    table[at + ADDRESS] = start
    table[at + FINGERPRINT] = fingerprint(state)
    _note_visit(state, table, at)


@njit(cache=_CACHE)
def comes_back(state: Any, start: int, size: int) -> bool:  # noqa: ANN401
    """Return whether the core was at the block of `size` bytes before, with equal registers."""
    table = carray(pointer(np.uint64(state[ns.SPINS])), (WORDS,), np.int64)
    last = table[LAST_END]
    table[LAST_END] = start + size
    if start >= last:
        return False
    at = _slot(start)
    registers = fingerprint(state)
    if table[at + ADDRESS] == start and table[at + FINGERPRINT] == registers:
        table[FOUND] = at
        return bool(table[at + RETIRED] != state[ns.RETIRED])
    table[at + ADDRESS] = start
    table[at + FINGERPRINT] = registers
    _note_visit(state, table, at)
    return False


@njit(cache=_CACHE)
def visit_anew(state: Any) -> None:  # noqa: ANN401
    """Let the visit that was found begin now."""
    table = carray(pointer(np.uint64(state[ns.SPINS])), (WORDS,), np.int64)
    _note_visit(state, table, table[FOUND])
