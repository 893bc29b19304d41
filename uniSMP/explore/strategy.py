"""What a strategy is: it says what runs next, again and again, and learns from what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from uniSMP.explore.analysis import Analysis, Analyst
from uniSMP.explore.executor import Executor
from uniSMP.explore.leaving import Leaver, Outlook
from uniSMP.explore.moves import (
    FOREVER,
    Move,
    as_moves,
    can_go_on,
    do,
    let_time_pass,
    straight_on,
)
from uniSMP.explore.schedule import Slice
from uniSMP.machine.outcome import Ending

__all__ = [
    "FOREVER",
    "Execution",
    "Move",
    "Performer",
    "Strategy",
    "as_moves",
    "can_go_on",
    "do",
    "let_time_pass",
    "straight_on",
]


@dataclass(slots=True, eq=False)
class Execution:
    """One execution from the scene to its end.

    Attributes:
        slices: what ran.
        ending: how the run ended, or None where nothing can go on.
        is_complete: whether it came to its end, and was not cut short.
        is_unfinished: whether the limit of instructions cut it short, and not the strategy; or
            nobody can tell whether cores that disturb each other are stuck, see `leaving`.
        rests: for each core, whether it rests.
        waits: for each core, whether it waits.
        analysis: what happened.
        opaque: by core and vector, what handlers changed of what they interrupted, or looked at.
        stepwise: cores of which every instruction counts as an event: those that the strategy
            named, and those that had such handlers.
    """

    slices: list[Slice]
    ending: Ending | None
    is_complete: bool
    is_unfinished: bool
    rests: tuple[bool, ...]
    waits: tuple[bool, ...]
    analysis: Analysis
    opaque: Mapping[tuple[int, int], frozenset[str]]
    stepwise: frozenset[int]


class Strategy(Protocol):
    """Chooses schedules; one object explores one scene.

    Attributes:
        name: as on the command line.
        stepwise: cores of which every instruction counts as an event, since their handlers are
            opaque, see `opaque`.
    """

    name: str
    stepwise: frozenset[int]

    def new_execution(self) -> bool:
        """Begin another execution; False: there is none left."""

    def next_slice(self, executor: Executor) -> Move | None:
        """Return what runs next; None where nothing shall.

        Called at the scene and after each move, as long as the run is not over.
        """

    def finished(self, execution: Execution) -> None:
        """Learn what came of it."""


class Performer:
    """Runs executions of one executor.

    Args:
        executor: its scene has begun.
    """

    def __init__(self, executor: Executor) -> None:
        self.executor = executor
        self._analyst = Analyst(executor)
        self._leaver = Leaver(executor)

    def perform(self, strategy: Strategy) -> Execution | None:
        """Run one execution as a strategy chooses; None: it has no other."""
        if not strategy.new_execution():
            return None
        executor = self.executor
        executor.rewind()
        executor.stepwise = strategy.stepwise
        outlook = self._run(strategy)
        is_idle = not can_go_on(executor) and not executor.can_pass_time
        is_idle &= outlook in {Outlook.PLAIN, Outlook.STUCK}
        is_over = executor.ending is not None or (is_idle and executor.left > 0)
        analysis = self._analyst.look()
        opaque = self._analyst.opaque(analysis)
        stepwise = executor.stepwise | {core for core, _ in opaque}
        if stepwise != executor.stepwise:
            executor.stepwise = stepwise
            analysis = self._analyst.look()
        if executor.ending is None:
            analysis.kept_from = self._analyst.kept_from()
        execution = Execution(
            slices=executor.slices,
            ending=executor.ending,
            is_complete=is_over,
            is_unfinished=not is_over and (executor.left <= 0 or outlook is Outlook.UNKNOWN),
            rests=tuple(executor.rests),
            waits=tuple(each is not None for each in executor.waits),
            analysis=analysis,
            opaque=opaque,
            stepwise=stepwise,
        )
        strategy.finished(execution)
        return execution

    def _run(self, strategy: Strategy) -> Outlook:
        """Run cores as a strategy chooses, and lead them out where it knows no other move."""
        executor, outlook = self.executor, Outlook.PLAIN
        while executor.ending is None and executor.left > 0:
            move = strategy.next_slice(executor)
            if move is not None:
                do(executor, move)
                continue
            outlook = self._leaver.leave()
            if outlook is not Outlook.LED_OUT:
                break
        return outlook
