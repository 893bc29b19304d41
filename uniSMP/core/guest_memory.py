"""Linear memory as the harness reads and writes it on the guest's behalf.

Delivery, task switches and emulated instructions go through here, with the faults, the accessed and
the dirty bits that the processor's own accesses would have.

Source: Intel SDM volume 3A, chapters "Paging" and "Interrupt and Exception Handling".
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uniSMP.arch import paging
from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.flags import Cr4
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.core.page_walk import walk

if TYPE_CHECKING:
    from uniSMP.core.platform import Platform

_SMAP = int(Cr4.SMAP)
_USER_LEVEL = 3
_PAGE_MASK = paging.PAGE_BYTES - 1
_NO_LOG = np.zeros(ns.LOG_HEAD_WORDS, dtype=np.int64)
_CANONICAL_LOW = 1 << 47
_CANONICAL_HIGH = cx.MASK64 - _CANONICAL_LOW + 1


def is_canonical(linear: int) -> bool:
    """Return whether bits 63:47 of a 64-bit address are all equal."""
    return linear < _CANONICAL_LOW or linear >= _CANONICAL_HIGH


class AccessLog:
    """Where one core's accesses by the harness are logged.

    Attributes:
        core_id: the core.
        log: the log of all cores.
        is_delivering: whether an event is being delivered, so that no instruction does it.
    """

    def __init__(self, core_id: int, log: ExecutionLog) -> None:
        self.core_id = core_id
        self.log = log
        self.is_delivering = False

    @property
    def head(self) -> npt.NDArray[np.int64]:
        """Head of the log for compiled code; without words while no accesses are logged."""
        return self.log.head if self.log.logs_accesses else _NO_LOG

    def add(self, rip: int, linear: int, physical: int, data: bytes, direction: int) -> None:
        """Log one access within a page; `direction` is 0 or RECORD_WRITE."""
        flags = direction | (ns.RECORD_DELIVERY if self.is_delivering else 0)
        self.log.add_access(self.core_id, rip, linear, physical, data, flags)


class GuestMemory:
    """Reads and writes linear addresses with one core's current paging state.

    Args:
        context: the core's CPU state.
        words: all of RAM as 64-bit words.
        platform: for memory that is not RAM, and to write.
        accesses: where what is read and written is logged.
        translate_code: returns the physical address from which the core fetches code at a linear
            one, or -1: its TLB may know a page that the tables no longer have.
    """

    def __init__(
        self,
        context: cx.Context,
        words: npt.NDArray[np.uint64],
        platform: "Platform",
        accesses: AccessLog,
        translate_code: Callable[[int], int],
    ) -> None:
        self._context = context
        self.words = words
        self._platform = platform
        self.accesses = accesses
        self._translate_code = translate_code

    def translate(self, linear: int, access: int = 0, ignored_cr4: int = 0) -> int:
        """Return the physical address of `linear`.

        Args:
            linear: linear address.
            access: ERROR_WRITE and ERROR_USER bits of the access.
            ignored_cr4: bits of CR4 that do not apply to this access.

        Raises:
            Fault: #PF, with the error code and CR2.
        """
        context = self._context
        result = walk(
            self.words,
            linear if linear < 1 << 63 else linear - (1 << 64),
            access,
            context.quad(cx.CR0),
            context.quad(cx.CR3),
            context.quad(cx.CR4) & ~ignored_cr4,
            context.quad(cx.EFER),
        )
        if result < 0:
            raise Fault(Vector.PF, -1 - result, linear)
        return int(result) & self._context.a20_mask

    def read(self, linear: int, size_bytes: int, access: int = 0) -> bytes:
        """Read `size_bytes` at `linear`; raises `Fault` as `translate` does."""
        result = b""
        for place, physical, size in self._pieces(linear, size_bytes, access):
            data = self._platform.read_memory(physical, size)
            self._log(place, physical, data, 0)
            result += data
        return result

    def write(self, linear: int, data: bytes, access: int = 0) -> None:
        """Write `data` at `linear`, all of it or, where a page faults, nothing."""
        pieces = self._pieces(linear, len(data), access | paging.ERROR_WRITE)
        done = 0
        for place, physical, size in pieces:
            piece = data[done : done + size]
            self._platform.write_memory(physical, piece)
            self._log(place, physical, piece, ns.RECORD_WRITE)
            done += size

    def _pieces(self, linear: int, size_bytes: int, access: int) -> list[tuple[int, int, int]]:
        """Return (linear, physical, size in bytes) for each page; raises `Fault`."""
        pieces = []
        while size_bytes > 0:
            size = min(paging.PAGE_BYTES - (linear & _PAGE_MASK), size_bytes)
            pieces.append((linear, self.translate(linear, access), size))
            linear = self._wrap(linear + size)
            size_bytes -= size
        return pieces

    def _log(self, linear: int, physical: int, data: bytes, direction: int) -> None:
        if self.accesses.log.logs_accesses:
            self.accesses.add(self._context.linear_rip, linear, physical, data, direction)

    def note_write(self, physical: int, size_bytes: int) -> None:
        """Say that RAM was written past `write`."""
        self._platform.note_write(physical, size_bytes)

    def read_integer(self, linear: int, size_bytes: int, access: int = 0) -> int:
        """Read a little-endian unsigned integer."""
        return int.from_bytes(self.read(linear, size_bytes, access), "little")

    def fetch(self, linear: int, size_bytes: int) -> bytes:
        """Read code bytes for decoding: no fault, fewer bytes where a page is not mapped."""
        data = b""
        physical = self._translate_code(linear)
        access = paging.ERROR_USER if self._context.cpl == _USER_LEVEL else 0
        while len(data) < size_bytes:
            size = min(paging.PAGE_BYTES - (linear & _PAGE_MASK), size_bytes - len(data))
            try:
                if data or physical < 0:
                    physical = self.translate(linear, access, _SMAP)
            except Fault:
                break
            data += self._platform.read_memory(physical, size)
            linear = self._wrap(linear + size)
        return data

    def _wrap(self, linear: int) -> int:
        return linear & (cx.MASK64 if self._context.is_long_mode else cx.MASK32)
