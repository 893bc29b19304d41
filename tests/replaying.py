"""What tests and benchmarks of recordings share: varied runs, and what must hold for each.

`make_case(seed)` is a machine, its program and how it is run; `check` records it, replays it and
says what differs. `python tests/replaying.py SEED` runs one case alone.
"""

import functools
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import random_kernels
from tracing import KeptTrace

from uniSMP import Image, Machine, RoundRobin, RunResult, SeededRandom, assemble, assemble_file
from uniSMP.assembler import library
from uniSMP.machine.config import MachineConfig
from uniSMP.memory.boot_information import Module
from uniSMP.replay import recorder
from uniSMP.replay.recorder import Recorder
from uniSMP.replay.replayer import Replayer
from uniSMP.trace.schema import TABLES, Level

CASES_OF_A_KERNEL = 4
_QUANTA = (1, 2, 3, 5, 7, 10, 30, 100, 300, 1000, 3000, 10_000)
_PROGRAMS = ("ipi_ping", "timer_tick", "ioapic_pit", "smp_hello", "pmm_smp", "hello")
_BYTES = (b"\x89\x07", b"\x8b\x06", b"\xf0\x01\x07", b"\x50", b"\x5a", b"\xf3\xa4", b"\x87\x07")
_CODE = 0x10_0000


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    Attributes:
        seed: makes it anew.
        kind: "program", "kernel" or "bytes".
        name: of the program, else empty.
        config: the machine.
        schedule: "round robin" or "random".
        quantum: of the schedule, in instructions.
        limits: instructions of each call of `run`; between two of them the host puts something in.
    """

    seed: int
    kind: str
    name: str
    config: MachineConfig
    schedule: str
    quantum: int
    limits: Sequence[int]

    def __str__(self) -> str:
        what = self.name or self.kind
        return (
            f"seed {self.seed}: {what}, {self.config.cores} cores, {self.schedule} {self.quantum}, "
            f"{'+'.join(map(str, self.limits))} instructions"
        )


def make_case(seed: int) -> Case:
    """Return the case of a seed: of 20, one is a program, two are random bytes."""
    rng = random.Random(f"case {seed}")
    kind = {0: "program", 7: "bytes", 13: "bytes"}.get(seed % 20, "kernel")
    quantum = rng.choice(_QUANTA)
    pieces = rng.choice([1, 1, 1, 2, 3])
    ticks = rng.choice([1, 1, 1, 7, 100])
    schedule = rng.choice(["random", "random", "round robin"])
    most = 3000 + min(12 * quantum, 40_000)
    limits = [rng.randint(most // 3, most) // pieces for _ in range(pieces)]
    if kind == "program":
        cores, memory = rng.randint(1, 8), 16 << 20
        name = rng.choice(_PROGRAMS)
        limits = [rng.randint(20_000, 60_000)] * pieces if quantum < 30 else [150_000] * pieces
        modules = (Module("module.bin one", bytes(range(256)) * 5),)
        config = MachineConfig(cores=cores, memory_bytes=memory, serial_input=b"x", modules=modules)
        return Case(seed, kind, name, config, schedule, quantum, limits)
    memory = random_kernels.MEMORY_BYTES
    cores = rng.randint(1, 8) if kind == "bytes" else _kernel(seed // CASES_OF_A_KERNEL)[0]
    config = MachineConfig(
        cores=cores, memory_bytes=memory, boot="long", ticks_per_instruction=ticks
    )
    return Case(seed, kind, "", config, schedule, quantum, limits)


@functools.lru_cache(maxsize=8)
def _kernel(seed: int) -> tuple[int, Image]:
    kernel = random_kernels.make(seed)
    return kernel.cores, assemble(kernel.source)


@functools.cache
def _program(name: str) -> Image:
    return assemble_file(library.program_path(name))


def start(case: Case) -> Machine:
    """Return the machine of a case, loaded, with what the host puts in before it runs."""
    machine = Machine(case.config)
    if case.kind == "program":
        machine.load(_program(case.name))
    elif case.kind == "kernel":
        machine.load(_kernel(case.seed // CASES_OF_A_KERNEL)[1])
    else:
        rng = random.Random(f"bytes {case.seed}")
        parts = [rng.choice([*_BYTES, rng.randbytes(1), rng.randbytes(3)]) for _ in range(300)]
        machine.load(b"".join(parts))
        for core in machine.cores:
            core.registers["rdi"], core.registers["rsi"] = 0x28_0000 + core.id, 0x28_1FF8
            core.registers["rcx"] = 5
    return machine


def run(case: Case, machine: Machine, trace: Sequence[KeptTrace] = ()) -> RunResult:
    """Run the machine of a case to its end, each call with its own trace."""
    rng = random.Random(f"input {case.seed}")
    schedule = (
        RoundRobin(case.quantum)
        if case.schedule == "round robin"
        else SeededRandom(case.seed, case.quantum)
    )
    result: RunResult | None = None
    for number, limit in enumerate(case.limits):
        if result is not None:
            _put_in(rng, machine)
        sink = trace[number] if trace else None
        result = machine.run(schedule, max_instructions=limit, trace=sink)
    assert result is not None
    return result


def _put_in(rng: random.Random, machine: Machine) -> None:
    match rng.randrange(4):
        case 0:
            machine.receive_serial(rng.randbytes(rng.randint(1, 20)))
        case 1:
            machine.memory.write(_CODE * 2 + rng.randrange(0x9000), rng.randbytes(8))
        case 2:
            core = machine.core(rng.randrange(len(machine.cores)))
            core.registers["rbx"] = rng.getrandbits(64)
        case _:
            machine.memory.write(_CODE + rng.randrange(0x400, 0xA00), b"\x90")


@contextmanager
def checkpoints(rows: int | None) -> Iterator[None]:
    """Let recorders write a checkpoint every so many rows; None: as often as they do."""
    kept = recorder._ROWS_OF_A_CHUNK
    recorder._ROWS_OF_A_CHUNK = rows or kept
    try:
        yield
    finally:
        recorder._ROWS_OF_A_CHUNK = kept


def record(case: Case, path: Path, rows: int | None = None) -> RunResult:
    """Record a case."""
    with checkpoints(rows), start(case) as machine, Recorder(machine, path):
        return run(case, machine)


def check(case: Case, path: Path, *, walk: int = 0, level: Level | None = None) -> str | None:
    """Record a case to `path` and replay it; return what does not hold, or None.

    Args:
        case: what is run.
        path: of the recording.
        walk: so many moments of the run are visited, in no order.
        level: of a trace of the run and of its replay, which are compared; None: no trace.
    """
    with start(case) as machine:
        plain = run(case, machine)
    rows = random.Random(f"rows {case.seed}").choice([None, 1, 20, 300])
    if record(case, path, rows) != plain:
        return "the run with a recorder differs from the run without"
    with Replayer(path) as replayer:
        if replayer.run() != plain:
            return "the replay's result differs"
    if level is not None:
        found = _compare_traces(case, path, plain, level)
        if found is not None:
            return found
    return _walk(case, path, plain.digest, walk) if walk else None


def _compare_traces(case: Case, path: Path, plain: RunResult, level: Level) -> str | None:
    traces = [KeptTrace(level) for _ in case.limits]
    with start(case) as machine:
        if run(case, machine, traces) != plain:
            return f"the run traced at level {level} differs"
    replayed = KeptTrace(level)
    with Replayer(path) as replayer:
        if replayer.run(trace=replayed) != plain:
            return f"the replay traced at level {level} differs"
    if len(traces) > 1:
        return None  # a trace of several calls begins anew with each
    for name in set(TABLES) - {"blocks", "executions"}:
        if traces[0].table(name) != replayed.table(name):
            return f"table {name} of the trace at level {level} differs"
    if _executed(traces[0]) != _executed(replayed):
        return f"other instructions were executed in the trace at level {level}"
    return None


def _executed(trace: KeptTrace) -> list[tuple[int, int, int, bytes]]:
    """Return step, core, address and bytes of what was executed, wherever blocks begin."""
    blocks = {row["block"]: row for row in trace.rows("blocks")}
    found = []
    for row in trace.rows("executions"):
        block = blocks[row["block"]]
        offsets = [*block["offsets"], len(block["code"])]
        for number in range(row["instructions"]):
            begin, end = offsets[number : number + 2]
            place = (row["step"] + number, row["core"], block["address"] + begin)
            found.append((*place, block["code"][begin:end]))
    return found


def _walk(case: Case, path: Path, digest: str, count: int) -> str | None:
    """Visit moments in order without snapshots, then in no order with many of them."""
    rng = random.Random(f"walk {case.seed}")
    with Replayer(path) as replayer:
        steps = [rng.randint(0, replayer.history.steps) for _ in range(count)]
        known = {}
        for step in sorted(steps):
            replayer.advance(replayer.history.first_at(step))
            known[step] = replayer.machine.digest()
    with Replayer(path) as replayer:
        replayer.keep_snapshots()
        replayer.keep_snapshots().interval = rng.choice([1, 7, 50, 400])
        for step in rng.choices(steps, k=2 * count):
            replayer.goto(step)
            if replayer.step != step or replayer.machine.digest() != known[step]:
                return f"after goto, step {step} is another moment than in a plain replay"
        replayer.goto_position(replayer.history.end)
        if replayer.machine.digest() != digest:
            return "after a walk, the end is another"
    return None


def main(seeds: Sequence[int]) -> None:
    """Check cases with a long walk and at every level, and say what differs."""
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            case = make_case(seed)
            for level in Level:
                found = check(case, Path(folder) / "one.rec", walk=40, level=level)
                sys.stdout.write(f"{case}: {level}: {found or 'equal'}\n")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]])
