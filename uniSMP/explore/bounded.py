"""Every schedule with at most K preemptions, equivalent ones once.

A preemption takes a core off that could go on, or holds back an interrupt that could be accepted.
Where a core cannot go on, every other one is tried, for nothing. Where it can, one is tried only
before an event that races with a later one, and where the core was last put on: to take a core off
elsewhere leads to the same traces with no fewer preemptions. Schedules are worked off in the order
of their preemptions. Two that led to the same place by equivalent ways, with equally many
preemptions, go on in the same ways: one is followed.

Where a handler is first seen to be opaque (see `opaque`) all begins anew, and every instruction of
its core is an event.

Sources: Musuvathi and Qadeer, "Iterative context bounding for systematic testing of multithreaded
programs" (PLDI 2007); Coons, Musuvathi, McKinley, "Bounded partial-order reduction" (OOPSLA 2013).
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from uniSMP.explore.collecting import E_STEP, E_TAKEN
from uniSMP.explore.executor import Executor
from uniSMP.explore.points import enabled
from uniSMP.explore.schedule import NO_VECTOR, Slice, cut_at
from uniSMP.explore.strategy import Execution, Move, as_moves, can_go_on, let_time_pass, straight_on


class Branch(NamedTuple):
    """A schedule up to a place, and what is done there.

    Attributes:
        prefix: the schedule.
        process: what is done, see `ordering`; -1: nothing, at the scene.
        paid: steps since the scene at which preemptions were, this one included.
    """

    prefix: tuple[Slice, ...]
    process: int
    paid: tuple[int, ...]

    def as_list(self) -> list[Any]:
        """Return it JSON-able."""
        return [[list(each) for each in self.prefix], self.process, list(self.paid)]

    @classmethod
    def from_list(cls, parts: list[Any]) -> "Branch":
        """Return what `as_list` was made of."""
        prefix, process, paid = parts
        return cls(tuple(Slice(*each) for each in prefix), process, tuple(paid))


START = Branch((), -1, ())


class _Choice(NamedTuple):
    """Something that could be done, so many instructions after the scene, behind `prefix`."""

    step: int
    prefix: Sequence[Slice]
    process: int


class Bounded:
    """Explores schedules, those with the fewest preemptions first.

    Args:
        cores: number of cores.
        preemptions: K.
        state: what is left of an earlier exploration, as `state` returned it; else all is.

    Attributes:
        stepwise: cores of which every instruction counts as an event.
        executions: since that is known of all of them, those of an earlier exploration too.
        repeated: those from before, as far as this object found them to be.
    """

    name = "bounded"

    def __init__(
        self, cores: int, preemptions: int, state: Mapping[str, Any] | None = None
    ) -> None:
        self._cores = cores
        self._most = preemptions
        self._waiting: list[deque[Branch]] = [deque() for _ in range(preemptions + 1)]
        self._known: dict[int, int] = {}
        branches = [START] if state is None else map(Branch.from_list, state["branches"])
        for branch in branches:
            self._waiting[len(branch.paid)].append(branch)
        self.stepwise: frozenset[int] = frozenset()
        self.executions = self.repeated = 0
        if state is not None:
            self.stepwise = frozenset(state["stepwise"])
            self.executions = state["executions"]
            self._known = dict(state["known"])
        self._branch = START
        self._script: list[Move] = []
        self._current = 0
        self._has_begun = False
        self._free: list[_Choice] = []

    def state(self) -> dict[str, Any]:
        """Return what is left to do, JSON-able."""
        branches = [branch.as_list() for waiting in self._waiting for branch in waiting]
        known = [list(each) for each in self._known.items()]
        return {
            "branches": branches,
            "known": known,
            "stepwise": sorted(self.stepwise),
            "executions": self.executions,
        }

    def new_execution(self) -> bool:
        """Begin with the next schedule."""
        branches = next((each for each in self._waiting if each), None)
        if branches is None:
            return False
        self._branch = branches.popleft()
        self._script = as_moves(list(self._branch.prefix))[::-1]
        self._has_begun = self._branch.process < 0
        self._current = 0
        self._free = []
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Follow the prefix, do what is to be done, and go straight on."""
        executor.stop_at(())
        if self._script or not self._has_begun:
            let_time_pass(executor)
        if self._script:
            move: Move | None = self._script.pop()
        elif not self._has_begun:
            self._has_begun = True
            move = self._first_move(executor)
        else:
            move = straight_on(executor, self._current)
            if move is None:
                is_over = can_go_on(executor) or not executor.pass_time()
                return None if is_over else self.next_slice(executor)
            self._note_free(executor, move)
        if move is not None:
            self._current = move.core
        return move

    def _first_move(self, executor: Executor) -> Move | None:
        """Return what is to be tried; None where that is impossible."""
        core, is_delivery = self._branch.process % self._cores, self._branch.process >= self._cores
        can_take = executor.can_take(core)
        if is_delivery:
            return Move(core, takes=True) if can_take else None
        return Move(core, holds=can_take) if executor.can_run(core) else None

    def _note_free(self, executor: Executor, chosen: Move) -> None:
        """Note what else could be done where the core that ran cannot go on."""
        if chosen.core == self._current and executor.slices:
            return
        step = executor.steps - executor.first_step
        for other in enabled(executor):
            if other[:2] != chosen[:2]:
                process = other.core + self._cores if other.takes else other.core
                self._free.append(_Choice(step, tuple(executor.slices), process))

    def finished(self, execution: Execution) -> None:
        """Note the schedules that branch off, but for those that are as good as known ones."""
        if execution.stepwise != self.stepwise:
            self.stepwise = execution.stepwise
            if self._branch != START:
                self._begin_anew()
                return
        self.executions += 1
        places = _Places(execution, self._branch.paid)
        for choice in self._free:
            self._add(places, choice, paid=places.paid_before(choice.step))
        for choice in self._races(execution):
            self._add_preemption(places, choice)
            start = places.put_on(choice.step)
            before = cut_at(execution.slices, start, places.deliveries_before(start))
            self._add_preemption(places, _Choice(start, before, choice.process))

    def _begin_anew(self) -> None:
        """Forget all executions."""
        self.repeated += self.executions + 1
        self.executions = 0
        self._known = {}
        self._waiting = [deque() for _ in range(self._most + 1)]
        self._waiting[0].append(START)

    def _races(self, execution: Execution) -> Iterator[_Choice]:
        """Yield what must be tried before the earlier events of races."""
        analysis = execution.analysis
        events = analysis.events
        wanted = (analysis.order(), analysis.held_back())
        for event, mask, _ in chain.from_iterable(each.tolist() for each in wanted):
            step, taken = int(events[event, E_STEP]), int(events[event, E_TAKEN])
            prefix = cut_at(execution.slices, step, taken)
            for process in range(2 * self._cores):
                if mask >> process & 1:
                    yield _Choice(step, prefix, process)

    def _add_preemption(self, places: "_Places", choice: _Choice) -> None:
        """Add what is tried where a core, or an interrupt, is kept from going on."""
        paid = places.paid_before(choice.step)
        if places.costs(choice.step, choice.process % self._cores):
            paid = (*paid, choice.step)
        self._add(places, choice, paid)

    def _add(self, places: "_Places", choice: _Choice, paid: tuple[int, ...]) -> None:
        if len(paid) > self._most:
            return
        key = hash((*places.key(choice.prefix, choice.step), choice.process))
        known = self._known.get(key)
        if known is None or known > len(paid):
            self._known[key] = len(paid)
            self._waiting[len(paid)].append(Branch(tuple(choice.prefix), choice.process, paid))


