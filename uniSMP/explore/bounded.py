"""Every schedule with at most K preemptions, at the places where cores meet.

A preemption takes a core off that could go on, or holds back an interrupt that could be accepted.
Where a core cannot go on, every other one is tried, for nothing. Schedules are worked off in the
order of their preemptions: those with none, with one, and so on.

Source: Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded
programs" (PLDI 2007).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from uniSMP.explore.executor import Executor
from uniSMP.explore.points import Learnt, enabled
from uniSMP.explore.schedule import Slice
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


class Bounded:
    """Runs given schedules, and finds those that branch off within the bound.

    Args:
        learnt: places to choose at.
        preemptions: K.
        branches: the schedules.

    Attributes:
        children: those that branch off, in the order in which they were found.
    """

    name = "bounded"

    def __init__(self, learnt: Learnt, preemptions: int, branches: Sequence[Branch]) -> None:
        self._learnt = learnt
        self._most = preemptions
        self._branches = iter(branches)
        self._branch = Branch((), None, 0)
        self.children: list[Branch] = []
        self._script: list[Move] = []
        self._current = 0
        self._places: list[tuple[int, Slice | None, Move, int]] = []

    def new_execution(self) -> bool:
        """Begin with the next schedule."""
        branch = next(self._branches, None)
        if branch is None:
            return False
        self._branch = branch
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
        for other in enabled(executor):
            if other[:2] != chosen[:2]:
                self._places.append((len(slices), last, other, cost))

    def finished(self, execution: Execution) -> None:
        """Note the schedules that branch off from an execution."""
        for count, last, move, cost in self._places:
            prefix = execution.slices[: count - 1] if last is not None else []
            whole = (*prefix, last) if last is not None else ()
            self.children.append(Branch(whole, move, cost))
