"""Use of translations that another core has changed since, with no invalidation in between.

Once a core changed a present entry, every other core that has used it may go on with the old one:
until it executes INVLPG, INVPCID or a MOV to CR0, CR3 or CR4, or is reset. An access before that is
a violation where the core has used the page since its last invalidation, or where the access went
to the old place. A core that is told by an interprocessor interrupt soon after the change is
excused up to the end of that interrupt's handler, and for ever where it does not take it.

Source: Intel SDM volume 3A, "Propagation of Paging-Structure Changes to Multiple Processors". Not
modelled: which page an INVLPG names (it counts as all), global pages, permissions, instruction
fetches, and the core that makes the change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.checks.core_time import CoreTime
from uniSMP.checks.executed_code import ExecutedCode, executed_code
from uniSMP.checks.handler_runs import HandlerRun, handler_runs
from uniSMP.checks.history import PAGE_WALK, AccessRows, History, Needs, Signed, Violation
from uniSMP.checks.memory_at import MemoryAt
from uniSMP.checks.page_table_changes import ABSENT, EntryChange, PageTableChanges
from uniSMP.checks.places import Places
from uniSMP.checks.recorded import accesses_of, paging_of

_INVALIDATING = frozenset({"invlpg", "invpcid"})
_REGISTERS = ("cr0,", "cr3,", "cr4,")
_PAGE_SHIFT = 12
_FOREVER = 1 << 62
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Core:
    """What is known of one core.

    Attributes:
        time: its instructions.
        own: rows of its accesses that have a linear address.
        flushes: steps at which it dropped its translations, ascending.
    """

    time: CoreTime
    own: Signed
    flushes: Signed


class StaleTranslations:
    """Looks for accesses through translations that another core has changed.

    Args:
        shootdown_instructions: within how many of its instructions the core that made the change
            must send the interrupt that excuses others.
    """

    name = "stale-translations"
    needs = Needs.ACCESSES | Needs.EVENTS | Needs.PAGING

    def __init__(self, shootdown_instructions: int = 1000) -> None:
        self._soon = shootdown_instructions

    def examine(self, history: History) -> list[Violation]:
        """Return one violation for each pair of instructions, see `Check.examine`.

        Raises:
            ConfigError: accesses or CR3 are missing.
        """
        rows = accesses_of(history, self.name)
        paging_of(history, self.name)
        memory = MemoryAt(history)
        changes = PageTableChanges(history, rows, memory).find()
        if not changes:
            return []
        code = executed_code(history)
        cores = _cores(history, rows, code)
        runs = handler_runs(history)
        found: dict[tuple[str | int, ...], Violation] = {}
        for change, end in zip(changes, _ends(changes, len(rows.step)), strict=True):
            by = cores[int(rows.core[change.row])]
            for core in cores:
                if core is by or not _uses_root(history, core, int(rows.step[change.row]), change):
                    continue
                used = _used(rows, core, change, end)
                excused = self._excused(history, rows, change, (by, core), runs)
                for row, is_old in used:
                    if rows.step[row] >= excused:
                        violation = self._violation(history, rows, change, row, is_old=is_old)
                        found.setdefault(violation.key, violation)
        return sorted(found.values(), key=lambda violation: violation.step)

    def _excused(
        self,
        history: History,
        rows: AccessRows,
        change: EntryChange,
        pair: tuple[_Core, _Core],
        runs: Sequence[HandlerRun],
    ) -> int:
        """Return the step before which the second core may not know of a change by the first."""
        by, core = pair
        step, excused = int(rows.step[change.row]), 0
        for event in history.events:
            if event.kind != "ipi_sent" or event.core != by.time.core or event.step < step:
                continue
            if core.time.core in event.targets and by.time.count(step, event.step) <= self._soon:
                excused = max(excused, _told_at(runs, core.time.core, event.step, event.vector))
        return excused

    def _violation(
        self, history: History, rows: AccessRows, change: EntryChange, row: int, *, is_old: bool
    ) -> Violation:
        places = Places(history.symbols)
        rip, changer = int(rows.rip[row]), int(rows.rip[change.row])
        core, linear = int(rows.core[row]), int(rows.linear[row])
        old = f" to {change.before:#x}" if change.before != ABSENT else ""
        new = "not present" if change.after == ABSENT else f"{change.after:#x}"
        how = "uses" if is_old else "may still use"
        summary = (
            f"core {core} at {places.show(rip)} {how} the old translation{old} of linear "
            f"{places.show(linear)}, which core {rows.core[change.row]} changed at "
            f"{places.show(changer)} (now {new}): core {core} has not invalidated it"
        )
        key = (self.name, changer, rip)
        return Violation(self.name, summary, int(rows.step[row]), core, key, (changer, rip))


def _cores(history: History, rows: AccessRows, code: ExecutedCode) -> list[_Core]:
    invalidating = [
        each.mnemonic in _INVALIDATING
        or (each.mnemonic == "mov" and each.operands.startswith(_REGISTERS))
        for each in code.instructions
    ]
    is_flush = np.isin(history.rip, code.rips[np.array(invalidating, dtype=np.bool_)])
    is_known = rows.has_linear & ((rows.kind & PAGE_WALK) == 0)
    cores = []
    for core in range(history.cores):
        time = CoreTime(history, core)
        resets = [
            event.step
            for event in history.events
            if event.core == core and event.kind in {"init", "start_up"}
        ]
        flushes = np.nonzero(is_flush & (history.core == core))[0] + history.first_step
        flushes = np.sort(np.append(flushes, np.array(resets, dtype=np.int64)))
        cores.append(_Core(time, np.nonzero(is_known & (rows.core == core))[0], flushes))
    return cores


def _ends(changes: Sequence[EntryChange], behind: int) -> list[int]:
    """Return for each change the row at which the same entry is changed anew."""
    following: dict[tuple[int, int, int], int] = {}
    ends = []
    for change in reversed(changes):
        entry = (change.root, change.linear, change.size_bytes)
        ends.append(following.get(entry, behind))
        following[entry] = change.row
    return ends[::-1]


def _uses_root(history: History, core: _Core, step: int, change: EntryChange) -> bool:
    """Return whether a core has its CR3 at the root of a change."""
    cr3 = history.cr3
    if cr3 is None:
        return False
    mine = np.nonzero((cr3.core == core.time.core) & (cr3.step <= step))[0]
    return len(mine) > 0 and int(cr3.value[mine[-1]]) & ~0xFFF == change.root


def _used(
    rows: AccessRows, core: _Core, change: EntryChange, end: int
) -> Iterator[tuple[int, bool]]:
    """Return the accesses through what was changed, and whether each went to the old place."""
    step = int(rows.step[change.row])
    place = int(np.searchsorted(core.flushes, step, side="right"))
    until = int(core.flushes[place]) if place < len(core.flushes) else _FOREVER
    since = int(core.flushes[place - 1]) if place else -1
    of_entry = core.own[
        (rows.linear[core.own] >= change.linear)
        & (rows.linear[core.own] < change.linear + change.size_bytes)
    ]
    later = of_entry[(of_entry > change.row) & (of_entry < end) & (rows.step[of_entry] < until)]
    before = of_entry[(of_entry < change.row) & (rows.step[of_entry] > since)]
    may_be_kept = np.isin(rows.linear[later] >> _PAGE_SHIFT, rows.linear[before] >> _PAGE_SHIFT)
    is_old = np.zeros(len(later), dtype=np.bool_)
    if change.before != ABSENT:
        is_old = rows.physical[later] == rows.linear[later] - change.linear + change.before
    for row, went_to_old in zip(later.tolist(), is_old.tolist(), strict=True):
        if went_to_old or may_be_kept[np.searchsorted(later, row)]:
            yield row, went_to_old


def _told_at(runs: Sequence[HandlerRun], core: int, step: int, vector: int) -> int:
    """Return the step at which the handler of an interrupt sent to a core has ended."""
    for run in runs:
        is_it = run.entry.vector == vector or run.entry.source == "nmi"
        if run.core == core and run.is_external and run.begin_step >= step and is_it:
            return run.end_step if run.end_step >= 0 else _FOREVER
    return _FOREVER
