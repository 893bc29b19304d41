"""`unismp record info`: what a recording says of itself."""

import json
import sys
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from uniSMP.machine.slice_log import CONTINUED, NO_VECTOR
from uniSMP.replay.recording import Recording


@click.command("info")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(*, file: Path, as_json: bool) -> None:
    """Describe the recording FILE: the machine, the schedule, how the run ended."""
    recording = Recording.open(file)
    facts = describe(recording)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), escape(_text(value)))
    Console(file=sys.stdout, highlight=False, soft_wrap=not sys.stdout.isatty()).print(table)


def describe(recording: Recording) -> dict[str, Any]:
    """Return what is known of a recording, as plain values."""
    manifest, rows, config = recording.manifest, recording.rows, recording.config
    size = recording.path.stat().st_size
    ends = recording.run_ends
    return {
        "file": str(recording.path),
        "bytes": size,
        "complete": recording.is_complete,
        "made_by": manifest["made_by"],
        **manifest["facts"],
        "image": manifest["image"],
        "machine": {
            "cores": config.cores,
            "memory_bytes": config.memory_bytes,
            "boot": config.boot,
            "ticks_per_instruction": config.ticks_per_instruction,
            "command_line": config.command_line,
            "modules": [module["text"] for module in manifest["modules"]],
            "serial_input_bytes": len(config.serial_input),
        },
        "slices": int((~np.isin(rows.end, list(CONTINUED))).sum()),
        "instructions": recording.steps,
        "instructions_by_core": np.bincount(
            rows.core, weights=rows.instructions, minlength=config.cores
        )
        .astype(int)
        .tolist(),
        "interrupts_delivered": int((rows.vector != NO_VECTOR).sum()),
        "bytes_per_slice": round(size / max(1, len(rows)), 2),
        "checkpoints": len(recording.checkpoints),
        "inputs": len(recording.items) - len(ends),
        "runs": [f"{end.outcome}: {end.reason}" for end in ends],
        "digest": recording.digest,
    }


def _text(value: object) -> str:
    match value:
        case bool():
            text = "yes" if value else "no: it ends at its last checkpoint"
        case int():
            text = f"{value:,}"
        case dict():
            text = ", ".join(f"{name} {_text(each)}" for name, each in value.items())
        case list():
            text = "; ".join(_text(each) for each in value) or "none"
        case None:
            text = "unknown"
        case _:
            text = str(value) or "none"
    return text
