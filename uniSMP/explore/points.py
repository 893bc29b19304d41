"""Learns where cores meet: the instructions before which random strategies choose anew.

A few executions are run, each from the scene, until several in a row have shown no new place. They
depend on the scene alone, so that every process that explores it learns the same. Two cores meet in
a word that both access and one writes, be it in different executions. HLT is such a place, too: an
interrupt may come before it or behind it.
"""

from dataclasses import dataclass

import numpy as np

from uniSMP.explore.collecting import A_ADDRESS, A_AGENT, A_CORE, A_WORD, A_WRITE, HALTED
from uniSMP.explore.executor import Executor
from uniSMP.explore.fabric import MARKS, STEP
from uniSMP.explore.strategy import Execution, Move, Performer, straight_on
from uniSMP.schedule.prng import SplitMix64

_ENOUGH = 30
_MOST = 300
_LAST_WORD = MARKS >> 3
_PAGE, _PAGE_WORDS = 12, 9
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Learnt:
    """What is known of a scene.

    Attributes:
        addresses: linear addresses of instructions that access shared words, and of HLT.
        choices: most moves that an execution had.
        stepwise: cores with opaque handlers, see `opaque`; `addresses` has all instructions
            that these were seen to execute where an interrupt could come.
    """

    addresses: frozenset[int]
    choices: int
    stepwise: frozenset[int] = frozenset()


def enabled(executor: Executor) -> list[Move]:
    """Return every move there is: deliveries first, by core."""
    cores = range(len(executor.cores))
    takes = [executor.can_take(core) for core in cores]
    moves = [Move(core, takes=True) for core in cores if takes[core]]
    moves += [Move(core, holds=takes[core], stops=True) for core in cores if executor.can_run(core)]
    return moves


class _Meetings:
    """Who has accessed which words, in all executions together.

    Args:
        cores: number of cores.

    Attributes:
        addresses: of instructions that accessed words in which cores, or their handlers, meet, and
            of HLT.
    """

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._agents: dict[int, int] = {}
        self._written: set[int] = set()
        self._users: dict[int, set[int]] = {}
        self.addresses: set[int] = set()

    def add(self, execution: Execution) -> None:
        """Take note of an execution."""
        rows = execution.analysis.accesses
        halted = rows[execution.analysis.kinds[:, 0] == HALTED, A_ADDRESS]
        single = rows[rows[:, A_WORD] >> _PAGE_WORDS == STEP >> _PAGE, A_ADDRESS]
        for places in halted, single:
            self.addresses |= {address & _MASK64 for address in places.tolist()}
        rows = rows[rows[:, A_WORD] < _LAST_WORD]
        in_handler = rows[:, A_AGENT] >= self._cores
        agent = rows[:, A_CORE] + self._cores * in_handler
        columns = (rows[:, A_WORD], rows[:, A_ADDRESS], agent, rows[:, A_WRITE])
        for word, address, who, writes in np.unique(np.stack(columns), axis=1).T.tolist():
            mask = self._agents[word] = self._agents.get(word, 0) | 1 << who
            users = self._users.setdefault(word, set())
            users.add(address & _MASK64)
            if writes:
                self._written.add(word)
            if word in self._written and mask & (mask - 1):
                self.addresses |= users


class _Scout:
    """The first executions go straight on, each from another core; the others choose at random."""

    name = "scout"

    def __init__(self, cores: int) -> None:
        self._cores = cores
        self._random = SplitMix64(0)
        self._number = -1
        self._current = 0
        self._meetings = _Meetings(cores)
        self.moves = self.most_moves = 0
        self.stepwise: frozenset[int] = frozenset()

    @property
    def addresses(self) -> set[int]:
        """Where cores meet."""
        return self._meetings.addresses

    def new_execution(self) -> bool:
        """Begin another execution."""
        self._number += 1
        self._current = self._number % self._cores
        self.moves = 0
        return True

    def next_slice(self, executor: Executor) -> Move | None:
        """Go straight on, or choose."""
        if self._number < self._cores:
            move = straight_on(executor, self._current, stops=True)
        else:
            moves = enabled(executor)
            move = moves[self._random.below(len(moves))] if moves else None
        if move is None:
            return self.next_slice(executor) if executor.pass_time() else None
        self._current = move.core
        self.moves += 1
        return move

    def finished(self, execution: Execution) -> None:
        """Take note of new places."""
        self.stepwise = execution.stepwise
        self._meetings.add(execution)
        self.most_moves = max(self.most_moves, self.moves)


def learn(performer: Performer) -> Learnt:
    """Return what a scene's cores meet in; the executor stops there from now on."""
    executor = performer.executor
    scout = _Scout(len(executor.cores))
    executor.stop_at(())
    nothing_new = 0
    for number in range(_MOST):
        before = len(scout.addresses)
        performer.perform(scout)
        nothing_new = nothing_new + 1 if len(scout.addresses) == before else 0
        executor.stop_at(scout.addresses)
        if nothing_new >= _ENOUGH and number > len(executor.cores):
            break
    return Learnt(frozenset(scout.addresses), max(1, scout.most_moves), scout.stepwise)
