"""The compiled callbacks of the engine and the loop that drives it.

Called by the engine for each block of guest code, so nothing here is interpreted Python: numba
compiles it once and caches it. All shared state is the word array of `native_state`; functions of
the engine are called through their addresses in it, because compiled code that refers to a
`ctypes` object cannot be cached.

The block callback charges a block before it runs. Whatever stops the block inside (an exception, a
device access) makes the Python side refund the rest. A block that may not run whole, because the
budget ends in it or a sensitive instruction stands in it, is left at once and its first
instructions run as a block of their own, whose length is poked into the engine's `cflags_next_tb`.
"""

from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types

from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import (
    LOG_LONGEST,
    call_start,
    call_stop,
    call_translate,
    call_unwind,
    pointer,
)
from uniSMP.core.native_flags import is_undone, restore_flags
from uniSMP.core.native_interrupts import deliver
from uniSMP.core.native_points import goes_past
from uniSMP.core.native_spin import comes_back, is_steady
from uniSMP.core.native_time import read_time
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_IF = 1 << 9
_NT = 1 << 14
_RF = np.uint32(1 << 16)
_ALL_STATE = ns.WORDS
_TABLE_WORDS = ns.TABLE_ENTRIES * ns.ENTRY_WORDS
NEXT_BLOCK_FLAGS = 24
"""Offset of `cflags_next_tb` in the engine's CPU object."""
_ACCESS_PLACE = 33144
"""Offset of `mem_io_pc`: where in the translated code the current device access stands."""
_NO_PLACE = 1
"""Written there when no access is under way: one that finds it is the page walker's."""
_PROT_EXEC = 4


@njit(cache=_CACHE)
def _keep_place(state: Any, value: int) -> None:  # noqa: ANN401
    """Have the engine restore RIP before memory callbacks (0), or not (1): half of what they cost.

    Where it does not, it does not at a stop either, so a stop must clear the flag first.
    """
    if state[ns.KEEPS_PLACE] != 0:
        carray(pointer(np.uint64(state[ns.KEEPS_PLACE])), (1,), np.uint8)[0] = value


@njit(cache=_CACHE)
def _stop(state: Any, reason: int) -> None:  # noqa: ANN401
    state[ns.REASON] = reason
    _keep_place(state, 0)
    call_stop(state[ns.STOP_FUNCTION], state[ns.ENGINE])


@njit(cache=_CACHE)
def _slot(address: int) -> int:
    return ((address ^ (address >> 15)) & (ns.TABLE_ENTRIES - 1)) * ns.ENTRY_WORDS


@njit(cache=_CACHE)
def _begin_block(cpu: Any) -> None:  # noqa: ANN401
    """Clear RF, which holds breakpoints off for one instruction.

    The engine clears it at the end of some blocks only; where a block begins has been translated
    for the flag by then.
    """
    flags = cpu[cx.EFLAGS >> 2]
    if flags & _RF != 0:
        cpu[cx.EFLAGS >> 2] = flags & ~_RF


@njit(cache=_CACHE)
def _is_same_code(state: Any, table: Any, entry: int, address: int) -> bool:  # noqa: ANN401
    """Return whether a linear address still maps to the page its block was decoded from."""
    result = carray(pointer(np.uint64(state[ns.SCRATCH])), (1,), np.int64)
    function, engine, where = state[ns.TRANSLATE_FUNCTION], state[ns.ENGINE], state[ns.SCRATCH]
    if call_translate(function, engine, address, _PROT_EXEC, where) != 0:
        return False
    if result[0] != table[entry + ns.ENTRY_FIRST_PAGE]:
        return False
    last = address + table[entry + ns.ENTRY_SIZE] - 1
    if call_translate(function, engine, last, _PROT_EXEC, where) != 0:
        return False
    if result[0] != table[entry + ns.ENTRY_LAST_PAGE]:
        return False
    table[entry + ns.ENTRY_EPOCH] = state[ns.EPOCH]
    return True


