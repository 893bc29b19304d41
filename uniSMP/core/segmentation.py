"""Descriptor tables and task-state segments as the harness reads them for the guest.

Source: Intel SDM volume 3A, chapters "Protected-Mode Memory Management" and "Task Management".
"""

from functools import lru_cache

from uniSMP.arch import descriptors as ds
from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.core import context as cx
from uniSMP.core.guest_memory import GuestMemory

_DESCRIPTOR_BYTES = 8
_LOCAL_TABLE = 4
"""Table-indicator bit of a selector."""
_TSS_32_BIT = 1 << 11
_RPL = 3


@lru_cache(maxsize=1024)
def _descriptor(data: bytes) -> ds.Descriptor:
    return ds.Descriptor(int.from_bytes(data[:4], "little"), int.from_bytes(data[4:], "little"))


class Segmentation:
    """One core's descriptor tables."""

    def __init__(self, context: cx.Context, memory: GuestMemory) -> None:
        self._context = context
        self._memory = memory

    def descriptor(
        self, selector: int, vector: int = Vector.GP, external: int = 0
    ) -> ds.Descriptor:
        """Return the descriptor that `selector` names.

        Args:
            selector: 16-bit selector, not null.
            vector: exception to raise where the index is beyond the table's limit.
            external: EXT bit of its error code.

        Raises:
            Fault: `vector`(selector), or #PF from reading the table.
        """
        where = self._where(selector, vector, external)
        return _descriptor(self._memory.read(where, _DESCRIPTOR_BYTES))

    def mark_accessed(self, selector: int, descriptor: ds.Descriptor) -> None:
        """Set the accessed bit in the table, as loading a segment register does."""
        if not descriptor.high & ds.ACCESSED:
            self._write_type(selector, descriptor.high | ds.ACCESSED)

    def set_busy(self, selector: int, *, busy: bool) -> None:
        """Set or clear the busy bit of a TSS descriptor."""
        high = self.descriptor(selector).high & ~ds.TSS_BUSY
        self._write_type(selector, high | (ds.TSS_BUSY if busy else 0))

    def _write_type(self, selector: int, high: int) -> None:
        where = self._where(selector, Vector.GP, 0)
        self._memory.write(where + 5, bytes([high >> 8 & 0xFF]))

    def _where(self, selector: int, vector: int, external: int) -> int:
        table = self._context.table(cx.LDT if selector & _LOCAL_TABLE else cx.GDT)
        index = selector & 0xFFF8
        is_missing = selector & _LOCAL_TABLE and not table.selector & 0xFFFC
        if is_missing or index + _DESCRIPTOR_BYTES - 1 > table.limit:
            raise Fault(vector, (selector & 0xFFFC) | external)
        return table.base + index

    def stack_from_tss(self, level: int, external: int) -> tuple[int, int]:
        """Return (SS, ESP) of privilege `level` from a 16- or 32-bit TSS.

        Raises:
            Fault: #TS where the TSS is too short.
        """
        task = self._context.table(cx.TR)
        if task.flags & _TSS_32_BIT:
            offset, size = 4 + 8 * level, 4
        else:
            offset, size = 2 + 4 * level, 2
        if offset + size + 1 > task.limit:
            raise Fault(Vector.TS, (task.selector & 0xFFFC) | external)
        data = self._memory.read(task.base + offset, size + 2)
        return int.from_bytes(data[size:], "little"), int.from_bytes(data[:size], "little")

    def stack_from_long_tss(self, index: int, external: int) -> int:
        """Return RSP0-RSP2 (index 0-2) or IST1-IST7 (index 4-10) from a 64-bit TSS.

        Raises:
            Fault: #TS where the TSS is too short.
        """
        task = self._context.table(cx.TR)
        offset = 4 + 8 * index
        if offset + 7 > task.limit:
            raise Fault(Vector.TS, (task.selector & 0xFFFC) | external)
        return self._memory.read_integer(task.base + offset, 8)

    def load_stack(self, selector: int, level: int, external: int) -> cx.Segment:
        """Check and return the inner stack segment that a TSS names.

        Raises:
            Fault: #TS or #SS as the SDM's pseudo-code of INT n says.
        """
        error = (selector & 0xFFFC) | external
        if not selector & 0xFFFC:
            raise Fault(Vector.TS, external)
        descriptor = self.descriptor(selector, Vector.TS, external)
        if selector & _RPL != level or descriptor.dpl != level:
            raise Fault(Vector.TS, error)
        if not descriptor.is_writable_data:
            raise Fault(Vector.TS, error)
        if not descriptor.is_present:
            raise Fault(Vector.SS, error)
        self.mark_accessed(selector, descriptor)
        return loaded(selector, descriptor)


def loaded(selector: int, descriptor: ds.Descriptor) -> cx.Segment:
    """Return the segment register that results from loading `descriptor`."""
    return cx.Segment(selector, descriptor.base, descriptor.limit, descriptor.high | ds.ACCESSED)


def is_inside(segment: cx.Segment, first: int, last: int) -> bool:
    """Return whether offsets first..last of a data segment are within its limit."""
    is_data = segment.flags & (ds.NOT_SYSTEM | ds.CODE) == ds.NOT_SYSTEM
    if is_data and segment.flags & ds.CONFORMING:  # expand-down
        top = cx.MASK32 if segment.flags & ds.BIG else 0xFFFF
        return first > segment.limit and last <= top
    return last <= segment.limit and first <= last
