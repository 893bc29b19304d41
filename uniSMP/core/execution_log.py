"""The log of what all cores executed, and its way into columns.

Compiled callbacks append records while cores run (see `native_state` for their layout); Python
appends what the harness does on a core's behalf. Blocks are logged when they are charged. Whatever
stops a block inside gives the rest of the charge back, here too, so that in the end the log tells
exactly what was retired. `take` turns it into arrays, one row per instruction, access or change.

A step is the number of instructions retired by all cores before. What no instruction did (stack
pushes of an interrupt delivery, say) bears the step of the instruction that follows.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.native_cache import is_cache_writable
from uniSMP.errors import InternalError

_CACHE = is_cache_writable(__file__)
_QUAD_BYTES = 8
WRITE, LOCKED, DELIVERY, PAGE_WALK = 1, 2, 4, 8
"""Bits of `Accesses.kind`."""

Signed = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Executions:
    """Stretches of straight-line code that one core executed.

    Attributes:
        step: of the first instruction.
        core: core id.
        block: number of the block in the catalog.
        instructions: how many of the block's instructions were retired, from the first on.
    """

    step: Signed
    core: Bytes
    block: npt.NDArray[np.int32]
    instructions: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Retired:
    """Retired instructions; row i has the step `first_step` + i. `rip` is the linear address."""

    first_step: int
    core: Bytes
    rip: Signed
    cpl: Bytes


@dataclass(frozen=True, slots=True)
class Accesses:
    """Accesses to RAM and ROM.

    Attributes:
        step: of the instruction, or of the next one.
        core: core id.
        rip: linear address of the instruction, or of the interrupted one.
        physical: physical address.
        linear: linear address, where `has_linear`.
        has_linear: whether it is known.
        size: bytes, 1 to 8.
        value: as an unsigned integer.
        kind: bits WRITE, LOCKED, DELIVERY, PAGE_WALK.
    """

    step: Signed
    core: Bytes
    rip: Signed
    physical: Signed
    linear: Signed
    has_linear: npt.NDArray[np.bool_]
    size: Bytes
    value: Signed
    kind: Bytes


@dataclass(frozen=True, slots=True)
class Changes:
    """Register changes: `register` is an index into `watch.NAMES`, `value` the new value."""

    step: Signed
    core: Bytes
    register: Bytes
    value: Signed


@dataclass(frozen=True, slots=True)
class Executed:
    """What was taken out of the log, oldest first; what was not asked for is empty."""

    executions: Executions
    retired: Retired
    accesses: Accesses
    changes: Changes


@njit(cache=_CACHE, nogil=True)
def _measure(words: Any, count: int) -> tuple[int, int, int, int]:  # noqa: ANN401
    """Return the numbers of blocks, instructions, accesses and register changes."""
    blocks = instructions = accesses = changes = 0
    at = 0
    while at < count:
        kind = words[at] & 3
        if kind == ns.RECORD_BLOCK:
            if words[at + 1] > 0:
                blocks += 1
                instructions += words[at + 1]
            at += 2
        elif kind == ns.RECORD_REGISTER:
            changes += 1
            at += 2
        else:
            accesses += 1
            at += 5 if kind == ns.RECORD_SYSTEM else 4
    return blocks, instructions, accesses, changes


@njit(cache=_CACHE, nogil=True)
def _decode_blocks(words: Any, count: int, step: int, blocks: Any, retired: Any, table: Any) -> None:  # noqa: ANN401, PLR0913, PLR0917
    steps, cores, numbers, executed = blocks
    core_rows, rips, levels = retired
    first, addresses = table
    at = row = place = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK:
            done = words[at + 1]
            if done > 0:
                core, number = word >> 4 & 0xFFF, word >> 16
                steps[row], cores[row], numbers[row], executed[row] = step, core, number, done
                row += 1
                if len(rips) > 0:
                    level = word >> 2 & 3
                    start = first[number]
                    for index in range(done):
                        core_rows[place + index] = core
                        rips[place + index] = addresses[start + index]
                        levels[place + index] = level
                    place += done
                step += done
            at += 2
        else:
            at += 2 if kind == ns.RECORD_REGISTER else 5 if kind == ns.RECORD_SYSTEM else 4


@njit(cache=_CACHE, nogil=True)
def _is_repeated(words: Any, count: int, at: int) -> bool:  # noqa: ANN401
    """Return whether the read logged at `at` is made once more by the same instruction.

    The engine carries LOCK NEG out as a load and a compare-exchange, which loads again.
    """
    following = at + 4
    while following < count and words[following] & 3 == ns.RECORD_ACCESS:
        if words[following] >> 16 != words[at] >> 16 or words[following] & ns.RECORD_WRITE != 0:
            return False
        if words[following + 1] == words[at + 1]:
            return True
        following += 4
    return False


@njit(cache=_CACHE, nogil=True)
def _decode_accesses(words: Any, count: int, step: int, rows: Any, table: Any) -> int:  # noqa: ANN401
    """Fill the rows of accesses; return how many there are."""
    steps, cores, rips, physicals, linears, known, sizes, values, kinds = rows
    first, addresses, locked = table
    at = row = 0
    core = start = done = begin = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK:
            step += done
            core, start, done = word >> 4 & 0xFFF, first[word >> 16], words[at + 1]
            begin = step
            at += 2
        elif kind == ns.RECORD_REGISTER:
            at += 2
        elif kind == ns.RECORD_SYSTEM:
            steps[row], cores[row], rips[row] = step + done, word >> 16, words[at + 4]
            physicals[row], values[row], linears[row] = words[at + 1], words[at + 2], words[at + 3]
            known[row] = word & ns.RECORD_PAGE_WALK == 0
            sizes[row] = word >> 8 & 0xFF
            is_write = WRITE if word & ns.RECORD_WRITE else 0
            is_walk = PAGE_WALK if word & ns.RECORD_PAGE_WALK else 0
            kinds[row] = is_write | is_walk | (DELIVERY if word & ns.RECORD_DELIVERY else 0)
            row += 1
            at += 5
        else:
            index = word >> 16
            is_write = word & ns.RECORD_WRITE
            # An instruction that faulted is not retired; what it wrote before stays written. A
            # store that faulted on its second page wrote nothing.
            if locked[start + index] and is_write == 0 and _is_repeated(words, count, at):
                pass
            elif index < done or (is_write != 0 and word & ns.RECORD_CROSSING == 0):
                steps[row], cores[row] = begin + min(index, done), core
                rips[row] = addresses[start + index]
                physicals[row], values[row] = words[at + 1], words[at + 2]
                linears[row], known[row] = words[at + 3], words[at + 3] != -1
                sizes[row] = word >> 8 & 0xFF
                kinds[row] = (WRITE if is_write else 0) | (LOCKED if locked[start + index] else 0)
                row += 1
            at += 4
    return row


@njit(cache=_CACHE, nogil=True)
def _decode_changes(words: Any, count: int, step: int, rows: Any) -> None:  # noqa: ANN401
    steps, cores, registers, values = rows
    at = row = 0
    core = done = begin = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK:
            step += done
            core, done = word >> 4 & 0xFFF, words[at + 1]
            begin = step
            at += 2
        elif kind == ns.RECORD_REGISTER:
            is_system = word & ns.RECORD_DELIVERY != 0
            steps[row] = step + done if is_system else begin + min(word >> 16, done)
            cores[row] = word >> 16 if is_system else core
            registers[row], values[row] = word >> 8 & 0xFF, words[at + 1]
            row += 1
            at += 2
        else:
            at += 5 if kind == ns.RECORD_SYSTEM else 4


@dataclass(frozen=True, slots=True)
class Recorded:
    """Records taken out of the log.

    Attributes:
        words: the records, in the first `count` words.
        count: how many words.
        steps: steps of the first instruction and behind the last.
        table: what `BlockCatalog.arrays` returned.
        wants_instructions: whether `decode` gives one row per instruction.
    """

    words: Signed
    count: int
    steps: tuple[int, int]
    table: tuple[Signed, Signed, npt.NDArray[np.bool_]]
    wants_instructions: bool

    def decode(self) -> Executed:
        """Return the records as columns.

        Raises:
            InternalError: not as many instructions are logged as were retired.
        """
        step, end = self.steps
        blocks, instructions, accesses, changes = _measure(self.words, self.count)
        if step + instructions != end:
            raise InternalError(
                f"trace: {instructions} instructions logged from step {step} to {end}"
            )
        executions = Executions(
            np.empty(blocks, dtype=np.int64),
            np.empty(blocks, dtype=np.uint8),
            np.empty(blocks, dtype=np.int32),
            np.empty(blocks, dtype=np.int32),
        )
        size = instructions if self.wants_instructions else 0
        columns = np.empty(size, np.uint8), np.empty(size, np.int64), np.empty(size, np.uint8)
        rows = (executions.step, executions.core, executions.block, executions.instructions)
        _decode_blocks(self.words, self.count, step, rows, columns, self.table[:2])
        return Executed(
            executions, Retired(step, *columns), self._accesses(accesses), self._changes(changes)
        )

    def _accesses(self, size: int) -> Accesses:
        kinds = (np.int64, np.uint8, np.int64, np.int64, np.int64, np.bool_, np.uint8, np.int64)
        rows = tuple(np.empty(size, kind) for kind in (*kinds, np.uint8))
        filled = 0
        if size:
            filled = _decode_accesses(self.words, self.count, self.steps[0], rows, self.table)
        return Accesses(*(row[:filled] for row in rows))

    def _changes(self, size: int) -> Changes:
        kinds = (np.int64, np.uint8, np.uint8, np.int64)
        rows = tuple(np.empty(size, kind) for kind in kinds)
        if size:
            _decode_changes(self.words, self.count, self.steps[0], rows)
        return Changes(*rows)


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
            on_full: must call `take`.
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
        assert self.head[ns.LOG_COUNT] == 0, "on_full must take the log"

    def add_block(self, core_id: int, cpl: int, number: int) -> None:
        """Log one instruction, a block of its own, that is charged outside the block callback."""
        if self.head[ns.LOG_COUNT] + ns.LOG_RESERVE > self.head[ns.LOG_CAPACITY]:
            self.is_full()
        count = int(self.head[ns.LOG_COUNT])
        self.words[count] = ns.RECORD_BLOCK | cpl << 2 | core_id << 4 | number << 16
        self.words[count + 1] = 1
        self.head[ns.LOG_LAST] = count
        self.head[ns.LOG_COUNT] = count + 2

    def refund(self, instructions: int) -> None:
        """Take instructions off the block logged last."""
        self.words[int(self.head[ns.LOG_LAST]) + 1] -= instructions

    def add_access(  # noqa: PLR0913 - one parameter per column
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
                raise InternalError("the execution log has no room for a system access")
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