@njit(cache=_CACHE)
def _log_block(state: Any, block: int, hflags: int, executed: int) -> bool:  # noqa: ANN401
    """Append a block record; False where the log is too full for what a block may do."""
    head = carray(pointer(np.uint64(state[ns.LOG])), (ns.LOG_HEAD_WORDS,), np.int64)
    count = head[ns.LOG_COUNT]
    if count + ns.LOG_RESERVE > head[ns.LOG_CAPACITY]:
        return False
    words = carray(pointer(np.uint64(head[ns.LOG_WORDS])), (LOG_LONGEST,), np.int64)
    level = (hflags & cx.HF_CPL) << 2
    cpu = carray(pointer(np.uint64(state[ns.ENV])), (64,), np.uint32)
    if np.int64(cpu[cx.EFLAGS >> 2]) & _IF != 0:
        level |= ns.RECORD_IF
    words[count] = ns.RECORD_BLOCK | level | state[ns.CORE_ID] << 4 | block << 16
    words[count + 1] = executed
    head[ns.LOG_LAST] = count
    head[ns.LOG_COUNT] = count + 2
    state[ns.LOG_INDEX] = -1
    _keep_place(state, 1)
    return True


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr), cache=_CACHE)
def on_block(_engine: Any, address: int, size: int, data: Any) -> None:  # noqa: ANN401, C901, PLR0911, PLR0912, PLR0915
    """Charge the block that is about to run, or stop before it."""
    state = carray(data, (_ALL_STATE,), np.int64)
    cpu = carray(pointer(np.uint64(state[ns.ENV])), (64,), np.uint32)
    if state[ns.PASS] != 0:
        state[ns.PASS] = 0
        state[ns.LOG_INDEX] = -1
        _keep_place(state, 1)
        _begin_block(cpu)
        return
    start = np.int64(address)
    length = np.int64(size)
    if state[ns.STOP_NEXT] != 0:
        reason = state[ns.STOP_NEXT]
        state[ns.STOP_NEXT] = 0
        if state[ns.BLOCK_START] <= start and start + length < state[ns.BLOCK_END]:
            # The block did not come to its end: the engine repeats a store that changed it.
            state[ns.UNKNOWN_ADDRESS] = start
            state[ns.UNKNOWN_SIZE] = length
            reason = ns.STOPPED_UNKNOWN
        _stop(state, reason)
        return
    table = carray(pointer(np.uint64(state[ns.TABLE])), (_TABLE_WORDS,), np.int64)
    hflags = np.int64(cpu[cx.HFLAGS >> 2])
    entry = _slot(start)
    instructions = table[entry + ns.ENTRY_INSTRUCTIONS]
    if (
        table[entry + ns.ENTRY_ADDRESS] != start
        or table[entry + ns.ENTRY_SIZE] != length
        or table[entry + ns.ENTRY_MODE] != (hflags & ns.MODE_MASK)
        or (
            table[entry + ns.ENTRY_EPOCH] != state[ns.EPOCH]
            and not _is_same_code(state, table, entry, start)
        )
        # One instruction out of the middle of the running block: the engine repeats a store that
        # changed its own block. The Python side refunds what was not reached.
        or (
            instructions == 1
            and start > state[ns.BLOCK_START]
            and start + length < state[ns.BLOCK_END]
        )
    ):
        state[ns.UNKNOWN_ADDRESS] = start
        state[ns.UNKNOWN_SIZE] = length
        _stop(state, ns.STOPPED_UNKNOWN)
        return
    if (
        state[ns.WATCH_INTERRUPTS] != 0
        and (np.int64(cpu[cx.EFLAGS >> 2]) & _IF) != 0
        and (hflags & cx.HF_INHIBIT_IRQ) == 0
    ):
        _stop(state, ns.STOPPED_WINDOW)
        return
    safe = table[entry + ns.ENTRY_SAFE]
    if state[ns.REMAINING] <= 0:
        _stop(state, ns.STOPPED_BUDGET)
        return
    if state[ns.SPINS] != 0 and comes_back(state, start, length):
        _stop(state, ns.STOPPED_SPIN)
        return
    if safe == 0 and (table[entry + ns.ENTRY_FLAGS] & ns.HAS_REST) != 0:
        if state[ns.PASSED] == state[ns.RETIRED]:
            safe = 1
        elif state[ns.POINTS] != 0 and goes_past(state, start):
            _stop(state, ns.STOPPED_PASSED)
            return
    if safe == 0:
        kind = table[entry + ns.ENTRY_FLAGS] & (ns.READS_TIME | ns.READS_TIME_AUX)
        state[ns.SENSITIVE_KIND] = kind
        _stop(state, ns.STOPPED_SENSITIVE)
        return
    if state[ns.LOG] != 0 and not _log_block(
        state, table[entry + ns.ENTRY_BLOCK], hflags, min(safe, state[ns.REMAINING], instructions)
    ):
        _stop(state, ns.STOPPED_LOG_FULL)
        return
    state[ns.BLOCK] = table[entry + ns.ENTRY_BLOCK]
    state[ns.BLOCK_START] = start
    state[ns.BLOCK_END] = start + length
    if safe < instructions or state[ns.REMAINING] < instructions:
        piece = min(safe, state[ns.REMAINING])
        state[ns.CHARGED] = piece
        state[ns.REMAINING] -= piece
        state[ns.RETIRED] += piece
        _stop(state, ns.STOPPED_PARTIAL)
        return
    state[ns.CHARGED] = instructions
    state[ns.REMAINING] -= instructions
    state[ns.RETIRED] += instructions
    _begin_block(cpu)
    flags = table[entry + ns.ENTRY_FLAGS]
    if flags != 0:
        if (flags & ns.CHANGES_MAPPING) != 0:
            state[ns.EPOCH] += 1
        if (flags & ns.ENDS_IN_PAUSE) != 0 and state[ns.YIELD_ON_PAUSE] != 0:
            state[ns.STOP_NEXT] = ns.STOPPED_PAUSE
        if (flags & ns.ENDS_IN_IRET) != 0:
            if (np.int64(cpu[cx.EFLAGS >> 2]) & _NT) != 0:
                state[ns.EPOCH] += 1  # back to another task, which may have another CR3
            if state[ns.WATCH_IRET] != 0:
                state[ns.STOP_NEXT] = ns.STOPPED_IRET


