"""The walk through the guest's paging structures, for what the harness itself reads and writes.

The engine walks for the guest's instructions. Interrupt delivery, task switches and emulated
instructions need the same translation with the same faults and the same accessed and dirty bits.

Source: Intel SDM volume 3A, chapter "Paging", sections "Translation", "Determination of Access
Rights" and "Page-Fault Exceptions".

Not modelled: five-level paging, protection keys, shadow stacks, the translation caches (each walk
reads memory).
"""

from typing import Any

import numpy as np
from numba import njit

from uniSMP.arch import paging
from uniSMP.arch.flags import Cr0, Cr4, Efer
from uniSMP.native_cache import is_cache_writable

_PG = int(Cr0.PG)
_WP = int(Cr0.WP)
_PAE = int(Cr4.PAE)
_PSE = int(Cr4.PSE)
_SMAP = int(Cr4.SMAP)
_LMA = int(Efer.LMA)
_NXE = int(Efer.NXE)
_OUTSIDE = -1
"""What a read of an entry outside RAM gives: all ones."""
_PAE_BIG_SHIFT = 21
_HUGE_SHIFT = 30
_PSE_RESERVED = 1 << 21
"""Reserved bit of a 4 MiB entry (PSE-36)."""
_PSE_HIGH_ADDRESS = 0x1F_E000
"""Bits 20:13 of a 4 MiB entry: bits 39:32 of the address."""
_PSE_HIGH_SHIFT = 32 - 13


@njit(cache=is_cache_writable(__file__))
def walk(  # noqa: C901, PLR0911, PLR0912, PLR0913, PLR0915, PLR0917 - one walk, read beside the manual's figures
    words: Any,  # noqa: ANN401 - a numpy array of uint64, all of RAM
    linear: int,
    access: int,
    cr0: int,
    cr3: int,
    cr4: int,
    efer: int,
) -> int:
    """Translate a linear address for an access of the harness on the guest's behalf.

    Args:
        words: RAM as 64-bit words.
        linear: linear address; canonical in long mode.
        access: page-fault error-code bits ERROR_WRITE and ERROR_USER of the access.
        cr0: CR0.
        cr3: CR3.
        cr4: CR4.
        efer: IA32_EFER.

    Returns:
        The physical address, or -1 - error code where the access faults.
    """
    if cr0 & _PG == 0:
        return linear & 0xFFFF_FFFF
    long_mode = efer & _LMA != 0
    pae = cr4 & _PAE != 0
    if long_mode:
        shift, bits, table = 39, 9, cr3 & paging.ADDRESS_MASK
    elif pae:
        shift, bits, table = 30, 2, cr3 & 0xFFFF_FFE0
    else:
        shift, bits, table = 22, 10, cr3 & 0xFFFF_F000
    user, writable = paging.USER, paging.WRITABLE
    first = second = third = fourth = np.int64(0)  # an array compiles slowly
    depth = 0
    while True:
        index = (linear >> shift) & ((1 << bits) - 1)
        where = table + index * (8 if pae else 4)
        if where >> 3 >= words.size:
            entry: Any = np.int64(_OUTSIDE) if pae else np.int64(0xFFFF_FFFF)
        elif pae:
            entry = np.int64(words[where >> 3])
        else:
            entry = (np.int64(words[where >> 3]) >> (32 if where & 4 else 0)) & 0xFFFF_FFFF
        if entry & paging.PRESENT == 0:
            return -1 - access
        is_pointer = pae and not long_mode and shift == _HUGE_SHIFT
        if pae and (
            entry & paging.RESERVED_ADDRESS_BITS != 0
            or (entry < 0 and (efer & _NXE == 0 or is_pointer))
        ):
            return -1 - (access | paging.ERROR_PRESENT | paging.ERROR_RESERVED)
        first, second, third, fourth = second, third, fourth, np.int64(where)
        if not is_pointer:
            user &= entry
            writable &= entry
        is_big = entry & paging.PAGE_SIZE != 0 and (
            (pae and (shift == _PAE_BIG_SHIFT or (long_mode and shift == _HUGE_SHIFT)))
            or (not pae and shift == 22 and cr4 & _PSE != 0)  # noqa: PLR2004
        )
        if shift == 12 or is_big:  # noqa: PLR2004 - the page offset
            break
        if entry & paging.PAGE_SIZE != 0 and long_mode and shift == 39:  # noqa: PLR2004
            return -1 - (access | paging.ERROR_PRESENT | paging.ERROR_RESERVED)
        table = entry & (paging.ADDRESS_MASK if pae else 0xFFFF_F000)
        shift -= 9 if pae else 10
        bits = 9 if pae else 10
        depth += 1
    if is_big:
        reserved = ((1 << shift) - 1) & ~0x1FFF if pae else _PSE_RESERVED
        if entry & reserved != 0:
            return -1 - (access | paging.ERROR_PRESENT | paging.ERROR_RESERVED)
    denied = access & paging.ERROR_USER != 0 and user == 0
    if access & paging.ERROR_WRITE != 0 and writable == 0:
        denied = denied or access & paging.ERROR_USER != 0 or cr0 & _WP != 0
    if cr4 & _SMAP != 0 and user != 0 and access & paging.ERROR_USER == 0:
        denied = True  # implicit supervisor accesses: EFLAGS.AC does not help
    if denied:
        return -1 - (access | paging.ERROR_PRESENT)
    for level in range(depth + 1):
        set_bits = paging.ACCESSED
        if level == depth and access & paging.ERROR_WRITE != 0:
            set_bits |= paging.DIRTY
        place = (first, second, third, fourth)[3 - depth + level]
        if pae and not long_mode and level == 0:
            continue  # PAE page-directory pointers have no accessed bit
        if place >> 3 < words.size:
            words[place >> 3] |= np.uint64(set_bits) << np.uint64(32 if place & 4 else 0)
    page = np.int64(1) << shift
    frame = entry & (paging.ADDRESS_MASK if pae else 0xFFFF_F000) & ~(page - 1)
    if is_big and not pae:
        frame |= (entry & _PSE_HIGH_ADDRESS) << _PSE_HIGH_SHIFT
    physical: int = frame | (linear & (page - 1))
    return physical
