"""uniSMP: a deterministic multi-core x86-64 emulator harness for testing SMP kernel code."""

from uniSMP.assembler.assemble import assemble, assemble_file
from uniSMP.assembler.image import Image, Line
from uniSMP.errors import (
    AssemblyError,
    ConfigError,
    DivergenceError,
    EngineError,
    FormatError,
    ImageError,
    InternalError,
    UniSMPError,
)
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import CoreSummary, Outcome, RunResult
from uniSMP.schedule.policy import Schedule, Slice
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.schedule.seeded_random import SeededRandom

__all__ = [
    "AssemblyError",
    "ConfigError",
    "CoreSummary",
    "DivergenceError",
    "EngineError",
    "FormatError",
    "Image",
    "ImageError",
    "InternalError",
    "Line",
    "Machine",
    "MachineConfig",
    "Outcome",
    "RoundRobin",
    "RunResult",
    "Schedule",
    "SeededRandom",
    "Slice",
    "UniSMPError",
    "assemble",
    "assemble_file",
]
