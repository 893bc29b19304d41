"""How many executions it takes to break `window_swapped`: strategies, and schedules without aim.

    benchmarks/windows.py [--seconds 60] [--first SEED]

The strategies explore from `explore_from`; those that draw lots are tried with several seeds.

Every execution is a full run from power-on of two cores with a seed of its own. Where none broke,
the mean is with 95 % confidence more than a third of the executions made. Beside that stands what
the lengths of the slices alone make of it, both cores being taken to set out from `explore_from` at
once: core 1 must end a slice at the window, and core 0 pass both loads before core 1 goes on.
"""

import argparse
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from uniSMP import Image, Machine, Outcome, SeededRandom, assemble_file
from uniSMP.assembler import library
from uniSMP.explore.bounded import Bounded
from uniSMP.explore.dpor import Dpor
from uniSMP.explore.pct import Pct
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Performer, Strategy
from uniSMP.schedule.policy import Schedule, Slice, check_quantum
from uniSMP.schedule.prng import SplitMix64

QUANTA = (100, 1_000, 10_000, 100_000)
# Instructions from explore_from on: what core 0 has run before its two loads, core 1 before its
# second store (tests/guest/test_litmus.py counts the whole).
_FIRST_LOAD, _SECOND_LOAD, _OPEN = 50_004, 50_005, 50_005
_LIMIT_INSTRUCTIONS = 2_000_000
SEEDS, MOST = 20, 10_000
"""Seeds for strategies that draw lots, and most executions with each."""
_NEGLIGIBLE = 1e-15
Column = npt.NDArray[np.float64]
MakeSchedule = Callable[[int, int], Schedule]


class Jitter:
    """Every runnable core in turn, each for 1 to `quantum` instructions."""

    name = "round-robin with jitter"

    def __init__(self, seed: int, quantum: int) -> None:
        self._generator = SplitMix64(seed)
        self._quantum = check_quantum(quantum)
        self._last_core = -1

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        """Return a slice for the core that follows the last one."""
        following = bisect_right(runnable, self._last_core) % len(runnable)
        self._last_core = runnable[following]
        return Slice(self._last_core, 1 + self._generator.below(self._quantum))


def breaks(image: Image, schedule: Schedule) -> bool:
    """Return whether a full run breaks."""
    with Machine(cores=2) as machine:
        machine.load(image)
        result = machine.run(schedule, max_instructions=_LIMIT_INSTRUCTIONS)
    return result.outcome is Outcome.GUEST_FAILED


def sums(quantum: int) -> tuple[Column, Column, Column]:
    """Return probabilities by the number n of slices of one core, from 0 on.

    That they add up to `_OPEN` instructions, to `_FIRST_LOAD` at most, and to `_SECOND_LOAD` at
    most, where each slice has 1 to `quantum` instructions, all equally likely.
    """
    reach = np.zeros(_SECOND_LOAD + 1)
    reach[0] = 1.0
    rows: list[tuple[float, float, float]] = []
    while not rows or rows[-1][2] > _NEGLIGIBLE:
        rows.append((reach[_OPEN], reach[: _FIRST_LOAD + 1].sum(), reach.sum()))
        total = np.concatenate(([0.0], np.cumsum(reach)))
        start = np.maximum(np.arange(_SECOND_LOAD + 1) - quantum, 0)
        reach = np.maximum(total[:-1] - total[start], 0.0) / quantum
    opened, first, second = np.array(rows).T
    return opened, first, second


def chance_in_turn(quantum: int) -> float:
    """Return how likely a run is to break if the cores take turns from `explore_from` on."""
    opened, first, second = sums(quantum)
    return float(np.sum(opened[:-1] * (first[:-1] - second[1:])))


