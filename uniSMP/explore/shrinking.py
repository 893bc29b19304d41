"""Makes a schedule that shows a violation as plain as it can be: each candidate is simply run.

Wishes, in their order: few switches between cores, few interrupts delivered, early switches and
deliveries, few instructions. Whole stretches are dropped first (delta debugging), then switch by
switch; then each switch and each delivery is moved to an earlier instruction.

Source: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input" (IEEE
Transactions on Software Engineering, 2002), for what is dropped in stretches.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby, pairwise

from uniSMP.errors import ConfigError
from uniSMP.explore.schedule import NO_VECTOR, Slice
from uniSMP.explore.strategy import FOREVER

MOST_TRIES = 20_000
_ALL_PLACES = 256
"""In a slice of so many instructions every earlier end is tried, in a longer one some are."""
TrySchedule = Callable[[Sequence[Slice]], Sequence[Slice] | None]
"""Runs a schedule as well as it goes, and returns what was run if the violation is there."""
_Segments = list[list[Slice]]


@dataclass(frozen=True, slots=True)
class Shrunk:
    """What became of a schedule.

    Attributes:
        slices: the schedule.
        is_minimal: whether no single switch can be dropped: without it, the cores going on before
            it or behind it in any of the ways tried, there are as many switches or no violation.
            False where the tries did not suffice to know.
        tries: schedules that were run.
    """

    slices: list[Slice]
    is_minimal: bool
    tries: int


def shrink(
    try_schedule: TrySchedule,
    slices: Sequence[Slice],
    *,
    most_tries: int = MOST_TRIES,
    on_try: Callable[[int, Sequence[Slice]], None] | None = None,
) -> Shrunk:
    """Return a plainer schedule that shows the same violation.

    Deterministic if `try_schedule` is.

    Args:
        try_schedule: see `TrySchedule`.
        slices: a schedule that shows the violation.
        most_tries: schedules that are run, 1 or more.
        on_try: called after each with their number and the plainest schedule so far.

    Raises:
        ConfigError: `slices` does not show the violation.
    """
    shrinker = _Shrinker(try_schedule, slices, most_tries, on_try)
    try:
        shrinker.run()
    except _OutOfTriesError:
        return Shrunk(shrinker.best, is_minimal=False, tries=shrinker.tries)
    return Shrunk(shrinker.best, is_minimal=True, tries=shrinker.tries)


class _OutOfTriesError(Exception):
    """No further schedule may be run."""


class _Shrinker:
    """The state of one search."""

    def __init__(
        self,
        try_schedule: TrySchedule,
        slices: Sequence[Slice],
        most_tries: int,
        on_try: Callable[[int, Sequence[Slice]], None] | None,
    ) -> None:
        self._try_schedule = try_schedule
        self._most_tries = most_tries
        self._on_try = on_try
        self._found: dict[tuple[Slice, ...], list[Slice] | None] = {}
        self.tries = 0
        self.best = list(slices)
        first = self._run(tuple(slices))
        if first is None:
            raise ConfigError("the schedule to be shrunk does not show the violation")
        self.best = first

    def run(self) -> None:
        """Try until nothing gets plainer."""
        before: list[Slice] = []
        self._drop_stretches()
        while self.best != before:
            before = self.best
            while any(self._accept(each, 1) for each in _without_a_switch(self.best)):
                pass
            while any(self._accept(each, 2) for each in _without_a_delivery(self.best)):
                pass
            self._move_earlier()

    # -- trying ----------------------------------------------------------------------------------

    def _run(self, candidate: tuple[Slice, ...]) -> list[Slice] | None:
        """Return what comes of a candidate, which is run once."""
        if candidate in self._found:
            return self._found[candidate]
        if self.tries >= self._most_tries:
            raise _OutOfTriesError
        self.tries += 1
        found = self._try_schedule(candidate)
        plain = self._found[candidate] = None if found is None else joined(found)
        if self._on_try is not None:
            self._on_try(self.tries, self.best)
        return plain

    def _accept(self, slices: Iterable[Slice], wishes: int) -> bool:
        """Try a candidate; take it if it is plainer in the first `wishes` wishes, and say so."""
        found = self._run(tuple(joined(slices)))
        if found is None or cost(found)[:wishes] >= cost(self.best)[:wishes]:
            return False
        self.best = found
        return True

    # -- what is tried ---------------------------------------------------------------------------

    def _drop_stretches(self) -> None:
        """Drop many segments at once, ever fewer."""
        size = len(segments(self.best)) // 2
        while size > 1:
            at = 0
            while at < len(parts := segments(self.best)):
                if not self._accept(_flat([*parts[:at], *parts[at + size :]]), 1):
                    at += size
            size //= 2

    def _move_earlier(self) -> None:
        """Move the end of each slice but the last to the earliest instruction there is."""
        index = 0
        while index < len(self.best) - 1:
            count = self.best[index].instructions
            if count <= _ALL_PLACES:
                self._first_place(index, range(count))
            else:
                self._first_place(index, [0, *(1 << bit for bit in range(count.bit_length()))])
                self._creep(index)
            index += 1

    def _first_place(self, index: int, counts: Iterable[int]) -> None:
        """Let a slice end after the first of `counts` that does."""
        for count in counts:
            if count >= self.best[index].instructions:
                return
            if self._accept(_ends_after(self.best, index, count), _ALL_WISHES):
                return

    def _creep(self, index: int) -> None:
        """Let a long slice end earlier in growing steps, until one instruction is too much."""
        step = 1
        while step and index < len(self.best) - 1:
            count = self.best[index].instructions - step
            if count >= 0 and self._accept(_ends_after(self.best, index, count), _ALL_WISHES):
                step *= 2
            else:
                step //= 2


_ALL_WISHES = 1 << 30


def cost(slices: Sequence[Slice]) -> tuple[int, ...]:
    """Return what is to be small, as wished: how many switches and deliveries, where, and the end.

    All of equally many switches and deliveries have the same length.
    """
    ends = list(accumulate((each.instructions for each in slices), initial=0))
    places = list(zip(slices, ends, strict=False))
    changes = [at for (left, _), (right, at) in pairwise(places) if left.core != right.core]
    deliveries = [at for each, at in places if each.vector != NO_VECTOR]
    return len(changes), len(deliveries), *changes, *deliveries, ends[-1]


def joined(slices: Iterable[Slice]) -> list[Slice]:
    """Return a schedule in which neighbours of one core are one, unless there is a delivery."""
    result: list[Slice] = []
    for each in slices:
        if each.vector == NO_VECTOR:
            if each.instructions == 0:
                continue
            if result and result[-1].core == each.core:
                total = min(FOREVER, result[-1].instructions + each.instructions)
                result[-1] = result[-1]._replace(instructions=total)
                continue
        result.append(each)
    return result


def segments(slices: Sequence[Slice]) -> _Segments:
    """Return the slices between switches."""
    return [list(part) for _, part in groupby(slices, key=lambda each: each.core)]


def _flat(parts: Iterable[Iterable[Slice]]) -> list[Slice]:
    return [each for part in parts for each in part]


def _without_a_switch(slices: Sequence[Slice]) -> Iterator[list[Slice]]:
    """Yield schedules without one of the switches, all that are easily thought of."""
    parts = segments(slices)
    for at in range(len(parts) - 1):
        before, one, other, behind = parts[:at], parts[at], parts[at + 1], parts[at + 2 :]
        yield _flat([*before, one])
        yield _flat([*before, one, *behind])
        yield _flat([*before, other, *behind])
        yield _flat([*before, other, one, *behind])
        yield _flat([*before, one, [Slice(one[0].core, FOREVER)], other, *behind])
        later = next((i for i, part in enumerate(behind) if part[0].core == one[0].core), None)
        if later is not None:
            between, again, rest = behind[:later], behind[later], behind[later + 1 :]
            yield _flat([*before, one, again, other, *between, *rest])
            yield _flat([*before, other, *between, one, again, *rest])


def _without_a_delivery(slices: Sequence[Slice]) -> Iterator[list[Slice]]:
    """Yield schedules without one of the deliveries, with and without what ran behind it."""
    for at, each in enumerate(slices):
        if each.vector != NO_VECTOR:
            yield [*slices[:at], *slices[at + 1 :]]
            yield [*slices[:at], each._replace(vector=NO_VECTOR), *slices[at + 1 :]]


def _ends_after(slices: Sequence[Slice], index: int, count: int) -> list[Slice]:
    """Return the schedule in which a slice ends after `count` instructions.

    The rest of them runs where its core goes on, so that its later switches stay where they are.
    """
    each, behind = slices[index], list(slices[index + 1 :])
    rest = each.instructions - count
    later = next((at for at, other in enumerate(behind) if other.core == each.core), None)
    if later is not None and (later == 0 or behind[later].vector == NO_VECTOR):
        total = behind[later].instructions + rest
        behind[later] = behind[later]._replace(instructions=total)
    elif later is not None:
        behind.insert(later, Slice(each.core, rest))
    return [*slices[:index], each._replace(instructions=count), *behind]
