"""Compiled callbacks that log what instructions read, write and change, while a run is traced.

Each access becomes a record in the execution log that all cores share (see `native_state`). The
engine tells the physical address of an access. Its linear address is found among the pages of the
instruction's operands and of the stack: the page that the engine's translation cache maps to the
physical one. Where only another page does, and no second one, it is that; else it stays unknown.

An access that crosses a page becomes two records, one in each page.
"""

from typing import Any

import numpy as np
from numba import carray, cfunc, njit, types

from uniSMP.arch.flags import STATUS_FLAGS, Cr0
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import LOG_LONGEST, call_translate, pointer
from uniSMP.core.native_flags import read_flags
from uniSMP.core.operands import NONE, OPERAND_WORDS, PRESENT
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_PG = int(Cr0.PG)
_PAGE_MASK = np.int64(0xFFF)
_TLB_BEFORE_STATE = 64
"""The translation caches' (mask, table) pairs begin so many bytes before the CPU state."""
_TLB_MODES = 3
_TLB_ENTRY_WORDS = 8
_TLB_ENTRY_SHIFT = 6
_READ, _WRITE, _CODE, _PHYSICAL = 0, 1, 2, 3
"""Words of an entry: linear page for reads, writes, fetches (flags below); physical page."""
_UNKNOWN = np.int64(-1)
_STATUS = int(STATUS_FLAGS)
_FLAGS_REGISTER = np.int64(-1)
_RSP, _RBP = 4, 5
_PROT_READ, _PROT_WRITE = np.int64(1), np.int64(2)
_SEGMENT_BASE = (cx.SEGMENTS >> 3) + 1


@njit(cache=_CACHE)
def _entry_of(tables: Any, mode: int, page: int) -> Any:  # noqa: ANN401
    """Return the translation cache's entry where linear page `page` would stand."""
    count = tables[2 * mode] >> _TLB_ENTRY_SHIFT
    place = tables[2 * mode + 1] + ((page & count) << _TLB_ENTRY_SHIFT)
    return carray(pointer(np.uint64(place)), (_TLB_ENTRY_WORDS,), np.int64)


@njit(cache=_CACHE)
def _holds(entry: Any, page: int) -> bool:  # noqa: ANN401
    is_read = entry[_READ] != -1 and entry[_READ] >> 12 == page
    return bool(is_read or (entry[_WRITE] != -1 and entry[_WRITE] >> 12 == page))


@njit(cache=_CACHE)
def _physical_page(tables: Any, page: int) -> int:  # noqa: ANN401
    """Return the physical page behind a linear one, or -1 where no cache has it."""
    for mode in (2, 1, 0):  # the kernel's, users', and the kernel's under SMAP
        entry = _entry_of(tables, mode, page)
        if _holds(entry, page):
            return int(entry[_PHYSICAL] >> 12)
    return -1


@njit(cache=_CACHE)
def _search(tables: Any, physical: int) -> int:  # noqa: ANN401
    """Return the only linear page cached for a physical page; -1 for none or several."""
    found = _UNKNOWN
    for mode in range(_TLB_MODES):
        count = (tables[2 * mode] >> _TLB_ENTRY_SHIFT) + 1
        where = pointer(np.uint64(tables[2 * mode + 1]))
        table = carray(where, (count, _TLB_ENTRY_WORDS), np.int64)
        for index in range(count):
            if table[index, _PHYSICAL] >> 12 != physical:
                continue
            for kind in (_READ, _WRITE):
                page = table[index, kind] >> 12
                if table[index, kind] != -1 and page != found:
                    if found != _UNKNOWN:
                        return -1
                    found = page
    return int(found)


@njit(cache=_CACHE)
def _operand(state: Any, quads: Any, number: int) -> tuple[bool, int]:  # noqa: ANN401
    """Return whether the running instruction has memory operand 0 or 1, and its linear address."""
    head = carray(pointer(np.uint64(state[ns.LOG])), (ns.LOG_HEAD_WORDS,), np.int64)
    first = carray(pointer(np.uint64(head[ns.LOG_FIRST])), (LOG_LONGEST,), np.int64)
    row = first[state[ns.BLOCK]] + state[ns.LOG_INDEX]
    table = carray(pointer(np.uint64(head[ns.LOG_OPERANDS])), (LOG_LONGEST,), np.int64)
    at = row * OPERAND_WORDS + 2 * number
    form = table[at]
    if form & PRESENT == 0:
        return False, 0
    address = table[at + 1]
    base, index = form & 0xFF, form >> 8 & 0xFF
    if base != NONE:
        address += np.int64(quads[base])
    if index != NONE:
        address += np.int64(quads[index]) * (form >> 16 & 0xFF)
    width = form >> 32 & 0xFF
    if width < 64:  # noqa: PLR2004 - bits of an address
        address &= (np.int64(1) << width) - 1
    segment = form >> 24 & 0xFF
    if segment != NONE:
        address += np.int64(quads[_SEGMENT_BASE + 3 * segment])
    return True, address


