"""Follows the registers of interrupted code through handlers, in compiled code.

A handler may keep registers on its own stack, or in others, and put them back. Where it does
anything else with one that its core changes elsewhere, it looks at what it interrupts; where one is
not put back, it changes that. What the values are does not matter: they may be equal by chance.
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.explore import register_use as use
from uniSMP.explore.collecting import VECTORS
from uniSMP.explore.fabric import DELIVERY, FRAME_BYTES
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
REGISTERS = 16
FLAGS, LOST = 16, 17
"""Bits beyond those of registers: the flags; that the stack was too large to be followed."""
_CLEAN, _LOW_BYTE, _LOW_WORD, _FLAGS = 16, 17, 18, 19
"""What a register holds: the value that register 0-15 had; nothing of what was interrupted; of its
own that but the lowest byte, or word; the flags."""
_RSP = 4
_DEPTH = 16
_SLOTS = 64
_VALUES = REGISTERS
_FLAG_MASK, _TOP, _VECTOR, _COUNT = range(REGISTERS, REGISTERS + 4)
_PLACES = REGISTERS + 4
_SIZE = _PLACES + 2 * _SLOTS
"""A run of a handler: what each register holds; flags that are the interrupted code's; physical
address where its stack begins; vector; number of places on the stack; each with what it holds."""
_ALL_FLAGS = (1 << len(use.FLAGS)) - 1


@njit(cache=_CACHE)
def _bit(held: int, register: int) -> int:
    """Return the bit of what a register holds that should not be looked at."""
    if held < REGISTERS:
        return 1 << held
    if held == _FLAGS:
        return 1 << FLAGS
    return 0 if held == _CLEAN else 1 << register


@njit(cache=_CACHE)
def _reads(run: Any, fact: Any) -> int:  # noqa: ANN401
    """Return what an instruction looks at, as bits."""
    found = 0
    for register in range(REGISTERS):
        held = run[register]
        bit = 1 << register
        if held == _CLEAN:
            continue
        is_word = fact[use.READ_WORD] & bit != 0 and held != _LOW_WORD
        is_byte = fact[use.READ_BYTE] & bit != 0 and not _LOW_BYTE <= held <= _LOW_WORD
        if fact[use.READ] & bit != 0 or is_word or is_byte:
            found |= _bit(held, register)
    if fact[use.FLAGS_READ] & run[_FLAG_MASK] != 0:
        found |= 1 << FLAGS
    return int(found)


@njit(cache=_CACHE)
def _write(run: Any, fact: Any) -> None:  # noqa: ANN401
    """Let an instruction write registers."""
    for register in range(REGISTERS):
        bit = 1 << register
        if fact[use.WRITTEN] & bit != 0:
            run[register] = _CLEAN
        elif fact[use.WRITTEN_WORD] & bit != 0 and run[register] != _CLEAN:
            run[register] = _LOW_WORD
        elif fact[use.WRITTEN_BYTE] & bit != 0 and run[register] < _CLEAN:
            run[register] = _LOW_BYTE
    run[_FLAG_MASK] &= ~fact[use.FLAGS_WRITTEN]


@njit(cache=_CACHE)
def _apply(run: Any, fact: Any, loaded: int, has_stored: bool) -> int:  # noqa: ANN401, FBT001
    """Let an instruction do what it does, its accesses apart; return what it looks at, as bits."""
    found = _reads(run, fact)
    kind, register = fact[use.KIND], fact[use.REGISTER]
    held = run[register]
    if kind == use.STORE and not has_stored and register != _RSP:
        found |= _bit(held, register)  # to a device
    _write(run, fact)
    if kind == use.LOAD:
        run[register] = loaded
    elif kind == use.COPY:
        run[fact[use.OTHER]] = held
    elif kind == use.POP_FLAGS:
        run[_FLAG_MASK] = 0 if loaded == _CLEAN else _ALL_FLAGS
    run[_RSP] = _CLEAN
    return int(found)


@njit(cache=_CACHE)
def _read_memory(run: Any, fact: Any, physical: int, size: int) -> tuple[int, int]:  # noqa: ANN401
    """Return what an instruction gets from the stack, and looks at there, as bits."""
    loaded, found = _CLEAN, 0
    takes = fact[use.KIND] == use.LOAD or fact[use.KIND] == use.POP_FLAGS
    takes = takes and size == fact[use.SIZE]
    for slot in range(run[_COUNT]):
        place, held = run[_PLACES + 2 * slot], run[_PLACES + 2 * slot + 1]
        if place + fact[use.SIZE] <= physical or physical + size <= place:
            continue
        if takes and place == physical and (fact[use.KIND] == use.LOAD or held == _FLAGS):
            loaded = held
        else:
            found |= _bit(held, 0)
    return loaded, found


@njit(cache=_CACHE)
def _write_memory(run: Any, fact: Any, physical: int, size: int) -> int:  # noqa: ANN401
    """Let an instruction write; return what it shows to others, as bits."""
    count = 0
    for slot in range(run[_COUNT]):
        place, held = run[_PLACES + 2 * slot], run[_PLACES + 2 * slot + 1]
        if place + fact[use.SIZE] <= physical or physical + size <= place:
            run[_PLACES + 2 * count], run[_PLACES + 2 * count + 1] = place, held
            count += 1
    run[_COUNT] = count
    held = _CLEAN
    if fact[use.KIND] == use.STORE:
        held = run[fact[use.REGISTER]]
    elif fact[use.KIND] == use.PUSH_FLAGS and run[_FLAG_MASK] != 0:
        held = _FLAGS
    if held == _CLEAN:
        return 0
    top = run[_TOP]
    is_own = ((top - 1) & ~np.int64(0xFFF)) - 0x1000 <= physical < top - FRAME_BYTES
    if not is_own or size != fact[use.SIZE]:
        return int(_bit(held, fact[use.REGISTER]))
    if count == _SLOTS:
        return 1 << LOST
    if _LOW_BYTE <= held <= _LOW_WORD:
        return int(_bit(held, fact[use.REGISTER]))
    run[_PLACES + 2 * count], run[_PLACES + 2 * count + 1] = physical, held
    run[_COUNT] = count + 1
    return 0


@njit(cache=_CACHE)
def _not_put_back(run: Any) -> int:  # noqa: ANN401
    """Return the registers that do not hold at the end of a handler what they held before."""
    found = 0
    for register in range(REGISTERS):
        if register != _RSP and run[register] != register:
            found |= 1 << register
    return int(found)


@njit(cache=_CACHE)
def _begin(run: Any, top: int, vector: int) -> None:  # noqa: ANN401
    for register in range(REGISTERS):
        run[register] = register
    run[_RSP] = _CLEAN
    run[_FLAG_MASK] = _ALL_FLAGS
    run[_TOP], run[_VECTOR], run[_COUNT] = top, vector, 0


@njit(cache=_CACHE)
def follow(  # noqa: C901, PLR0912, PLR0915 - one pass over the log
    words: Any,  # noqa: ANN401
    count: int,
    cores: int,
    block_first: Any,  # noqa: ANN401
    facts: Any,  # noqa: ANN401
) -> tuple[Any, Any]:
    """Return what handlers look at and what they change, tables of bits by core and vector.

    Args:
        words: the log.
        count: words of it.
        cores: number of cores.
        block_first: for each block its first instruction in `facts`.
        facts: rows of `register_use`.
    """
    looked = np.zeros((cores, VECTORS), dtype=np.int64)
    looks = np.zeros((cores, _DEPTH, VECTORS), dtype=np.int64)
    written = np.zeros((cores, _DEPTH), dtype=np.int64)
    changed = np.zeros((cores, VECTORS), dtype=np.int64)
    runs = np.zeros((cores, _DEPTH, _SIZE), dtype=np.int64)
    depth = np.zeros(cores, dtype=np.int64)
    core = executed = first = done = at = frame = 0
    loaded, has_stored = _CLEAN, False
    while at <= count:
        word: Any = words[at] if at < count else np.int64(ns.RECORD_BLOCK)
        kind = word & 3
        if kind == ns.RECORD_REGISTER:
            at += 2
            continue
        is_walk = kind == ns.RECORD_SYSTEM and word & ns.RECORD_PAGE_WALK != 0
        until = done if is_walk else executed
        if kind == ns.RECORD_ACCESS:
            until = min(executed, word >> 16)
        while done < until:
            fact, level = facts[first + done], depth[core]
            run = runs[core, level]
            written[core, level] |= fact[use.TOUCHED]
            if fact[use.FLAGS_WRITTEN] != 0:
                written[core, level] |= 1 << FLAGS
            if level > 0 and fact[use.KIND] != use.RETURN:
                looks[core, level, run[_VECTOR]] |= _apply(run, fact, loaded, has_stored)
            elif level > 0 and frame == run[_TOP]:
                changed[core, run[_VECTOR]] |= _not_put_back(run)
                depth[core] -= 1
            loaded, has_stored, frame = _CLEAN, False, 0
            done += 1
        if at >= count:
            break
        if kind == ns.RECORD_BLOCK:
            core, executed = word >> 4 & ns.RECORD_CORES, max(0, words[at + 1])
            first, done = block_first[word >> 16], 0
            at += 2
            continue
        physical, size = words[at + 1], word >> 8 & 0xFF
        if kind == ns.RECORD_SYSTEM:
            if physical & ~np.int64(0xFFF) == DELIVERY:
                owner = word >> 16 & ns.RECORD_CORES
                depth[owner] = min(depth[owner] + 1, _DEPTH - 1)
                _begin(runs[owner, depth[owner]], words[at + 4], words[at + 2])
            at += 5
            continue
        level = depth[core]
        if level > 0 and done < executed and word >> 16 == done:
            fact, run = facts[first + done], runs[core, level]
            if fact[use.KIND] == use.RETURN:
                if frame == 0 and word & ns.RECORD_WRITE == 0:
                    frame = physical + FRAME_BYTES
            elif word & ns.RECORD_WRITE != 0:
                has_stored = True
                looks[core, level, run[_VECTOR]] |= _write_memory(run, fact, physical, size)
            else:
                held, bits = _read_memory(run, fact, physical, size)
                loaded = held if held != _CLEAN else loaded
                looks[core, level, run[_VECTOR]] |= bits
        at += 4
    for owner in range(cores):
        below = 1 << LOST
        for level in range(1, _DEPTH):
            below |= written[owner, level - 1]
            looked[owner] |= looks[owner, level] & below
    return looked, changed
