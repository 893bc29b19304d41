"""Going past points in one go changes no execution: the same as stopping at each of them."""

from collections.abc import Callable

import pytest

from uniSMP import Machine
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.explore.executor import Executor
from uniSMP.explore.pct import Pct
from uniSMP.explore.points import Learnt, learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Execution, Move, Performer, Strategy

EXECUTIONS = 12


class StopsEverywhere:
    """A strategy that goes past nothing."""

    name = "stops-everywhere"

    def __init__(self, strategy: Strategy) -> None:
        self._strategy = strategy
        self.stepwise = strategy.stepwise

    def new_execution(self) -> bool:
        return self._strategy.new_execution()

    def next_slice(self, executor: Executor) -> Move | None:
        move = self._strategy.next_slice(executor)
        return None if move is None else move._replace(passes=0)

    def finished(self, execution: Execution) -> None:
        self._strategy.finished(execution)


def _pct(learnt: Learnt) -> Strategy:
    return Pct(learnt, 7, range(EXECUTIONS), depth=3, cores=2)


def _random_walk(learnt: Learnt) -> Strategy:
    return RandomWalk(learnt, 7, range(EXECUTIONS))


def _all(performer: Performer, strategy: Strategy) -> list[tuple[object, ...]]:
    """Return what every execution was, and how many moves it took."""
    rows: list[tuple[object, ...]] = []
    while (each := performer.perform(strategy)) is not None:
        facts = each.slices, each.ending, each.is_complete, each.rests, each.waits
        rows.append((*facts, each.analysis.trace(), each.analysis.accesses.tolist()))
    return rows


@pytest.fixture(scope="module", params=["explore_ticket", "litmus_spin", "pair_freeze_naive"])
def performer(request: pytest.FixtureRequest) -> Performer:
    machine = Machine(cores=2)
    machine.load(assemble_file(program_path(request.param)))
    return Performer(set_scene(machine))


@pytest.mark.parametrize("make", [_pct, _random_walk])
def test_executions_are_the_same(performer: Performer, make: Callable[[Learnt], Strategy]) -> None:
    learnt = learn(performer)
    expected = _all(performer, StopsEverywhere(make(learnt)))
    found = _all(performer, make(learnt))
    assert len(found) == EXECUTIONS
    assert found == expected


def test_a_core_goes_past_as_many_points_as_it_is_told(performer: Performer) -> None:
    executor, learnt = performer.executor, learn(performer)
    executor.stop_at(learnt.addresses)
    executor.rewind()
    executor.run(0, stops=True)
    executor.run(0, stops=True)
    place = executor.cores[0].engine.context.rip
    executor.rewind()
    executor.run(0, stops=True, passes=1)
    assert executor.passed == 1
    assert executor.cores[0].engine.context.rip == place