@njit(cache=_CACHE)
def _linear(state: Any, physical: int) -> int:  # noqa: ANN401, C901
    """Return the linear address of the access to `physical` that is under way, or -1."""
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.uint64)
    if np.int64(quads[cx.CR0 >> 3]) & _PG == 0:
        return physical
    where = pointer(np.uint64(state[ns.ENV] - _TLB_BEFORE_STATE))
    tables = carray(where, (2 * _TLB_MODES,), np.int64)
    page, offset = physical >> 12, physical & _PAGE_MASK
    # An operand that begins at this very offset goes first: two may lie in aliases of one page.
    for number in range(2):
        present, address = _operand(state, quads, number)
        if not present:
            break
        if address & _PAGE_MASK == offset and _physical_page(tables, address >> 12) == page:
            return int(address >> 12 << 12 | offset)
    stack = np.int64(quads[_RSP])
    for linear in (stack >> 12, (stack - 8) >> 12):
        if _physical_page(tables, linear) == page and abs((stack & 0xFFF) - offset) <= 8:  # noqa: PLR2004
            return int(linear << 12 | offset)
    for number in range(2):
        present, address = _operand(state, quads, number)
        if not present:
            break
        for linear in (address >> 12, (address + 63) >> 12):
            if _physical_page(tables, linear) == page:
                return int(linear << 12 | offset)
    for linear in (stack >> 12, (stack - 8) >> 12, np.int64(quads[_RBP]) >> 12):
        if _physical_page(tables, linear) == page:
            return int(linear << 12 | offset)
    found = _search(tables, page)
    return found if found < 0 else int(found << 12 | offset)


@njit(cache=_CACHE)
def _append(state: Any, first: int, physical: int, value: int, linear: int) -> None:  # noqa: ANN401
    head = carray(pointer(np.uint64(state[ns.LOG])), (ns.LOG_HEAD_WORDS,), np.int64)
    count = head[ns.LOG_COUNT]
    if count + 4 > head[ns.LOG_CAPACITY]:
        head[ns.LOG_OVERFLOW] = 1
        return
    words = carray(pointer(np.uint64(head[ns.LOG_WORDS])), (LOG_LONGEST,), np.int64)
    words[count] = first
    words[count + 1] = physical
    words[count + 2] = value
    words[count + 3] = linear
    head[ns.LOG_COUNT] = count + 4


@njit(cache=_CACHE)
def _log_access(state: Any, physical: int, size: int, value: Any, direction: int) -> None:  # noqa: ANN401
    """Append the records of one access; accesses to devices are not the memory's."""
    head = carray(pointer(np.uint64(state[ns.LOG])), (ns.LOG_HEAD_WORDS,), np.int64)
    if physical >= head[ns.LOG_MEMORY_END]:
        return
    linear = _linear(state, physical)
    first = ns.RECORD_ACCESS | direction | size << 8 | state[ns.LOG_INDEX] << 16
    inside = 0x1000 - (physical & _PAGE_MASK)
    if size < 8:  # noqa: PLR2004 - the bytes above the access are whatever the register held
        value &= (np.int64(1) << 8 * size) - 1
    if size <= inside:
        _append(state, first, physical, value, linear)
        return
    where = pointer(np.uint64(state[ns.ENV] - _TLB_BEFORE_STATE))
    tables = carray(where, (2 * _TLB_MODES,), np.int64)
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.uint64)
    next_linear = _UNKNOWN if linear == _UNKNOWN else linear + inside
    next_physical = physical + inside
    if np.int64(quads[cx.CR0 >> 3]) & _PG != 0 and linear != _UNKNOWN:
        page = _physical_page(tables, next_linear >> 12)
        if page >= 0:
            next_physical = page << 12
        else:  # the engine has not looked behind the first page yet
            right = _PROT_WRITE if direction != 0 else _PROT_READ
            result = carray(pointer(np.uint64(state[ns.SCRATCH])), (1,), np.int64)
            function, engine = state[ns.TRANSLATE_FUNCTION], state[ns.ENGINE]
            if call_translate(function, engine, next_linear, right, state[ns.SCRATCH]) == 0:
                next_physical = result[0]
    kind = ns.RECORD_ACCESS | direction | ns.RECORD_CROSSING | state[ns.LOG_INDEX] << 16
    low = (np.int64(1) << 8 * inside) - 1
    _append(state, kind | inside << 8, physical, value & low, linear)
    if next_physical >= head[ns.LOG_MEMORY_END]:
        return
    high = np.int64(np.uint64(value) >> np.uint64(8 * inside))
    _append(state, kind | (size - inside) << 8, next_physical, high, next_linear)


