"""The options of `unismp run` that trace, and the trace they ask for."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uniSMP.cli.target import Target
from uniSMP.errors import ConfigError
from uniSMP.machine.outcome import RunResult

if TYPE_CHECKING:
    from uniSMP.machine.tracer import TraceFilter
    from uniSMP.trace.writer import TraceWriter

_LEVELS = ("events", "blocks", "instructions", "memory", "registers")
_ADDRESS_END = 1 << 64


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """What the command line says of the trace; `directory` None is no trace."""

    directory: str | None
    level: str
    cores: str
    addresses: tuple[str, ...]
    symbols: tuple[str, ...]
    steps: str
    force: bool


def trace_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command."""
    options = (
        click.option("--trace", "trace", metavar="DIR", help="Write a trace to the folder DIR."),
        click.option(
            "--trace-level",
            type=click.Choice(_LEVELS),
            default="memory",
            show_default=True,
            help="How much; each level has what those before it have.",
        ),
        click.option("--trace-cores", default="", help="Only these cores, such as 0,2-3."),
        click.option(
            "--trace-address",
            multiple=True,
            metavar="A..B",
            help="Only instructions at these addresses (B is behind the last); repeatable.",
        ),
        click.option(
            "--trace-symbol",
            multiple=True,
            metavar="NAME[..NAME]",
            help="Only instructions from a label to the next, or to another; repeatable.",
        ),
        click.option(
            "--trace-steps",
            default="",
            metavar="A..B",
            help="Only steps A to B-1; either may lack.",
        ),
        click.option("--force", is_flag=True, help="Replace a trace that is in DIR."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def make_filter(options: TraceOptions, guest: Target, cores: int) -> "TraceFilter":
    """Return what of a run on so many cores is kept.

    Raises:
        ConfigError: an option cannot be understood, or nothing would be kept.
    """
    from uniSMP.machine.tracer import TraceFilter  # noqa: PLC0415 - needed while tracing only

    first, end = _range(options.steps, "--trace-steps") if options.steps else (0, None)
    ranges = [_addresses(text) for text in options.addresses]
    ranges += [_symbol(text, guest) for text in options.symbols]
    core_ids = frozenset(_cores(options.cores)) if options.cores else None
    chosen = TraceFilter(core_ids, tuple(ranges), first, end)
    chosen.check(cores)
    return chosen


def make_writer(
    options: TraceOptions, guest: Target, configuration: dict[str, Any]
) -> "TraceWriter":
    """Make the trace's folder and write what is known before the run.

    Raises:
        ConfigError: it cannot be written.
    """
    from uniSMP.trace.schema import Level  # noqa: PLC0415 - needed while tracing only
    from uniSMP.trace.writer import TraceWriter  # noqa: PLC0415

    assert options.directory is not None
    level = Level[options.level.upper()]
    writer = TraceWriter(Path(options.directory), level, force=options.force)
    writer.begin(
        {
            "target": guest.name,
            "image_sha256": hashlib.sha256(guest.data).hexdigest(),
            "configuration": configuration,
            "filter": {
                "cores": options.cores,
                "addresses": list(options.addresses),
                "symbols": list(options.symbols),
                "steps": options.steps,
            },
        }
    )
    labels = sorted(guest.labels.items(), key=lambda item: item[1])
    writer.add("symbols", {"address": [at for _, at in labels], "name": [n for n, _ in labels]})
    lines = guest.lines
    writer.add(
        "lines",
        {
            "address": [line.address for line in lines],
            "file": [line.file for line in lines],
            "line": [line.line for line in lines],
        },
    )
    writer.flush("symbols")
    writer.flush("lines")
    return writer


def end_writer(writer: "TraceWriter", result: RunResult) -> None:
    """Write how the run ended; say where the trace is incomplete."""
    writer.end(
        {
            "outcome": result.outcome.value,
            "digest": result.digest,
            "steps": result.steps,
            "ticks": result.ticks,
            "cores": [{"id": core.id, "instructions": core.instructions} for core in result.cores],
        }
    )
    if writer.error is not None:
        click.echo(f"unismp: warning: {writer.error}", err=True)


def _number(text: str, option: str) -> int:
    try:
        value = int(text, 0)
    except ValueError as error:
        raise ConfigError(f"{option}: {text!r} is no number") from error
    if not 0 <= value < _ADDRESS_END:
        raise ConfigError(f"{option}: {text} does not fit 64 bits")
    return value


def _range(text: str, option: str) -> tuple[int, int | None]:
    low, separator, high = text.partition("..")
    if not separator or not (low or high):
        raise ConfigError(f"{option}: write A..B, not {text!r}")
    return _number(low, option) if low else 0, _number(high, option) if high else None


def _addresses(text: str) -> tuple[int, int]:
    first, end = _range(text, "--trace-address")
    end = _ADDRESS_END - 1 if end is None else end
    if end <= first:
        raise ConfigError(f"--trace-address: nothing lies in {text}")
    return first, end


def _symbol(text: str, guest: Target) -> tuple[int, int]:
    first_name, separator, end_name = text.partition("..")
    first = _label(first_name, guest)
    if separator:
        end = _label(end_name, guest)
        if end <= first:
            raise ConfigError(f"--trace-symbol: {end_name} does not lie behind {first_name}")
        return first, end
    behind = [address for address in guest.labels.values() if address > first]
    return first, min(behind, default=_ADDRESS_END - 1)


def _label(name: str, guest: Target) -> int:
    if name not in guest.labels:
        raise ConfigError(f"--trace-symbol: {guest.name} has no label {name!r}")
    return guest.labels[name]


def _cores(text: str) -> Sequence[int]:
    cores: list[int] = []
    for part in text.split(","):
        low, separator, high = part.partition("-")
        first = _number(low, "--trace-cores")
        last = _number(high, "--trace-cores") if separator else first
        cores.extend(range(first, min(last, 255) + 1))
    return cores
