"""Dynamic partial-order reduction: one execution for each Mazurkiewicz trace.

Source sets and sleep sets. A node is a place in the current execution at which something else may
be tried; it is named by the number of accesses before it, which all executions with the same
prefix agree on. Executions in which all that could go on sleeps are cut short: another one stands
for them.

Source: Abdulla, Aronis, Jonsson, Sagonas, "Source sets: a foundation for optimal dynamic partial
order reduction" (JACM 2017), algorithm 1; Coons et al. for interrupts is not used: a delivery is
ordered with every event of its own core.
"""

from dataclasses import dataclass, field

from uniSMP.explore import ordering, sleeping
from uniSMP.explore.analysis import Analysis, Analyst, Table
from uniSMP.explore.collecting import DELIVERED, E_CORE, E_END, E_FIRST, E_KIND, E_STEP
from uniSMP.explore.executor import Executor
from uniSMP.explore.schedule import Slice, cut
from uniSMP.explore.strategy import Execution, Move, as_moves, can_go_on, straight_on


@dataclass(slots=True)
class _Node:
    """A place at which processes are tried one after the other; sets are bit masks."""

    row: int
    step: int
    delivers: bool
    running: int
    prefix: list[Slice]
    entry: Table
    todo: int = 0
    done: int = 0
    entries: dict[int, Table] = field(default_factory=dict)


class Dpor:
    """Explores all traces.

    Args:
        executor: its scene has begun.

    Attributes:
        executions: that came to their end.
        blocked: that were cut short.
    """

    name = "dpor"

    def __init__(self, executor: Executor) -> None:
        self._analyst = Analyst(executor)
        self._cores = len(executor.cores)
        self._nodes: list[_Node] = []
        self._last: Execution | None = None
        self._script: list[Move] = []
        self._tried: _Node | None = None
        self._current = 0
        self.executions = self.blocked = 0

    def new_execution(self) -> bool:
        """Begin the next execution; False when there is no other."""
        self._tried = None
        self._current = 0
        self._script = []
        if self._last is None:
            return True
        node = self._tried = self._choose(self._last.analysis)
        if node is None:
            return False
        self._script = as_moves(node.prefix)[::-1]
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Follow the prefix, then the process to be tried, then go straight on."""
        if self._script:
            move: Move | None = self._script.pop()
        elif self._tried is not None and not self._has_begun:
            self._has_begun = True
            move = self._first_move(executor, self._tried.running)
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

    def finished(self, execution: Execution) -> None:
        """Find the races of an execution."""
        self._last = execution
        node = self._tried
        if node is not None:
            core = node.running % self._cores
            node.entry = sleeping.next_accesses(execution.analysis.accesses, node.row, core)
        self._find_more(execution)
        if execution.is_complete:
            self.executions += 1
        else:
            self.blocked += 1

    # -- choosing --------------------------------------------------------------------------------

    def _choose(self, analysis: Analysis) -> _Node | None:
        """Return the last node with something left to try, and begin to try it."""
        self._has_begun = False
        while self._nodes:
            node = self._nodes[-1]
            self._finish(node)
            todo = node.todo & ~node.done & ~self._asleep(node.row, analysis)
            if todo:
                node.running = (todo & -todo).bit_length() - 1
                return node
            self._nodes.pop()
        return None

    def _finish(self, node: _Node) -> None:
        """Note what the process that was tried would have done next."""
        process = node.running
        if not node.done >> process & 1:
            node.done |= 1 << process
            node.entries[process] = node.entry

    def _asleep(self, row: int, analysis: Analysis) -> int:
        """Return the processes that sleep when `row` accesses have happened."""
        mask = 0
        for node in self._nodes:
            if node.row > row:
                break
            for process, entry in node.entries.items():
                if process == node.running and node.row < row:
                    continue
                core, is_delivery = process % self._cores, process >= self._cores
                wakes = sleeping.wakes_at(
                    *(analysis.accesses, analysis.kinds, entry, node.row, core), is_delivery
                )
                if wakes == sleeping.NEVER or wakes >= row:
                    mask |= 1 << process
        return mask

    def _asleep_now(self) -> int:
        if not any(node.entries for node in self._nodes):
            return 0
        analysis = self._analyst.look()
        return self._asleep(len(analysis.accesses) + 1, analysis)

    # -- races -----------------------------------------------------------------------------------

    def _find_more(self, execution: Execution) -> None:
        """Note at which nodes what else must be tried."""
        analysis = execution.analysis
        events = analysis.events
        for earlier, mask, best in analysis.order().tolist():
            self._try_at(execution, earlier, mask, best)
        for event in ordering.held_back(events).tolist():
            core = int(events[event, E_CORE])
            self._try_at(execution, event, 1 << core, core)

    def _try_at(self, execution: Execution, event: int, mask: int, best: int) -> None:
        """Have one process of a mask tried at an event, unless that happens anyway."""
        analysis = execution.analysis
        events = analysis.events
        row = int(events[event, E_FIRST])
        running = ordering.process(events, event, self._cores)
        place = next((at for at, each in enumerate(self._nodes) if each.row >= row), None)
        node = None if place is None else self._nodes[place]
        if node is not None and node.row == row:
            if mask & (node.todo | node.done | 1 << node.running):
                return
        elif mask & 1 << running:
            return
        if mask & self._asleep(row, analysis):
            return
        if node is None or node.row != row:
            delivers = bool(events[event, E_KIND] == DELIVERED)
            step = int(events[event, E_STEP])
            prefix = cut(execution.slices, step, delivers=not delivers)
            entry = analysis.accesses[row : events[event, E_END]].copy()
            node = _Node(row, step, delivers, running, prefix, entry)
            self._nodes.insert(len(self._nodes) if place is None else place, node)
        chosen = best if mask >> best & 1 else (mask & -mask).bit_length() - 1
        node.todo |= 1 << chosen
