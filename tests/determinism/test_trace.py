"""Tracing changes nothing, and tells everything: rows against the run itself."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uniSMP import Image, Machine, Outcome, RoundRobin, RunResult, SeededRandom
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[1]))
from tracing import KeptTrace, write_all

Program = Callable[[str], Image]
LEVELS = list(Level)


def run(image: Image, trace: Any = None, *, cores: int = 3, limit: int = 600_000) -> RunResult:
    with Machine(cores=cores) as machine:
        machine.load(image)
        return machine.run(SeededRandom(7, 3000), max_instructions=limit, trace=trace)


@pytest.mark.parametrize("name", ["pmm_smp", "ipi_ping", "timer_tick", "ioapic_pit", "smp_hello"])
def test_digest_is_the_same_at_every_level(program: Program, name: str) -> None:
    image = program(name)
    untraced = run(image)
    digests = [run(image, KeptTrace(level)).digest for level in LEVELS]
    assert digests == [untraced.digest] * len(LEVELS)


@pytest.mark.parametrize("level", [Level.INSTRUCTIONS, Level.MEMORY, Level.REGISTERS])
def test_trace_has_one_row_per_retired_instruction(program: Program, level: Level) -> None:
    trace = KeptTrace(level)
    result = run(program("ipi_ping"), trace)
    steps = trace.column("instructions", "step")
    assert np.array_equal(steps, np.arange(result.steps))
    cores = np.bincount(trace.column("instructions", "core"), minlength=3)
    assert cores.tolist() == [core.instructions for core in result.cores]


def test_executions_count_every_instruction(program: Program) -> None:
    trace = KeptTrace(Level.BLOCKS)
    result = run(program("pmm_smp"), trace)
    starts = trace.column("executions", "step")
    counts = trace.column("executions", "instructions")
    assert counts.sum() == result.steps
    assert np.array_equal(starts[1:], starts[:-1] + counts[:-1])


def test_slices_of_the_events_hold_every_instruction(program: Program) -> None:
    trace = KeptTrace(Level.EVENTS)
    result = run(program("ipi_ping"), trace)
    ends = [row for row in trace.rows("events") if row["kind"] == "slice_end"]
    assert sum(row["value"] for row in ends) == result.steps


def test_rows_are_the_same_whatever_the_level(program: Program) -> None:
    low, high = KeptTrace(Level.INSTRUCTIONS), KeptTrace(Level.REGISTERS)
    run(program("ipi_ping"), low, limit=60_000)
    run(program("ipi_ping"), high, limit=60_000)
    assert low.rows("events") == high.rows("events")
    assert np.array_equal(low.column("instructions", "rip"), high.column("instructions", "rip"))


class Replay:
    """Applies traced writes to a copy of the RAM as they come."""

    level = Level.MEMORY

    def __init__(self, ram: bytes) -> None:
        self.ram = np.frombuffer(bytearray(ram), dtype=np.uint8)
        self.walks = 0

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        if name != "memory":
            return
        access = np.array(columns["access"].to_pylist())
        is_write = (access == "write") | (access == "locked write")
        physical, value = (columns[key].view(np.uint64)[is_write] for key in ("physical", "value"))
        write_all(self.ram, physical, columns["size"][is_write], value)
        origin = np.array(columns["origin"].to_pylist())
        self.walks += int((origin == "page walk").sum())


@pytest.mark.parametrize(("name", "cores"), [("pmm_smp", 4), ("timer_tick", 2), ("ioapic_pit", 1)])
def test_traced_writes_give_the_final_memory(program: Program, name: str, cores: int) -> None:
    with Machine(cores=cores, memory_bytes=16 << 20) as machine:
        machine.load(program(name))
        replay = Replay(machine.memory.read(0, 16 << 20))
        result = machine.run(RoundRobin(10_000), trace=replay)
        final = np.frombuffer(machine.memory.read(0, 16 << 20), dtype=np.uint8)
    assert result.outcome is Outcome.FINISHED
    assert np.flatnonzero(replay.ram != final).tolist() == []


def test_page_walk_rows_are_accessed_and_dirty_bits_only(program: Program) -> None:
    trace = KeptTrace(Level.MEMORY)
    with Machine(cores=2, memory_bytes=16 << 20) as machine:
        machine.load(program("smp_hello"))
        ram = np.frombuffer(bytearray(machine.memory.read(0, 16 << 20)), dtype=np.uint8)
        machine.run(trace=trace)
    changed = []
    for row in trace.rows("memory"):
        place, size = row["physical"], row["size"]
        if row["origin"] == "page walk":
            before = int.from_bytes(ram[place : place + 8].tobytes(), "little")
            changed.append(before ^ row["value"])
        if row["access"].endswith("write"):
            ram[place : place + size] = list(row["value"].to_bytes(size, "little"))
    assert changed
    assert {bits & ~0x60 for bits in changed} == {0}
