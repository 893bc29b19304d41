"""What recording costs, how fast a replay is, and how long it takes to go to a step."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from entries import MILLION, Entry, cost_entry, side_by_side
from speed import LOOPS, SET_UP

from uniSMP import Machine, Recorder, Replayer, RoundRobin, SeededRandom, assemble, assemble_file
from uniSMP.assembler import library
from uniSMP.schedule.policy import Schedule

CORES = 4
_LOOP_INSTRUCTIONS = 400_000_000
_LONG_RUN = 100_000_000
_VISITS = 40
_MOST_SECONDS = 0.5
_LEAST_RECORDED, _LEAST_REPLAYED = 1 / 1.05, 0.9


class Case:
    """A guest with a schedule.

    Args:
        name: for the table.
        source: of a guest that begins in long mode, or the name of a program.
        schedule: makes a new schedule.
        limit: most instructions.
    """

    def __init__(
        self, name: str, source: str, schedule: Callable[[], Schedule], limit: int | None
    ) -> None:
        self.name = name
        self._is_program = source in library.programs()
        path = library.program_path(source) if self._is_program else None
        self._image = assemble_file(path) if path else assemble(source)
        self._schedule = schedule
        self._limit = limit
        self.path = Path(tempfile.mkdtemp()) / "run.rec"

    def _machine(self) -> Machine:
        machine = Machine(cores=CORES, boot="multiboot" if self._is_program else "long")
        machine.load(self._image)
        return machine

    def plain(self) -> float:
        """Return instructions per second of a run."""
        with self._machine() as machine:
            start = time.perf_counter()
            result = machine.run(self._schedule(), max_instructions=self._limit)
            return result.steps / (time.perf_counter() - start)

    def recorded(self) -> float:
        """Return the same of a recorded run; the file is begun and completed in that time."""
        with self._machine() as machine:
            start = time.perf_counter()
            with Recorder(machine, self.path):
                result = machine.run(self._schedule(), max_instructions=self._limit)
            return result.steps / (time.perf_counter() - start)

    def replayed(self) -> float:
        """Return the same of a replay of that file, with all comparisons."""
        with Replayer(self.path) as replayer:
            start = time.perf_counter()
            result = replayer.run()
            return result.steps / (time.perf_counter() - start)


def _cases() -> list[Case]:
    loop = SET_UP + LOOPS[1].body
    return [
        Case("pmm_smp, quantum 1,000", "pmm_smp", lambda: RoundRobin(1000), None),
        Case("pmm_smp, random to 10,000", "pmm_smp", lambda: SeededRandom(1, 10_000), None),
        Case("loop, quantum 1,000", loop, lambda: RoundRobin(1000), _LOOP_INSTRUCTIONS),
        Case("loop, random to 10,000", loop, lambda: SeededRandom(1, 10_000), _LOOP_INSTRUCTIONS),
    ]


def _in_millions(measure: Callable[[], float]) -> Callable[[], float]:
    return lambda: measure() / MILLION


def _size(case: Case) -> Entry:
    slices = len(Replayer(case.path).history)
    size = case.path.stat().st_size / slices
    return cost_entry(f"recording, {case.name}: bytes a slice", size, "B", 2)


def _visits() -> list[Entry]:
    """Go to random steps of a long run, after one pass."""
    case = Case("", SET_UP + LOOPS[1].body, lambda: SeededRandom(2, 1000), _LONG_RUN)
    case.recorded()
    slow = Case("", "pmm_smp", lambda: SeededRandom(2, 1000), None)
    slow.recorded()
    entries = []
    for name, path in (("a loop of 100 M steps", case.path), ("pmm_smp (33 M)", slow.path)):
        with Replayer(path) as replayer:
            start = time.perf_counter()
            replayer.goto(replayer.history.steps)
            entries.append(cost_entry(f"one pass, {name}", time.perf_counter() - start, "s"))
            rng, taken = random.Random(7), []  # noqa: S311 - which steps
            for _ in range(_VISITS):
                start = time.perf_counter()
                replayer.goto(rng.randrange(replayer.history.steps))
                taken.append(time.perf_counter() - start)
        entries.append(cost_entry(f"goto, {name}: median", statistics.median(taken), "s"))
        entries.append(cost_entry(f"goto, {name}: longest", max(taken), "s", _MOST_SECONDS))
    return entries


def measure() -> list[Entry]:
    """Return all rows."""
    entries = []
    for case in _cases():
        ours, plain = _in_millions(case.recorded), _in_millions(case.plain)
        name = f"recorded, {case.name}"
        entries.append(side_by_side(name, "M instr/s", ours, plain, round(_LEAST_RECORDED, 2)))
        ours, recorded = _in_millions(case.replayed), _in_millions(case.recorded)
        name = f"replayed, {case.name}"
        entries.append(side_by_side(name, "M instr/s", ours, recorded, _LEAST_REPLAYED))
        entries.append(_size(case))
    return entries + _visits()
