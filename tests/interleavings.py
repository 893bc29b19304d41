"""All interleavings of small programs on one sequentially consistent memory, counted.

A program is a generator function without arguments: it yields operations on cells, gets back what
each has read, and returns a result. It may loop, as long as every interleaving ends. All cells hold
0 at first. Two operations of different programs conflict if they meet in a cell and one of them
writes; executions that order all conflicting operations alike are one Mazurkiewicz trace.

Nothing here knows of machine code, nor of the package under test.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Read:
    """Reads a cell. Where `unlike` is given it waits until the cell holds something else."""

    cell: str
    unlike: int | None = None


@dataclass(frozen=True)
class Write:
    """Writes a value to a cell."""

    cell: str
    value: int


@dataclass(frozen=True)
class Change:
    """Reads a cell and writes what `new` makes of the value, at once; None: writes nothing."""

    cell: str
    new: Callable[[int], int | None]


Operation = Read | Write | Change
Program = Callable[[], Generator[Operation, int, int]]
State = tuple[tuple[tuple[str, int], ...], tuple[int, ...]]
"""Where an execution ends: cells that are not 0, by name, and the results of the programs."""


class Event(NamedTuple):
    """An operation that has been done; `level` is one more than of any it must follow."""

    cell: str
    has_written: bool
    has_read: int
    level: int


History = tuple[tuple[Event, ...], ...]
"""The events of each program, in order. Without the levels: all that decides what they do next."""
Memory = tuple[tuple[str, int], ...]


def _next_step(program: Program, events: Sequence[Event]) -> tuple[Operation | None, int]:
    """Return the operation of a program after `events`, or None and its result."""
    running = program()
    try:
        operation = next(running)
        for event in events:
            operation = running.send(event.has_read)
    except StopIteration as stop:
        return None, stop.value
    return operation, 0


def _outcome(operation: Operation, found: int) -> tuple[bool, int]:
    """Return whether an operation writes the cell in which it finds `found`, and what."""
    match operation:
        case Read():
            return False, found
        case Write(_, value):
            return True, value
        case Change(_, new):
            value = new(found)
            return value is not None, found if value is None else value


def _is_possible(operation: Operation, found: int) -> bool:
    return not isinstance(operation, Read) or operation.unlike != found


def _level(history: History, core: int, cell: str, *, writes: bool) -> int:
    before = (
        event.level
        for other, events in enumerate(history)
        for event in events
        if other == core or (event.cell == cell and (writes or event.has_written))
    )
    return 1 + max(before, default=0)


def _done(
    history: History, memory: Memory, core: int, operation: Operation
) -> tuple[History, Memory]:
    """Return history and memory after one more operation of a program."""
    cells = dict(memory)
    found = cells.get(operation.cell, 0)
    writes, value = _outcome(operation, found)
    level = _level(history, core, operation.cell, writes=writes)
    event = Event(operation.cell, writes, found, level)
    cells[operation.cell] = value
    after = (*history[:core], (*history[core], event), *history[core + 1 :])
    return after, tuple(sorted((cell, kept) for cell, kept in cells.items() if kept))


def _successors(
    programs: Sequence[Program], history: History, memory: Memory
) -> Iterator[tuple[int, History, Memory]]:
    cells = dict(memory)
    for core, program in enumerate(programs):
        operation, _ = _next_step(program, history[core])
        if operation is not None and _is_possible(operation, cells.get(operation.cell, 0)):
            yield core, *_done(history, memory, core, operation)


def _end(programs: Sequence[Program], history: History, memory: Memory) -> State:
    steps = [_next_step(*pair) for pair in zip(programs, history, strict=True)]
    if any(operation is not None for operation, _ in steps):
        raise AssertionError(f"the programs wait for one another at {memory}: {history}")
    return memory, tuple(result for _, result in steps)


def interleavings(programs: Sequence[Program]) -> Iterator[tuple[tuple[int, ...], History, State]]:
    """Return every interleaving, one by one: the core of each step, the history and the end."""
    stack: list[tuple[tuple[int, ...], History, Memory]] = [((), ((),) * len(programs), ())]
    while stack:
        order, history, memory = stack.pop()
        following = list(_successors(programs, history, memory))
        stack += [((*order, core), after, cells) for core, after, cells in following]
        if not following:
            yield order, history, _end(programs, history, memory)


def traces(programs: Sequence[Program]) -> dict[History, State]:
    """Return every trace once, with its end.

    A history with its levels is the Foata normal form of a trace: equivalent interleavings, and no
    others, have the same one. So beginnings that are equivalent are gone on from once only.
    """
    begun: dict[History, Memory] = {((),) * len(programs): ()}
    ended: dict[History, State] = {}
    while begun:
        further: dict[History, Memory] = {}
        for history, memory in begun.items():
            following = list(_successors(programs, history, memory))
            further |= {after: cells for _, after, cells in following}
            if not following:
                ended[history] = _end(programs, history, memory)
        begun = further
    return ended


def final_states(programs: Sequence[Program]) -> set[State]:
    """Return every end of every interleaving; levels play no part."""
    begun: set[tuple[History, Memory]] = {(((),) * len(programs), ())}
    ended: set[State] = set()
    while begun:
        further: set[tuple[History, Memory]] = set()
        for history, memory in begun:
            following = list(_successors(programs, history, memory))
            further |= {(_without_levels(after), cells) for _, after, cells in following}
            if not following:
                ended.add(_end(programs, history, memory))
        begun = further
    return ended


def _without_levels(history: History) -> History:
    return tuple(tuple(event._replace(level=0) for event in events) for events in history)


def conflict_order(order: Sequence[int], history: History) -> frozenset[tuple[int, int, int, int]]:
    """Return which came first of every two conflicting operations of an interleaving.

    Each is (core, number, later core, later number); the definition of a trace, word for word.
    """
    numbers = [order[:place].count(core) for place, core in enumerate(order)]
    events = [history[core][number] for core, number in zip(order, numbers, strict=True)]
    return frozenset(
        (order[first], numbers[first], order[later], numbers[later])
        for later in range(len(order))
        for first in range(later)
        if order[first] != order[later]
        and events[first].cell == events[later].cell
        and (events[first].has_written or events[later].has_written)
    )
