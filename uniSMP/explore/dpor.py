"""Dynamic partial-order reduction: one execution for each Mazurkiewicz trace.

Source sets and sleep sets. A node is a place in the current execution at which something else may
be tried; it is named by the number of instructions and deliveries before it. Executions in which
all that could go on sleeps are cut short: another one stands for them. A delivery is ordered with
every event of its own core. What cores are kept from (they wait, or accept no interrupts) races,
too.

Where a handler is first seen to be opaque (see `opaque`) all begins anew, and every instruction of
its core is an event.

*Not seen*: that somebody looks, in yet another order, at what a waiting core writes and takes back
in every round.

Source: Abdulla, Aronis, Jonsson, Sagonas, "Source sets: a foundation for optimal dynamic partial
order reduction" (JACM 2017), algorithm 1.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from uniSMP.explore import ordering, sleeping
from uniSMP.explore.analysis import Analysis, Analyst, Table
from uniSMP.explore.collecting import (
    ACCESS_WORDS,
    E_END,
    E_FIRST,
    E_STEP,
    E_TAKEN,
)
from uniSMP.explore.executor import Executor
from uniSMP.explore.schedule import Slice, cut_at
from uniSMP.explore.strategy import Execution, Move, as_moves, can_go_on, let_time_pass, straight_on

_END = 1 << 62, 0


@dataclass(slots=True)
class _Node:
    """A place at which processes are tried one after the other; sets are bit masks.

    Attributes:
        place: instructions retired before, and deliveries.
        row: accesses before.
        running: the process being tried.
        slices: a schedule that leads there, and further: many nodes share it.
        asleep: processes that sleep there since before.
        entry: what the process being tried accesses next.
        wanted: sets of which one must be tried.
        disabled: processes that cannot do anything there.
        todo: processes to be tried.
        done: processes that were tried.
        entries: what these access next.
    """

    place: tuple[int, int]
    row: int
    running: int
    slices: list[Slice]
    asleep: int
    entry: Table
    wanted: list[int] = field(default_factory=list)
    disabled: int = 0
    todo: int = 0
    done: int = 0
    entries: dict[int, Table] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return it JSON-able."""
        facts = {name: getattr(self, name) for name in _PLAIN}
        return {
            **facts,
            "slices": [list(each) for each in self.prefix()],
            "entry": self.entry.tolist(),
            "entries": {str(key): entry.tolist() for key, entry in self.entries.items()},
        }

    def prefix(self) -> list[Slice]:
        """Return the schedule up to there."""
        return cut_at(self.slices, *self.place)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> "_Node":
        """Return what `as_dict` was made of."""
        rest = {name: facts[name] for name in _PLAIN}
        rest["place"] = tuple(rest["place"])
        return cls(
            **rest,
            slices=[Slice(*each) for each in facts["slices"]],
            entry=_table(facts["entry"]),
            entries={int(key): _table(entry) for key, entry in facts["entries"].items()},
        )


_PLAIN = ("place", "row", "running", "asleep", "wanted", "disabled", "todo", "done")


def _table(rows: list[list[int]]) -> Table:
    return np.array(rows, dtype=np.int64).reshape(-1, ACCESS_WORDS)


