"""The registers whose changes are traced, and the table by which compiled code finds them.

*Not traced*: x87 and MMX registers, descriptor-table registers, debug registers, hidden parts of
segment registers other than the bases of FS and GS.
"""

import numpy as np
import numpy.typing as npt

from uniSMP.core import context as cx

_FLAGS = -1
_GENERAL = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()  # noqa: SIM905
_SEGMENT_BYTES = 24
_XMM_REGISTERS = 16
_XMM_BYTES = 64
_ALL = cx.MASK64


def _rows() -> list[tuple[str, int, int]]:
    """Return (name, offset in the CPU state or -1 for RFLAGS, mask) of each register."""
    rows = [(name, 8 * number, _ALL) for number, name in enumerate(_GENERAL)]
    rows.append(("rflags", _FLAGS, cx.MASK32))
    for number, name in enumerate(("es", "cs", "ss", "ds", "fs", "gs")):
        rows.append((name, cx.SEGMENTS + _SEGMENT_BYTES * number, 0xFFFF))
    rows.append(("fs_base", cx.SEGMENTS + _SEGMENT_BYTES * cx.FS + 8, _ALL))
    rows.append(("gs_base", cx.SEGMENTS + _SEGMENT_BYTES * cx.GS + 8, _ALL))
    rows += [("cr0", cx.CR0, _ALL), ("cr2", cx.CR2, _ALL), ("cr3", cx.CR3, _ALL)]
    rows += [("cr4", cx.CR4, _ALL), ("efer", cx.EFER, _ALL)]
    for number in range(_XMM_REGISTERS):
        place = cx.XMM + _XMM_BYTES * number
        rows.append((f"xmm{number}_low", place, _ALL))
        rows.append((f"xmm{number}_high", place + 8, _ALL))
    return rows


_ROWS = _rows()
NAMES = tuple(name for name, _offset, _mask in _ROWS)
"""Names by number, as register records give it; an XMM register is two halves of 64 bits."""
_NEVER = 0x5A5A_5A5A_5A5A_5A5A
"""A value no register is likely to hold: the first look reports every register."""


def make() -> npt.NDArray[np.int64]:
    """Return a table for `native_trace.log_registers` in which no value is known yet."""
    table = [len(_ROWS)]
    for _name, offset, mask in _ROWS:
        place = _FLAGS if offset == _FLAGS else offset >> 3
        table += [place, mask if mask < 1 << 63 else mask - (1 << 64), _NEVER]
    return np.array(table, dtype=np.int64)
