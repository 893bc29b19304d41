"""Reads an execution log as accesses and events: what each core did that others could notice.

An *agent* is the mainline of a core, or one invocation of an interrupt handler. A word of 8 bytes
is *shared* where two agents access it and one of them writes. An *event* is an instruction that
accesses a shared word, a delivery, or HLT. What a handler does with the stack below the interrupted
stack pointer counts as the mainline's: nothing there outlives an interrupt.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.explore.fabric import DELIVERY, HALT, MARKS
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
A_WORD, A_MASK, A_WRITE, A_STEP, A_CORE, A_AGENT, A_EVENT, A_BEFORE, A_IF, A_ADDRESS = range(10)
ACCESS_WORDS = 10
"""An access: word number (address >> 3), which of its bytes, whether it writes, step, core, agent;
the event it belongs to, or -1; the access before to the same word, or -1; whether IF was set;
linear address of the instruction."""
E_CORE, E_STEP, E_KIND, E_FIRST, E_END, E_DEPTH, E_POSITION, E_BEFORE, E_IF = range(9)
EVENT_WORDS = 9
"""An event: core, step, kind, range of accesses, handlers under way on the core, number on its core
from 1 on, the event before on its core or -1, whether IF was set."""
INSTRUCTION, DELIVERED, HALTED = 0, 1, 2
_DEPTH = 64


@njit(cache=_CACHE)
def _add(accesses: Any, row: int, physical: int, size: int, values: Any) -> int:  # noqa: ANN401
    """Add an access as one row, or two where it crosses a word; return the next row."""
    first, last = physical >> 3, (physical + size - 1) >> 3
    for word in range(first, last + 1):
        begin = max(physical, word << 3) & 7
        end = ((min(physical + size, (word + 1) << 3) - 1) & 7) + 1
        accesses[row, A_WORD] = word
        accesses[row, A_MASK] = (1 << end) - (1 << begin)
        for column in range(len(values)):
            accesses[row, A_WRITE + column] = values[column]
        accesses[row, A_EVENT] = -1
        accesses[row, A_BEFORE] = -1
        row += 1
    return row


@njit(cache=_CACHE)
def read_log(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - one pass over the log
    words: Any,  # noqa: ANN401
    count: int,
    cores: int,
    block_first: Any,  # noqa: ANN401
    addresses: Any,  # noqa: ANN401
    ends_in_iret: Any,  # noqa: ANN401
    memory_end: int,
) -> tuple[Any, Any, int]:
    """Return accesses, the kind and depth of each, and the number of steps.

    Args:
        words: the log.
        count: words of it.
        cores: number of cores.
        block_first: for each block its first instruction in `addresses`.
        addresses: linear addresses of instructions.
        ends_in_iret: for each block, whether it ends in IRET.
        memory_end: size of RAM; accesses between it and the marks are left out.
    """
    accesses = np.empty((count // 2 + 2, ACCESS_WORDS), dtype=np.int64)
    kinds = np.empty((count // 2 + 2, 2), dtype=np.int64)
    depth = np.zeros(cores, dtype=np.int64)
    returns = np.zeros((cores, _DEPTH), dtype=np.int64)
    tops = np.zeros((cores, _DEPTH), dtype=np.int64)
    agents = np.zeros((cores, _DEPTH), dtype=np.int64)
    after_iret = np.zeros(cores, dtype=np.bool_)
    last_step = np.zeros(cores, dtype=np.int64)
    last_address = np.full(cores, -1, dtype=np.int64)
    delivering = np.zeros(cores, dtype=np.bool_)
    next_agent = cores
    for core in range(cores):
        agents[core, 0] = core
    step = executed = core = row = at = flag = block = address = 0
    values = np.zeros(A_ADDRESS + 1 - A_WRITE, dtype=np.int64)
    while at < count:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_REGISTER:
            at += 2
            continue
        if kind == ns.RECORD_BLOCK:
            step += executed
            executed = words[at + 1]
            core = word >> 4 & ns.RECORD_CORES
            block = word >> 16
            flag = (word & ns.RECORD_IF) >> 15
            at += 2
            if executed <= 0:
                executed = 0
                continue
            start = addresses[block_first[block]]
            if after_iret[core] and depth[core] > 0 and start == returns[core, depth[core]]:
                depth[core] -= 1
            whole = block_first[block + 1] - block_first[block]
            after_iret[core] = ends_in_iret[block] and executed == whole
            last_step[core] = step + executed - 1
            last_address[core] = addresses[block_first[block] + executed - 1]
            delivering[core] = False
            continue
        physical, size = words[at + 1], word >> 8 & 0xFF
        if kind == ns.RECORD_ACCESS:
            owner, when = core, step + (word >> 16)
            index = min(word >> 16, executed)
            address = addresses[block_first[block] + (word >> 16)]
            if index == executed:
                when = step + executed
        else:
            owner, when = (word >> 16) & ns.RECORD_CORES, step + executed
            if (
                word & ns.RECORD_DELIVERY != 0
                and physical < MARKS
                and words[at + 4] == last_address[owner]
            ):
                when = last_step[owner]  # INT n, which has retired
            address = words[at + 4]
        event_kind = DELIVERED if delivering[owner] and kind == ns.RECORD_SYSTEM else INSTRUCTION
        if physical >= MARKS:
            mark = physical & ~np.int64(0xFFF)
            if mark == DELIVERY:
                event_kind = DELIVERED
                delivering[owner] = True
                level = depth[owner] = min(depth[owner] + 1, _DEPTH - 1)
                returns[owner, level] = words[at + 3]
                tops[owner, level] = words[at + 4]
                agents[owner, level] = next_agent
                next_agent += 1
            elif mark == HALT:
                event_kind, when = HALTED, last_step[owner]
        elif physical >= memory_end:
            at += 4 if kind == ns.RECORD_ACCESS else 5
            continue
        level = depth[owner]
        agent = agents[owner, level]
        for index in range(1, level + 1):
            top = tops[owner, index]
            if ((top - 1) & ~np.int64(0xFFF)) - 0x1000 <= physical < top:
                agent = owner
        values[0] = 1 if word & ns.RECORD_WRITE != 0 else 0
        values[A_STEP - A_WRITE] = when
        values[A_CORE - A_WRITE] = owner
        values[A_AGENT - A_WRITE] = agent
        values[A_IF - A_WRITE] = flag
        values[A_ADDRESS - A_WRITE] = address
        end = _add(accesses, row, physical, size, values)
        for index in range(row, end):
            kinds[index, 0] = event_kind
            kinds[index, 1] = level
        row = end
        at += 4 if kind == ns.RECORD_ACCESS else 5
    return accesses[:row], kinds[:row], step + executed


@njit(cache=_CACHE)
def _slot(keys: Any, word: int, mask: int) -> int:  # noqa: ANN401
    """Return where a word stands, or would stand, in an open hash table."""
    place = np.int64((np.uint64(word) * np.uint64(0x9E37_79B9_7F4A_7C15)) >> np.uint64(40)) & mask
    while keys[place] >= 0 and keys[place] != word:
        place = (place + 1) & mask
    return int(place)


@njit(cache=_CACHE)
def find_shared(accesses: Any) -> tuple[Any, int]:  # noqa: ANN401
    """Return for each access whether its word is shared, and the number of shared words.

    Also chains the accesses of each word.
    """
    count = len(accesses)
    size = 16
    while size < 2 * count:
        size *= 2
    keys = np.full(size, -1, dtype=np.int64)
    agents = np.empty(size, dtype=np.int64)
    is_many = np.zeros(size, dtype=np.bool_)
    is_written = np.zeros(size, dtype=np.bool_)
    latest = np.full(size, -1, dtype=np.int64)
    places = np.empty(count, dtype=np.int64)
    for row in range(count):
        place = _slot(keys, accesses[row, A_WORD], size - 1)
        if keys[place] < 0:
            keys[place] = accesses[row, A_WORD]
            agents[place] = accesses[row, A_AGENT]
        elif agents[place] != accesses[row, A_AGENT]:
            is_many[place] = True
        if accesses[row, A_WRITE] != 0:
            is_written[place] = True
        accesses[row, A_BEFORE] = latest[place]
        latest[place] = row
        places[row] = place
    shared = np.empty(count, dtype=np.bool_)
    for row in range(count):
        shared[row] = is_many[places[row]] and is_written[places[row]]
    number = 0
    for place in range(size):
        number += is_many[place] and is_written[place]
    return shared, number


@njit(cache=_CACHE)
def find_events(accesses: Any, kinds: Any, shared: Any, cores: int) -> Any:  # noqa: ANN401
    """Return the events, in order, and note in each access which it belongs to."""
    count = len(accesses)
    events = np.empty((count + 1, EVENT_WORDS), dtype=np.int64)
    last = np.full(cores, -1, dtype=np.int64)
    number = 0
    row = 0
    while row < count:
        core, step, kind = accesses[row, A_CORE], accesses[row, A_STEP], kinds[row, 0]
        end = row
        is_event = kind != INSTRUCTION
        while (
            end < count
            and accesses[end, A_CORE] == core
            and accesses[end, A_STEP] == step
            and kinds[end, 0] == kind
        ):
            is_event = is_event or shared[end]
            end += 1
        if is_event:
            event = events[number]
            event[E_CORE], event[E_STEP], event[E_KIND] = core, step, kind
            event[E_FIRST], event[E_END] = row, end
            event[E_DEPTH] = kinds[row, 1]
            event[E_BEFORE] = last[core]
            event[E_POSITION] = 1 if last[core] < 0 else events[last[core], E_POSITION] + 1
            event[E_IF] = accesses[row, A_IF]
            for index in range(row, end):
                accesses[index, A_EVENT] = number
            last[core] = number
            number += 1
        row = end
    return events[:number]
