"""How a machine stood when a scene began: what every execution goes back to."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uniSMP.core import native_state as ns
from uniSMP.explore import rewinding
from uniSMP.machine.page_walk_writes import paging_pages
from uniSMP.memory.page_tracking import used_pages

if TYPE_CHECKING:
    from uniSMP.explore.executor import Executor

_PAGE_BYTES = 4096


class Origin:
    """How things stood when the scene began."""

    def __init__(self, executor: "Executor") -> None:
        self._executor = executor
        parts = executor.machine.parts
        self._parts = parts
        self.origin = _copy(parts.ram.bytes)
        self._is_table = paging_pages(parts.ram.bytes.view(np.uint64), parts.cores)
        self._cores = [core.save() for core in parts.cores]
        self._board = parts.board.remember()
        parts.board.is_touched = False
        boundary = parts.loop.boundary
        self._running = parts.clock.running
        self._idle_ticks = parts.clock.idle_ticks
        self._nmi = list(boundary.has_nmi)
        self._interrupts = [dict(counts) for counts in boundary.interrupts]
        self._console = bytes(boundary.console)
        self._rests = list(executor.rests)
        self._epochs = [int(core.engine.state[ns.EPOCH]) for core in parts.cores]

    def restore(self) -> None:
        """Put everything back."""
        executor, parts = self._executor, self._parts
        log = executor.log
        written = rewinding.undo_writes(
            *(log.words, int(log.head[ns.LOG_COUNT]), parts.ram.bytes, self.origin),
            self._is_table,
        )
        if parts.board.is_touched:
            parts.board.go_back(self._board)
            parts.board.is_touched = False
        for number, core in enumerate(parts.cores):
            state = core.engine.state
            keeps = written == rewinding.NOTHING and state[ns.EPOCH] == self._epochs[number]
            core.restore(self._cores[number], keeps_tlb=keeps)
            self._epochs[number] = int(state[ns.EPOCH])
        boundary = parts.loop.boundary
        parts.clock.restore(self._running, self._idle_ticks)
        boundary.ending = None
        boundary.has_nmi[:] = self._nmi
        boundary.interrupts[:] = [dict(counts) for counts in self._interrupts]
        boundary.console[:] = self._console
        boundary.idle_events = 0
        executor.rests[:] = self._rests
        executor.waits[:] = [None] * len(executor.waits)
        parts.coherence.synchronize()


def _copy(memory: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return a copy; pages of zeros take no memory."""
    copy = np.zeros_like(memory)
    pages = used_pages(memory)
    copy.reshape(-1, _PAGE_BYTES)[pages] = memory.reshape(-1, _PAGE_BYTES)[pages]
    return copy
