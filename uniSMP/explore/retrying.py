"""Runs a schedule as well as it goes, finishes by itself, and looks whether a violation is there.

A shrunk schedule need not be possible as it stands: what cannot be done is left out.
"""

from collections.abc import Callable, Iterable, Sequence

from uniSMP.checks.history import Violation
from uniSMP.explore.executor import Executor
from uniSMP.explore.schedule import NO_VECTOR, Slice, cut
from uniSMP.explore.strategy import Execution, Move, Performer, can_go_on, straight_on

_REGISTERS = 16
Verdicts = Callable[[Execution], Iterable[Violation]]
"""Returns what is wrong with the execution that was run last, see `judging.Judge.judge`."""


class Lenient:
    """A strategy that follows slices and then goes straight on, deliveries as early as possible.

    A slice of a core that cannot run, and a delivery where none is possible, are left out; a slice
    ends where its core cannot go on. What is delivered is whatever is due.

    Args:
        slices: what to follow; FOREVER instructions: until the core cannot go on.
        goes_on: whether anything is done behind the slices.

    Attributes:
        kept: how many slices there are without the last ones in which cores did nothing but find
            out once more that they wait.
    """

    name = "lenient"

    def __init__(self, slices: Sequence[Slice], *, goes_on: bool = True) -> None:
        self.stepwise: frozenset[int] = frozenset()
        self._script: list[Move] = []
        for each in reversed(slices):
            if each.instructions:
                self._script.append(Move(each.core, limit=each.instructions, holds=True))
            if each.vector != NO_VECTOR:
                self._script.append(Move(each.core, takes=True))
        self._goes_on = goes_on
        self._has_begun = False
        self._current = slices[0].core if slices else 0
        self._stood: tuple[int, ...] | None = None
        self.kept = 0

    def new_execution(self) -> bool:
        """Begin the execution."""
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Return the next move that is possible."""
        executor.stop_at(())
        if self._has_begun and not self._only_waited(executor):
            self.kept = len(executor.slices)
        self._has_begun = True
        while executor.left > 0:
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
    """Tries schedules for one violation; what `shrinking.shrink` asks.

    Args:
        performer: of the scene.
        judge: says what is wrong with an execution.
        key: of the violation that shall be there, see `checks.history.Violation`.

    Attributes:
        violation: as the last schedule showed it; None where it did not.
        execution: of the last schedule.
        is_at_end: whether the violation is the way in which that ended, or known only then.
    """

    def __init__(self, performer: Performer, judge: Verdicts, key: tuple[str | int, ...]) -> None:
        self._performer = performer
        self._judge = judge
        self._key = key
        self.violation: Violation | None = None
        self.execution: Execution | None = None
        self.is_at_end = False

    def __call__(self, slices: Sequence[Slice]) -> list[Slice] | None:
        """Return what was run up to the violation; None where it is not there."""
        strategy = Lenient(slices)
        execution = self.execution = self._performer.perform(strategy)
        assert execution is not None, "the strategy has an execution"
        found = [each for each in self._judge(execution) if each.key == self._key]
        self.violation = min(found, key=lambda each: each.step, default=None)
        if self.violation is None:
            return None
        done = self.violation.step + 1 - self._performer.executor.first_step
        self.is_at_end = done > execution.analysis.steps
        if not self.is_at_end:
            return cut(execution.slices, done, delivers=False)
        is_over = execution.ending is not None
        return execution.slices if is_over else execution.slices[: strategy.kept]
