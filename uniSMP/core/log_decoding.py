"""The records of an execution log as columns: a row per instruction, access or change.

Decoding runs without Python's lock, so that a writer can do it while the cores run on.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from uniSMP.core import native_state as ns
from uniSMP.errors import InternalError
from uniSMP.native_cache import is_cache_writable

_CACHE = is_cache_writable(__file__)
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
    """Register changes.

    Attributes:
        step: of the instruction that made it, or of the next one.
        core: core id.
        register: index into `register_watch.NAMES`.
        value: the new one.
        is_delivery: whether no instruction made it, but an interrupt, an exception or the like.
    """

    step: Signed
    core: Bytes
    register: Bytes
    value: Signed
    is_delivery: npt.NDArray[np.bool_]


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
def _decode_blocks(
    words: Any,  # noqa: ANN401
    count: int,
    step: int,
    blocks: Any,  # noqa: ANN401
    retired: Any,  # noqa: ANN401
    table: Any,  # noqa: ANN401
) -> None:
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
                core, number = word >> 4 & ns.RECORD_CORES, word >> 16
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
def _is_restarted(words: Any, count: int, at: int, core: int, rip: int, table: Any) -> bool:  # noqa: ANN401
    """Return whether the core begins anew with the unretired instruction logged at `at`.

    The engine does so after a store to the running block itself, and after a device access.
    """
    first, addresses = table
    while at < count:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK:
            return bool(
                (word >> 4 & ns.RECORD_CORES) == core and addresses[first[word >> 16]] == rip
            )
        at += 2 if kind == ns.RECORD_REGISTER else 5 if kind == ns.RECORD_SYSTEM else 4
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
            core, start, done = word >> 4 & ns.RECORD_CORES, first[word >> 16], words[at + 1]
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
            elif index < done or (
                is_write != 0
                and word & ns.RECORD_CROSSING == 0
                and not _is_restarted(
                    words, count, at, core, addresses[start + index], (first, addresses)
                )
            ):
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
    steps, cores, registers, values, deliveries = rows
    at = row = 0
    core = done = begin = 0
    while at < count:
        word = words[at]
        kind = word & 3
        if kind == ns.RECORD_BLOCK:
            step += done
            core, done = word >> 4 & ns.RECORD_CORES, words[at + 1]
            begin = step
            at += 2
        elif kind == ns.RECORD_REGISTER:
            is_system = word & ns.RECORD_DELIVERY != 0
            steps[row] = step + done if is_system else begin + min(word >> 16, done)
            cores[row] = word >> 16 if is_system else core
            registers[row], values[row] = word >> 8 & 0xFF, words[at + 1]
            deliveries[row] = is_system
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
        step, rip, physical, linear, value = (np.empty(size, np.int64) for _ in range(5))
        core, bytes_, kind = (np.empty(size, np.uint8) for _ in range(3))
        known = np.empty(size, np.bool_)
        filled = 0
        if size:
            rows = (step, core, rip, physical, linear, known, bytes_, value, kind)
            filled = _decode_accesses(self.words, self.count, self.steps[0], rows, self.table)
        return Accesses(
            step[:filled],
            core[:filled],
            rip[:filled],
            physical[:filled],
            linear[:filled],
            known[:filled],
            bytes_[:filled],
            value[:filled],
            kind[:filled],
        )

    def _changes(self, size: int) -> Changes:
        step, value = np.empty(size, np.int64), np.empty(size, np.int64)
        core, register = np.empty(size, np.uint8), np.empty(size, np.uint8)
        is_delivery = np.empty(size, np.bool_)
        rows = (step, core, register, value, is_delivery)
        if size:
            _decode_changes(self.words, self.count, self.steps[0], rows)
        return Changes(*rows)
