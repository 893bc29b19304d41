"""Counts what a traced run of a `lock_` program costs, chunk by chunk; no rows are kept.

What belongs to operations and services (see `operations`) is summed up over those that completed;
accesses of all code go through one model of cache lines (see `cache_lines`), so that what the
workload does between its operations has its effect.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uniSMP.assembler.image import Image
from uniSMP.explore import operations as ops
from uniSMP.explore.cache_lines import CacheLines
from uniSMP.explore.operations import Mark, Operations
from uniSMP.machine.outcome import Outcome, RunResult
from uniSMP.trace.schema import Level

_INTERRUPT_FLAG_BIT = 9
_FLAGS_READ = {Mark.POPFQ: 0, Mark.IRETQ: 2}
"""Which read of the instruction is that of RFLAGS: IRETQ reads RIP and CS first."""
_IS_WRITE, _IS_LOCKED = 1, 2
_INSTRUCTION, _PAGE_WALK = 0, 2
"""Codes of the words in the columns `access` and `origin`."""

Signed = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Costs:
    """What one run of a protocol cost; sums are over completed operations and their services.

    Attributes:
        cores: how many cores ran.
        outcome: how the run ended; INSTRUCTION_LIMIT: nothing completed any more.
        operations: completed, of all cores.
        unfinished: operations that began and did not complete.
        instructions: retired in operations and services.
        waiting_instructions: of these, retired while waiting.
        locked_instructions: of these, locked ones, XCHG with memory included.
        ipis: interrupts sent to another core (each target counts) with VECTOR_PROTOCOL, by
            completed operations.
        interrupts: external interrupts of any vector that cores took from the beginning of the
            first completed operation to the end of the last.
        line_transfers: cache lines that came from another core's cache.
        line_upgrades: cache lines that others had to drop while this core had its copy.
        longest_off_instructions: longest stretch with IF = 0 that began in one operation or
            service, in instructions of its core.
        longest_wait_steps: longest wait of one operation, in instructions of all cores.
        most_operations: completed by the core with the most, up to the moment at which the first
            core completed its last one (or the end, in a run that did not finish).
        fewest_operations: by the core with the fewest, up to the same moment.
    """

    cores: int
    outcome: str
    operations: int
    unfinished: int
    instructions: int
    waiting_instructions: int
    locked_instructions: int
    ipis: int
    interrupts: int
    line_transfers: int
    line_upgrades: int
    longest_off_instructions: int
    longest_wait_steps: int
    most_operations: int
    fewest_operations: int

    def as_dict(self) -> dict[str, int | str]:
        """Return the attributes by name."""
        return asdict(self)


class CostCounter:
    """The sink of a trace that keeps sums only.

    Args:
        image: the program.
        cores: how many cores there are.
        memory_bytes: of RAM.

    Attributes:
        operations: what was found so far.
    """

    level = Level.MEMORY

    def __init__(self, image: Image, cores: int, memory_bytes: int) -> None:
        self._cores = cores
        self.operations = Operations(cores, image.symbols, image.origin, len(image.data))
        self._protocol_vector = image.symbols["VECTOR_PROTOCOL"]
        self._lines = CacheLines(cores, memory_bytes)
        self._instructions: Columns = {}
        self._waiting: Columns = {}
        self._last = np.zeros(1, dtype=np.uint8), np.full(1, ops.NOTHING, dtype=np.int64)
        self._sent: list[tuple[int, int, int]] = []
        self._taken: list[int] = []

    @property
    def completed(self) -> int:
        """How many operations have completed."""
        return int(np.count_nonzero(_is_completed(self.operations.pieces, ops.OPERATION)))

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        """Take rows of a table; those of `memory` come after the instructions they belong to."""
        match name:
            case "blocks":
                rows = (columns[each] for each in ("bits", "address", "code", "offsets"))
                for bits, address, code, offsets in zip(*rows, strict=True):
                    if bits == 64:  # noqa: PLR2004 - programs run in 64-bit mode
                        self.operations.learn(address, code, offsets)
            case "events":
                self._add_events(columns)
            case "instructions":
                self._instructions = dict(columns)
            case "memory":
                self._add_chunk(columns)

    def _add_events(self, columns: Mapping[str, Any]) -> None:
        rows = (columns[each] for each in ("kind", "step", "core", "vector", "targets"))
        for kind, step, core, vector, targets in zip(*rows, strict=True):
            if kind == "ipi_sent" and vector == self._protocol_vector:
                self._sent.append((step, core, len(targets)))
            elif kind == "interrupt_delivered":
                self._taken.append(step)

    def _add_chunk(self, memory: Mapping[str, Any]) -> None:
        steps = self._instructions["step"]
        if not len(steps):
            return
        accesses = self._joined(_numbers(memory), int(steps[-1]) + 1)
        rip, core = self._instructions["rip"], self._instructions["core"]
        flags = self._loaded_flags(accesses, int(steps[0]), len(steps))
        piece = self.operations.take(int(steps[0]), core, rip, flags)
        self._add_accesses(accesses, self._owners(accesses, core, piece))

    def _owners(self, accesses: Columns, core: npt.NDArray[np.uint8], piece: Signed) -> Signed:
        """Return the piece of each access: that of the instruction at its step.

        Where another core has that step, a slice ended behind INT n: that of INT n then.
        """
        cores = np.concatenate([self._last[0], core])
        pieces = np.concatenate([self._last[1], piece])
        self._last = cores[-1:], pieces[-1:]
        at = accesses["step"] - int(self._instructions["step"][0]) + 1
        return np.select(
            [cores[at] == accesses["core"], cores[at - 1] == accesses["core"]],
            [pieces[at], pieces[at - 1]],
            ops.NOTHING,
        )

    def _joined(self, accesses: Columns, end_step: int) -> Columns:
        """Return accesses below `end_step`, those that waited included; the others wait."""
        if self._waiting:
            accesses = {
                name: np.concatenate([self._waiting[name], column])
                for name, column in accesses.items()
            }
        is_over = accesses["step"] >= end_step
        self._waiting = {name: column[is_over] for name, column in accesses.items()}
        return {name: column[~is_over] for name, column in accesses.items()}

    def _loaded_flags(
        self, accesses: Columns, first_step: int, count: int
    ) -> npt.NDArray[np.uint8]:
        """Return IF of each instruction that loads RFLAGS, by step."""
        flags = np.zeros(count, dtype=np.uint8)
        is_read = (accesses["origin"] == _INSTRUCTION) & (accesses["access"] & _IS_WRITE == 0)
        rows = np.flatnonzero(is_read)
        marks = self.operations.marks(accesses["rip"][rows])
        steps = accesses["step"][rows]
        place = np.arange(len(rows)) - np.searchsorted(steps, steps)
        for mark, wanted in _FLAGS_READ.items():
            is_flags = (marks & int(mark) != 0) & (place == wanted)
            value = accesses["value"][rows[is_flags]]
            flags[steps[is_flags] - first_step] = value >> _INTERRUPT_FLAG_BIT & 1
        return flags

    def _add_accesses(self, accesses: Columns, piece: Signed) -> None:
        access, steps = accesses["access"], accesses["step"]
        locked = np.flatnonzero(access == _IS_WRITE | _IS_LOCKED)
        is_first = np.diff(steps[locked], prepend=-1) != 0  # one that crosses a page has two rows
        locked = locked[is_first]
        self.operations.add(ops.LOCKED, piece[locked], np.ones(len(locked)))
        is_kept = accesses["origin"] != _PAGE_WALK
        traffic = self._lines.take(
            accesses["core"][is_kept],
            accesses["physical"][is_kept],
            accesses["size"][is_kept],
            access[is_kept] != 0,
        )
        self.operations.add(ops.TRANSFERS, piece[is_kept], traffic.transfers)
        self.operations.add(ops.UPGRADES, piece[is_kept], traffic.upgrades)

    def costs(self, result: RunResult) -> Costs:
        """Return the sums of the run that ended so."""
        pieces = self.operations.pieces
        done = pieces[_is_completed(pieces, ops.OPERATION)]
        both = pieces[pieces[:, ops.END] >= 0]
        sums = both.sum(axis=0)
        by_core = self._shares(done, result.outcome)
        return Costs(
            cores=self._cores,
            outcome=result.outcome.value,
            operations=len(done),
            unfinished=int(np.count_nonzero(pieces[:, ops.KIND] == ops.OPERATION)) - len(done),
            instructions=int(sums[ops.INSTRUCTIONS]),
            waiting_instructions=int(sums[ops.WAITING]),
            locked_instructions=int(sums[ops.LOCKED]),
            ipis=self._sent_by(done),
            interrupts=self._taken_during(done),
            line_transfers=int(sums[ops.TRANSFERS]),
            line_upgrades=int(sums[ops.UPGRADES]),
            longest_off_instructions=int(both[:, ops.LONGEST_OFF].max(initial=0)),
            longest_wait_steps=int(done[:, ops.LONGEST_WAIT].max(initial=0)),
            most_operations=max(by_core),
            fewest_operations=min(by_core),
        )

    def _shares(self, done: Signed, outcome: Outcome) -> list[int]:
        """Return how many operations each core had completed when the first had done its last."""
        last = [
            int(done[done[:, ops.CORE] == core, ops.END].max(initial=-1))
            for core in range(self._cores)
        ]
        moment = min(last) if outcome is Outcome.FINISHED else max(last)
        cores = done[done[:, ops.END] <= moment, ops.CORE]
        return [int(count) for count in np.bincount(cores, minlength=self._cores)]

    def _sent_by(self, done: Signed) -> int:
        """Return how many interrupts completed operations sent."""
        sent = 0
        for step, core, targets in self._sent:
            is_sender = (done[:, ops.CORE] == core) & (done[:, ops.BEGIN] <= step)
            sent += targets * bool(np.any(is_sender & (step <= done[:, ops.END])))
        return sent

    def _taken_during(self, done: Signed) -> int:
        if not len(done):
            return 0
        taken = np.array(self._taken, dtype=np.int64)
        is_during = (taken >= done[:, ops.BEGIN].min()) & (taken <= done[:, ops.END].max())
        return int(np.count_nonzero(is_during))


def _is_completed(pieces: Signed, kind: int) -> npt.NDArray[np.bool_]:
    is_completed: npt.NDArray[np.bool_] = (pieces[:, ops.KIND] == kind) & (pieces[:, ops.END] >= 0)
    return is_completed


def _numbers(memory: Mapping[str, Any]) -> Columns:
    """Return the columns that are needed, words as their codes."""
    columns: Columns = {
        name: memory[name] for name in ("step", "core", "rip", "physical", "size", "value")
    }
    for name in ("access", "origin"):
        columns[name] = memory[name].indices.to_numpy()
    return columns
