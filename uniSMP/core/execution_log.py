"""The log of what all cores executed.

Compiled callbacks append records while cores run (see `native_state` for their layout); Python
appends what the harness does on a core's behalf. Blocks are logged when they are charged. Whatever
stops a block inside gives the rest of the charge back, here too, so that in the end the log tells
exactly what was retired. `take` hands the records on, to be decoded.

A step is the number of instructions retired by all cores before. What no instruction did (stack
pushes of an interrupt delivery, say) bears the step of the instruction that follows.
"""

from collections.abc import Callable

import numpy as np

from uniSMP.core import native_state as ns
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.log_decoding import Recorded, Signed
from uniSMP.errors import InternalError

_QUAD_BYTES = 8


class ExecutionLog:
    """One machine's log; off until `start`.

    Args:
        catalog: the blocks of all cores.
        memory_bytes: RAM; accesses above are the devices'.

    Attributes:
        head: what compiled code sees of it, see `native_state`.
        words: the records.
        on_take: called before they are taken, or None.
        logs_accesses: whether accesses are logged.
    """

    def __init__(self, catalog: BlockCatalog, memory_bytes: int) -> None:
        self._catalog = catalog
        self.head: Signed = np.zeros(ns.LOG_HEAD_WORDS, dtype=np.int64)
        self.head[ns.LOG_MEMORY_END] = memory_bytes
        self._head: memoryview = self.head.data
        self.words: Signed = np.zeros(0, dtype=np.int64)
        self.on_take: Callable[[], object] | None = None
        self._spare: list[Signed] = []
        self._wants_instructions = False
        self._on_full: Callable[[], None] | None = None
        self.logs_accesses = False

    @property
    def is_on(self) -> bool:
        """Whether anything is logged."""
        return self._on_full is not None

    def start(
        self,
        capacity_words: int,
        on_full: Callable[[], None],
        *,
        wants_instructions: bool,
        logs_accesses: bool,
    ) -> None:
        """Log executed blocks from now on.

        Args:
            capacity_words: room, more than LOG_RESERVE.
            on_full: must call `take` or `grow`.
            wants_instructions: whether `take` gives one row per instruction.
            logs_accesses: whether compiled code logs accesses too.
        """
        self._use(np.empty(capacity_words, dtype=np.int64))
        self.head[ns.LOG_CAPACITY] = capacity_words
        self.head[ns.LOG_OVERFLOW] = 0
        self._on_full = on_full
        self._wants_instructions = wants_instructions
        self.logs_accesses = logs_accesses
        self._catalog.keep_operands(self.head if logs_accesses else None)

    def stop(self) -> None:
        """Log nothing from now on."""
        self._on_full = None
        self.logs_accesses = False
        self.words = np.zeros(0, dtype=np.int64)
        self._spare.clear()
        self._catalog.keep_operands(None)

    def is_full(self) -> None:
        """Hand the log on, where no room is left for another block."""
        assert self._on_full is not None
        self._on_full()
        is_ready = self.head[ns.LOG_COUNT] + ns.LOG_RESERVE <= self.head[ns.LOG_CAPACITY]
        assert is_ready, "on_full must take the log, or let it grow"

    def grow(self) -> None:
        """Make room for twice as much; what is logged stays."""
        count, words = int(self.head[ns.LOG_COUNT]), self.words
        self._use(np.concatenate([words, np.empty_like(words)]))
        self.head[ns.LOG_COUNT] = count
        self.head[ns.LOG_CAPACITY] = len(self.words)

    def add_block(self, core_id: int, level: int, number: int) -> None:
        """Log one instruction, a block of its own, that is charged outside the block callback.

        `level` has CPL and IF before it, as `CoreParts.level` returns them.
        """
        head = self._head
        if head[ns.LOG_COUNT] + ns.LOG_RESERVE > head[ns.LOG_CAPACITY]:
            self.is_full()
        count = head[ns.LOG_COUNT]
        self.words[count] = ns.RECORD_BLOCK | level | core_id << 4 | number << 16
        self.words[count + 1] = 1
        head[ns.LOG_LAST] = count
        head[ns.LOG_COUNT] = count + 2

    def refund(self, instructions: int) -> None:
        """Take instructions off the block logged last."""
        self.words[self._head[ns.LOG_LAST] + 1] -= instructions

    def add_access(
        self, core_id: int, rip: int, linear: int, physical: int, data: bytes, flags: int
    ) -> None:
        """Log what the harness read or wrote on a core's behalf.

        Args:
            core_id: the core.
            rip: linear address of its next instruction.
            linear: linear address of the access.
            physical: its physical address; above RAM nothing is logged.
            data: the bytes.
            flags: RECORD_WRITE and RECORD_DELIVERY.
        """
        if physical >= self.head[ns.LOG_MEMORY_END]:
            return
        for offset in range(0, len(data), _QUAD_BYTES):
            piece = data[offset : offset + _QUAD_BYTES]
            if self.head[ns.LOG_COUNT] + 5 > self.head[ns.LOG_CAPACITY]:
                self.is_full()  # exceptions that follow each other leave no room
            count = int(self.head[ns.LOG_COUNT])
            first = ns.RECORD_SYSTEM | flags | len(piece) << 8 | core_id << 16
            place = physical + offset, int.from_bytes(piece, "little"), linear + offset, rip
            self.words[count] = first
            self.words[count + 1 : count + 5] = [_signed(value) for value in place]
            self.head[ns.LOG_COUNT] = count + 5

    def add_page_walk(self, core_id: int, physical: int, value: int) -> None:
        """Log that a core's page walker left `value` in the 8 bytes at `physical`."""
        flags = ns.RECORD_WRITE | ns.RECORD_PAGE_WALK
        self.add_access(core_id, 0, 0, physical, value.to_bytes(_QUAD_BYTES, "little"), flags)

    def take(self, first_step: int, end_step: int) -> Recorded:
        """Return and clear what was logged; it can be decoded in another thread.

        Args:
            first_step: step of the oldest instruction in the log.
            end_step: step behind the newest.

        Raises:
            InternalError: a record found no room.
        """
        if self.head[ns.LOG_OVERFLOW]:
            raise InternalError("the execution log was too small for the accesses of one block")
        if self.on_take is not None:
            self.on_take()
        result = Recorded(
            self.words,
            int(self.head[ns.LOG_COUNT]),
            (first_step, end_step),
            self._catalog.arrays(),
            self._wants_instructions,
        )
        self._use(self._spare.pop() if self._spare else np.empty_like(self.words))
        return result

    def give_back(self, recorded: Recorded) -> None:
        """Let the memory of what was decoded be used again."""
        self._spare.append(recorded.words)

    def _use(self, words: Signed) -> None:
        self.words = words
        self.head[ns.LOG_WORDS] = words.ctypes.data
        self.head[ns.LOG_COUNT] = 0


def _signed(value: int) -> int:
    return value if value < 1 << 63 else value - (1 << 64)
