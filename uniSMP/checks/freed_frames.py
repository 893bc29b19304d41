"""Use of frames that were given back to the guest's memory manager.

A frame is free from the beginning of the operation that frees it to the end of the next one that
allocates it, or until the manager makes a metadata page of it. Code inside the manager may touch
it. Not modelled: frames that were free when the history began.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.checks.executed_code import PUSHES, executed_code
from uniSMP.checks.history import (
    DELIVERY,
    PAGE_WALK,
    WRITE,
    AccessRows,
    History,
    Needs,
    Signed,
    Violation,
)
from uniSMP.checks.places import Places
from uniSMP.checks.pmm_operations import ALLOC, FRAME_SHIFT, FREE, Operation, manager_runs
from uniSMP.checks.recorded import accesses_of

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Freed:
    """Frames that are free from a step to before another."""

    frames: range
    operation: Operation
    end_step: int


class FreedFrames:
    """Looks for accesses to freed frames by code outside the memory manager of guest/pmm."""

    name = "freed-frames"
    needs = Needs.ACCESSES | Needs.EVENTS

    def examine(self, history: History) -> list[Violation]:
        """Return one violation for each instruction, see `Check.examine`.

        Raises:
            ConfigError: the guest has no such manager, or accesses are missing.
        """
        rows = accesses_of(history, self.name)
        code = executed_code(history)
        runs = manager_runs(history, rows, code)
        inside = runs.are_inside(rows)
        frames = rows.physical >> FRAME_SHIFT
        by_manager = inside & ~np.isin(rows.rip, code.addresses(PUSHES))
        taken = _taken_as_metadata(rows, frames, by_manager, runs.operations)
        freed = _freed(sorted([*runs.operations, *taken], key=_time), history.end_step)
        outside = np.nonzero(~inside & ((rows.kind & PAGE_WALK) == 0))[0]
        outside = outside[np.argsort(frames[outside], kind="stable")]
        found: dict[tuple[str | int, ...], Violation] = {}
        hits = [hit for each in freed for hit in _used(rows, frames, outside, each)]
        for row, each in sorted(hits, key=lambda hit: hit[0]):
            violation = self._violation(history, rows, row, each)
            found.setdefault(violation.key, violation)
        return list(found.values())

    def _violation(self, history: History, rows: AccessRows, row: int, freed: _Freed) -> Violation:
        places = Places(history.symbols)
        rip, core, physical = int(rows.rip[row]), int(rows.core[row]), int(rows.physical[row])
        who = f"core {core} at {places.show(rip)}"
        if rows.kind[row] & DELIVERY:
            who = f"a delivery to core {core}, interrupted at {places.show(rip)},"
        what = "writes to" if rows.kind[row] & WRITE else "reads from"
        summary = (
            f"{who} {what} {physical:#x}: frame {physical >> FRAME_SHIFT:#x} was freed by core "
            f"{freed.operation.core} at step {freed.operation.begin_step}"
        )
        step = int(rows.step[row])
        return Violation(self.name, summary, step, core, (self.name, rip), (rip,))


def _time(operation: Operation) -> int:
    """Return when an operation begins to matter: a free when asked for, others when answered."""
    return operation.begin_step if operation.kind == FREE else operation.end_step


def _taken_as_metadata(
    rows: AccessRows, frames: Signed, by_manager: Mask, operations: Sequence[Operation]
) -> list[Operation]:
    """Return the freed frames that the manager writes to, as if it allocated them then."""
    freed = [operation.frames for operation in operations if operation.kind == FREE]
    writes = np.nonzero(by_manager & ((rows.kind & (WRITE | PAGE_WALK | DELIVERY)) == WRITE))[0]
    written = [
        frame
        for frame in np.unique(frames[writes]).tolist()
        if any(frame in each for each in freed)
    ]
    writes = writes[np.isin(frames[writes], written)]
    pairs = np.unique(np.stack([frames[writes], rows.step[writes]], axis=1), axis=0)
    return [
        Operation(ALLOC, -1, range(frame, frame + 1), step, step) for frame, step in pairs.tolist()
    ]


def _freed(operations: list[Operation], end_step: int) -> Iterator[_Freed]:
    """Return the times for which frames are free; `operations` in the order of `_time`."""
    free: list[tuple[range, Operation]] = []
    for operation in operations:
        left: list[tuple[range, Operation]] = []
        new = operation.frames
        for frames, freed_by in free:
            common = range(max(frames.start, new.start), min(frames.stop, new.stop))
            if not common:
                left.append((frames, freed_by))
                continue
            yield _Freed(common, freed_by, operation.end_step)
            parts = range(frames.start, common.start), range(common.stop, frames.stop)
            left += [(part, freed_by) for part in parts if part]
        if operation.kind == FREE:
            left.append((new, operation))
        free = left
    for frames, freed_by in free:
        yield _Freed(frames, freed_by, end_step)


def _used(
    rows: AccessRows, frames: Signed, ordered: Signed, freed: _Freed
) -> Iterator[tuple[int, _Freed]]:
    """Return the accesses to frames while they are free; `ordered` ascends by frame."""
    keys = frames[ordered]
    first, behind = np.searchsorted(keys, [freed.frames.start, freed.frames.stop])
    mine = ordered[first:behind]
    steps = rows.step[mine]
    for row in mine[(steps >= freed.operation.begin_step) & (steps < freed.end_step)]:
        yield int(row), freed
