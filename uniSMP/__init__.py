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
    from uniSMP.replay.conditions import (
        Accessed,
        AccessedPhysical,
        AtAddress,
        Delivered,
        Hit,
        Predicate,
    )
    from uniSMP.replay.live import LiveTimeline
    from uniSMP.replay.recorder import Recorder
    from uniSMP.replay.recording import Recording
    from uniSMP.replay.replayer import Replayer
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
    "Accessed": "uniSMP.replay.conditions",
    "AccessedPhysical": "uniSMP.replay.conditions",
    "AtAddress": "uniSMP.replay.conditions",
    "Delivered": "uniSMP.replay.conditions",
    "Hit": "uniSMP.replay.conditions",
    "Predicate": "uniSMP.replay.conditions",
    "LiveTimeline": "uniSMP.replay.live",
    "Recorder": "uniSMP.replay.recorder",
    "Recording": "uniSMP.replay.recording",
    "Replayer": "uniSMP.replay.replayer",
    "Schedule": "uniSMP.schedule.policy",
    "Slice": "uniSMP.schedule.policy",
    "RoundRobin": "uniSMP.schedule.round_robin",
    "SeededRandom": "uniSMP.schedule.seeded_random",
}
"""Where each name is: imported when it is first asked for, so that the command starts fast."""

__all__ = [
    "Accessed",
    "AccessedPhysical",
    "AssemblyError",
    "AtAddress",
    "ConfigError",
    "CoreSummary",
    "Delivered",
    "DivergenceError",
    "EngineError",
    "FormatError",
    "Hit",
    "Image",
    "ImageError",
    "InternalError",
    "Line",
    "LiveTimeline",
    "Machine",
    "MachineConfig",
    "Outcome",
    "Predicate",
    "Recorder",
    "Recording",
    "Replayer",
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