@cfunc(types.void(types.voidptr, types.voidptr, types.voidptr, types.voidptr), cache=_CACHE)
def on_translation(_engine: Any, block: Any, _previous: Any, data: Any) -> None:  # noqa: ANN401
    """Forget what is known of an address that the engine translates anew."""
    state = carray(data, (_ALL_STATE,), np.int64)
    if state[ns.PASS] != 0:
        return  # a piece of a known block
    address = carray(block, (1,), np.int64)[0]
    table = carray(pointer(np.uint64(state[ns.TABLE])), (_TABLE_WORDS,), np.int64)
    entry = _slot(address)
    if table[entry + ns.ENTRY_ADDRESS] == address:
        table[entry + ns.ENTRY_SIZE] = 0


@cfunc(types.void(types.voidptr, types.uint32, types.voidptr), cache=_CACHE)
def on_interrupt(_engine: Any, vector: int, data: Any) -> None:  # noqa: ANN401
    """Stop at an exception or a software interrupt."""
    state = carray(data, (_ALL_STATE,), np.int64)
    state[ns.VECTOR] = vector
    _stop(state, ns.STOPPED_EXCEPTION)


@cfunc(types.boolean(types.voidptr, types.voidptr), cache=_CACHE)
def on_invalid(_engine: Any, data: Any) -> bool:  # noqa: ANN401
    """Stop at an instruction the engine cannot decode."""
    state = carray(data, (_ALL_STATE,), np.int64)
    _stop(state, ns.STOPPED_INVALID)
    return True


@njit(cache=_CACHE)
def _device_access(state: Any, address: int, size: int, value: int, is_write: int) -> int:  # noqa: ANN401
    """Answer a device access from what Python said, or stop to ask.

    To ask, the engine leaves the translated code at once, as it does for a page fault, and stands
    before the instruction again. A mere stop would let some instructions run on to the block's end.
    """
    place = carray(pointer(np.uint64(state[ns.CPU] + _ACCESS_PLACE)), (1,), np.int64)
    origin = place[0]
    place[0] = _NO_PLACE
    if origin == _NO_PLACE:
        return -1  # the page walker meets no memory where a table should be: it reads all ones
    if state[ns.REASON] == ns.STOPPED_MMIO:
        return 0  # the second half of an access whose first half asked
    seen = state[ns.MMIO_SEEN]
    if seen < state[ns.MMIO_KNOWN]:
        state[ns.MMIO_SEEN] = seen + 1
        answer: int = state[ns.ANSWERS + seen]
        return answer
    if is_write != 0 or not is_steady(address):
        state[ns.DEVICES] += 1
    state[ns.MMIO_ADDRESS] = address
    state[ns.MMIO_SIZE] = size
    state[ns.MMIO_VALUE] = value
    state[ns.MMIO_IS_WRITE] = is_write
    _stop(state, ns.STOPPED_MMIO)
    if origin != 0:
        call_unwind(state[ns.UNWIND_FUNCTION], state[ns.CPU], origin)  # does not return
    return 0


@cfunc(
    types.uint64(types.voidptr, types.uint64, types.uint32, types.voidptr),
    cache=_CACHE,
)
def on_device_read(_engine: Any, offset: int, size: int, data: Any) -> int:  # noqa: ANN401
    """Handle a load from a device region; `data` is the pair (state, physical base)."""
    region = carray(data, (2,), np.int64)
    state = carray(pointer(np.uint64(region[0])), (_ALL_STATE,), np.int64)
    value: Any = _device_access(
        state, region[1] + np.int64(offset), np.int64(size), np.int64(0), np.int64(0)
    )
    return np.uint64(value)  # type: ignore[return-value]  # an integer to compiled code


