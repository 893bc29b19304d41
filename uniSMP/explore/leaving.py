"""Leads cores out of waiting loops in which they disturb each other, or shows that nothing does.

A core that waits may write, in every round, what others read, and take it back. So where all stand
still they need not be stuck: another may look just in between. The states that rounds of such
cores reach are searched, instruction by instruction, the shortest way first, until one is found
from which some core gets to rest or ends the run, or to which there is no way back. If there is
none, the cores are stuck for ever.

Whoever is led out goes on as every fair schedule would let it sooner or later. Where the same state
comes twice in an execution nobody is led out again: what is possible there was possible before.

Source of fairness: Musuvathi and Qadeer, "Fair stateless model checking" (PLDI 2008).
"""

from collections import deque
from collections.abc import Iterator
from enum import Enum, auto
from itertools import permutations

import numpy as np

from uniSMP.core import native_state as ns
from uniSMP.explore.executor import Executor
from uniSMP.explore.fabric import signed
from uniSMP.explore.moves import FOREVER, Move, as_moves, can_go_on, do, let_time_pass, straight_on
from uniSMP.explore.schedule import Slice, cut
from uniSMP.explore.states import State, state_of, steps_like
from uniSMP.explore.waiting import Waiting, has_changed

_MOST_STATES = 3000
_MOST_PROBES = 64
_PROBE_INSTRUCTIONS = 50_000
_MOST_IN_ROUND = 1000
Path = tuple[Slice, ...]


class Outlook(Enum):
    """What becomes of cores that cannot go on."""

    PLAIN = auto()
    """They can go on, or do not disturb each other."""
    LED_OUT = auto()
    """They were led to where some can go on."""
    REPEATED = auto()
    """They could be led out, and were before in this execution."""
    STUCK = auto()
    """Nothing leads out."""
    UNKNOWN = auto()


class _Unlike(Exception):  # noqa: N818 - no error
    """The search cannot tell."""


