"""The common case of `delivery`, compiled: 64-bit kernel code interrupted, handler at CPL 0.

It answers exactly as `Delivery` does, or declines before it has changed anything; whatever is not
plain (another privilege level, IST, a fault on the way, tables outside RAM or not aligned) is left
to `Delivery`. Worth 20 us of 25 per interrupt, see `interrupt delivery` of `make bench`.

Source: Intel SDM volume 3A, section "Exception and Interrupt Handling in 64-bit Mode".
"""

from typing import Any

import numpy as np
from numba import carray, njit

from uniSMP.arch import paging
from uniSMP.arch.flags import STATUS_FLAGS
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.native_calls import LOG_LONGEST, pointer
from uniSMP.core.page_walk import walk
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
_ALL_BITS = cx.MASK32
_PAGE_MASK = 0xFFF
_LAST_GATE_IN_PAGE = 0xFF0
_ROM_FIRST, _ROM_LAST = 0xF_0000, 0xF_FFFF
_MODE = cx.HF_CPL | cx.HF_PE | cx.HF_LMA | cx.HF_CS64
_KERNEL_64 = cx.HF_PE | cx.HF_LMA | cx.HF_CS64
_SEGMENT_QUADS = 3
_CS_QUAD = (cx.SEGMENTS >> 3) + _SEGMENT_QUADS * cx.CS
_SS_QUAD = (cx.SEGMENTS >> 3) + _SEGMENT_QUADS * cx.SS
_GATE_CHECKED = 0x9E07_0000_0000
_GATE_WANTED = 0x8E00_0000_0000
"""Present, of type interrupt or trap gate, IST 0."""
_TRAP = 1 << 40
_CODE_CHECKED = 0x0060_FD00_0000_0000
_CODE_WANTED = 0x0020_9900_0000_0000
"""L and not D; P, DPL 0, S, code, not conforming, accessed; readable or not."""
_CLEARED = 0x2_4100
"""TF, NT, VM; RF is 1 << 16."""
_RF, _IF, _DF = 1 << 16, 1 << 9, 1 << 10
_STATUS = int(STATUS_FLAGS)
_MOST_WORDS = 64
"""More than the records of one delivery take."""
DECLINED = -1


@njit(cache=_CACHE)
def _walk(words: Any, quads: Any, linear: int, access: int) -> int:  # noqa: ANN401
    """Return the physical address of RAM behind a linear address, or -1."""
    physical = walk(
        words,
        linear,
        access,
        np.int64(quads[cx.CR0 >> 3]),
        np.int64(quads[cx.CR3 >> 3]),
        np.int64(quads[cx.CR4 >> 3]),
        np.int64(quads[cx.EFER >> 3]),
    )
    if physical < 0 or physical >> 3 >= words.size:
        return DECLINED
    return int(physical)


@njit(cache=_CACHE)
def _record(head: Any, flags: int, physical: int, value: int, linear: int, rip: int) -> None:  # noqa: ANN401
    """Log an access of 8 bytes that the delivery makes."""
    log = carray(pointer(np.uint64(head[ns.LOG_WORDS])), (LOG_LONGEST,), np.int64)
    at = head[ns.LOG_COUNT]
    log[at] = ns.RECORD_SYSTEM | ns.RECORD_DELIVERY | flags | 8 << 8
    log[at + 1] = physical
    log[at + 2] = value
    log[at + 3] = linear
    log[at + 4] = rip
    head[ns.LOG_COUNT] = at + 5


