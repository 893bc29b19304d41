"""How many executions schedules that aim at nothing need to break `window_swapped`; print a table.

    benchmarks/windows.py [--seconds 60] [--simulated 20000] [--first SEED]

Every execution is a full run from power-on of two cores with a seed of its own. Beside what was
found stands what to expect: the same draws, made from `explore_from` on without a machine, since
only the slices decide whether the window is hit. Where nothing was found the true mean is unknown;
with 95 % confidence it is more than a third of the executions made.
"""

import argparse
import time
from bisect import bisect_right
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from uniSMP import Image, Machine, Outcome, SeededRandom, assemble_file
from uniSMP.assembler import library
from uniSMP.schedule.policy import Schedule, Slice, check_quantum
from uniSMP.schedule.prng import SplitMix64

QUANTA = (100, 1_000, 10_000, 100_000)
# Instructions from explore_from on: what core 0 has run before its two loads, core 1 before its
# second store (tests/guest/test_litmus.py counts the whole).
_FIRST_LOAD, _SECOND_LOAD, _OPEN = 50_004, 50_005, 50_005
_LIMIT_INSTRUCTIONS = 2_000_000


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


MakeSchedule = Callable[[int, int], Schedule]
SCHEDULES: dict[str, MakeSchedule] = {"round-robin with jitter": Jitter, "random": SeededRandom}


def breaks(image: Image, schedule: Schedule) -> bool:
    """Return whether a full run breaks."""
    with Machine(cores=2) as machine:
        machine.load(image)
        result = machine.run(schedule, max_instructions=_LIMIT_INSTRUCTIONS)
    return result.outcome is Outcome.GUEST_FAILED


def would_break(schedule: Schedule) -> bool:
    """Return whether the slices of a schedule, from `explore_from` on, make both loads meet."""
    done = [0, 0]
    while done[0] <= _SECOND_LOAD:
        piece = schedule.next_slice((0, 1))
        before = done[piece.core_id]
        done[piece.core_id] += piece.budget_instructions
        if piece.core_id == 0 and before <= _FIRST_LOAD:
            # In one slice or in several: core 1 must stand at the window throughout.
            if done[0] > _SECOND_LOAD:
                return done[1] == _OPEN
            if done[0] > _FIRST_LOAD and done[1] != _OPEN:
                return False
        if done[1] > _OPEN:
            return False
    return done[1] == _OPEN


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


def main() -> None:
    """Measure every schedule with every quantum."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="real runs, in all")
    parser.add_argument("--simulated", type=int, default=20_000, help="draws for each row")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    options = parser.parse_args()
    image = assemble_file(library.program_path("window_swapped"))
    table = Table(box=None, pad_edge=False)
    titles = ("schedule", "quantum", "runs", "a second", "broken", "needed", "expected", "of draws")
    for title in titles:
        table.add_column(title, justify="left" if title == "schedule" else "right", no_wrap=True)
    each = options.seconds / (len(SCHEDULES) * len(QUANTA))
    for name, make in SCHEDULES.items():
        for quantum in QUANTA:
            runs, broken, taken = measure(image, make, quantum, options.first, each)
            seeds = range(options.first, options.first + options.simulated)
            drawn = sum(would_break(make(seed, quantum)) for seed in seeds)
            counts = (f"{runs:,}", f"{runs / taken:.1f}", str(broken), needed(runs, broken))
            expected = (needed(options.simulated, drawn), f"{drawn}/{options.simulated:,}")
            table.add_row(name, f"{quantum:,}", *counts, *expected)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
