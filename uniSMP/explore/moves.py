"""Moves: what a strategy chooses, and how an executor makes them."""

from typing import NamedTuple

from uniSMP.explore.executor import Executor
from uniSMP.explore.halt import Halt
from uniSMP.explore.schedule import NO_VECTOR, Slice

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


def _was_held(executor: Executor, core: int) -> bool:
    """Return whether a core waits, and what is pending for it was held back in a whole round."""
    waits = executor.waits[core]
    return waits is not None and waits.is_held


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
        can_take, holds_back = executor.can_take(core), asleep >> cores + core & 1
        if can_take and not holds_back:
            return Move(core, takes=True)
        if executor.waits_for_window(core) and (holds_back or _was_held(executor, core)):
            continue  # to hold it back for another round is the same once more
        if not asleep >> core & 1 and executor.can_run(core):
            return Move(core, holds=can_take, stops=stops)
    return None