@njit(cache=_CACHE)
def log_registers(state: Any, index: int, flags: int) -> None:  # noqa: ANN401
    """Append a record for each watched register that changed since the last call.

    Args:
        state: the core's words.
        index: of the instruction that made the changes, in the block of the last block record.
        flags: RECORD_DELIVERY where no instruction made them; then `index` is the core.
    """
    watch = carray(pointer(np.uint64(state[ns.LOG_REGISTERS])), (LOG_LONGEST,), np.int64)
    head = carray(pointer(np.uint64(state[ns.LOG])), (ns.LOG_HEAD_WORDS,), np.int64)
    words = carray(pointer(np.uint64(head[ns.LOG_WORDS])), (LOG_LONGEST,), np.int64)
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.int64)
    count = watch[0]
    if head[ns.LOG_COUNT] + 2 * count > head[ns.LOG_CAPACITY]:
        head[ns.LOG_OVERFLOW] = 1
        return
    for number in range(count):
        place = watch[1 + 3 * number]
        if place == _FLAGS_REGISTER:
            value = read_flags(state)
        else:
            value = quads[place] & watch[2 + 3 * number]
        if value != watch[3 + 3 * number]:
            watch[3 + 3 * number] = value
            at = head[ns.LOG_COUNT]
            words[at] = ns.RECORD_REGISTER | flags | number << 8 | index << 16
            words[at + 1] = value
            head[ns.LOG_COUNT] = at + 2


@cfunc(types.void(types.voidptr, types.uint64, types.uint32, types.voidptr), cache=_CACHE)
def on_instruction(_engine: Any, address: int, _size: int, data: Any) -> None:  # noqa: ANN401
    """Count the instructions of the block, so that accesses are logged with their instruction."""
    state = carray(data, (ns.WORDS,), np.int64)
    state[ns.LOG_INDEX] += 1
    quads = carray(pointer(np.uint64(state[ns.ENV])), (cx.SIZE_BYTES >> 3,), np.int64)
    state[ns.FLAGS_ADDRESS] = np.int64(address)
    for word in range(ns.FLAGS_WORDS):
        state[ns.FLAGS_KEPT + word] = quads[(cx.CC_DST >> 3) + word]
    # The engine folded the flags into RFLAGS for this callback, never takes them out again, and
    # adds them to what PUSHF pushes.
    quads[cx.EFLAGS >> 3] &= ~_STATUS
    if state[ns.LOG_REGISTERS] != 0:
        log_registers(state, state[ns.LOG_INDEX] - 1, 0)


@cfunc(
    types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, types.voidptr),
    cache=_CACHE,
)
def on_load(
    _engine: Any,  # noqa: ANN401
    _kind: int,
    address: int,
    size: int,
    value: int,
    data: Any,  # noqa: ANN401
) -> None:
    """Log what was read, after it was read."""
    state = carray(data, (ns.WORDS,), np.int64)
    _log_access(state, np.int64(address), np.int64(size), value, np.int64(0))


@cfunc(
    types.void(types.voidptr, types.int32, types.uint64, types.int32, types.int64, types.voidptr),
    cache=_CACHE,
)
def on_store(
    _engine: Any,  # noqa: ANN401
    _kind: int,
    address: int,
    size: int,
    value: int,
    data: Any,  # noqa: ANN401
) -> None:
    """Log what is about to be written."""
    state = carray(data, (ns.WORDS,), np.int64)
    _log_access(state, np.int64(address), np.int64(size), value, np.int64(ns.RECORD_WRITE))
