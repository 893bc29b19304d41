"""Searches a run for the next, or the last, moment at which a condition is met.

A window of the run is executed once more with a trace that knows of the conditions; the machine is
then moved to the moment that the trace names. So nothing stops for accesses and addresses while the
window runs, and searching backwards is the same as searching forwards.
"""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from uniSMP.machine.slice_log import NMI, NO_VECTOR
from uniSMP.replay.conditions import (
    Accessed,
    AccessedPhysical,
    AtAddress,
    Condition,
    Delivered,
    Hit,
    Predicate,
)
from uniSMP.replay.history import Position
from uniSMP.trace.schema import Level

if TYPE_CHECKING:
    from uniSMP.replay.timeline import Timeline

_FIRST_WINDOW = 50_000
_LONGEST_WINDOW = 1_000_000
"""Instructions that are searched at once."""
_LONGEST_PLAIN_WINDOW = 10_000_000
"""The same where nothing is looked for."""
_NMI_VECTOR = 2
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class _Found:
    """A row of a trace that meets a condition; `is_before` where the instruction has not run."""

    step: int
    order: int
    condition: Condition
    core_id: int
    rip: int
    is_delivery: bool = False


class _Sink:
    """Keeps the rows that meet a condition."""

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self._conditions = conditions
        self.level = _level(conditions)
        self.found: list[_Found] = []

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        """Look at rows of table `name`."""
        for condition in self._conditions:
            match name, condition:
                case "instructions", AtAddress():
                    self._keep(condition, columns, _at(columns, condition.linear), 0)
                case "memory", Accessed() | AccessedPhysical():
                    self._keep(condition, columns, _accessed(columns, condition), 1)
                case "events", AtAddress() | Delivered():
                    self._look_at_events(condition, columns)

    def _keep(self, condition: Any, columns: Mapping[str, Any], mask: Any, order: int) -> None:  # noqa: ANN401
        if condition.core_id is not None:
            mask = mask & (np.asarray(columns["core"]) == condition.core_id)
        origin = columns.get("origin")
        for row in np.nonzero(mask)[0].tolist():
            step, core = int(columns["step"][row]), int(columns["core"][row])
            rip = int(columns["rip"][row]) & _MASK64
            is_delivery = origin is not None and origin[row].as_py() == "delivery"
            self.found.append(_Found(step, order, condition, core, rip, is_delivery))

    def _look_at_events(self, condition: AtAddress | Delivered, columns: Mapping[str, Any]) -> None:
        for step, core, kind, rip, vector in zip(
            *(columns[name] for name in ("step", "core", "kind", "rip", "vector")), strict=True
        ):
            if condition.core_id not in {None, core}:
                continue
            if isinstance(condition, AtAddress):
                if kind == "exception" and rip == condition.linear:
                    self.found.append(_Found(step, 0, condition, core, rip))
            elif vector == condition.vector and kind in {
                "interrupt_delivered",
                "exception",
                "software_interrupt",
            }:
                order = 2 if kind == "software_interrupt" else 3
                self.found.append(_Found(step, order, condition, core, rip))


def _level(conditions: Sequence[Condition]) -> Level:
    if any(isinstance(condition, Accessed | AccessedPhysical) for condition in conditions):
        return Level.MEMORY
    has_address = any(isinstance(condition, AtAddress) for condition in conditions)
    return Level.INSTRUCTIONS if has_address else Level.EVENTS


def _at(columns: Mapping[str, Any], linear: int) -> Any:  # noqa: ANN401 - an array
    return np.asarray(columns["rip"]).view(np.uint64) == np.uint64(linear)


def _accessed(columns: Mapping[str, Any], condition: Accessed | AccessedPhysical) -> Any:  # noqa: ANN401
    if isinstance(condition, Accessed):
        column = columns["linear"]
        start = np.asarray(column.fill_null(_MASK64)).astype(np.uint64)
    else:
        start = np.asarray(columns["physical"]).astype(np.uint64)
    size = np.asarray(columns["size"]).astype(np.uint64)
    first, last = np.uint64(condition.start), np.uint64(condition.start + condition.size_bytes - 1)
    mask = (start <= last) & (start + size - np.uint64(1) >= first)
    access = columns["access"]
    words = np.array([str(word) for word in access.dictionary.to_pylist()])
    is_write = np.char.endswith(words, "write")[np.asarray(access.indices)]
    if condition.kinds == "w":
        return mask & is_write
    return mask & ~is_write if condition.kinds == "r" else mask


