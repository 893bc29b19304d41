"""Runs a schedule as well as it goes, finishes by itself, and looks whether a violation is there.

A shrunk schedule need not be possible as it stands: what cannot be done is left out.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from uniSMP.explore.executor import Executor
from uniSMP.explore.schedule import NO_VECTOR, Slice, cut
from uniSMP.explore.strategy import Execution, Move, Performer, can_go_on, straight_on

MOST_INSTRUCTIONS = 1_000_000
"""Nothing new is begun after so many instructions of all cores since the scene."""
_REGISTERS = 16
Key = tuple[str | int, ...]


class Sighting(NamedTuple):
    """A violation that an execution shows.

    Attributes:
        key: what makes it the same in another schedule, see `checks.history.Violation`.
        steps: instructions retired since the scene when it is complete; None: it is the way in
            which the execution ends.
    """

    key: Key
    steps: int | None = None


Judge = Callable[[Execution], Iterable[Sighting]]
"""Returns what violations an execution shows."""


class Lenient:
    """A strategy that follows slices and then goes straight on, deliveries as early as possible.

    A slice of a core that cannot run, and a delivery where none is possible, are left out; a slice
    ends where its core cannot go on. What is delivered is whatever is due.

    Args:
        slices: what to follow; FOREVER instructions: until the core cannot go on.
        goes_on: whether anything is done behind the slices.
        most_instructions: after so many nothing new is begun.

    Attributes:
        kept: how many slices there are without the last ones in which cores did nothing but find
            out once more that they wait.
    """

    name = "lenient"

    def __init__(
        self,
        slices: Sequence[Slice],
        *,
        goes_on: bool = True,
        most_instructions: int = MOST_INSTRUCTIONS,
    ) -> None:
        self._script: list[Move] = []
        for each in reversed(slices):
            if each.instructions:
                self._script.append(Move(each.core, limit=each.instructions, holds=True))
            if each.vector != NO_VECTOR:
                self._script.append(Move(each.core, takes=True))
        self._goes_on = goes_on
        self._most = most_instructions
        self._first_step: int | None = None
        self._current = slices[0].core if slices else 0
        self._stood: tuple[int, ...] | None = None
        self.kept = 0

    def new_execution(self) -> bool:
        """Begin the execution."""
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Return the next move that is possible."""
        executor.stop_at(())
        if self._first_step is None:
            self._first_step = executor.steps
        elif not self._only_waited(executor):
            self.kept = len(executor.slices)
        while executor.steps - self._first_step < self._most:
            move = self._next(executor)
            if move is not None:
                self._current = move.core
                return move
            if can_go_on(executor) or not executor.pass_time():
                return None
        return None

    def _only_waited(self, executor: Executor) -> bool:
        """Return whether the last move was none of those to follow, and went round a wait."""
        is_waiting = executor.waits[self._current] is not None
        return is_waiting and self._stood == _place(executor, self._current)

    def _next(self, executor: Executor) -> Move | None:
        """Return the next move without letting time pass."""
        while self._script and can_go_on(executor):
            wanted = self._script.pop()
            is_possible = executor.can_take if wanted.takes else executor.can_run
            if is_possible(wanted.core):
                return wanted
        if self._script or not self._goes_on:
            return None
        move = straight_on(executor, self._current)
        self._stood = None if move is None or move.takes else _place(executor, move.core)
        return move

    def finished(self, execution: Execution) -> None:
        """Learn nothing: it is the only one."""


def _place(executor: Executor, core: int) -> tuple[int, ...]:
    """Return where a core stands, with its general registers: what a round of a wait restores."""
    context = executor.cores[core].engine.context
    return context.linear_rip, *(context.register(number) for number in range(_REGISTERS))


class Trial:
    """Tries schedules; what `shrinking.shrink` asks.

    Args:
        performer: of the scene.
        judge: looks for violations.
        key: of the violation that shall be there.
        most_instructions: of one execution, about.
    """

    def __init__(
        self,
        performer: Performer,
        judge: Judge,
        key: Key,
        most_instructions: int = MOST_INSTRUCTIONS,
    ) -> None:
        self._performer = performer
        self._judge = judge
        self._key = key
        self._most = most_instructions

    def __call__(self, slices: Sequence[Slice]) -> list[Slice] | None:
        """Return what was run up to the violation; None where it is not there."""
        strategy = Lenient(slices, most_instructions=self._most)
        execution = self._performer.perform(strategy)
        assert execution is not None, "the strategy has an execution"
        found = [each.steps for each in self._judge(execution) if each.key == self._key]
        if not found:
            return None
        known = [steps for steps in found if steps is not None]
        if not known:
            return execution.slices if execution.ending else execution.slices[: strategy.kept]
        return cut(execution.slices, min(known), delivers=False)
