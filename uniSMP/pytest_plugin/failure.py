"""What is printed below a test that failed."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from uniSMP.errors import UniSMPError
from uniSMP.memory.sizes import format_size
from uniSMP.pytest_plugin.last_events import last_events
from uniSMP.pytest_plugin.machine_under_test import MachineUnderTest
from uniSMP.trace.text import SymbolNames

_CONSOLE_LINES = 10


@dataclass(frozen=True, slots=True)
class Kept:
    """The recording of a failed test.

    Attributes:
        path: its file.
        shown: the same, as it is to be written on a command line.
    """

    path: Path
    shown: Path


def describe(machine: MachineUnderTest, recording: Kept | None, test: str) -> str:
    """Return how a machine ended, what its cores did last, and how to see it again.

    Args:
        machine: as the test left it; its recording is complete.
        recording: of what it did; None: nothing ran.
        test: node id of the test, as it is to be written on a command line.
    """
    lines = [_schedule(machine), *_outcome(machine)]
    if recording is None:
        return "\n".join([*lines, "nothing ran: there is no recording"])
    lines += ["", *_states(machine), "", "last instructions and events of each core:"]
    lines += [*_last_events(recording.path), ""]
    file = shlex.quote(str(recording.shown))
    lines += [f"replay:    unismp replay {file}"]
    lines += [f"test it:   pytest {shlex.quote(test)} --unismp-replay {file}"]
    return "\n".join(lines)


def _schedule(machine: MachineUnderTest) -> str:
    config = machine.config
    cores = "1 core" if config.cores == 1 else f"{config.cores} cores"
    seed = "round robin" if machine.seed is None else f"seed {machine.seed}"
    return (
        f"{seed}, quantum {machine.quantum:,}, {cores}, {format_size(config.memory_bytes)} of RAM"
    )


def _outcome(machine: MachineUnderTest) -> list[str]:
    result = machine.last_result
    if result is None:
        return ["no run has ended"] if machine.steps else []
    end = f"{result.outcome.value}: {result.reason}"
    lines = [end, f"{result.steps:,} instructions, digest {result.digest}"]
    if result.console:
        text = result.console.decode("utf-8", "backslashreplace")
        lines += ["console:", *(f"    {line}" for line in text.splitlines()[-_CONSOLE_LINES:])]
    return lines


def _states(machine: MachineUnderTest) -> list[str]:
    names = SymbolNames(machine.labels)
    lines = []
    for core in machine.cores:
        rip = core.registers.rip
        name = names.describe(rip)
        state = core.state.replace(f"rip {rip:#x}", f"{name} ({rip:#x})") if name else core.state
        lines.append(f"core {core.id}: {core.instructions:,} instructions, {state}")
    return lines


def _last_events(recording: Path) -> list[str]:
    try:
        return last_events(recording)
    except (UniSMPError, OSError) as error:
        return [f"    cannot be told: {error}"]