def forward(
    line: "Timeline",
    until: Sequence[Condition],
    is_interrupted: Callable[[], bool] | None,
    limit: Position | None,
) -> Hit | None:
    """Move `line` forwards, see `Timeline.forward`."""
    start, window = line.position, _FIRST_WINDOW
    standing = line.step, [line.here(core_id).rip for core_id in range(len(line.machine.cores))]
    longest = _LONGEST_WINDOW if until else _LONGEST_PLAIN_WINDOW
    while line.knows_more() and (limit is None or line.position < limit):
        begin = line.position
        line.reach(line.step + window)
        end = _later(line, line.step + window)
        end = end if limit is None else min(end, limit)
        for position, found in _search(line, begin, end, until, is_forward=True):
            if position > start and not _is_stood_at(line, found, *standing):
                line.goto_position(position)
                return found
        line.goto_position(end)
        if is_interrupted is not None and is_interrupted():
            return None
        window = min(2 * window, longest)
    return None


def _is_stood_at(line: "Timeline", hit: Hit, step: int, rips: Sequence[int]) -> bool:
    """Return whether a hit is the instruction that came next where the search began."""
    if not isinstance(hit.condition, AtAddress) or hit.step != step:
        return False
    row = line.history.row_of(step)
    return hit.core_id == line.history.rows.core[row] and hit.rip == rips[hit.core_id]


def _later(line: "Timeline", step: int) -> Position:
    """Return the moment at a step, or the end of what is known."""
    history = line.history
    position = history.first_at(step) if step < history.steps else history.end
    return max(position, min(line.position, history.end))


def backward(
    line: "Timeline", until: Sequence[Condition], is_interrupted: Callable[[], bool] | None
) -> Hit | None:
    """Move `line` backwards, see `Timeline.backward`."""
    start, window = line.position, _FIRST_WINDOW
    end, step = start, line.step
    while until and (step or end > line.history.first_at(0)):
        step = max(0, step - window)
        begin = line.history.first_at(step)
        for position, found in _search(line, begin, end, until, is_forward=False):
            if position < start:
                line.goto_position(position)
                return found
        end = begin
        if is_interrupted is not None and is_interrupted():
            line.goto_position(begin)
            return None
        if not step:
            break
        window = min(2 * window, _LONGEST_WINDOW)
    line.goto(0)
    return None


def _search(
    line: "Timeline",
    begin: Position,
    end: Position,
    until: Sequence[Condition],
    *,
    is_forward: bool,
) -> Iterator[tuple[Position, Hit]]:
    """Yield the hits between two moments in the order of the search, with where to stand."""
    predicates = [condition for condition in until if isinstance(condition, Predicate)]
    traced = [condition for condition in until if not isinstance(condition, Predicate)]
    parts = []
    if predicates:
        parts.append(_search_slowly(line, begin, end, predicates, is_forward=is_forward))
    if traced and begin < end:
        parts.append(_search_traced(line, begin, end, traced, is_forward=is_forward))
    yield from heapq.merge(*parts, key=itemgetter(0), reverse=not is_forward)


def _search_traced(
    line: "Timeline",
    begin: Position,
    end: Position,
    traced: Sequence[Condition],
    *,
    is_forward: bool,
) -> Iterator[tuple[Position, Hit]]:
    """Run once with a trace, then find where to stand for what it tells."""
    sink = _Sink(traced)
    line.goto_position(begin)
    line.trace(line.machine.make_tracer(sink))
    try:
        line.advance(end)
    finally:
        line.trace(None)
    found = sorted(sink.found, key=lambda each: (each.step, each.order))
    for _step, group in groupby(found if is_forward else reversed(found), lambda each: each.step):
        hits = [
            (line.position, Hit(each.condition, each.core_id, each.step, each.rip))
            for each in dict.fromkeys(group)
            if _stand_at(line, each, is_forward=is_forward)
        ]
        yield from sorted(hits, key=itemgetter(0), reverse=not is_forward)


