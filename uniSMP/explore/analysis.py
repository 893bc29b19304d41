"""What one execution was, as arrays: accesses, events, their order and the races between them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uniSMP.core import native_state as ns
from uniSMP.explore import collecting, ordering
from uniSMP.explore.executor import Executor

Table = npt.NDArray[np.int64]


@dataclass(slots=True, eq=False)
class Analysis:
    """One execution, or the part of it that has been run.

    Attributes:
        accesses: rows of `collecting.ACCESS_WORDS`.
        kinds: for each access, kind of its event and handlers under way.
        events: rows of `collecting.EVENT_WORDS`.
        shared_words: how many words two agents met in.
        steps: instructions retired since the scene.
        cores: number of cores.
    """

    accesses: Table
    kinds: Table
    events: Table
    shared_words: int
    steps: int
    cores: int
    clocks: Table | None = None

    def order(self, new: int = 0) -> Table:
        """Return the races whose later event is number `new` or later, see `ordering.order`."""
        self.clocks, races = ordering.order(self.accesses, self.events, self.cores, new)
        found: Table = races
        return found

    def traces(self) -> Table:
        """Return a hash of the Mazurkiewicz trace of the first 0, 1, 2, ... events."""
        if self.clocks is None:
            self.order(len(self.events))
        hashes: Table = ordering.trace_hashes(self.events, self.clocks)
        return hashes

    def trace(self) -> int:
        """Return a hash of the Mazurkiewicz trace."""
        return int(self.traces()[-1])


class Analyst:
    """Reads the log of one executor.

    Args:
        executor: its scene has begun.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._catalog = executor.machine.parts.catalog
        self._ends: npt.NDArray[np.bool_] = np.zeros(0, dtype=np.bool_)

    def look(self) -> Analysis:
        """Return what has happened since the scene."""
        executor, log = self._executor, self._executor.log
        first, addresses, _ = self._catalog.arrays()
        accesses, kinds, steps = collecting.read_log(
            *(log.words, int(log.head[ns.LOG_COUNT]), len(executor.cores)),
            *(first, addresses, self._ends_in_iret()),
            executor.machine.config.memory_bytes,
        )
        shared, words = collecting.find_shared(accesses)
        events = collecting.find_events(accesses, kinds, shared, len(executor.cores))
        return Analysis(accesses, kinds, events, words, steps, len(executor.cores))

    def _ends_in_iret(self) -> Any:  # noqa: ANN401
        blocks = self._catalog.blocks
        if len(self._ends) != len(blocks):
            flags = [bool(block.layout.flags & ns.ENDS_IN_IRET) for block in blocks]
            self._ends = np.array(flags, dtype=np.bool_)
        return self._ends
