"""Traces for the tests of what reads them."""

from pathlib import Path

from uniSMP import Image, Machine, RoundRobin, assemble
from uniSMP.machine.tracer import TraceFilter
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.writer import TraceWriter

GUEST = """
_start:
    mov ebx, 0x2000
again:
    lock inc dword ptr [rbx]
    mov eax, [rbx + 8]
    mov [rbx + rdi * 8 + 64], rdi
    cmp dword ptr [rbx], 20
    jb again
    cmp edi, 0
    jne park
    xor eax, eax
    out 0xF4, al
park:
    cli
    hlt
"""


def write(
    directory: Path,
    source: str = GUEST,
    level: Level = Level.REGISTERS,
    quantum: int = 7,
    cores: int = 2,
    chosen: TraceFilter | None = None,
) -> Image:
    """Trace a guest into a folder; return its image."""
    image = assemble(source)
    with Machine(cores=cores, boot="long", memory_bytes=4 << 20) as machine:
        machine.load(image)
        writer = TraceWriter(directory, level)
        writer.begin({"target": "guest", "configuration": {"quantum": quantum}})
        labels = sorted((image.symbols[name], name) for name in image.labels)
        places, names = [at for at, _ in labels], [name for _, name in labels]
        writer.add("symbols", {"address": places, "name": names})
        result = machine.run(RoundRobin(quantum), trace=writer, trace_filter=chosen)
        retired = [{"id": core.id, "instructions": core.instructions} for core in result.cores]
        writer.end({"steps": result.steps, "outcome": str(result.outcome), "cores": retired})
    return image


def read(
    directory: Path,
    level: Level = Level.REGISTERS,
    source: str = GUEST,
    cores: int = 2,
    chosen: TraceFilter | None = None,
) -> Trace:
    """Trace a guest and open the trace."""
    write(directory, source, level, cores=cores, chosen=chosen)
    return Trace(directory)
