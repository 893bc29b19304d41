"""Small traces, each run once a session."""

from collections.abc import Callable
from pathlib import Path

import pytest

from uniSMP import Image
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.machine import Machine
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.trace.schema import Level
from uniSMP.trace.writer import TraceWriter


def run_traced(image: Image, folder: Path, level: Level, cores: int) -> Path:
    """Run a multiboot image with a trace."""
    writer = TraceWriter(folder, level)
    writer.begin({"target": "<guest>", "configuration": {"cores": cores}, "filter": {}})
    addresses = [image.symbols[name] for name in image.labels]
    writer.add("symbols", {"address": addresses, "name": image.labels})
    writer.add(
        "lines", dict(zip(("address", "file", "line"), zip(*image.lines, strict=True), strict=True))
    )
    with Machine(MachineConfig(cores=cores)) as machine:
        machine.load(image)
        result = machine.run(RoundRobin(1000), max_instructions=60_000, trace=writer)
    writer.end({"outcome": result.outcome.value, "steps": result.steps, "ticks": result.ticks})
    return folder


@pytest.fixture(scope="session")
def ping_trace(program: Callable[[str], Image], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a trace of IPIs between two cores, at level blocks."""
    folder = tmp_path_factory.mktemp("traces") / "ping"
    return run_traced(program("ipi_ping"), folder, Level.BLOCKS, 2)


@pytest.fixture(scope="session")
def ping_events_trace(
    program: Callable[[str], Image], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the same at level events."""
    folder = tmp_path_factory.mktemp("traces") / "ping_events"
    return run_traced(program("ipi_ping"), folder, Level.EVENTS, 2)
