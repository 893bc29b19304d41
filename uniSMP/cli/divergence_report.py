"""What to tell people of a replay that departs from its recording."""

import click

from uniSMP.cli.code_text import CodeText
from uniSMP.errors import DivergenceError
from uniSMP.machine.target import Target
from uniSMP.replay.divergence import Divergence, explain
from uniSMP.replay.replayer import Replayer

_COLUMNS = 3


def print_divergence(replayer: Replayer, error: DivergenceError, guest: Target) -> None:
    """Print where and how the replay departed, on standard error."""
    recording = replayer.recording
    found = explain(replayer, error)
    text = CodeText(replayer.machine, guest)
    lines = [
        f"unismp: {recording.path}: the replay departs from the recording",
        f"  at step {found.step:,}, in a slice of core {found.core_id}: {found.what}",
        f"  up to step {found.agreed_step:,} everything that is compared agrees",
        _describe_first(found, text),
    ]
    for core_id, registers in enumerate(found.registers):
        lines.append(f"core {core_id}:")
        words = [f"{name:<6} {value:#018x}" for name, value in registers.items()]
        lines += [
            "  " + "  ".join(words[at : at + _COLUMNS]) for at in range(0, len(words), _COLUMNS)
        ]
        lines.append("  last instructions:" if found.last[core_id] else "  executed nothing lately")
        for step, address in found.last[core_id]:
            instruction = text.instruction(core_id, address)
            lines.append(f"    {step:>12,}  {address:#x}  {instruction:<36} {text.place(address)}")
    click.echo("\n".join(lines), err=True)


def _describe_first(found: Divergence, text: CodeText) -> str:
    if found.first_difference is None:
        return (
            "  replayed twice more it does the same each time: the recording tells of another run "
            "(another machine, or altered)"
        )
    step, core_id, address = found.first_difference
    return (
        f"  two more replays differ from each other: first after step {step:,}, core {core_id}, "
        f"{address:#x} {text.instruction(core_id, address)} {text.place(address)}"
    )