class _Places:
    """The places of one execution.

    Args:
        execution: the execution.
        paid: steps at which its preemptions were.
    """

    def __init__(self, execution: Execution, paid: tuple[int, ...]) -> None:
        self.slices = execution.slices
        self._paid = paid
        self._cores = execution.analysis.cores
        self._hashes = execution.analysis.traces()
        self._steps = execution.analysis.events[:, E_STEP]
        ends = np.cumsum([0, *(each.instructions for each in self.slices)])
        self._begins: list[int] = ends[:-1].tolist()

    def paid_before(self, step: int) -> tuple[int, ...]:
        """Return the steps of preemptions before a step."""
        return tuple(each for each in self._paid if each < step)

    def put_on(self, step: int) -> int:
        """Return the step at which the core that retires the instruction `step` was put on."""
        begin, core = 0, -1
        for start, each in zip(self._begins, self.slices, strict=True):
            if start > step:
                break
            if each.core != core:
                begin, core = start, each.core
        return begin

    def deliveries_before(self, step: int) -> int:
        """Return how many interrupts were accepted before a step, not at it."""
        return sum(
            start < step and each.vector != NO_VECTOR
            for start, each in zip(self._begins, self.slices, strict=True)
        )

    def costs(self, step: int, core: int) -> bool:
        """Return whether it is a preemption that a core does something else than it did there."""
        before = -1
        for start, each in zip(self._begins, self.slices, strict=True):
            if start >= step:
                break
            before = each.core
        goes_on = self.put_on(step) < step or step in self._paid
        return goes_on and (core != before or self._delivers_at(step))

    def _delivers_at(self, step: int) -> bool:
        """Return whether an interrupt was accepted there."""
        return any(
            start == step and each.vector != NO_VECTOR
            for start, each in zip(self._begins, self.slices, strict=True)
        )

    def key(self, prefix: Sequence[Slice], step: int) -> tuple[int, ...]:
        """Return what is equal for places from which executions go on in the same ways."""
        retired = [0] * self._cores
        for each in prefix:
            retired[each.core] += each.instructions
        taken = hash(tuple((each.core, each.vector) for each in prefix if each.vector != NO_VECTOR))
        last = prefix[-1].core if prefix else -1
        trace = int(self._hashes[int(np.searchsorted(self._steps, step))])
        return trace, *retired, taken, last
