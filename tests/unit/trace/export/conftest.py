"""Traces to export: a guest of seven instructions, and IPIs between two cores."""

from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image, assemble
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.machine import Machine
from uniSMP.machine.tracer import TraceFilter
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.trace.schema import Level
from uniSMP.trace.writer import TraceWriter

SEVEN = """
_start:
    mov esp, 0x9000
    call work
    xor eax, eax
    out 0xF4, al
work:
    mov edi, 0x8000
    mov dword ptr [rdi], 0x11223344
    ret
"""
EVERYTHING = TraceFilter()
Traced = Callable[[Level], Path]


def trace_of(
    image: Image, folder: Path, level: Level, config: MachineConfig, chosen: TraceFilter
) -> Path:
    """Run an image with a trace."""
    writer = TraceWriter(folder, level)
    writer.begin({"target": "guest", "configuration": {"cores": config.cores}, "filter": {}})
    addresses = [image.symbols[name] for name in image.labels]
    writer.add("symbols", {"address": addresses, "name": image.labels})
    with Machine(config) as machine:
        machine.load(image)
        machine.run(RoundRobin(1000), max_instructions=60_000, trace=writer, trace_filter=chosen)
    writer.end({})
    return folder


@pytest.fixture(scope="session")
def seven_traces(tmp_path_factory: pytest.TempPathFactory) -> dict[Level, Path]:
    """Return traces of the guest of seven instructions by level."""
    folder = tmp_path_factory.mktemp("seven")
    image = assemble(SEVEN)
    config = MachineConfig(cores=1, boot="long")
    return {
        level: trace_of(image, folder / level.word, level, config, EVERYTHING) for level in Level
    }


@pytest.fixture(scope="session")
def seven_trace(seven_traces: dict[Level, Path]) -> Path:
    """Return the trace of the guest of seven instructions with registers."""
    return seven_traces[Level.REGISTERS]


@pytest.fixture(scope="session")
def empty_trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a trace of no step, with all tables."""
    folder = tmp_path_factory.mktemp("empty") / "trace"
    config = MachineConfig(cores=1, boot="long")
    never = TraceFilter(first_step=1 << 40)
    return trace_of(assemble(SEVEN), folder, Level.REGISTERS, config, never)


@pytest.fixture(scope="session")
def full_ping_trace(
    program: Callable[[str], Image], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return a trace of IPIs between two cores, with registers."""
    folder = tmp_path_factory.mktemp("full_ping") / "trace"
    config = MachineConfig(cores=2)
    return trace_of(program("ipi_ping"), folder, Level.REGISTERS, config, EVERYTHING)