@cfunc(
    types.void(types.voidptr, types.uint64, types.uint32, types.uint64, types.voidptr),
    cache=_CACHE,
)
def on_device_write(_engine: Any, offset: int, size: int, value: int, data: Any) -> None:  # noqa: ANN401
    """Handle a store to a device region; `data` is the pair (state, physical base)."""
    region = carray(data, (2,), np.int64)
    state = carray(pointer(np.uint64(region[0])), (_ALL_STATE,), np.int64)
    _device_access(
        state, region[1] + np.int64(offset), np.int64(size), np.int64(value), np.int64(1)
    )


@cfunc(
    types.boolean(
        types.voidptr, types.int32, types.uint64, types.int32, types.int64, types.voidptr
    ),
    cache=_CACHE,
)
def on_code_page(
    _engine: Any,  # noqa: ANN401
    _kind: int,
    _address: int,
    _size: int,
    _value: int,
    _data: Any,  # noqa: ANN401
) -> bool:
    """Do nothing: this hook's presence keeps stores to a code page on the engine's slow path."""
    return True


@njit(cache=_CACHE)
def forget_block(state: Any) -> None:  # noqa: ANN401
    """Say that no block is being executed: what the engine enters next is a fresh one."""
    state[ns.BLOCK] = -1
    state[ns.BLOCK_START] = state[ns.BLOCK_END] = 0
    state[ns.CHARGED] = 0
    state[ns.PASS] = state[ns.STOP_NEXT] = 0
    state[ns.MMIO_KNOWN] = 0


@njit(cache=_CACHE)
def _forget_access(state: Any) -> None:  # noqa: ANN401
    """Say that no device access is under way."""
    state[ns.MMIO_SEEN] = 0
    place = carray(pointer(np.uint64(state[ns.CPU] + _ACCESS_PLACE)), (1,), np.int64)
    place[0] = _NO_PLACE


@njit(cache=_CACHE, nogil=True)
def run(state: Any) -> int:  # noqa: ANN401
    """Run the core until something needs Python; return the reason (STOPPED_...)."""
    registers = carray(pointer(np.uint64(state[ns.ENV])), (32,), np.uint64)
    next_flags = carray(pointer(np.uint64(state[ns.CPU] + NEXT_BLOCK_FLAGS)), (1,), np.uint32)
    while True:
        state[ns.REASON] = ns.STOPPED_HALT
        _forget_access(state)
        rip = np.int64(registers[cx.RIP >> 3])
        error = call_start(state[ns.START_FUNCTION], state[ns.ENGINE], rip)
        state[ns.ENGINE_ERROR] = error
        if is_undone(state):
            restore_flags(state)
        reason = state[ns.REASON]
        if error == 0 and reason == ns.STOPPED_PARTIAL:
            next_flags[0] = state[ns.CHARGED]
            state[ns.PASS] = 1
        elif error == 0 and reason == ns.STOPPED_PASSED:
            forget_block(state)
        elif error == 0 and reason == ns.STOPPED_EXCEPTION and deliver(state):
            forget_block(state)
            if state[ns.FRAME] != 0:
                return ns.STOPPED_DELIVERED
            if state[ns.REMAINING] <= 0:
                return ns.STOPPED_BUDGET
        elif error != 0 or reason != ns.STOPPED_SENSITIVE or not read_time(state):
            return int(reason)
        else:
            forget_block(state)
            if state[ns.REMAINING] <= 0:
                return ns.STOPPED_BUDGET


@njit(cache=_CACHE)
def run_one(state: Any) -> int:  # noqa: ANN401
    """Run exactly one instruction, charged before; return the reason (STOPPED_STEP at success)."""
    next_flags = carray(pointer(np.uint64(state[ns.CPU] + NEXT_BLOCK_FLAGS)), (1,), np.uint32)
    registers = carray(pointer(np.uint64(state[ns.ENV])), (32,), np.uint64)
    state[ns.REASON] = ns.STOPPED_HALT
    _forget_access(state)
    state[ns.PASS] = 1
    state[ns.STOP_NEXT] = ns.STOPPED_STEP
    next_flags[0] = 1
    rip = np.int64(registers[cx.RIP >> 3])
    state[ns.ENGINE_ERROR] = call_start(state[ns.START_FUNCTION], state[ns.ENGINE], rip)
    state[ns.STOP_NEXT] = 0
    if is_undone(state):
        restore_flags(state)
    return int(state[ns.REASON])
