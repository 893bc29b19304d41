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
from uniSMP.explore.collecting import DELIVERED, E_CORE, E_FIRST, E_KIND, E_STEP
from uniSMP.explore.executor import Executor, Halt
from uniSMP.explore.schedule import NO_VECTOR, Slice, cut


@dataclass(slots=True)
class _Node:
    """A place at which processes are tried one after the other; sets are bit masks."""

    row: int
    step: int
    delivers: bool
    running: int
    prefix: list[Slice]
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

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._analyst = Analyst(executor)
        self._cores = len(executor.cores)
        self._nodes: list[_Node] = []
        self._last: Analysis | None = None
        self._slices: list[Slice] = []
        self.executions = self.blocked = 0

    def next(self) -> Analysis | None:
        """Run the next execution; None when there is no other."""
        while True:
            if self._last is None:
                found = self._execute([], None)
            else:
                node = self._choose()
                if node is None:
                    return None
                found = self._execute(node.prefix, node)
            is_complete, self._last = found
            self._slices = list(self._executor.slices)
            self._find_more(self._last)
            if is_complete:
                self.executions += 1
                return self._last
            self.blocked += 1

    # -- choosing --------------------------------------------------------------------------------

    def _choose(self) -> _Node | None:
        """Return the last node with something left to try, and begin to try it."""
        assert self._last is not None
        while self._nodes:
            node = self._nodes[-1]
            self._finish(node)
            todo = node.todo & ~node.done & ~self._asleep(node.row, self._last)
            if todo:
                node.running = (todo & -todo).bit_length() - 1
                return node
            self._nodes.pop()
        return None

    def _finish(self, node: _Node) -> None:
        """Note what the process that was tried would have done next."""
        process = node.running
        if not node.done >> process & 1:
            assert self._last is not None
            node.done |= 1 << process
            node.entries[process] = sleeping.next_accesses(
                self._last.accesses, node.row, process % self._cores
            )

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

    # -- executing -------------------------------------------------------------------------------

    def _execute(self, prefix: list[Slice], node: _Node | None) -> tuple[bool, Analysis]:
        """Run one execution; return whether it came to its end, and what it was."""
        executor = self._executor
        executor.rewind()
        for each in prefix:
            if each.vector != NO_VECTOR:
                executor.take(each.core)
            if each.instructions:
                executor.run(each.core, each.instructions, holds=True)
        current = prefix[-1].core if prefix else 0
        if node is not None:
            core = node.running % self._cores
            is_delivery = node.running >= self._cores
            if not self._begin(core, is_delivery=is_delivery):
                return False, self._analyst.look()
            current = core
        is_complete = self._go_on(current)
        return is_complete, self._analyst.look()

    def _begin(self, core: int, *, is_delivery: bool) -> bool:
        executor = self._executor
        if is_delivery:
            if not executor.can_take(core):
                return False
            executor.take(core)
            return True
        if not executor.can_run(core):
            return False
        executor.run(core, holds=executor.can_take(core))
        return True

    def _go_on(self, current: int) -> bool:
        """Run whatever can go on, one core as long as it can; return whether nothing slept."""
        executor, cores = self._executor, self._cores
        while executor.ending is None:
            asleep = self._asleep_now()
            awake = skipped = False
            for core in (current, *(each for each in range(cores) if each != current)):
                can_take = executor.can_take(core)
                if can_take and not asleep >> cores + core & 1:
                    executor.take(core)
                    current, awake = core, True
                    break
                can_run = executor.can_run(core)
                if can_run and not asleep >> core & 1:
                    executor.run(core, holds=can_take)
                    current, awake = core, True
                    break
                skipped = skipped or can_take or can_run
            if awake:
                continue
            if skipped:
                return False
            if not executor.pass_time():
                break
        return True

    def _asleep_now(self) -> int:
        if not any(node.entries for node in self._nodes):
            return 0
        analysis = self._analyst.look()
        return self._asleep(len(analysis.accesses) + 1, analysis)

    # -- races -----------------------------------------------------------------------------------

    def _find_more(self, analysis: Analysis) -> None:
        """Note at which nodes what else must be tried."""
        events = analysis.events
        for earlier, mask, best in analysis.order().tolist():
            self._try_at(analysis, earlier, mask, best)
        for event in ordering.held_back(events).tolist():
            core = int(events[event, E_CORE])
            self._try_at(analysis, event, 1 << core, core)

    def _try_at(self, analysis: Analysis, event: int, mask: int, best: int) -> None:
        """Have one process of a mask tried at an event, unless that happens anyway."""
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
            prefix = cut(self._slices, step, delivers=not delivers)
            node = _Node(row, step, delivers, running, prefix)
            self._nodes.insert(len(self._nodes) if place is None else place, node)
        chosen = best if mask >> best & 1 else (mask & -mask).bit_length() - 1
        node.todo |= 1 << chosen