class Leaver:
    """Looks after the cores of one executor.

    Args:
        executor: its scene has begun.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._ways: dict[State, Path | Outlook] = {}
        self._slices: list[Slice] = []
        self._waits: list[Waiting | None] = []
        self._rests: list[bool] = []

    def leave(self) -> Outlook:
        """Lead cores out, where they stand still and disturb each other."""
        if not self._is_disturbed():
            return Outlook.PLAIN
        executor = self._executor
        here = state_of(executor)
        self._slices, self._waits = list(executor.slices), list(executor.waits)
        self._rests = list(executor.rests)
        way = self._ways.get(here)
        if way is None:
            way = self._ways[here] = self._search(here)
            if not self._is_back(here):
                way = self._ways[here] = Outlook.UNKNOWN
        if isinstance(way, Outlook):
            return way
        was_here = self._was_here(here)
        self._is_back(here)
        if was_here:
            return Outlook.REPEATED
        for each in way:
            do(executor, Move(each.core, limit=each.instructions, holds=True))
        return Outlook.LED_OUT

    def _is_disturbed(self) -> bool:
        executor = self._executor
        if not any(executor.waits) or executor.ending is not None or executor.left <= 0:
            return False
        if executor.waits_for_time or can_go_on(executor):
            return False
        return bool(self._involved(executor.waits))

    @staticmethod
    def _involved(waits: list[Waiting | None]) -> set[int]:
        """Return the cores that write what another one that waits reads, and these.

        If there are any, those that write what others might come to read, too.
        """
        waiting = [(core, each) for core, each in enumerate(waits) if each is not None]
        found = {
            core
            for (one, writer), (other, reader) in permutations(waiting, 2)
            if np.isin(writer.stirs, reader.places).any()
            for core in (one, other)
        }
        others = {core for core, each in waiting if np.isin(each.stirs, each.places).any()}
        return found | others if found else found

    # -- going there -----------------------------------------------------------------------------

    def _go(self, slices: list[Slice], path: Path = ()) -> None:
        """Go back to the scene, and from there by a schedule."""
        executor = self._executor
        executor.rewind()
        for move in as_moves(slices):
            let_time_pass(executor)
            do(executor, move)
        executor.rests[:] = self._rests
        for each in path:
            executor.run(each.core, each.instructions, holds=True)

    def _is_back(self, here: State) -> bool:
        """Go back to where the cores stand still; return whether all is as it was."""
        executor = self._executor
        self._go(self._slices)
        executor.waits[:] = self._waits
        executor.slices = list(self._slices)
        return state_of(executor) == here

    def _was_here(self, here: State) -> bool:
        """Return whether the state was the same before, in this execution."""
        executor = self._executor
        log, cores = executor.log, executor.cores
        first, addresses, _ = executor.machine.parts.catalog.arrays()
        rips = np.array([signed(core.engine.context.linear_rip) for core in cores], dtype=np.int64)
        waits = np.array([each is not None for each in self._waits], dtype=np.bool_)
        count = int(log.head[ns.LOG_COUNT])
        for step in steps_like(log.words, count, (first, addresses), rips, waits).tolist():
            self._go(cut(self._slices, step, delivers=True))
            if state_of(executor) == here:
                return True
        return False

    # -- searching -------------------------------------------------------------------------------

    def _search(self, here: State) -> Path | Outlook:
        """Return a way out, STUCK or UNKNOWN."""
        involved = self._involved(self._waits)
        executor, most = self._executor, self._executor.most_instructions
        executor.most_instructions = FOREVER
        try:
            while True:
                self._go(self._slices)
                rounds = {core: frozenset(self._round(core, here)) for core in involved}
                found = self._search_among(involved, rounds, here)
                if not isinstance(found, set):
                    return found
                involved |= found
        except _Unlike:
            return Outlook.UNKNOWN
        finally:
            executor.most_instructions = most

    def _device_accesses(self) -> list[int]:
        return [int(core.engine.state[ns.DEVICES]) for core in self._executor.cores]

    def _round(self, core: int, here: State) -> Iterator[int]:
        """Yield the addresses of what a core executes while nobody else runs."""
        executor = self._executor
        for _ in range(_MOST_IN_ROUND):
            yield executor.cores[core].engine.context.linear_rip
            executor.run(core, 1, holds=True)
            if state_of(executor) == here:
                return
        raise _Unlike

    def _search_among(
        self, involved: set[int], rounds: dict[int, frozenset[int]], here: State
    ) -> Path | Outlook | set[int]:
        """Search what some cores do; return others, if any must be looked at, too."""
        before: dict[State, list[State]] = {here: []}
        paths: dict[State, Path] = {here: ()}
        work = deque([here])
        probes, is_exact = 0, True
        while work:
            state = work.popleft()
            for core in sorted(involved):
                after, is_known = self._step(paths[state], core)
                before.setdefault(after, []).append(state)
                if after in paths:
                    continue
                more = self._disturbed_others(involved)
                if more:
                    return more
                paths[after] = _longer(paths[state], core)
                is_exact &= is_known
                if is_known:
                    work.append(after)
                if not is_known or not self._is_within(rounds):
                    probes += 1
                    if self._ends_well(core):
                        return paths[after]
                if probes > _MOST_PROBES or len(paths) > _MOST_STATES:
                    raise _Unlike
        if not is_exact:
            raise _Unlike
        return _first_without_way_back(before, paths, here)

    def _step(self, path: Path, core: int) -> tuple[State, bool]:
        """Go along a path, and let a core execute an instruction, if it can.

        Return the state then, and whether nothing but instructions can change it.
        """
        self._go(self._slices, path)
        devices = self._device_accesses()
        if self._can_step(core):
            self._executor.run(core, 1, holds=True)
        is_known = self._is_plain() and self._device_accesses() == devices
        return state_of(self._executor), is_known

    def _can_step(self, core_id: int) -> bool:
        executor = self._executor
        core = executor.cores[core_id]
        return core.can_run and core.engine.context.linear_rip not in executor.places

    def _disturbed_others(self, involved: set[int]) -> set[int]:
        """Return the cores not looked at that wait for something which is now there."""
        ram = self._executor.machine.parts.ram.bytes
        return {
            core
            for core, each in enumerate(self._waits)
            if each is not None
            and core not in involved
            and has_changed(ram, each.places, each.values)
        }

    def _is_within(self, rounds: dict[int, frozenset[int]]) -> bool:
        """Return whether all cores are in their rounds."""
        cores = self._executor.cores
        return all(cores[core].engine.context.linear_rip in rounds[core] for core in rounds)

    def _is_plain(self) -> bool:
        """Return whether nothing but instructions can change anything."""
        executor = self._executor
        cores = range(len(executor.cores))
        return executor.ending is None and not any(executor.can_take(core) for core in cores)

    def _ends_well(self, core: int) -> bool:
        """Go straight on; return whether the run ends, or a core rests that did not."""
        executor = self._executor
        executor.most_instructions = executor.steps - executor.first_step + _PROBE_INSTRUCTIONS
        try:
            while executor.ending is None and executor.left > 0:
                move = straight_on(executor, core)
                if move is None:
                    break
                core = move.core
                do(executor, move)
        finally:
            executor.most_instructions = FOREVER
        return executor.ending is not None or sum(executor.rests) > sum(self._rests)


def _longer(path: Path, core: int) -> Path:
    """Return a path with one more instruction of a core."""
    if path and path[-1].core == core:
        return (*path[:-1], Slice(core, path[-1].instructions + 1))
    return (*path, Slice(core, 1))


def _first_without_way_back(
    before: dict[State, list[State]], paths: dict[State, Path], here: State
) -> Path | Outlook:
    """Return the path to the first state that nothing leads back from, or STUCK."""
    can_return = {here}
    work = [here]
    while work:
        for state in before[work.pop()]:
            if state not in can_return:
                can_return.add(state)
                work.append(state)
    return next((path for state, path in paths.items() if state not in can_return), Outlook.STUCK)
