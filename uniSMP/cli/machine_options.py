"""The options of several commands that say what the machine is, and what they make."""

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

import click

from uniSMP.cli.target import resolve
from uniSMP.errors import ConfigError, ImageError
from uniSMP.machine.config import DEFAULT_MEMORY_BYTES, Boot, MachineConfig
from uniSMP.machine.machine import DEFAULT_QUANTUM_INSTRUCTIONS
from uniSMP.machine.target import Target
from uniSMP.memory.sizes import parse_size
from uniSMP.schedule.policy import Schedule
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.schedule.seeded_random import SeededRandom

_SEED_LIMIT = 1 << 64
_SCHEDULE = {"quantum": DEFAULT_QUANTUM_INSTRUCTIONS, "seed": None}
"""The options that say who runs when, and their defaults."""
_SCHEDULE_OPTIONS = (
    click.option(
        "--quantum",
        default=DEFAULT_QUANTUM_INSTRUCTIONS,
        show_default=True,
        help="Instructions of a slice (with --seed: at most).",
    ),
    click.option("--seed", type=int, help="Random slices from this seed instead of round robin."),
)
_BOARD_OPTIONS = (
    click.option("--cores", default=1, show_default=True, help="Number of cores, 1 to 255."),
    click.option(
        "--memory",
        default=f"{DEFAULT_MEMORY_BYTES >> 20}M",
        show_default=True,
        help="RAM, such as 64M.",
    ),
    click.option(
        "--ticks-per-instruction",
        "ticks",
        default=1,
        show_default=True,
        help="Virtual nanoseconds that pass with each instruction.",
    ),
    click.option("--append", default="", help="Command line for a multiboot guest."),
    click.option(
        "--module", "modules", multiple=True, help="File for a multiboot guest; repeatable."
    ),
    click.option(
        "--boot",
        type=click.Choice(get_args(Boot)),
        help="How the guest begins.  [default: multiboot if it has a header, else long]",
    ),
    click.option(
        "--input",
        "serial",
        help="File whose bytes arrive at COM1; for `run`, - is standard input.",
    ),
)


@dataclass(frozen=True, slots=True)
class MachineOptions:
    """What the command line says of the machine, as it was written.

    Attributes:
        cores: number of cores.
        memory: size of RAM, such as 64M.
        quantum: instructions of a slice; with a seed at most.
        seed: of a random schedule; None is round robin.
        ticks: virtual nanoseconds per instruction.
        append: command line of a multiboot guest.
        modules: files for a multiboot guest.
        boot: how the guest begins; None is multiboot if it has a header, else long.
        serial: file whose bytes arrive at COM1, `-` is standard input; None is nothing.
    """

    cores: int
    memory: str
    quantum: int
    seed: int | None
    ticks: int
    append: str
    modules: tuple[str, ...]
    boot: Boot | None
    serial: str | None


_NAMES = tuple(field.name for field in fields(MachineOptions))


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which is given all of them as one argument `options`."""
    return _collect(command, (*_BOARD_OPTIONS[:2], *_SCHEDULE_OPTIONS, *_BOARD_OPTIONS[2:]))


def board_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add those options that do not say who runs when; `options` has the defaults of the others."""
    return _collect(command, _BOARD_OPTIONS)


def _collect(
    command: Callable[..., Any], given: Sequence[Callable[..., Any]]
) -> Callable[..., Any]:
    @functools.wraps(command)
    def collected(*arguments: Any, **values: Any) -> Any:  # noqa: ANN401 - the command's own
        board = {name: values.pop(name) for name in _NAMES if name not in _SCHEDULE}
        schedule = {name: values.pop(name) for name in _SCHEDULE if len(given) == len(_NAMES)}
        options = MachineOptions(**board, **{**_SCHEDULE, **schedule})
        return command(*arguments, options=options, **values)

    for option in reversed(given):
        collected = option(collected)
    return collected


def refuse_machine_options(context: click.Context, why: str) -> None:
    """Raise ConfigError, saying why, where the command line has one of the options."""
    for parameter in context.command.params:
        if parameter.name not in _NAMES:
            continue
        source = context.get_parameter_source(parameter.name)
        if source is not click.core.ParameterSource.DEFAULT:
            raise ConfigError(f"{parameter.opts[0]}: {why}")


def make_guest(target: str, options: MachineOptions) -> tuple[Target, Schedule, MachineConfig]:
    """Return the guest that TARGET names, its schedule, and what its machine is made of.

    Raises:
        ConfigError: an option is out of range, or does not fit the guest.
        AssemblyError: the source cannot be assembled.
        ImageError: there is no such guest, or a file cannot be read.
    """
    schedule = _schedule(options.seed, options.quantum)
    config = MachineConfig(
        cores=options.cores,
        memory_bytes=parse_size(options.memory),
        boot=options.boot or "multiboot",
        ticks_per_instruction=options.ticks,
        command_line=options.append,
        modules=options.modules,
        serial_input=_read_serial(options.serial),
    )
    guest = resolve(target)
    if options.boot is None and not guest.is_multiboot:
        config = _start_directly(guest, config)
    return guest, schedule, config


def _schedule(seed: int | None, quantum: int) -> Schedule:
    if seed is None:
        return RoundRobin(quantum)
    if not 0 <= seed < _SEED_LIMIT:
        raise ConfigError(f"seed {seed}: choose 0 to {_SEED_LIMIT - 1}")
    return SeededRandom(seed, quantum)


def _start_directly(guest: Target, config: MachineConfig) -> MachineConfig:
    """Choose a direct start for assembled code without a multiboot header."""
    if isinstance(guest.image, bytes):
        raise ImageError(
            f"{guest.name} has no multiboot header; --boot long runs it as flat code at 0x100000"
        )
    if config.command_line or config.modules:
        raise ConfigError(f"{guest.name} has no multiboot header: --append and --module need one")
    return replace(config, boot="long")


def _read_serial(source: str | None) -> bytes:
    """Return what arrives at COM1."""
    if source is None:
        return b""
    if source == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {source}: {error.strerror}") from error