def _search_slowly(
    line: "Timeline",
    begin: Position,
    end: Position,
    predicates: Sequence[Predicate],
    *,
    is_forward: bool,
) -> Iterator[tuple[Position, Hit]]:
    """Ask predicates before each instruction."""
    position = begin
    hits = []
    while position < end:
        line.goto_position(position)
        here = [
            (position, line.here(line.history.core_of(line.step), condition))
            for condition in predicates
            if condition.function(line.machine)
        ]
        position = min(end, line.history.first_at(line.step + 1))
        if is_forward:
            yield from here
        else:
            hits += here
    yield from reversed(hits)


def _stand_at(line: "Timeline", found: _Found, *, is_forward: bool) -> bool:
    """Move to the moment that a row of the trace stands for; False: there is none."""
    condition = found.condition
    if isinstance(condition, AtAddress):
        return _stand_before(line, found)
    if isinstance(condition, Delivered):
        return _stand_behind_delivery(line, found, condition.vector)
    if found.is_delivery:
        return _stand_at_delivery(line, found, is_forward=is_forward)
    if is_forward:
        line.goto(min(found.step + 1, line.history.steps))
        return True
    return _stand_before(line, found)


def _stand_before(line: "Timeline", found: _Found) -> bool:
    """Stand where the core is about to execute the instruction at the address that was found."""
    return any(True for _row in _rows_before(line, found))


def _rows_before(line: "Timeline", found: _Found) -> Iterator[int]:
    """Stand there in each row that comes into question, and yield it."""
    context = line.machine.parts.cores[found.core_id].engine.context
    for row in _rows_at(line, found.step, found.core_id):
        line.goto_position(_in_row(line, row, found.step))
        while context.linear_rip != found.rip:
            if not _raise_next(line, row):
                break
        if context.linear_rip == found.rip:
            yield row


def _raise_next(line: "Timeline", row: int) -> bool:
    """Let the next exception be raised where the line stands; False: an instruction retires."""
    here, known = line.position, line.history.rows
    if here.instructions == known.instructions[row] and here.faults >= known.faults[row]:
        return False
    return line.raise_fault()


def _rows_at(line: "Timeline", step: int, core_id: int) -> Iterator[int]:
    """Return the rows of a core that begin before or at a step and end at it or behind."""
    history = line.history
    row = int(np.searchsorted(history.ends, step))
    while row < len(history) and history.begins(row) <= step:
        if history.rows.core[row] == core_id:
            yield row
        row += 1


def _in_row(line: "Timeline", row: int, step: int) -> Position:
    return Position(row, step - line.history.begins(row), 0)


def _stand_at_delivery(line: "Timeline", found: _Found, *, is_forward: bool) -> bool:
    """Stand behind, or before, the delivery that made an access while the core stood at `rip`."""
    history, step = line.history, found.step
    context = line.machine.parts.cores[found.core_id].engine.context
    for row in _rows_at(line, step, found.core_id):
        if history.rows.vector[row] != NO_VECTOR and history.begins(row) == step:
            line.goto_position(history.end_of(row - 1))
            if context.linear_rip == found.rip:
                line.goto_position(Position(row, 0, 0) if is_forward else line.position)
                return True
    if _stand_at_fault(line, found, is_forward=is_forward):
        return True
    line.goto(max(0, step - 1))  # INT n, which has retired
    is_there = context.linear_rip == found.rip
    line.goto(step if is_forward else line.step)
    return is_there


def _stand_behind_delivery(line: "Timeline", found: _Found, vector: int) -> bool:
    """Stand where the interrupt or exception that was found is just delivered."""
    history = line.history
    if found.order == 2:  # noqa: PLR2004 - INT n: delivered with its instruction
        line.goto(min(found.step, history.steps))
        return True
    for row in _rows_at(line, found.step, found.core_id):
        delivered = int(history.rows.vector[row])
        is_wanted = delivered == vector or (delivered == NMI and vector == _NMI_VECTOR)
        if history.begins(row) == found.step and is_wanted:
            line.goto_position(Position(row, 0, 0))
            return True
    return _stand_at_fault(line, found, is_forward=True)


def _stand_at_fault(line: "Timeline", found: _Found, *, is_forward: bool) -> bool:
    """Stand behind, or before, the exception that the core raised while it stood at `rip`."""
    for row in _rows_before(line, found):
        before = line.position
        if _raise_next(line, row):
            line.goto_position(line.position if is_forward else before)
            return True
    return False
