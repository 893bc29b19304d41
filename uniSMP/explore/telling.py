"""The instructions of an execution that matter, with what they did to memory that cores share.

Told are accesses to words in which two agents meet (see `collecting`), locked instructions, those
about interrupts and ports, and those that a violation names.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from uniSMP.checks.history import DELIVERY, LOCKED, PAGE_WALK, WRITE, History
from uniSMP.explore.analysis import Analysis
from uniSMP.explore.collecting import A_CORE, A_STEP, A_WORD, A_WRITE
from uniSMP.explore.events import find_shared
from uniSMP.explore.fabric import MARKS, SENT
from uniSMP.machine.machine import Machine
from uniSMP.machine.target import Target
from uniSMP.trace.text import SymbolNames

MASK64 = (1 << 64) - 1
_ABOUT_INTERRUPTS = ("int", "iret", "hlt", "cli", "sti", "lock ", "out ", "in ")
_BRANCH = re.compile(r"(call|j\w+|loop\w*) (0x[0-9a-f]+)")
_MOST_LINES = 40
"""Of a slice; what is in the middle of more is left out."""
_CORES = 256
_FAR = 0x1000
"""So far behind a symbol nothing belongs to it."""


@dataclass(frozen=True, slots=True)
class Line:
    """An instruction.

    Attributes:
        skipped: instructions of the slice between the one told before and this one.
        step: instructions retired before it, since the scene.
        rip: linear address.
        place: the same as symbol+offset.
        source: file:line, or empty.
        text: as Intel writes it.
        notes: what it did, such as `pair_done: 0 -> 1`.
    """

    skipped: int
    step: int
    rip: int
    place: str
    source: str
    text: str
    notes: tuple[str, ...]


def shared_words(analysis: Analysis) -> frozenset[int]:
    """Return the words of RAM, as physical address >> 3, in which agents met."""
    is_shared, _ = find_shared(analysis.accesses)
    words = np.unique(analysis.accesses[is_shared, A_WORD])
    return frozenset(words[words < MARKS >> 3].tolist())


class Teller:
    """Tells of the slices of one execution.

    Args:
        machine: that ran it.
        target: for names and lines.
        history: what was executed.
        analysis: the same, as exploration sees it.
        named: linear addresses of instructions that are told in any case.
    """

    def __init__(
        self,
        machine: Machine,
        target: Target,
        history: History,
        analysis: Analysis,
        named: Iterable[int],
    ) -> None:
        self._machine = machine
        self._target = target
        self._history = history
        self._names = SymbolNames(target.labels)
        self._named = frozenset(rip & MASK64 for rip in named)
        self._texts: dict[int, str] = {}
        self._notes: dict[int, list[str]] = {}
        self._note_accesses(shared_words(analysis))
        self._note_sent(analysis)

    # -- what instructions did -------------------------------------------------------------------

    def _note_accesses(self, shared: frozenset[int]) -> None:
        rows = self._history.accesses
        assert rows is not None, "accesses are logged"
        words = np.fromiter(shared, dtype=np.int64)
        last = rows.physical + rows.size - 1
        matters = np.isin(rows.physical >> 3, words) | np.isin(last >> 3, words)
        matters |= (rows.kind & LOCKED) != 0
        matters &= (rows.kind & (DELIVERY | PAGE_WALK)) == 0
        found: dict[int, dict[str, list[tuple[bool, int]]]] = {}
        for row in np.nonzero(matters)[0].tolist():
            linear = int(rows.linear[row] if rows.has_linear[row] else rows.physical[row]) & MASK64
            step = int(rows.step[row]) - self._history.first_step
            by_name = found.setdefault(step, {})
            value = int(rows.value[row]) & ((1 << 8 * int(rows.size[row])) - 1)
            is_write = bool(rows.kind[row] & WRITE)
            by_name.setdefault(self.name(linear), []).append((is_write, value))
        for step, by_name in found.items():
            self._notes[step] = [_access(name, each) for name, each in by_name.items()]

    def _note_sent(self, analysis: Analysis) -> None:
        """Note interrupts that were sent."""
        rows = analysis.accesses
        first = SENT >> 3
        is_sent = (rows[:, A_WORD] >= first) & (rows[:, A_WORD] < first + _CORES)
        is_sent &= rows[:, A_WRITE] == 0
        for row in rows[is_sent].tolist():
            note = f"interrupt for core {row[A_WORD] - first}"
            notes = self._notes.setdefault(row[A_STEP], [])
            if self._core_at(row[A_STEP]) == row[A_CORE] and note not in notes:
                notes.append(note)

    def _core_at(self, step: int) -> int:
        cores = self._history.core
        return int(cores[step]) if step < len(cores) else -1

    # -- as text ---------------------------------------------------------------------------------

    def name(self, linear: int) -> str:
        """Return an address as symbol+offset; as a number where no symbol is near before it."""
        name = self._names.describe(linear)
        _, _, offset = name.partition("+")
        if not name or (offset and int(offset, 16) >= _FAR):
            return f"{linear:#x}"
        return name

    def source(self, linear: int) -> str:
        """Return file:line of an address, or nothing."""
        return self._target.source_line(linear)

    def text(self, core: int, linear: int) -> str:
        """Return the text of the instruction at an address; targets of branches by their names."""
        if linear not in self._texts:
            found = self._machine.core(core).disassemble(linear, 1)
            text = found[0][2] if found else "(unmapped)"
            branch = _BRANCH.fullmatch(text)
            if branch is not None:
                text = f"{branch[1]} {self.name(int(branch[2], 16))}"
            self._texts[linear] = text
        return self._texts[linear]

    def lines(self, core: int, first: int, end: int) -> tuple[tuple[Line, ...], int]:
        """Return what matters of a slice, and how many instructions follow behind the last line.

        The first and the last instruction do. Of equal lines the first one is told.

        Args:
            core: that runs.
            first: instructions retired before, since the scene.
            end: the same at the end.
        """
        lines: list[Line] = []
        told: set[tuple[int, tuple[str, ...]]] = set()
        following = first
        for step in self._steps(core, first, end):
            rip = int(self._history.rip[step]) & MASK64
            notes = tuple(self._notes.get(step, ()))
            if (rip, notes) in told and step != end - 1:
                continue
            told.add((rip, notes))
            place, source = self.name(rip), self.source(rip)
            text = self.text(core, rip)
            lines.append(Line(step - following, step, rip, place, source, text, notes))
            following = step + 1
        return tuple(_shortened(lines)), end - following

    def _steps(self, core: int, first: int, end: int) -> list[int]:
        """Return the steps that matter of a slice, ascending."""
        rips = self._history.rip[first:end]
        chosen = [rip for rip in np.unique(rips).tolist() if self._matters(core, rip & MASK64)]
        steps = set((first + np.nonzero(np.isin(rips, chosen))[0]).tolist())
        steps |= {step for step in self._notes if first <= step < end}
        steps |= {first, end - 1} if first < end else set()
        return sorted(steps)

    def _matters(self, core: int, rip: int) -> bool:
        return rip in self._named or self.text(core, rip).startswith(_ABOUT_INTERRUPTS)


def number(value: int) -> str:
    """Return a number as people read it: hexadecimal from 10 on."""
    return str(value) if value < 10 else f"{value:#x}"  # noqa: PLR2004 - one digit


def _access(name: str, each: Sequence[tuple[bool, int]]) -> str:
    """Return what an instruction did at one place."""
    reads = [value for is_write, value in each if not is_write]
    writes = [value for is_write, value in each if is_write]
    if not writes:
        return f"{name} is {number(reads[-1])}"
    if not reads:
        return f"{name} = {number(writes[-1])}"
    return f"{name}: {number(reads[0])} -> {number(writes[-1])}"


def _shortened(lines: list[Line]) -> list[Line]:
    """Return lines without their middle, if they are too many."""
    if len(lines) <= _MOST_LINES:
        return lines
    half = _MOST_LINES // 2
    before, behind = lines[half - 1], lines[-half]
    hidden = replace(behind, skipped=behind.step - before.step - 1)
    return [*lines[:half], hidden, *lines[-half + 1 :]]