@njit(cache=_CACHE)
def enter(  # noqa: C901, PLR0911, PLR0912, PLR0913, PLR0915, PLR0917 - one straight way with many exits
    words: Any,  # noqa: ANN401 - a numpy array of uint64, all of RAM
    environment: int,
    vector: int,
    flags: int,
    return_rip: int,
    error_code: int,
    head: Any,  # noqa: ANN401
    core_id: int,
) -> int:
    """Deliver an event to the core whose CPU state is at host address `environment`.

    Args:
        words: RAM as 64-bit words.
        environment: host address of the CPU state.
        vector: 0-255.
        flags: RFLAGS to push.
        return_rip: RIP to push.
        error_code: error code to push, or -1.
        head: of the log that takes the accesses; its LOG_WORDS is 0 where none is kept.
        core_id: the core.

    Returns:
        Physical address of the lowest word of the frame, or DECLINED.
    """
    quads = carray(pointer(np.uint64(environment)), (cx.SIZE_BYTES >> 3,), np.uint64)
    doubles = carray(pointer(np.uint64(environment)), (cx.SIZE_BYTES >> 2,), np.uint32)
    hflags = np.int64(doubles[cx.HFLAGS >> 2])
    if hflags & _MODE != _KERNEL_64 or doubles[cx.A20_MASK >> 2] != _ALL_BITS:
        return DECLINED
    # The gate.
    place = gate_place = np.int64(quads[(cx.IDT >> 3) + 1]) + 16 * vector
    if 16 * vector + 15 > doubles[(cx.IDT >> 2) + 4]:
        return DECLINED
    if place & 7 != 0 or place & _PAGE_MASK > _LAST_GATE_IN_PAGE:
        return DECLINED
    physical = _walk(words, quads, place, 0)
    if physical < 0 or (physical >> 3) + 1 >= words.size:
        return DECLINED
    gate = physical
    low, high = np.int64(words[physical >> 3]), np.int64(words[(physical >> 3) + 1])
    if low & _GATE_CHECKED != _GATE_WANTED:
        return DECLINED
    offset = (low & 0xFFFF) | (low >> 32 & 0xFFFF_0000) | (high << 32)
    if offset >> 47 != 0 and offset >> 47 != -1:
        return DECLINED
    # The code segment: the one that is loaded, or one with the same hidden part.
    selector = low >> 16 & 0xFFFF
    if selector & 7 != 0 or selector == 0 or selector + 7 > doubles[(cx.GDT >> 2) + 4]:
        return DECLINED
    place = np.int64(quads[(cx.GDT >> 3) + 1]) + selector
    if place & 7 != 0:
        return DECLINED
    physical = _walk(words, quads, place, 0)
    if physical < 0:
        return DECLINED
    descriptor = np.int64(words[physical >> 3])
    if descriptor & _CODE_CHECKED != _CODE_WANTED:
        return DECLINED
    if descriptor >> 32 & 0xFFFF_FFFF != np.int64(doubles[2 * _CS_QUAD + 5]):
        return DECLINED
    # The frame.
    count = 5 if error_code < 0 else 6
    old_rsp = np.int64(quads[cx.RSP])
    rsp = (old_rsp & ~15) - 8 * count
    last = rsp + 8 * count - 8
    if (rsp >> 47 != 0 and rsp >> 47 != -1) or (last >> 47 != rsp >> 47):
        return DECLINED
    frame = _walk(words, quads, rsp, paging.ERROR_WRITE)
    end = _walk(words, quads, last, paging.ERROR_WRITE)
    if frame < 0 or end != frame + 8 * count - 8:
        return DECLINED
    if frame <= _ROM_LAST and end >= _ROM_FIRST:
        return DECLINED
    logs = head[ns.LOG_WORDS] != 0
    if logs:
        if head[ns.LOG_COUNT] + _MOST_WORDS > head[ns.LOG_CAPACITY]:
            return DECLINED
        rip, owner = np.int64(quads[cx.RIP >> 3]), core_id << 16
        _record(head, owner, gate, low, gate_place, rip)
        _record(head, owner, gate + 8, high, gate_place + 8, rip)
        _record(head, owner, physical, descriptor, place, rip)
    at = frame >> 3
    if error_code >= 0:
        words[at] = np.uint64(error_code)
        at += 1
    words[at] = np.uint64(return_rip)
    words[at + 1] = np.uint64(doubles[2 * _CS_QUAD])
    words[at + 2] = np.uint64(flags)
    words[at + 3] = np.uint64(old_rsp)
    words[at + 4] = np.uint64(doubles[2 * _SS_QUAD])
    if logs:
        for index in range(count):
            pushed = np.int64(words[(frame >> 3) + index])
            owner = ns.RECORD_WRITE | core_id << 16
            _record(head, owner, frame + 8 * index, pushed, rsp + 8 * index, rip)
    # The handler.
    quads[cx.RSP] = np.uint64(rsp)
    doubles[2 * _CS_QUAD] = np.uint32(selector)
    quads[cx.RIP >> 3] = np.uint64(offset)
    flags &= ~(_CLEARED | _RF)
    if low & _TRAP == 0:
        flags &= ~_IF
    quads[cx.EFLAGS >> 3] = np.uint64(flags | 2)
    quads[cx.CC_SRC >> 3] = np.uint64(flags & _STATUS)
    quads[cx.CC_DST >> 3] = np.uint64(0)
    doubles[cx.CC_OP >> 2] = np.uint32(cx.CC_OP_EFLAGS)
    doubles[cx.DIRECTION >> 2] = np.uint32(0xFFFF_FFFF if flags & _DF != 0 else 1)
    doubles[cx.HFLAGS >> 2] = np.uint32(hflags & ~cx.HF_INHIBIT_IRQ)
    doubles[cx.OLD_EXCEPTION >> 2] = np.uint32(0xFFFF_FFFF)
    return int(frame)
