"""Invariants: what must hold of the guest's memory each time a moment of some kind comes.

The memory at a moment is what lay there at the beginning of the history and what was written since.
A predicate is asked again only where something in the pages it read was written in between.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.checks import pmm_invariants
from uniSMP.checks.exclusion import Passages, Region, find_passages
from uniSMP.checks.history import History, Needs, Signed, Violation
from uniSMP.checks.memory_at import PAGE_BYTES, PAGE_SHIFT, MemoryAt
from uniSMP.checks.places import Places, resolve
from uniSMP.checks.pmm_layout import Reader, read_managed
from uniSMP.errors import ConfigError

NAME = "invariants"
_MASK64 = (1 << 64) - 1
Predicate = Callable[[Reader, Mapping[str, int]], list[str]]
"""Is given a reader of physical memory and the symbols; returns one line for each fault.

It may look at nothing else, and keep nothing: what it read decides what it returns."""


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold, and when.

    Attributes:
        name: for people.
        predicate: tells what is wrong.
        symbol: asked each time a core is about to execute the instruction there; None is each time
            the last core has left the region.
        region: asked only while no core is inside it; None is always.
        at_end: asked at the end of the history too.

    Raises:
        ConfigError: neither symbol nor region nor end says when.
    """

    name: str
    predicate: Predicate
    symbol: str | None = None
    region: Region | None = None
    at_end: bool = False

    def __post_init__(self) -> None:
        if self.symbol is None and self.region is None and not self.at_end:
            raise ConfigError(
                f"invariant {self.name}: say at which symbol or outside what it holds"
            )


def _pmm_faults(read: Reader, symbols: Mapping[str, int]) -> list[str]:
    return pmm_invariants.check(read, symbols, read_managed(read, symbols))


def pmm_invariant(region: Region) -> Invariant:
    """Return that the physical memory manager's state is sound while no core is in a region."""
    return Invariant("pmm", _pmm_faults, region=region)


class Invariants:
    """Invariants of the guest's memory.

    Args:
        invariants: each on its own.

    Attributes:
        name: "invariants".
        needs: accesses.
    """

    def __init__(self, *invariants: Invariant) -> None:
        self.name = NAME
        self.needs = Needs.ACCESSES
        self._invariants = invariants

    def examine(self, history: History) -> list[Violation]:
        """Return the first violation of each invariant, the earliest first.

        Raises:
            ConfigError: a symbol is missing, or the history has no accesses.
        """
        if history.accesses is None:
            raise ConfigError("invariants: the history has no accesses")
        memory = MemoryAt(history)
        found = [_examine(history, memory, invariant) for invariant in self._invariants]
        return sorted((each for each in found if each is not None), key=lambda each: each.step)


def _examine(history: History, memory: MemoryAt, invariant: Invariant) -> Violation | None:
    moment = _Moment(memory)
    for step in _moments(history, invariant).tolist():
        if not moment.move(step):
            continue
        faults = invariant.predicate(moment.read, history.symbols)
        if faults:
            return _violation(history, invariant, step, faults)
    return None


def _violation(history: History, invariant: Invariant, step: int, faults: list[str]) -> Violation:
    is_before = invariant.symbol is not None and step < history.end_step
    last = step - history.first_step - (not is_before)
    core, where = -1, "at the beginning"
    rips: tuple[int, ...] = ()
    if last >= 0:
        core, rips = int(history.core[last]), (int(history.rip[last]) & _MASK64,)
        place = Places(history.symbols).show(rips[0])
        where = f"{'before' if is_before else 'behind'} core {core} executes {place}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return Violation(
        NAME,
        f"invariant {invariant.name} does not hold at step {step}, {where}: {faults[0]}{more}",
        history.first_step + max(last, 0),
        core,
        (NAME, invariant.name),
        rips,
    )


def _moments(history: History, invariant: Invariant) -> Signed:
    """Return the steps at which an invariant must hold, ascending."""
    passages = None if invariant.region is None else find_passages(history, invariant.region)
    steps: Signed = np.zeros(0, np.int64)
    if invariant.symbol is not None:
        address = np.uint64(resolve(history.symbols, invariant.symbol) & _MASK64)
        steps = np.nonzero(history.rip.view(np.uint64) == address)[0] + history.first_step
    elif passages is not None:
        is_last = (passages.after == 0) & (passages.before > 0)
        steps = passages.step[is_last] + 1
    if invariant.at_end:
        steps = np.union1d(steps, [history.end_step])
    if passages is not None:
        steps = steps[_is_empty(passages, steps)]
    return steps


def _is_empty(passages: Passages, steps: Signed) -> npt.NDArray[np.bool_]:
    """Return whether no core is inside a region before the instructions with some steps."""
    inside = np.concatenate([[0], passages.inside])
    empty: npt.NDArray[np.bool_] = inside[np.searchsorted(passages.step, steps)] == 0
    return empty


class _Moment:
    """Reads the memory of one moment after the other."""

    def __init__(self, memory: MemoryAt) -> None:
        self._memory = memory
        self._row = -1
        self._pages: dict[int, bytes | None] = {}

    def move(self, step: int) -> bool:
        """Go on to a step; return whether something that was read is another than before."""
        row, before = self._memory.row_of(step), self._row
        self._row = row
        changed = [page for page in self._pages if self._is_written(page, before, row)]
        for page in changed:
            del self._pages[page]
        return before < 0 or not self._pages or bool(changed)

    def _is_written(self, page: int, first: int, end: int) -> bool:
        low, high = np.searchsorted(self._memory.writes_to(page), [first, end])
        return bool(low < high)

    def read(self, physical: int, size_bytes: int) -> bytes:
        """Return bytes of this moment.

        Raises:
            UniSMPError: they do not lie inside the memory.
        """
        return b"".join(self._pieces(physical, size_bytes))

    def _pieces(self, physical: int, size_bytes: int) -> Iterator[bytes]:
        at, end = physical, physical + size_bytes
        while at < end:
            page, offset = at >> PAGE_SHIFT, at & PAGE_BYTES - 1
            length = min(end - at, PAGE_BYTES - offset)
            content = self._pages.get(page)
            if content is None:
                content = self._pages[page] = bytes(self._memory.page(page, self._row))
            yield content[offset : offset + length]
            at += length
