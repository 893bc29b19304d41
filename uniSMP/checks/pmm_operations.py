"""What the guest's memory manager was asked and answered, read off its accesses.

The three instructions from `pmm_enter` on read operation and arguments from the caller's frame; the
last store to the operation's place before `pmm_exit` is the result. Source: guest/pmm/call.asm.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.checks.executed_code import ExecutedCode
from uniSMP.checks.history import DELIVERY, PAGE_WALK, WRITE, AccessRows, History, Signed
from uniSMP.errors import ConfigError

ENTER_SYMBOL = "pmm_enter"
EXIT_SYMBOL = "pmm_exit"
FRAME_SHIFT = 12
ALLOC, FREE = 0, 1
"""Operations, see guest/pmm/layout.inc."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation that succeeded.

    Attributes:
        kind: ALLOC or FREE.
        core: the core that carried it out.
        frames: what was allocated or freed.
        begin_step: of the instruction at `pmm_enter`.
        end_step: of the instruction at `pmm_exit`.
    """

    kind: int
    core: int
    frames: range
    begin_step: int
    end_step: int


@dataclass(frozen=True, slots=True)
class ManagerRuns:
    """When cores were inside the manager.

    Attributes:
        operations: those that succeeded, in the order of their ends.
        spans: by core: steps of the first and of the last instruction of each visit, ascending;
            that of one which did not end ends with the history.
    """

    operations: list[Operation]
    spans: dict[int, tuple[Signed, Signed]]

    def are_inside(self, rows: AccessRows) -> npt.NDArray[np.bool_]:
        """Return whether each access was made by a core that was inside the manager."""
        inside = np.zeros(len(rows.step), dtype=np.bool_)
        for core, (begins, ends) in self.spans.items():
            mine = np.nonzero(rows.core == core)[0]
            visit = np.searchsorted(begins, rows.step[mine], side="right") - 1
            inside[mine] = (visit >= 0) & (rows.step[mine] <= ends[visit])
        return inside


def manager_runs(history: History, rows: AccessRows, code: ExecutedCode) -> ManagerRuns:
    """Return what the manager did.

    Raises:
        ConfigError: the guest has no such manager: a symbol is missing.
    """
    for symbol in (ENTER_SYMBOL, EXIT_SYMBOL):
        if symbol not in history.symbols:
            raise ConfigError(
                f"there is no symbol {symbol}: freed frames are known only of a guest with the "
                "manager of guest/pmm"
            )
    enter, leave = history.symbols[ENTER_SYMBOL], history.symbols[EXIT_SYMBOL]
    reads = _argument_addresses(enter, code)
    operations: list[Operation] = []
    spans = {}
    for core in np.unique(history.core[history.rip == enter]):
        mine = history.core == core
        begins = np.nonzero(mine & (history.rip == enter))[0] + history.first_step
        exits = np.nonzero(mine & (history.rip == leave))[0] + history.first_step
        place = np.searchsorted(exits, begins)
        ends = np.append(exits, history.end_step)[place]
        spans[int(core)] = (begins, ends)
        is_whole = place < len(exits)
        operations += _operations(rows, int(core), (begins[is_whole], ends[is_whole]), reads)
    return ManagerRuns(sorted(operations, key=lambda each: each.end_step), spans)


def _argument_addresses(enter: int, code: ExecutedCode) -> tuple[int, ...]:
    """Return the addresses of the instructions that read operation and arguments."""
    addresses = [enter]
    for _ in range(2):
        place = int(np.searchsorted(code.rips, addresses[-1]))
        is_known = place < len(code.rips) and code.rips[place] == addresses[-1]
        size = code.instructions[place].size_bytes if is_known else 1
        addresses.append(addresses[-1] + size)
    return tuple(addresses)


def _operations(
    rows: AccessRows, core: int, visits: tuple[Signed, Signed], reads: tuple[int, ...]
) -> Iterator[Operation]:
    """Return the operations of one core, of which all visits are whole."""
    own = np.nonzero((rows.core == core) & ((rows.kind & (PAGE_WALK | DELIVERY)) == 0))[0]
    steps = rows.step[own]
    arguments = [own[rows.rip[own] == address] for address in reads]
    for begin, end in zip(*visits, strict=True):
        found = [_first_in(rows, each, int(begin), int(end)) for each in arguments]
        if min(found) < 0:
            continue
        kind, first, second = (int(rows.value[row]) for row in found)
        inside = own[np.searchsorted(steps, begin) : np.searchsorted(steps, end)]
        is_result = (rows.physical[inside] == rows.physical[found[0]]) & (
            (rows.kind[inside] & WRITE) != 0
        )
        results = rows.value[inside[is_result]]
        if not len(results):
            continue
        frames = _frames(kind, int(results[-1]), first, second)
        if frames:
            yield Operation(kind, core, frames, int(begin), int(end))


def _first_in(rows: AccessRows, chosen: Signed, begin: int, end: int) -> int:
    """Return the first of some rows from a step to before another, or -1."""
    place = int(np.searchsorted(rows.step[chosen], begin))
    if place == len(chosen) or rows.step[chosen[place]] >= end:
        return -1
    return int(chosen[place])


def _frames(kind: int, result: int, first: int, second: int) -> range:
    """Return the frames that an operation gave or took; empty where it failed."""
    if kind == ALLOC and result != 0:
        return range(result >> FRAME_SHIFT, (result >> FRAME_SHIFT) + first)
    if kind == FREE and result == 0:
        return range(first >> FRAME_SHIFT, (first >> FRAME_SHIFT) + second)
    return range(0)
