"""States of a machine while nobody touches a device: equal where it goes on in the same ways."""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.core import context as cx
from uniSMP.core import native_flags
from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import pointer
from uniSMP.explore.executor import Executor
from uniSMP.explore.fabric import MARKS
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_QUADS = cx.SIZE_BYTES >> 3
_REGISTERS = 16
_XMM_STRIDE = 8
_FIRST_MODE, _FIRST_XMM = cx.HFLAGS >> 3, cx.XMM >> 3
State = tuple[bytes, tuple[tuple[bytes, int, bool, int, int, int, bool], ...]]


@njit(cache=_CACHE)
def _registers(state: Any) -> Any:  # noqa: ANN401
    """Return general and vector registers, mode, segments, control registers and x87."""
    quads = carray(pointer(np.uint64(state[ns.ENV])), (_QUADS,), np.uint64)
    modes = _FIRST_XMM - _FIRST_MODE
    found = np.empty(3 * _REGISTERS + modes, dtype=np.uint64)
    found[:_REGISTERS] = quads[:_REGISTERS]
    found[_REGISTERS : _REGISTERS + modes] = quads[_FIRST_MODE:_FIRST_XMM]
    at = _REGISTERS + modes
    for number in range(_REGISTERS):
        first = _FIRST_XMM + number * _XMM_STRIDE
        found[at + 2 * number] = quads[first]
        found[at + 2 * number + 1] = quads[first + 1]
    return found


@njit(cache=_CACHE)
def changed_bytes(words: Any, count: int, ram: Any, origin: Any) -> Any:  # noqa: ANN401
    """Return (address, value), by address, of the bytes of RAM that are not as in `origin`.

    Args:
        words: the log of all that was written since.
        count: words of it.
        ram: bytes of RAM.
        origin: as they were.
    """
    found = np.empty(64, dtype=np.int64)
    number = at = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind in (ns.RECORD_ACCESS, ns.RECORD_SYSTEM):
            first = words[at + 1]
            if word & ns.RECORD_WRITE != 0 and first < MARKS:
                for byte in range(first, min(first + (word >> 8 & 0xFF), len(ram))):
                    if ram[byte] != origin[byte]:
                        if number == len(found):
                            found = np.concatenate((found, np.empty_like(found)))
                        found[number] = byte
                        number += 1
            at += 4 if kind == ns.RECORD_ACCESS else 5
        else:
            at += 2
    places = np.unique(found[:number])
    rows = np.empty((len(places), 2), dtype=np.int64)
    for index in range(len(places)):
        rows[index, 0] = places[index]
        rows[index, 1] = ram[places[index]]
    return rows


def state_of(executor: Executor) -> State:
    """Return how things stand: memory, and of each core registers, halt and interrupts."""
    log, machine = executor.log, executor.machine
    memory = changed_bytes(
        log.words, int(log.head[ns.LOG_COUNT]), machine.parts.ram.bytes, executor.origin
    )
    cores = []
    for core, apic in zip(executor.cores, machine.parts.board.local_apics, strict=True):
        state, context = core.engine.state, core.engine.context
        requests = apic.tpr, apic.state.isr, apic.state.irr
        has_nmi = executor.boundary.has_nmi[core.core_id]
        flags = int(native_flags.read_flags(state))
        registers = _registers(state).tobytes() + context.linear_rip.to_bytes(8, "little")
        cores.append((registers, flags, core.is_halted, *requests, has_nmi))
    return memory.tobytes(), tuple(cores)


@njit(cache=_CACHE)
def steps_like(words: Any, count: int, table: Any, rips: Any, waits: Any) -> Any:  # noqa: ANN401
    """Return after how many instructions the cores stood where they stand now, ascending.

    Args:
        words: the log.
        count: words of it.
        table: for each block its first instruction, and the addresses of instructions.
        rips: for each core, linear address where it stands.
        waits: for each core, whether it matters.
    """
    first, addresses = table
    blocks = np.empty((count // 2 + 1, 3), dtype=np.int64)
    number = at = step = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK and words[at + 1] > 0:
            blocks[number, 0] = step
            blocks[number, 1] = word >> 4 & ns.RECORD_CORES
            blocks[number, 2] = addresses[first[word >> 16]]
            step += words[at + 1]
            number += 1
        at += 4 if kind == ns.RECORD_ACCESS else 5 if kind == ns.RECORD_SYSTEM else 2
    following = rips.copy()
    found = np.empty(number, dtype=np.int64)
    many = 0
    for index in range(number - 1, -1, -1):
        following[blocks[index, 1]] = blocks[index, 2]
        is_like = True
        for core in range(len(rips)):
            is_like &= not waits[core] or following[core] == rips[core]
        if is_like:
            found[many] = blocks[index, 0]
            many += 1
    return found[:many][::-1].copy()
