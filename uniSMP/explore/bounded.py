"""Every schedule with at most K preemptions, at the places where cores meet.

A preemption takes a core off that could go on, or holds back an interrupt that could be accepted.
Where a core cannot go on, every other one is tried, for nothing. Schedules are worked off in the
order of their preemptions: those with none, with one, and so on. Two that led to the same place by
equivalent ways, with equally many preemptions, go on in the same ways: one is followed.

Source: Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded
programs" (PLDI 2007).
"""

from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from uniSMP.explore.collecting import E_STEP
from uniSMP.explore.executor import Executor
from uniSMP.explore.points import Learnt, enabled
from uniSMP.explore.schedule import NO_VECTOR, Slice
from uniSMP.explore.strategy import Execution, Move, as_moves, straight_on


class Branch(NamedTuple):
    """A schedule up to a place, and what is done there."""

    prefix: tuple[Slice, ...]
    move: Move | None
    preemptions: int

    def as_list(self) -> list[Any]:
        """Return it JSON-able."""
        move = None if self.move is None else list(self.move)
        return [[list(each) for each in self.prefix], move, self.preemptions]

    @classmethod
    def from_list(cls, parts: list[Any]) -> "Branch":
        """Return what `as_list` was made of."""
        prefix, move, preemptions = parts
        slices = tuple(Slice(*each) for each in prefix)
        return cls(slices, None if move is None else Move(*move), preemptions)


class _Place(NamedTuple):
    """A place in the execution under way at which something else could be done.

    Attributes:
        slices: number of slices up to there.
        last: the last of them, as it stands.
        step: instructions retired since the scene.
        where: instructions retired by each core, and how many deliveries there have been.
        move: what could be done.
        preemptions: what that would come to.
    """

    slices: int
    last: Slice | None
    step: int
    where: tuple[int, ...]
    move: Move
    preemptions: int


class Bounded:
    """Explores schedules, those with the fewest preemptions first.

    Args:
        learnt: places to choose at.
        preemptions: K.
        branches: where to begin.
    """

    name = "bounded"

    def __init__(self, learnt: Learnt, preemptions: int, branches: Sequence[Branch]) -> None:
        self._learnt = learnt
        self._most = preemptions
        self._waiting: list[deque[Branch]] = [deque() for _ in range(preemptions + 1)]
        for branch in branches:
            self._waiting[branch.preemptions].append(branch)
        self._known: dict[tuple[int, ...], int] = {}
        self._branch = Branch((), None, 0)
        self._script: list[Move] = []
        self._current = 0
        self._places: list[_Place] = []

    @property
    def left(self) -> list[Branch]:
        """What is left to do."""
        return [branch for branches in self._waiting for branch in branches]

    def new_execution(self) -> bool:
        """Begin with the next schedule."""
        branches = next((each for each in self._waiting if each), None)
        if branches is None:
            return False
        self._branch = branches.popleft()
        script = as_moves(list(self._branch.prefix))
        if self._branch.move is not None:
            script.append(self._branch.move)
        self._script = script[::-1]
        self._current = 0
        self._places = []
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Follow the prefix, do what is to be done, and go straight on."""
        is_last = self._branch.preemptions == self._most
        executor.stop_at(() if is_last else self._learnt.addresses)
        if self._script:
            move = self._script.pop()
            self._current = move.core
            return move
        chosen = straight_on(executor, self._current, stops=not is_last)
        if chosen is None:
            return self.next_slice(executor) if executor.pass_time() else None
        self._note_others(executor, chosen)
        self._current = chosen.core
        return chosen

    def _note_others(self, executor: Executor, chosen: Move) -> None:
        """Note what else could be done here, within the bound."""
        slices = executor.slices
        cost = self._branch.preemptions + (chosen.core == self._current and bool(slices))
        if cost > self._most:
            return
        last = slices[-1] if slices else None
        step = executor.steps - executor.first_step
        deliveries = sum(each.vector != NO_VECTOR for each in slices)
        where = (*(core.retired for core in executor.cores), deliveries)
        for other in enabled(executor):
            if other[:2] != chosen[:2]:
                self._places.append(_Place(len(slices), last, step, where, other, cost))

    def finished(self, execution: Execution) -> None:
        """Note the schedules that branch off, but for those that are as good as known ones."""
        if not self._places:
            return
        hashes = execution.analysis.traces()
        steps = execution.analysis.events[:, E_STEP]
        for place in self._places:
            trace = int(hashes[int(np.searchsorted(steps, place.step))])
            key = trace, *place.where, place.move.core, int(place.move.takes)
            known = self._known.get(key)
            if known is not None and known <= place.preemptions:
                continue
            self._known[key] = place.preemptions
            before = execution.slices[: place.slices - 1] if place.last is not None else []
            prefix = (*before, place.last) if place.last is not None else ()
            self._waiting[place.preemptions].append(Branch(prefix, place.move, place.preemptions))
