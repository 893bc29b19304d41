"""What lay in RAM at any step of a history: the bytes at its beginning, and the writes since."""

import numpy as np
import numpy.typing as npt

from uniSMP.checks.history import WRITE, History, Signed
from uniSMP.errors import UniSMPError

PAGE_SHIFT = 12
PAGE_BYTES = 1 << PAGE_SHIFT


class MemoryAt:
    """Reads RAM as it was.

    Args:
        history: without accesses nothing changes in it.
    """

    def __init__(self, history: History) -> None:
        self._memory = history.memory
        rows = history.accesses
        self._rows = rows
        found: Signed = np.zeros(0, dtype=np.int64)
        if rows is not None:
            found = np.nonzero((rows.kind & WRITE) != 0)[0]
            found = found[np.argsort(rows.physical[found] >> PAGE_SHIFT, kind="stable")]
            self._pages = rows.physical[found] >> PAGE_SHIFT
        else:
            self._pages = found
        self._writes = found

    def writes_to(self, page: int) -> Signed:
        """Return the rows of `History.accesses` that write to a physical page, in order."""
        first, behind = np.searchsorted(self._pages, [page, page + 1])
        return self._writes[first:behind]

    def constant_page(self, page: int) -> bytes | None:
        """Return a page that nothing in the history writes to; None where something does.

        None is returned as well where the page lies outside the memory.
        """
        if len(self.writes_to(page)):
            return None
        try:
            return self._memory(page << PAGE_SHIFT, PAGE_BYTES)
        except UniSMPError:
            return None

    def row_of(self, step: int) -> int:
        """Return the first row of `History.accesses` that belongs to this step or a later one."""
        return 0 if self._rows is None else int(np.searchsorted(self._rows.step, step))

    def page(self, page: int, row: int) -> npt.NDArray[np.uint8]:
        """Return a physical page as it was before the access in `row`.

        Raises:
            UniSMPError: it lies outside the memory.
        """
        raw = self._memory(page << PAGE_SHIFT, PAGE_BYTES)
        content = np.frombuffer(raw, dtype=np.uint8).copy()
        writes = self.writes_to(page)
        writes = writes[: np.searchsorted(writes, row)]
        if self._rows is not None and len(writes):
            places, data = _bytes_of(
                self._rows.physical[writes], self._rows.size[writes], self._rows.value[writes]
            )
            content[places & PAGE_BYTES - 1] = data  # of several for one byte the last stays
        return content

    def read(self, physical: int, size_bytes: int, step: int) -> bytes:
        """Return bytes as they were when the instruction with this step began.

        Less is returned where memory ends. What was pushed for the handler that begins with this
        step counts as not yet written.
        """
        row = self.row_of(step)
        parts = []
        at, end = physical, physical + size_bytes
        while at < end:
            page, offset = at >> PAGE_SHIFT, at & PAGE_BYTES - 1
            length = min(end - at, PAGE_BYTES - offset)
            try:
                parts.append(self._piece(page, offset, length, row))
            except UniSMPError:
                break
            at += length
        return b"".join(parts)

    def _piece(self, page: int, offset: int, length: int, row: int) -> bytes:
        if len(self.writes_to(page)):
            return bytes(self.page(page, row)[offset : offset + length])
        return self._memory((page << PAGE_SHIFT) + offset, length)


def _bytes_of(
    physical: Signed, size: npt.NDArray[np.uint8], value: Signed
) -> tuple[Signed, npt.NDArray[np.uint8]]:
    """Return address and value of each byte of some writes, in their order."""
    order = np.arange(8, dtype=np.int64)
    places = physical[:, None] + order
    data = (value[:, None] >> (order * 8)).astype(np.uint8)
    inside = order < size[:, None]
    return places[inside], data[inside]
