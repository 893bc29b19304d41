"""Reads an execution log as accesses: what each core did that others could notice.

An *agent* is the mainline of a core, or one invocation of an interrupt handler. A word of 8 bytes
is *shared* where two agents access it and one of them writes. An *event* is an instruction that
accesses a shared word, a delivery, or HLT. What a handler does with the stack below the interrupted
stack pointer counts as the mainline's: nothing there outlives an interrupt.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.explore.fabric import DELIVERY, FRAME_BYTES, HALT, MARKS, SENT, STEP, WINDOW
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
A_WORD, A_MASK, A_WRITE, A_STEP, A_CORE, A_AGENT, A_EVENT, A_BEFORE = range(8)
A_OPEN, A_VALUE, A_ADDRESS = range(8, 11)
ACCESS_WORDS = 11
"""An access: word number (address >> 3), which of its bytes, whether it writes, step, core, agent;
the event it belongs to, or -1; the access before to the same word, or -1; what the core accepts
before the instruction: interrupts of classes from 17 - this on, 0: none; value (of marks only);
linear address of the instruction."""
E_CORE, E_STEP, E_KIND, E_FIRST, E_END, E_DEPTH, E_POSITION, E_BEFORE = range(8)
E_OPEN, E_TAKEN, E_VECTOR = range(8, 11)
EVENT_WORDS = 11
"""An event: core, step, kind, range of accesses, handlers under way on the core, number on its core
from 1 on, the event before on its core or -1, what the core accepts before it, deliveries before it
(to all cores), vector of a delivery."""
INSTRUCTION, DELIVERED, HALTED = 0, 1, 2
ENDS_IN_IRET, ENDS_IN_STI, ENDS_IN_POPF = 1, 2, 4
"""How a block ends, as far as it changes IF."""
NO_CLI = 1 << 30
VECTORS = 512
"""More than there are vectors, NMI and NO_VECTOR among them."""
_DEPTH = 64


@njit(cache=_CACHE)
def is_window(word: int) -> bool:
    """Return whether a word is the pseudo-word WINDOW of a core."""
    return bool(word >> 9 == WINDOW >> 12)


@njit(cache=_CACHE)
def is_step(word: int) -> bool:
    """Return whether a word is the pseudo-word STEP of a core."""
    return bool(word >> 9 == STEP >> 12)


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
def _put(  # noqa: PLR0913, PLR0917
    accesses: Any,  # noqa: ANN401
    kinds: Any,  # noqa: ANN401
    row: int,
    physical: int,
    size: int,
    values: Any,  # noqa: ANN401
    kind: int,
    level: int,
) -> int:
    """Add an access with its kind and depth; return the next row."""
    end: int = _add(accesses, row, physical, size, values)
    for index in range(row, end):
        kinds[index, 0] = kind
        kinds[index, 1] = level
    return end


@njit(cache=_CACHE)
def _find_flags(words: Any, count: int, cores: int) -> Any:  # noqa: ANN401
    """Return, for each place of the log, IF of its core when that executes on; -1: it does not.

    Places are those of block records and of system records. A delivery shows that IF was set.
    """
    flags = np.full(count + 1, -1, dtype=np.int64)
    following = np.full(cores, -1, dtype=np.int64)
    places = np.empty(count // 2 + 1, dtype=np.int64)
    number = at = 0
    while at < count:
        places[number] = at
        number += 1
        kind = words[at] & 3
        at += 5 if kind == ns.RECORD_SYSTEM else 4 if kind == ns.RECORD_ACCESS else 2
    for index in range(number - 1, -1, -1):
        at = places[index]
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK and words[at + 1] > 0:
            core = word >> 4 & ns.RECORD_CORES
            flags[at] = following[core]
            following[core] = (word & ns.RECORD_IF) >> 15
        elif kind == ns.RECORD_SYSTEM:
            core = word >> 16 & ns.RECORD_CORES
            flags[at] = following[core]
            if words[at + 1] & ~np.int64(0xFFF) == DELIVERY:
                following[core] = 1
    return flags


@njit(cache=_CACHE)
def _count_steps(words: Any, count: int, stepwise: Any) -> int:  # noqa: ANN401
    """Return how many instructions the stepwise cores have retired."""
    steps = at = 0
    while at < count:
        kind = words[at] & 3
        if kind == ns.RECORD_BLOCK and stepwise[words[at] >> 4 & ns.RECORD_CORES]:
            steps += max(0, words[at + 1])
        at += 5 if kind == ns.RECORD_SYSTEM else 4 if kind == ns.RECORD_ACCESS else 2
    return int(steps)


@njit(cache=_CACHE)
def read_log(  # noqa: C901, PLR0912, PLR0913, PLR0915, PLR0917 - one pass over the log
    words: Any,  # noqa: ANN401
    count: int,
    cores: int,
    block_first: Any,  # noqa: ANN401
    addresses: Any,  # noqa: ANN401
    flag_changes: Any,  # noqa: ANN401
    memory_end: int,
    stepwise: Any,  # noqa: ANN401
) -> tuple[Any, Any, int, Any]:
    """Return accesses, the kind and depth of each, the number of steps, and who looked at frames.

    The last is a table by core and vector: whether an instruction of the handler, IRET apart,
    accessed the frame that its delivery pushed.

    What changes what a core accepts (IF, its priority) writes the pseudo-word WINDOW; what might
    and does not reads it, so that executions that begin alike have the same rows.

    Args:
        words: the log.
        count: words of it.
        cores: number of cores.
        block_first: for each block its first instruction in `addresses`.
        addresses: linear addresses of instructions.
        flag_changes: for each block, how it ends (ENDS_IN_...) and the index of its first CLI.
        memory_end: size of RAM; accesses between it and the marks are left out.
        stepwise: for each core, whether each of its instructions that an interrupt can come before
            reads the pseudo-word STEP; HLT does not.
    """
    most = 2 * count + 2 + _count_steps(words, count, stepwise)
    accesses = np.empty((most, ACCESS_WORDS), dtype=np.int64)
    kinds = np.empty((most, 2), dtype=np.int64)
    looked = np.zeros((cores, VECTORS), dtype=np.bool_)
    vectors = np.zeros((cores, _DEPTH), dtype=np.int64)
    flags = _find_flags(words, count, cores)
    depth = np.zeros(cores, dtype=np.int64)
    returns = np.zeros((cores, _DEPTH), dtype=np.int64)
    tops = np.zeros((cores, _DEPTH), dtype=np.int64)
    agents = np.zeros((cores, _DEPTH), dtype=np.int64)
    after_iret = np.zeros(cores, dtype=np.bool_)
    last_step = np.zeros(cores, dtype=np.int64)
    last_address = np.full(cores, -1, dtype=np.int64)
    last_open = np.zeros(cores, dtype=np.int64)
    delivering = np.zeros(cores, dtype=np.bool_)
    raising = np.zeros(cores, dtype=np.bool_)
    priority = np.zeros(cores, dtype=np.int64)
    flag_end = np.zeros(cores, dtype=np.int64)
    is_shadowed = np.zeros(cores, dtype=np.bool_)
    next_agent = cores
    for core in range(cores):
        agents[core, 0] = core
    step = executed = core = row = at = block = address = flag = stepped = begun = 0
    cli = NO_CLI
    ends = pops = popped = frame = 0
    shadow = is_iret = False
    values = np.zeros(A_ADDRESS + 1 - A_WRITE, dtype=np.int64)
    while at <= count:
        word: Any = words[at] if at < count else np.int64(ns.RECORD_BLOCK)
        kind = word & 3
        if kind == ns.RECORD_REGISTER:
            at += 2
            continue
        # The changes of IF in the block under way that this record lies behind.
        is_behind = kind == ns.RECORD_BLOCK or (
            kind == ns.RECORD_SYSTEM and word & ns.RECORD_PAGE_WALK == 0
        )
        values[A_CORE - A_WRITE] = core
        values[A_VALUE - A_WRITE] = 0
        values[A_AGENT - A_WRITE] = agents[core, depth[core]]
        if stepwise[core] and stepped < executed:
            is_halt = is_behind and kind == ns.RECORD_SYSTEM and words[at + 1] == HALT + 8 * core
            until = executed - is_halt
            if kind == ns.RECORD_ACCESS:
                until = min(executed, (word >> 16) + 1)
            elif not is_behind:
                until = stepped
            for index in range(stepped, until):
                if begun and index <= cli and not (shadow and index == 0):
                    values[0] = 0
                    values[A_STEP - A_WRITE] = step + index
                    values[A_OPEN - A_WRITE] = 16 - priority[core]
                    values[A_ADDRESS - A_WRITE] = addresses[block_first[block] + index]
                    row = _put(
                        accesses, kinds, row, STEP + 8 * core, 8, values, INSTRUCTION, depth[core]
                    )
            stepped = executed if is_behind else max(stepped, until)
        if cli < executed and (is_behind or (kind == ns.RECORD_ACCESS and word >> 16 > cli)):
            values[0] = flag
            values[A_STEP - A_WRITE] = step + cli
            values[A_OPEN - A_WRITE] = (
                16 - priority[core] if flag and not (shadow and cli == 0) else 0
            )
            values[A_ADDRESS - A_WRITE] = addresses[block_first[block] + cli]
            row = _put(accesses, kinds, row, WINDOW + 8 * core, 8, values, INSTRUCTION, depth[core])
            flag = begun = 0
            cli = NO_CLI
        if is_behind and ends != 0:
            values[0] = ends == ENDS_IN_STI or popped >> 9 & 1 != flag
            values[A_STEP - A_WRITE] = step + executed - 1
            values[A_OPEN - A_WRITE] = last_open[core]
            values[A_ADDRESS - A_WRITE] = addresses[block_first[block] + executed - 1]
            row = _put(accesses, kinds, row, WINDOW + 8 * core, 8, values, INSTRUCTION, depth[core])
            is_shadowed[core] = ends == ENDS_IN_STI and not (shadow and executed == 1)
            if ends == ENDS_IN_IRET and depth[core] > 0 and frame == tops[core, depth[core]]:
                depth[core] -= 1
                after_iret[core] = False
            ends = 0
        if is_behind and executed > 0:
            flag_end[core] = flag
        if at >= count:
            break
        if kind == ns.RECORD_BLOCK:
            step += executed
            executed = words[at + 1]
            core = word >> 4 & ns.RECORD_CORES
            block = word >> 16
            flag = begun = (word & ns.RECORD_IF) >> 15
            stepped = 0
            cli = NO_CLI
            at += 2
            if executed <= 0:
                executed = 0
                continue
            start = addresses[block_first[block]]
            if after_iret[core] and depth[core] > 0 and start == returns[core, depth[core]]:
                depth[core] -= 1
            whole = block_first[block + 1] - block_first[block]
            is_whole = executed == whole
            after_iret[core] = flag_changes[block, 0] == ENDS_IN_IRET and is_whole
            ends = flag_changes[block, 0] if is_whole else 0
            pops = popped = frame = 0
            cli = flag_changes[block, 1]
            shadow = is_shadowed[core]
            is_shadowed[core] = False
            is_open = flag and cli >= executed - 1 and not (shadow and executed == 1)
            last_open[core] = 16 - priority[core] if is_open else 0
            last_step[core] = step + executed - 1
            last_address[core] = addresses[block_first[block] + executed - 1]
            delivering[core] = raising[core] = False
            continue
        physical, size = words[at + 1], word >> 8 & 0xFF
        values[A_VALUE - A_WRITE] = 0
        if kind == ns.RECORD_ACCESS:
            owner, when = core, step + (word >> 16)
            index = min(word >> 16, executed)
            address = addresses[block_first[block] + (word >> 16)]
            if index == executed:
                when = step + executed
            is_iret = ends == ENDS_IN_IRET and index == executed - 1
            if ends != 0 and index == executed - 1 and word & ns.RECORD_WRITE == 0:
                pops += 1  # IRET pops RIP and CS before RFLAGS
                if pops == 1:
                    frame = physical + FRAME_BYTES
                if pops == (3 if ends == ENDS_IN_IRET else 1):
                    popped = words[at + 2]
            is_open = flag and not (shadow and index == 0)
            values[A_OPEN - A_WRITE] = 16 - priority[core] if is_open else 0
        else:
            owner, when = (word >> 16) & ns.RECORD_CORES, step + executed
            is_open = flags[at] == 1 and not is_shadowed[owner]
            values[A_OPEN - A_WRITE] = 16 - priority[owner] if is_open else 0
            is_raised = (
                word & ns.RECORD_DELIVERY != 0 and physical < MARKS and not delivering[owner]
            )
            if is_raised and words[at + 4] == last_address[owner]:
                when = last_step[owner]  # INT n, which has retired
                values[A_OPEN - A_WRITE] = last_open[owner]
            elif is_raised:
                is_open = flag_end[owner] and not is_shadowed[owner]
                values[A_OPEN - A_WRITE] = 16 - priority[owner] if is_open else 0
            address = words[at + 4]
        values[0] = 1 if word & ns.RECORD_WRITE != 0 else 0
        is_part = delivering[owner] and kind == ns.RECORD_SYSTEM
        if is_part and physical >= MARKS:
            is_part = physical & ~np.int64(0xFFF) == SENT and values[0] == 1
        event_kind = DELIVERED if is_part else INSTRUCTION
        if physical >= MARKS:
            values[A_VALUE - A_WRITE] = words[at + 2]
            mark = physical & ~np.int64(0xFFF)
            if mark == DELIVERY:
                event_kind = DELIVERED
                delivering[owner] = True
                is_shadowed[owner] = False
                level = depth[owner] = min(depth[owner] + 1, _DEPTH - 1)
                returns[owner, level] = words[at + 3]
                tops[owner, level] = words[at + 4]
                vectors[owner, level] = words[at + 2]
                agents[owner, level] = next_agent
                next_agent += 1
                values[A_OPEN - A_WRITE] = 16 - priority[owner]
                flag_end[owner] = 0
            elif mark == HALT:
                event_kind, when = HALTED, last_step[owner]
                values[A_OPEN - A_WRITE] = last_open[owner]
            elif mark == WINDOW:
                values[0] = flags[at] == 1
                priority[owner] = words[at + 2]
            elif is_part:
                priority[owner] = words[at + 2]
        elif physical >= memory_end:
            at += 4 if kind == ns.RECORD_ACCESS else 5
            continue
        level = depth[owner]
        agent = agents[owner, level]
        for index in range(1, level + 1):
            top = tops[owner, index]
            if ((top - 1) & ~np.int64(0xFFF)) - 0x1000 <= physical < top:
                agent = owner
            is_frame = top - FRAME_BYTES < physical + size and physical < top
            if is_frame and kind == ns.RECORD_ACCESS and not is_iret:
                looked[owner, vectors[owner, index]] = True
        values[A_STEP - A_WRITE] = when
        values[A_CORE - A_WRITE] = owner
        values[A_AGENT - A_WRITE] = agent
        values[A_ADDRESS - A_WRITE] = address
        if kind == ns.RECORD_SYSTEM and is_raised and not raising[owner]:
            raising[owner] = True
            writes = values[0]
            values[0] = flag_end[owner] == 1 and flags[at] == 0
            row = _put(accesses, kinds, row, WINDOW + 8 * owner, 8, values, INSTRUCTION, level)
            values[0] = writes
        row = _put(accesses, kinds, row, physical, size, values, event_kind, level)
        at += 4 if kind == ns.RECORD_ACCESS else 5
    return accesses[:row], kinds[:row], step + executed, looked
