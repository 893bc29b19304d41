"""The options of `unismp run` and `unismp replay` that trace, and the trace they ask for."""

import functools
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uniSMP.cli.ranges import parse_cores, parse_range, parse_symbol
from uniSMP.errors import ConfigError
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.outcome import RunResult
from uniSMP.machine.target import Target
from uniSMP.memory.boot_information import Module

if TYPE_CHECKING:
    from uniSMP.machine.tracer import TraceFilter
    from uniSMP.trace.writer import TraceWriter

_LEVELS = ("events", "blocks", "instructions", "memory", "registers")
_NAMES = (
    *("trace", "trace_level", "trace_cores", "trace_address", "trace_symbol", "trace_steps"),
    "force",
)
"""The options by the names click gives them, in the order of `TraceOptions`."""
_ADDRESS_END = (1 << 64) - 1


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
    """Add the options to a command, which is given all of them as one argument `tracing`."""

    @functools.wraps(command)
    def collected(*arguments: Any, **values: Any) -> Any:  # noqa: ANN401 - the command's own
        tracing = TraceOptions(*(values.pop(name) for name in _NAMES))
        if tracing.directory == "":
            raise ConfigError("--trace: the name of the folder is empty")
        return command(*arguments, tracing=tracing, **values)

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
        collected = option(collected)
    return collected


def describe_run(config: MachineConfig, schedule: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a run what it is, for the manifest of a trace.

    Args:
        config: the machine.
        schedule: its name, quantum and seed, as far as they are known.
    """
    modules = (each.name if isinstance(each, Module) else str(each) for each in config.modules)
    return {
        "cores": config.cores,
        "memory_bytes": config.memory_bytes,
        "boot": config.boot,
        "ticks_per_instruction": config.ticks_per_instruction,
        "command_line": config.command_line,
        "modules": list(modules),
        "schedule": schedule.get("name"),
        "quantum": schedule.get("quantum"),
        "seed": schedule.get("seed"),
    }


def make_filter(options: TraceOptions, guest: Target, cores: int) -> "TraceFilter":
    """Return what of a run on so many cores is kept.

    Raises:
        ConfigError: an option cannot be understood, or nothing would be kept.
    """
    from uniSMP.machine.tracer import TraceFilter  # noqa: PLC0415 - needed while tracing only

    first, end = parse_range(options.steps, "--trace-steps") if options.steps else (0, None)
    ranges = []
    for text in options.addresses:
        low, high = parse_range(text, "--trace-address")
        ranges.append((low, _ADDRESS_END if high is None else high))
    ranges += [parse_symbol(text, guest.labels, "--trace-symbol") for text in options.symbols]
    core_ids = parse_cores(options.cores, "--trace-cores") if options.cores else None
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
    writer.add_names(guest.labels, guest.lines)
    return writer


@contextmanager
def keep_trace(writer: "TraceWriter | None") -> Iterator[None]:
    """Write what a run that ends by an error has traced so far."""
    try:
        yield
    except BaseException:
        if writer is not None:
            writer.abandon()
        raise


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
