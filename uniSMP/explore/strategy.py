"""What a strategy is: it says what runs next, again and again, and learns from what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from uniSMP.explore.analysis import Analysis, Analyst
from uniSMP.explore.executor import Executor, Halt
from uniSMP.explore.schedule import NO_VECTOR, Slice
from uniSMP.machine.outcome import Ending

FOREVER = 1 << 62


class Move(NamedTuple):
    """What happens next.

    Attributes:
        core: the core it happens to.
        takes: whether it takes what is pending for it, and nothing else; or else it runs.
        limit: most instructions.
        holds: whether what is pending for it is held back.
        stops: whether it stops where cores meet, see `Executor.stop_at`.
        passes: so many of these places it goes past while the other moves stay the same.
    """

    core: int
    takes: bool = False
    limit: int = FOREVER
    holds: bool = False
    stops: bool = False
    passes: int = 0


@dataclass(slots=True, eq=False)
class Execution:
    """One execution from the scene to its end.

    Attributes:
        slices: what ran.
        ending: how the run ended, or None where nothing can go on.
        is_complete: whether it came to its end, and was not cut short.
        is_unfinished: whether the limit of instructions cut it short, and not the strategy.
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

    def perform(self, strategy: Strategy) -> Execution | None:
        """Run one execution as a strategy chooses; None: it has no other."""
        if not strategy.new_execution():
            return None
        executor = self.executor
        executor.rewind()
        executor.stepwise = strategy.stepwise
        while executor.ending is None and executor.left > 0:
            move = strategy.next_slice(executor)
            if move is None:
                break
            do(executor, move)
        is_idle = not can_go_on(executor) and not executor.can_pass_time
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
            is_unfinished=not is_over and executor.left <= 0,
            rests=tuple(executor.rests),
            waits=tuple(each is not None for each in executor.waits),
            analysis=analysis,
            opaque=opaque,
            stepwise=stepwise,
        )
        strategy.finished(execution)
        return execution


def do(executor: Executor, move: Move) -> Halt | None:
    """Make one move; None where it only took an interrupt."""
    if move.takes:
        executor.take(move.core)
        return None
    core, _, limit, holds, stops, passes = move
    return executor.run(core, limit, holds=holds, stops=stops, passes=passes)


def can_go_on(executor: Executor) -> bool:
    """Return whether some core can run, or take an interrupt."""
    return any(
        executor.can_run(core) or executor.can_take(core) for core in range(len(executor.cores))
    )


def as_moves(slices: list[Slice]) -> list[Move]:
    """Return the moves that make up a schedule."""
    moves = []
    for each in slices:
        if each.vector != NO_VECTOR:
            moves.append(Move(each.core, takes=True))
        if each.instructions:
            moves.append(Move(each.core, limit=each.instructions, holds=True))
    return moves


def let_time_pass(executor: Executor) -> None:
    """Let idle time pass where nobody can go on, until somebody can."""
    while not can_go_on(executor) and executor.pass_time():
        pass


def straight_on(
    executor: Executor, current: int, asleep: int = 0, *, stops: bool = False
) -> Move | None:
    """Return the move of the core that ran last, or else of the first one that can do something.

    Args:
        executor: where things stand.
        current: core that ran last.
        asleep: processes that shall do nothing, see `ordering`.
        stops: whether it stops where cores meet.
    """
    cores = len(executor.cores)
    for core in (current, *range(current), *range(current + 1, cores)):
        can_take = executor.can_take(core)
        if can_take and not asleep >> cores + core & 1:
            return Move(core, takes=True)
        if not asleep >> core & 1 and executor.can_run(core):
            return Move(core, holds=can_take, stops=stops)
    return None
