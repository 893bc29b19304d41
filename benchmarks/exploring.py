"""Exploration: executions a second from a scene, for each strategy, and what an execution costs.

Seconds are those of CPU time: an execution is one thread's work, and other programs do not count.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

from entries import ROUNDS, Entry, cost_entry

from uniSMP import Machine, assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.explore.analysis import Analysis, Analyst
from uniSMP.explore.bounded import Bounded
from uniSMP.explore.dpor import Dpor
from uniSMP.explore.executor import Executor
from uniSMP.explore.origin import Origin
from uniSMP.explore.pct import Pct
from uniSMP.explore.points import Learnt, learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Performer, Strategy

CORES = 2
PROGRAMS = (("explore_ticket", 5_000, 400), ("explore_pmm", 500, 100))
"""Guest, least executions a second, and executions measured."""
PREEMPTIONS, DEPTH, SEED = 2, 3, 1
_MILLIONTH = 1e-6
_PARTS: tuple[tuple[str, type, str], ...] = (
    ("slices", Executor, "run"),
    ("deliveries", Executor, "take"),
    ("reading the log", Analyst, "look"),
    ("ordering events", Analysis, "order"),
    ("going back", Origin, "restore"),
)
"""Parts of an execution, each a method; what is left are the strategies."""


def measure() -> list[Entry]:
    """Return the entries."""
    return [entry for name, least, count in PROGRAMS for entry in _program(name, least, count)]


def _program(name: str, least: int, count: int) -> list[Entry]:
    machine = Machine(cores=CORES)
    machine.load(assemble_file(program_path(name)))
    performer = Performer(set_scene(machine))
    learnt = learn(performer)
    entries = []
    for label, strategies in _strategies(performer.executor, learnt):
        performer.executor.stop_at(())
        _run(performer, strategies, count)  # blocks are met, code is compiled
        value = statistics.median(
            count / _cpu_seconds(lambda: _run(performer, strategies, count))  # noqa: B023 - at once
            for _ in range(ROUNDS)
        )
        target = f">= {least:,}"
        entries.append(
            Entry(f"{name}: {label}", value, "a second", None, None, target, value >= least)
        )
        entries += _costs(f"{name}: {label}", performer, strategies, count)
    return entries


def _strategies(executor: Executor, learnt: Learnt) -> list[tuple[str, Iterator[Strategy]]]:
    """Return each strategy's name, and strategies of which each goes on where one is at its end."""
    numbers = range(1 << 40)
    return [
        ("dpor", _again(lambda: Dpor(executor))),
        ("pct", _again(lambda: Pct(learnt, SEED, numbers, depth=DEPTH, cores=CORES))),
        ("random", _again(lambda: RandomWalk(learnt, SEED, numbers))),
        ("bounded", _again(lambda: Bounded(CORES, PREEMPTIONS))),
    ]


def _again(make: Callable[[], Strategy]) -> Iterator[Strategy]:
    while True:
        yield make()


def _run(performer: Performer, strategies: Iterator[Strategy], count: int) -> None:
    """Perform so many executions."""
    strategy = next(strategies)
    done = 0
    while done < count:
        if performer.perform(strategy) is None:
            strategy = next(strategies)
        else:
            done += 1


def _cpu_seconds(action: Callable[[], object]) -> float:
    start = time.process_time()
    action()
    return time.process_time() - start


def _costs(
    name: str, performer: Performer, strategies: Iterator[Strategy], count: int
) -> list[Entry]:
    """Return the microseconds an execution spends in its slowest parts."""
    spent = {label: 0.0 for label, _, _ in _PARTS}
    originals = [(owner, method, getattr(owner, method)) for _, owner, method in _PARTS]
    for label, owner, method in _PARTS:
        setattr(owner, method, _timed(getattr(owner, method), label, spent))
    try:
        _run(performer, strategies, count)
    finally:
        for owner, method, original in originals:
            setattr(owner, method, original)
    slowest = sorted(spent.items(), key=lambda each: -each[1])[:3]
    return [
        cost_entry(f"{name}, {label}", seconds / count / _MILLIONTH, "us an execution")
        for label, seconds in slowest
    ]


def _timed(method: Callable[..., Any], label: str, spent: dict[str, float]) -> Callable[..., Any]:
    """Return a method that adds the time it takes to `spent`."""

    def timed(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        start = time.process_time()
        try:
            return method(*args, **options)
        finally:
            spent[label] += time.process_time() - start

    return timed