def chance_at_random(quantum: int) -> float:
    """Return how likely a run is to break if the core of each slice is drawn.

    Core 0 has had m slices when core 1 ends its n-th one with chance C(n + m - 1, m) / 2**(n + m),
    and has g more before core 1 goes on with chance 1 / 2**(g + 1).
    """
    opened, first, second = sums(quantum)
    size = len(first)
    logarithms = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, 2 * size + 1)))))
    more = np.zeros(size)  # core 0 passes both loads in its next slices, having had m
    for extra in range(1, min(size, 60)):
        more[: size - extra] += (first[: size - extra] - second[extra:]) / 2.0 ** (extra + 1)
        more[size - extra :] += first[size - extra :] / 2.0 ** (extra + 1)
    before = np.arange(size)
    chance = 0.0
    for n in range(1, size):
        ways = logarithms[n + before - 1] - logarithms[before] - logarithms[n - 1]
        chance += opened[n] * float(np.sum(np.exp(ways - (n + before) * np.log(2.0)) * more))
    return chance


SCHEDULES: dict[str, tuple[MakeSchedule, Callable[[int], float]]] = {
    "round-robin with jitter": (Jitter, chance_in_turn),
    "random": (SeededRandom, chance_at_random),
}


def measure(
    image: Image, make: MakeSchedule, quantum: int, first: int, seconds: float
) -> tuple[int, int, float]:
    """Return executions, how many of them broke, and the time taken."""
    start, executions, broken = time.perf_counter(), 0, 0
    while time.perf_counter() - start < seconds:
        broken += breaks(image, make(first + executions, quantum))
        executions += 1
    return executions, broken, time.perf_counter() - start


def needed(executions: int, broken: int) -> str:
    """Return how many executions it takes on the average, as far as these tell."""
    return f"{executions / broken:,.0f}" if broken else f"> {executions / 3:,.0f}"


def explored(image: Image, first_seed: int) -> Table:
    """Return a table of the executions that each strategy needs."""
    machine = Machine(cores=2)
    machine.load(image)
    performer = Performer(set_scene(machine))
    executor = performer.executor
    learnt = learn(performer)
    seeds = range(first_seed, first_seed + SEEDS)
    lots: dict[str, Callable[[int], Strategy]] = {
        "PCT d=2": lambda seed: Pct(learnt, seed, range(MOST), depth=2, cores=2),
        "random walk": lambda seed: RandomWalk(learnt, seed, range(MOST)),
    }
    table = Table(box=None, pad_edge=False)
    for title in ("strategy", "seeds", "needed", "at most"):
        table.add_column(title, justify="left" if title == "strategy" else "right")
    for name, strategy in (("DPOR", Dpor(executor)), ("bounded K=1", Bounded(2, 1))):
        table.add_row(name, "-", str(executions_to_break(performer, strategy)), "")
    for name, make in lots.items():
        counts = [executions_to_break(performer, make(seed)) for seed in seeds]
        table.add_row(name, str(SEEDS), f"{sum(counts) / SEEDS:.1f}", str(max(counts)))
    return table


def executions_to_break(performer: Performer, strategy: Strategy) -> int:
    """Return the number of the first execution in which the guest fails."""
    number = 0
    while (execution := performer.perform(strategy)) is not None:
        number += 1
        if execution.ending is not None and execution.ending.outcome is Outcome.GUEST_FAILED:
            return number
    sys.exit(f"{strategy.name} found nothing in {number} executions")


def main() -> None:
    """Measure every strategy, and every schedule with every quantum."""
    parser = argparse.ArgumentParser(description="Runs that break window_swapped.")
    parser.add_argument("--seconds", type=float, default=60, help="in all")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    options = parser.parse_args()
    image = assemble_file(library.program_path("window_swapped"))
    table = Table(box=None, pad_edge=False)
    for title in ("schedule", "quantum", "runs", "a second", "broken", "needed", "by theory"):
        table.add_column(title, justify="left" if title == "schedule" else "right", no_wrap=True)
    each = options.seconds / (len(SCHEDULES) * len(QUANTA))
    for name, (make, chance) in SCHEDULES.items():
        for quantum in QUANTA:
            runs, broken, taken = measure(image, make, quantum, options.first, each)
            counts = (f"{runs:,}", f"{runs / taken:.1f}", str(broken), needed(runs, broken))
            table.add_row(name, f"{quantum:,}", *counts, f"{1 / chance(quantum):,.0f}")
    console = Console(width=100)
    console.print(explored(image, options.first))
    console.print()
    console.print(table)


if __name__ == "__main__":
    main()
