"""A hash over all a guest could observe that costs only what changed since it was last taken.

RAM counts as the sum of a hash of each page that is not all zero, with its number; the sum is
brought up to date with the pages that were written. Registers and chips are hashed as for
`digest`, which stays the one number for a whole run.
"""

import hashlib

import numpy as np

from uniSMP.core.registers import architectural_state
from uniSMP.machine.parts import MachineParts
from uniSMP.machine.written_pages import PAGE_BYTES, RamTracking
from uniSMP.memory.page_tracking import Pages, used_pages

HASH_BYTES = 16
_MASK = (1 << 8 * HASH_BYTES) - 1


class StateHash:
    """The hash of one machine.

    Args:
        parts: the machine.
        tracking: says which pages were written.
    """

    def __init__(self, parts: MachineParts, tracking: RamTracking) -> None:
        self._parts = parts
        used = used_pages(parts.ram.bytes)  # slower once somebody tracks them
        self._asker = tracking.ask()
        self._pages: dict[int, int] = {}
        self._sum = 0
        self._update(used)

    def _update(self, pages: Pages) -> None:
        view, known = self._parts.ram.view, self._pages
        for page in pages.tolist():
            data = view[page * PAGE_BYTES : (page + 1) * PAGE_BYTES]
            hashed = hashlib.blake2b(data, digest_size=HASH_BYTES, salt=page.to_bytes(8, "little"))
            value = int.from_bytes(hashed.digest(), "little") if any_byte(data) else 0
            self._sum += value - known.get(page, 0)
            known[page] = value

    def take(self) -> bytes:
        """Return the hash of how things stand, HASH_BYTES bytes."""
        self._update(self._asker.take())
        parts = self._parts
        total = (self._sum & _MASK).to_bytes(HASH_BYTES, "little")
        result = hashlib.blake2b(total, digest_size=HASH_BYTES)
        for core in parts.cores:
            result.update(architectural_state(core))
        result.update(parts.board.state(parts.clock.now_ticks))
        return result.digest()

    def close(self) -> None:
        """Track no more."""
        self._asker.close()


def any_byte(data: memoryview) -> bool:
    """Return whether a page holds anything but zeros."""
    return bool(np.frombuffer(data, dtype=np.uint64).any())
