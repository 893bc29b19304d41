"""uniSMP: a deterministic multi-core x86-64 emulator harness for testing SMP kernel code."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_MODULES = {
    "assemble": "uniSMP.assembler.assemble",
    "assemble_file": "uniSMP.assembler.assemble",
    "Image": "uniSMP.assembler.image",
    "Line": "uniSMP.assembler.image",
    "AssemblyError": "uniSMP.errors",
    "ConfigError": "uniSMP.errors",
    "DivergenceError": "uniSMP.errors",
    "EngineError": "uniSMP.errors",
    "FormatError": "uniSMP.errors",
    "ImageError": "uniSMP.errors",
    "InternalError": "uniSMP.errors",
    "UniSMPError": "uniSMP.errors",
    "MachineConfig": "uniSMP.machine.config",
    "Machine": "uniSMP.machine.machine",
    "CoreSummary": "uniSMP.machine.outcome",
    "Outcome": "uniSMP.machine.outcome",
    "RunResult": "uniSMP.machine.outcome",
    "Schedule": "uniSMP.schedule.policy",
    "Slice": "uniSMP.schedule.policy",
    "RoundRobin": "uniSMP.schedule.round_robin",
    "SeededRandom": "uniSMP.schedule.seeded_random",
}
"""Where each name is: imported when it is first asked for, so that the command starts fast."""

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


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