class Dpor:
    """Explores all traces.

    Args:
        executor: its scene has begun.

    Attributes:
        executions: that came to their end, those of an earlier exploration too.
        blocked: that were cut short.
        stepwise: cores of which every instruction counts as an event.
        repeated: executions from before that was known of all of them, as far as this object found
            them to be such.
    """

    name = "dpor"

    def __init__(self, executor: Executor) -> None:
        self._analyst = Analyst(executor)
        self._cores = len(executor.cores)
        self._nodes: list[_Node] = []
        self._has_begun_at_all = False
        self._script: list[Move] = []
        self._tried: _Node | None = None
        self._current = 0
        self._has_begun = self._is_disabled = False
        self._steps = 0
        self._met: Table = np.zeros(0, dtype=np.int64)
        self.executions = self.blocked = self.repeated = 0
        self.stepwise: frozenset[int] = frozenset()

    def state(self) -> dict[str, Any]:
        """Return what is left to do, JSON-able."""
        return {
            "nodes": [node.as_dict() for node in self._nodes],
            "met": self._met.tolist(),
            "has_begun": self._has_begun_at_all,
            "stepwise": sorted(self.stepwise),
            "executions": self.executions,
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Do what is left of an earlier exploration, as `state` returned it."""
        self._nodes = [_Node.from_dict(each) for each in state["nodes"]]
        self._met = np.array(state["met"], dtype=np.int64)
        self._has_begun_at_all = state["has_begun"]
        self.stepwise = frozenset(state["stepwise"])
        self.executions = state["executions"]

    def new_execution(self) -> bool:
        """Begin the next execution; False when there is no other."""
        self._tried = None
        self._current = 0
        self._script = []
        if not self._has_begun_at_all:
            self._has_begun_at_all = True
            return True
        node = self._tried = self._choose()
        if node is None:
            return False
        self._script = as_moves(node.prefix())[::-1]
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Follow the prefix, then the process to be tried, then go straight on."""
        if self._script or not self._has_begun:
            let_time_pass(executor)
        if self._script:
            move: Move | None = self._script.pop()
        elif self._tried is not None and not self._has_begun:
            self._has_begun = True
            self._steps = executor.steps
            move = self._first_move(executor, self._tried.running)
            self._is_disabled = move is None
        elif self._is_disabled:
            return None
        elif self._tried is not None and self._steps == executor.steps and not self._has_taken():
            self._is_disabled = True  # it waits here
            return None
        else:
            move = straight_on(executor, self._current, self._asleep_now())
            if move is None and not can_go_on(executor) and executor.pass_time():
                return self.next_slice(executor)
        if move is not None:
            self._current = move.core
        return move

    def _first_move(self, executor: Executor, process: int) -> Move | None:
        core, is_delivery = process % self._cores, process >= self._cores
        if is_delivery:
            return Move(core, takes=True) if executor.can_take(core) else None
        return Move(core, holds=executor.can_take(core)) if executor.can_run(core) else None

    def _has_taken(self) -> bool:
        return self._tried is not None and self._tried.running >= self._cores

    def finished(self, execution: Execution) -> None:
        """Find the races of an execution."""
        if execution.stepwise != self.stepwise:
            self._begin_anew(execution)
        node = self._tried
        if node is not None and self._is_disabled:
            self._try_another(node, execution)
            self.blocked += 1
            return
        if node is not None:
            core = node.running % self._cores
            analysis = execution.analysis
            node.entry = sleeping.next_accesses(
                analysis.accesses, analysis.kinds, node.row, node.place[0], core
            )
        self._find_more(execution)
        if execution.is_complete:
            self.executions += 1
        else:
            self.blocked += 1

    def _begin_anew(self, execution: Execution) -> None:
        """Forget all executions but this one; it too, where it was cut short."""
        self.stepwise = execution.stepwise
        self.repeated += self.executions
        self.executions = 0
        self._nodes = []
        self._met = self._met[:0]
        self._tried = None
        self._has_begun_at_all = execution.is_complete and not self._is_disabled
        self._is_disabled = False

    # -- choosing --------------------------------------------------------------------------------

    def _choose(self) -> _Node | None:
        """Return the last node with something left to try, and begin to try it."""
        self._has_begun = self._is_disabled = False
        while self._nodes:
            node = self._nodes[-1]
            self._finish(node)
            todo = node.todo & ~node.done & ~node.asleep
            if todo and all(self._matters(entry) for entry in node.entries.values()):
                node.running = (todo & -todo).bit_length() - 1
                return node
            self._nodes.pop()
        return None

    def _matters(self, entry: Table) -> bool:
        return bool(sleeping.matters(entry, self._met))

    def _try_another(self, node: _Node, execution: Execution) -> None:
        """Let others do what a process that is disabled at a node was wanted for, or it earlier."""
        node.disabled |= 1 << node.running
        node.done |= 1 << node.running
        for mask in node.wanted:
            able = mask & ~node.disabled
            if able and not able & (node.todo | node.done):
                node.todo |= able & -able
        analysis = execution.analysis
        real = len(analysis.events)
        for earlier, mask, best in (
            *analysis.order(real).tolist(),
            *analysis.held_back(real).tolist(),
        ):
            if best == node.running:
                self._try_at(execution, earlier, mask, best)

    def _finish(self, node: _Node) -> None:
        """Note what the process that was tried would have done next."""
        process = node.running
        if not node.done >> process & 1:
            node.done |= 1 << process
            node.entries[process] = node.entry

    def _asleep(self, place: tuple[int, int], row: int, analysis: Analysis) -> int:
        """Return the processes that sleep at a place, `row` accesses after the scene."""
        mask = 0
        for node in self._nodes:
            if node.place > place:
                break
            for process, entry in node.entries.items():
                if process == node.running and node.place < place:
                    continue
                core, is_delivery = process % self._cores, process >= self._cores
                wakes = sleeping.wakes_at(
                    *(analysis.accesses, analysis.kinds, entry, node.row, core),
                    *(is_delivery, self._met),
                )
                if wakes == sleeping.NEVER or wakes >= row:
                    mask |= 1 << process
        return mask

    def _asleep_now(self) -> int:
        if not any(node.entries for node in self._nodes):
            return 0
        analysis = self._analyst.look()
        return self._asleep(_END, len(analysis.accesses) + 1, analysis)

    # -- races -----------------------------------------------------------------------------------

    def _find_more(self, execution: Execution) -> None:
        """Note at which nodes what else must be tried."""
        analysis = execution.analysis
        self._met = sleeping.learn(self._met, analysis.accesses, analysis.shared)
        for earlier, mask, best in analysis.order().tolist():
            self._try_at(execution, earlier, mask, best)
        for event, mask, best in analysis.held_back().tolist():
            self._try_at(execution, event, mask, best)

    def _try_at(self, execution: Execution, event: int, mask: int, best: int) -> None:
        """Have one process of a mask tried at an event, unless that happens anyway."""
        analysis = execution.analysis
        events = analysis.events
        row = int(events[event, E_FIRST])
        running = ordering.process(events, event, self._cores)
        step, taken = int(events[event, E_STEP]), int(events[event, E_TAKEN])
        place = step, taken
        index = next((at for at, each in enumerate(self._nodes) if each.place >= place), None)
        node = None if index is None else self._nodes[index]
        if node is not None and node.place == place:
            mask &= ~node.disabled
            if not mask or mask & (node.todo | node.done | 1 << node.running):
                return
        elif mask & 1 << running:
            return
        if node is not None and node.place != place:
            node = None
        asleep = self._asleep(place, row, analysis) if node is None else node.asleep
        if mask & asleep:
            return
        if node is None:
            entry = analysis.accesses[row : events[event, E_END]].copy()
            node = _Node(place, row, running, execution.slices, asleep, entry)
            self._nodes.insert(len(self._nodes) if index is None else index, node)
        chosen = best if mask >> best & 1 else (mask & -mask).bit_length() - 1
        node.todo |= 1 << chosen
        node.wanted.append(mask)
