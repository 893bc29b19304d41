"""`unismp run`: run a guest, show its output as it appears, then what happened."""

import sys
from pathlib import Path
from typing import Any, get_args

import click

from uniSMP.cli import report
from uniSMP.cli.host_limits import HostLimits
from uniSMP.cli.progress import RunDisplay
from uniSMP.cli.record_options import make_recorder
from uniSMP.cli.target import Target, resolve
from uniSMP.cli.trace_options import (
    TraceOptions,
    end_writer,
    keep_trace,
    make_filter,
    make_writer,
    trace_options,
)
from uniSMP.errors import ConfigError, ImageError
from uniSMP.machine.config import DEFAULT_MEMORY_BYTES, Boot, MachineConfig
from uniSMP.machine.machine import DEFAULT_QUANTUM_INSTRUCTIONS, Machine
from uniSMP.machine.outcome import Outcome, RunResult
from uniSMP.memory.sizes import parse_size
from uniSMP.schedule.policy import Schedule
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.schedule.seeded_random import SeededRandom

_DEFAULT_LIMIT_INSTRUCTIONS = 10_000_000_000
_SEED_LIMIT = 1 << 64


@click.command("run")
@click.argument("target")
@click.option("--cores", default=1, show_default=True, help="Number of cores, 1 to 255.")
@click.option(
    "--memory",
    default=f"{DEFAULT_MEMORY_BYTES >> 20}M",
    show_default=True,
    help="RAM, such as 64M.",
)
@click.option(
    "--quantum",
    default=DEFAULT_QUANTUM_INSTRUCTIONS,
    show_default=True,
    help="Instructions of a slice (with --seed: at most).",
)
@click.option("--seed", type=int, help="Random slices from this seed instead of round robin.")
@click.option(
    "--ticks-per-instruction",
    "ticks",
    default=1,
    show_default=True,
    help="Virtual nanoseconds that pass with each instruction.",
)
@click.option("--append", default="", help="Command line for a multiboot guest.")
@click.option("--module", "modules", multiple=True, help="File for a multiboot guest; repeatable.")
@click.option(
    "--boot",
    type=click.Choice(get_args(Boot)),
    help="How the guest begins.  [default: multiboot if it has a header, else long]",
)
@click.option(
    "--max-instructions",
    default=_DEFAULT_LIMIT_INSTRUCTIONS,
    show_default=True,
    help="End after so many instructions of all cores.",
)
@click.option("--timeout", type=float, help="End after so many seconds; not deterministic.")
@click.option("--input", "serial", help="File whose bytes arrive at COM1; - is standard input.")
@click.option("--record", metavar="FILE", help="Record the run; `unismp replay FILE` repeats it.")
@trace_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(  # noqa: PLR0913 - one parameter per option
    *,
    target: str,
    cores: int,
    memory: str,
    quantum: int,
    seed: int | None,
    ticks: int,
    append: str,
    modules: tuple[str, ...],
    boot: Boot | None,
    max_instructions: int,
    timeout: float | None,
    serial: str | None,
    record: str | None,
    trace: str | None,
    trace_level: str,
    trace_cores: str,
    trace_address: tuple[str, ...],
    trace_symbol: tuple[str, ...],
    trace_steps: str,
    force: bool,
    as_json: bool,
) -> int:
    """Run TARGET: the name of a guest program, an assembly source, or a multiboot image.

    Exit status: 0 when the guest FINISHED, 1 for any other outcome, 2 for an error of use.
    """
    schedule = choose_schedule(seed, quantum)
    limits = HostLimits(timeout)
    config = MachineConfig(
        cores=cores,
        memory_bytes=parse_size(memory),
        boot=boot or "multiboot",
        ticks_per_instruction=ticks,
        command_line=append,
        modules=modules,
        serial_input=read_serial(serial),
    )
    guest = resolve(target)
    if boot is None and not guest.is_multiboot:
        config = start_directly(guest, config)
    if trace == "":
        raise ConfigError("--trace: the name of the folder is empty")
    options = TraceOptions(
        trace, trace_level, trace_cores, trace_address, trace_symbol, trace_steps, force
    )
    with Machine(config) as machine:
        machine.load(guest.image)
        chosen = make_filter(options, guest, cores) if trace else None
        settings = _settings(config, schedule, quantum, seed)
        writer = make_writer(options, guest, settings) if trace else None
        display = RunDisplay(machine, max_instructions, sys.stdout, is_quiet=as_json)
        recorder = make_recorder(record, machine, target, settings)
        with keep_trace(writer), recorder, display, limits:
            result = machine.run(
                schedule,
                max_instructions=max_instructions,
                on_console=display.print_guest,
                is_interrupted=lambda: display.tick() or limits.is_over(),
                trace=writer,
                trace_filter=chosen,
            )
        if writer is not None:
            end_writer(writer, result)
        _print_result(result, guest, as_json=as_json)
    return 0 if result.outcome is Outcome.FINISHED else 1


def choose_schedule(seed: int | None, quantum: int) -> Schedule:
    """Return random slices from a seed, or round robin without one.

    Raises:
        ConfigError: the seed or the quantum is out of range.
    """
    if seed is None:
        return RoundRobin(quantum)
    if not 0 <= seed < _SEED_LIMIT:
        raise ConfigError(f"seed {seed}: choose 0 to {_SEED_LIMIT - 1}")
    return SeededRandom(seed, quantum)


def start_directly(guest: Target, config: MachineConfig) -> MachineConfig:
    """Choose a direct start for assembled code without a multiboot header.

    Raises:
        ConfigError: the configuration has what only a multiboot image can be given.
        ImageError: it is no assembled code.
    """
    if isinstance(guest.image, bytes):
        raise ImageError(
            f"{guest.name} has no multiboot header; --boot long runs it as flat code at 0x100000"
        )
    if config.command_line or config.modules:
        raise ConfigError(f"{guest.name} has no multiboot header: --append and --module need one")
    return MachineConfig(
        cores=config.cores,
        memory_bytes=config.memory_bytes,
        boot="long",
        ticks_per_instruction=config.ticks_per_instruction,
        serial_input=config.serial_input,
    )


def read_serial(source: str | None) -> bytes:
    """Return the bytes of the file that arrive at COM1; `-` is standard input, None no file.

    Raises:
        ImageError: it cannot be read.
    """
    if source is None:
        return b""
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {source}: {error.strerror}") from error


def _settings(
    config: MachineConfig, schedule: Schedule, quantum: int, seed: int | None
) -> dict[str, Any]:
    """Return what makes a run what it is, for the manifest of a trace."""
    return {
        "cores": config.cores,
        "memory_bytes": config.memory_bytes,
        "boot": config.boot,
        "ticks_per_instruction": config.ticks_per_instruction,
        "command_line": config.command_line,
        "modules": [str(module) for module in config.modules],
        "schedule": schedule.name,
        "quantum": quantum,
        "seed": seed,
    }


def _print_result(result: RunResult, guest: Target, *, as_json: bool) -> None:
    if as_json:
        click.echo(report.to_json(result))
    else:
        report.print_summary(result, guest.labels, sys.stdout)
