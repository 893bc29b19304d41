"""The result of a run: as JSON for programs, as a table for people."""

import json
from collections.abc import Mapping
from typing import TextIO

from rich.console import Console
from rich.table import Table

from uniSMP.machine.outcome import CoreSummary, Outcome, RunResult
from uniSMP.trace.text import SymbolNames

_NANOSECONDS_PER_MILLISECOND = 1_000_000


def to_json(result: RunResult) -> str:
    """Return one JSON object; vectors are decimal strings, as JSON wants keys to be strings."""
    return json.dumps(
        {
            "outcome": result.outcome.value,
            "reason": result.reason,
            "deterministic": result.is_deterministic,
            "exit_value": result.exit_value,
            "digest": result.digest,
            "steps": result.steps,
            "ticks": result.ticks,
            "console": result.console.decode("utf-8", "backslashreplace"),
            "cores": [
                {
                    "id": core.id,
                    "instructions": core.instructions,
                    "interrupts": core.interrupts,
                    "exceptions": core.exceptions,
                    "ipis_sent": core.ipis_sent,
                    "halted": core.halted,
                    "state": core.state,
                    "rip": core.rip,
                }
                for core in result.cores
            ],
        },
        indent=2,
    )


def print_summary(result: RunResult, symbols: Mapping[str, int], stream: TextIO) -> None:
    """Print the table of the cores, and the outcome below it."""
    names = SymbolNames(symbols)
    table = Table(box=None, pad_edge=False)
    for title in ("core", "instructions", "interrupts", "exceptions", "IPIs sent"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("state", overflow="fold")
    for core in result.cores:
        table.add_row(
            str(core.id),
            f"{core.instructions:,}",
            f"{sum(core.interrupts.values()):,}",
            f"{sum(core.exceptions.values()):,}",
            f"{core.ipis_sent:,}",
            _state(core, names),
        )
    console = Console(file=stream, highlight=False, soft_wrap=not stream.isatty())
    console.print(table)
    style = "bold green" if result.outcome is Outcome.FINISHED else "bold red"
    doubt = "" if result.is_deterministic else " (this outcome is not deterministic)"
    console.print(f"[{style}]{result.outcome.value}[/]: {result.reason}{doubt}", soft_wrap=True)
    milliseconds = result.ticks / _NANOSECONDS_PER_MILLISECOND
    console.print(f"{result.steps:,} instructions, {milliseconds:,.3f} ms of virtual time")
    console.print(f"digest {result.digest}", soft_wrap=True)


def _state(core: CoreSummary, names: SymbolNames) -> str:
    name = names.describe(core.rip)
    return core.state.replace(f"rip {core.rip:#x}", name) if name else core.state
