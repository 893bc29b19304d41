"""Runs planned slices of several cores, one after the other, in one compiled loop.

While it runs nothing outside the cores changes: no chip acts, no message is sent, no interrupt
becomes pending. Whatever could change that ends it, and the caller goes on from there: a device
deadline, the limit of steps, a boundary that accepts what is pending, changed code, and everything
that a core cannot do alone.
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.core import context as cx
from uniSMP.core import native, native_tlb
from uniSMP.core import native_state as ns
from uniSMP.core.code_pages import first_changed_page
from uniSMP.core.native_calls import pointer
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_IF = 1 << 9
_MARK_FACTOR = np.uint64(0x9E37_79B9_7F4A_7C15)
_MARK_STEP = np.uint64(0xD1B5_4A32_D192_ED03 & ~1)

STEPS = 0
"""Instructions retired by all cores: at the start, and at the end."""
LIMIT = 1
"""Step at which the run ends."""
DEADLINE = 2
"""Step at which a device acts."""
MOST = 3
"""Most instructions of this call."""
PAUSES_OF_A_SPIN = 4
"""So many slices in a row that end in PAUSE make a spinning core."""
RUNNABLE = 5
"""Number of cores that can run."""
DONE = 6
"""Result: slices of the plan that are over."""
IS_OPEN = 7
"""Result: whether the slice behind them has begun; it must be finished."""
LEFT = 8
"""Result: instructions that slice has left, by what is charged."""
REASON = 9
"""Result: why it stopped (STOPPED_...); STOPPED_BUDGET is an instruction boundary."""
IS_EXACT = 10
"""Non-zero: budgets are what a recording says was retired; nothing but them ends a slice."""
WANTS_MARKS = 11
"""Non-zero: each finished slice gives a mark."""
MARK = 12
"""The mark of the slice before: at the start, and at the end."""
OPEN_RETIRED = 13
"""Result: instructions that the open slice has retired, by what is charged."""
WORDS = 14

ROW_CORE, ROW_INSTRUCTIONS, ROW_BUDGET, ROW_VECTOR, ROW_FAULTS, ROW_END, ROW_MARK = range(7)
ROW_WORDS = 7
"""A slice that is over: core, instructions retired and allowed, vector delivered at its start,
exceptions behind its last instruction, what ended it, mark."""
NO_VECTOR = -1
ENDED_BY_BUDGET, ENDED_BY_PAUSE = 0, 1

CORE_STATE = 0
CORE_MAY_RUN = 1
CORE_IS_WATCHED = 2
CORE_TIME = 3
CORE_WORDS = 4
"""What is known of each core: host address of its words (see `native_state`), whether it can
execute instructions, whether an interrupt waits for it, and its time-stamp counter at step 0."""


@njit(cache=_CACHE)
def _accepts_interrupts(state: Any) -> bool:  # noqa: ANN401
    words = carray(pointer(np.uint64(state[ns.ENV])), (64,), np.uint32)
    shadow = words[cx.HFLAGS >> 2] & np.uint32(cx.HF_INHIBIT_IRQ)
    return bool(words[cx.EFLAGS >> 2] & np.uint32(_IF) != 0 and shadow == 0)


@njit(cache=_CACHE)
def fold_mark(state: Any, mark: int) -> int:  # noqa: ANN401
    """Return the mark of a slice that ended: a hash of the core, its registers and what `mark` was.

    Two runs whose marks agree have, as far as 64 bits tell, executed the same. Status flags are
    left out: what the engine keeps of them depends on how it came there.
    """
    registers = carray(pointer(np.uint64(state[ns.ENV])), (32,), np.uint64)
    total = np.uint64(mark) ^ np.uint64(state[ns.CORE_ID])
    factor = _MARK_FACTOR
    for number in range(16):
        total += (registers[number] ^ (registers[number] >> np.uint64(29))) * factor
        factor += _MARK_STEP
    total += (registers[cx.RIP >> 3] ^ (np.uint64(state[ns.RETIRED]) << np.uint64(20))) * factor
    total = (total ^ (total >> np.uint64(32))) * _MARK_FACTOR
    return int(np.int64(total ^ (total >> np.uint64(29))))


@njit(cache=_CACHE)
def mark_slice(state: Any, words: Any) -> int:  # noqa: ANN401
    """Make the mark of a slice that ended outside `run_plan`."""
    words[MARK] = fold_mark(state, words[MARK])
    return int(words[MARK])


@njit(cache=_CACHE)
def _is_anyone_busy(words: Any, runnable: Any, pauses: Any) -> bool:  # noqa: ANN401
    """Return whether a core that can run does not spin."""
    for index in range(words[RUNNABLE]):
        if pauses[runnable[index]] < words[PAUSES_OF_A_SPIN]:
            return True
    return False


@njit(cache=_CACHE)
def _forget_pauses(pauses: Any) -> None:  # noqa: ANN401
    for core in range(len(pauses)):  # a slice assignment compiles slowly
        pauses[core] = 0


@njit(cache=_CACHE)
def _is_held_up(words: Any, state: Any, is_watched: int) -> bool:  # noqa: ANN401
    """Return whether something comes before the next slice of a core."""
    is_due = words[STEPS] >= words[LIMIT] or words[STEPS] >= words[DEADLINE]
    return bool(is_due or (is_watched != 0 and _accepts_interrupts(state)))


@njit(cache=_CACHE)
def _run_slice(state: Any, budget: int) -> int:  # noqa: ANN401
    """Run a core in pieces, between which its TLB is looked at; return the reason."""
    end = state[ns.RETIRED] + budget
    while True:
        left = end - state[ns.RETIRED]
        piece = min(left, native_tlb.refresh(state))
        state[ns.REMAINING] = piece
        reason = native.run(state)
        if reason != ns.STOPPED_BUDGET or piece == left:
            state[ns.REMAINING] += left - piece
            return int(reason)
        native.forget_block(state)


@njit(cache=_CACHE)
def _write_row(  # noqa: PLR0913, PLR0917 - the columns
    rows: Any,  # noqa: ANN401
    row: int,
    core: int,
    done: int,
    budget: int,
    reason: int,
    mark: int,
) -> None:
    rows[row, ROW_CORE] = core
    rows[row, ROW_INSTRUCTIONS] = done
    rows[row, ROW_BUDGET] = budget
    rows[row, ROW_VECTOR] = NO_VECTOR
    rows[row, ROW_FAULTS] = 0
    rows[row, ROW_END] = ENDED_BY_PAUSE if reason == ns.STOPPED_PAUSE else ENDED_BY_BUDGET
    rows[row, ROW_MARK] = mark


@njit(cache=_CACHE, nogil=True)
def run_plan(  # noqa: PLR0913, PLR0917 - arrays
    words: Any,  # noqa: ANN401
    cores: Any,  # noqa: ANN401
    runnable: Any,  # noqa: ANN401
    pauses: Any,  # noqa: ANN401
    chosen: Any,  # noqa: ANN401
    budgets: Any,  # noqa: ANN401
    pages: Any,  # noqa: ANN401
    rows: Any,  # noqa: ANN401
    row: int,
) -> None:
    """Run slices of `budgets` instructions on the cores `chosen`.

    Args:
        words: see STEPS and what follows it.
        cores: a row of CORE_WORDS for each core.
        runnable: ids of the cores that can run, the first `words[RUNNABLE]` entries.
        pauses: for each core, how many of its slices in a row ended in PAUSE.
        chosen: core ids.
        budgets: instructions, at least 1.
        pages: the head of the pages with translated code.
        rows: is given a row of ROW_WORDS for each slice that is over.
        row: the first one's number.
    """
    words[IS_OPEN] = 0
    is_exact = words[IS_EXACT] != 0
    first = words[STEPS]
    index = 0
    while index < len(chosen):
        steps = words[STEPS]
        core = chosen[index]
        state = carray(pointer(np.uint64(cores[core, CORE_STATE])), (ns.WORDS,), np.int64)
        is_watched = cores[core, CORE_IS_WATCHED]
        if (
            steps - first >= words[MOST]
            or cores[core, CORE_MAY_RUN] == 0
            or _is_held_up(words, state, is_watched)
        ):
            break
        is_busy = not is_exact and _is_anyone_busy(words, runnable, pauses)
        if not (is_busy or is_exact):
            _forget_pauses(pauses)
        budget = min(budgets[index], words[LIMIT] - steps)
        allowed = min(budget, words[DEADLINE] - steps, words[MOST])
        state[ns.YIELD_ON_PAUSE] = is_busy and words[RUNNABLE] > 1
        state[ns.WATCH_INTERRUPTS] = is_watched
        state[ns.WATCH_IRET] = 0
        before = state[ns.RETIRED]
        state[ns.TIME_BASE] = cores[core, CORE_TIME] + (steps - before) * state[ns.TICKS]
        reason = _run_slice(state, allowed)
        done = state[ns.RETIRED] - before
        words[STEPS] = steps + done
        is_whole = reason == ns.STOPPED_BUDGET and done >= budget
        if state[ns.ENGINE_ERROR] != 0 or (reason != ns.STOPPED_PAUSE and not is_whole):
            words[IS_OPEN] = 1
        else:
            native.forget_block(state)
            if is_whole:
                # What is due at the boundary that ends a slice belongs to that slice.
                is_due = words[STEPS] >= words[DEADLINE]
                words[IS_OPEN] = is_due or (is_watched != 0 and _accepts_interrupts(state))
        if words[IS_OPEN] != 0:
            if reason == ns.STOPPED_BUDGET:
                native.forget_block(state)
            words[LEFT] = budget - done
            words[OPEN_RETIRED] = done
            words[REASON] = reason
            break
        pauses[core] = pauses[core] + 1 if reason == ns.STOPPED_PAUSE else 0
        if words[WANTS_MARKS] != 0:
            words[MARK] = fold_mark(state, words[MARK])
        _write_row(rows, row + index, core, done, budgets[index], reason, words[MARK])
        index += 1
        if first_changed_page(pages, np.int64(0)) >= 0:
            break
    words[DONE] = index
