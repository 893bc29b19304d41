"""Traces: speed at each level, size on disk, a billion instructions, Python hooks, QEMU's log."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import unicorn
from entries import MILLION, Entry, seconds
from unicorn import x86_const as x86

from uniSMP import Image, Machine, RoundRobin, assemble, assemble_file
from uniSMP.assembler import library
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.writer import TraceWriter

_ROUNDS = 3
_QUANTUM = 10_000
_HOOK_INSTRUCTIONS = 200_000
_BILLION = 1_000_000_000
_QEMU_FLAGS = (
    *("-smp", "4", "-display", "none", "-no-reboot", "-accel", "tcg,thread=single"),
    *("-icount", "shift=0", "-serial", "null", "-device", "isa-debug-exit,iobase=0xf4,iosize=4"),
)
FILL = """
_start:
    mov rbx, rdi
    shl rbx, 12
    add rbx, 0x200000
again:
    mov ecx, 512
fill:
    mov [rbx + rcx * 8 - 8], rcx
    dec ecx
    jnz fill
    mov ecx, 512
check:
    cmp [rbx + rcx * 8 - 8], rcx
    jne _start
    dec ecx
    jnz check
    jmp again
"""


@contextmanager
def folder() -> Iterator[Path]:
    """Give a folder for one trace, and remove it afterwards."""
    path = Path(tempfile.mkdtemp(prefix="unismp-bench-"))
    try:
        yield path / "trace"
    finally:
        shutil.rmtree(path)


def pmm_speed(image: Image, level: Level | None) -> tuple[float, float]:
    """Return (instructions a second, bytes an instruction on disk) of `pmm_smp` on 4 cores."""
    with Machine(cores=4) as machine, folder() as directory:
        machine.load(image)
        writer = None if level is None else TraceWriter(directory, level)
        start = time.perf_counter()
        if writer is not None:
            writer.begin({})
        result = machine.run(RoundRobin(_QUANTUM), trace=writer)
        if writer is not None:
            writer.end({})
        taken = time.perf_counter() - start
        size = sum(path.stat().st_size for path in directory.rglob("*.parquet"))
    return result.steps / taken, size / result.steps


def level_entries(image: Image) -> list[Entry]:
    """Compare each level with an untraced run, in turn."""
    levels = [None, *Level]
    speeds: dict[Level | None, list[float]] = {level: [] for level in levels}
    sizes: dict[Level | None, float] = {}
    for _ in range(_ROUNDS):
        for level in levels:
            speed, sizes[level] = pmm_speed(image, level)
            speeds[level].append(speed)
    untraced = speeds[None]
    least = {Level.BLOCKS: 0.5}
    most = {Level.INSTRUCTIONS: 1.0, Level.MEMORY: 4.0}
    entries = []
    for level in Level:
        pairs = zip(speeds[level], untraced, strict=True)
        ratio = statistics.median(mine / peer for mine, peer in pairs)
        value = statistics.median(speeds[level]) / MILLION
        target, met = "", None
        if level in least:
            target, met = f"ratio >= {least[level]}", ratio >= least[level]
        if level is Level.MEMORY:
            target, met = ">= 8", value >= 8
        peer = statistics.median(untraced) / MILLION
        entries.append(Entry(f"trace {level.word}", value, "M instr/s", peer, ratio, target, met))
        if level in most:
            size = sizes[level]
            limit = f"<= {most[level]:g}"
            name = f"size at {level.word}"
            entries.append(Entry(name, size, "B/instr", None, None, limit, size <= most[level]))
    return entries


def hook_speed() -> float:
    """Return instructions a second of a tracer in Python that collects the same rows."""
    engine: Any = unicorn.Uc(unicorn.UC_ARCH_X86, unicorn.UC_MODE_64)
    image = assemble(FILL)
    engine.mem_map(0x10_0000, 0x30_0000)
    engine.mem_write(image.origin, image.data)
    instructions: list[tuple[int, ...]] = []
    accesses: list[tuple[Any, ...]] = []

    def on_code(engine: Any, address: int, _size: int, _data: Any) -> None:  # noqa: ANN401
        cpl = engine.reg_read(x86.UC_X86_REG_CS) & 3
        instructions.append((len(instructions), 0, address, cpl))

    def on_memory(
        engine: Any,  # noqa: ANN401
        kind: int,
        address: int,
        size: int,
        value: int,
        _data: Any,  # noqa: ANN401
    ) -> None:
        step, _, rip, _ = instructions[-1]
        access = "write"
        if kind == unicorn.UC_MEM_READ:
            access, value = "read", int.from_bytes(engine.mem_read(address, size), "little")
        accesses.append((step, 0, rip, address, address, size, value, access, "instruction"))

    engine.hook_add(unicorn.UC_HOOK_CODE, on_code)
    engine.hook_add(unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE, on_memory)
    taken = seconds(lambda: engine.emu_start(image.origin, 0, count=_HOOK_INSTRUCTIONS))
    return len(instructions) / taken


def loop_speed() -> float:
    """Return instructions a second of the same loop traced at level memory to disk."""
    limit = 20_000_000
    with Machine(cores=4, boot="long") as machine, folder() as directory:
        machine.load(assemble(FILL))
        writer = TraceWriter(directory, Level.MEMORY)
        writer.begin({})
        start = time.perf_counter()
        machine.run(RoundRobin(_QUANTUM), max_instructions=limit, trace=writer)
        writer.end({})
        return limit / (time.perf_counter() - start)


def hook_entry() -> Entry:
    """Compare the two on one loop, in turn."""
    ours, peers = [], []
    for _ in range(_ROUNDS):
        peers.append(hook_speed())
        ours.append(loop_speed())
    ratio = statistics.median(mine / peer for mine, peer in zip(ours, peers, strict=True))
    return Entry(
        "trace memory / Python hooks",
        statistics.median(ours) / MILLION,
        "M instr/s",
        statistics.median(peers) / MILLION,
        ratio,
        "ratio >= 20",
        ratio >= 20,
    )


def billion() -> None:
    """Trace a billion instructions at level blocks; print seconds, peak MiB, query ms."""
    with Machine(cores=4, boot="long") as machine, folder() as directory:
        machine.load(assemble(FILL))
        writer = TraceWriter(directory, Level.BLOCKS)
        writer.begin({})
        start = time.perf_counter()
        machine.run(RoundRobin(_QUANTUM), max_instructions=_BILLION, trace=writer)
        writer.end({})
        taken = time.perf_counter() - start
        status = Path("/proc/self/status").read_text().splitlines()
        peak = next(line for line in status if line.startswith("VmHWM:"))
        queries = [query_seconds(directory, first) for first in (10, _BILLION // 2, _BILLION - 999)]
        size = sum(path.stat().st_size for path in directory.rglob("*.parquet"))
    found = [taken, int(peak.split()[1]) / 1024, max(queries) * 1000, size]
    print(json.dumps(found))


def query_seconds(directory: Path, first: int) -> float:
    """Return how long it takes to open a trace and read 100 steps of it."""
    start = time.perf_counter()
    with Trace(directory) as trace:
        rows = trace.rows(
            "SELECT * FROM executions WHERE step BETWEEN ? AND ?", [first, first + 100]
        )
    assert rows
    return time.perf_counter() - start


def billion_entries() -> list[Entry]:
    """Measure the billion in a process of its own."""
    finished = subprocess.run(
        [sys.executable, __file__, "--billion"], check=True, capture_output=True, text=True
    )
    taken, peak, query, size = json.loads(finished.stdout)
    return [
        Entry("a billion, blocks", _BILLION / taken / MILLION, "M instr/s"),
        Entry("its peak memory", peak, "MiB", None, None, "<= 600", peak <= 600),
        Entry("its query by steps", query, "ms", None, None, "<= 100", query <= 100),
        Entry("its size", size / MILLION, "MB"),
    ]


def qemu_entry(image: Image) -> Entry | None:
    """Compare level blocks with QEMU's log of executed blocks, on the same image."""
    qemu = shutil.which("qemu-system-x86_64")
    if qemu is None:
        return None
    with tempfile.TemporaryDirectory(prefix="unismp-bench-") as directory:
        path, log = Path(directory, "image"), Path(directory, "log")
        path.write_bytes(image.data)
        logging = ("-d", "exec,nochain", "-D", str(log))

        def run(*options: str) -> None:
            command = [qemu, "-kernel", str(path), *_QEMU_FLAGS, *options]
            subprocess.run(command, check=False, capture_output=True)

        def ours() -> None:
            command = [sys.executable, "-m", "uniSMP", "run", "pmm_smp", "--cores", "4"]
            target = str(Path(directory, "trace"))
            options = ["--trace", target, "--trace-level", "blocks", "--force"]
            subprocess.run([*command, *options], check=True, capture_output=True)

        mine = statistics.median(seconds(ours) for _ in range(_ROUNDS))
        theirs = seconds(lambda: run(*logging))
    return Entry(
        "pmm_smp: blocks / QEMU -d exec",
        mine,
        "s",
        theirs,
        theirs / mine,
        "ratio > 1",
        theirs > mine,
    )


def measure() -> list[Entry]:
    """Measure everything."""
    image = assemble_file(library.program_path("pmm_smp"))
    pmm_speed(image, Level.REGISTERS)  # compiled code is loaded, caches are warm
    entries = [*level_entries(image), hook_entry(), *billion_entries()]
    qemu = qemu_entry(image)
    return entries if qemu is None else [*entries, qemu]


if __name__ == "__main__":
    billion()
