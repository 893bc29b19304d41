"""`unismp run`: run a guest, show its output as it appears, then what happened."""

import sys

import click

from uniSMP.cli import report
from uniSMP.cli.host_limits import HostLimits
from uniSMP.cli.machine_options import MachineOptions, machine_options, make_guest
from uniSMP.cli.progress import RunDisplay
from uniSMP.cli.record_options import check_record, make_recorder
from uniSMP.cli.trace_options import (
    TraceOptions,
    describe_run,
    end_writer,
    keep_trace,
    make_filter,
    make_writer,
    trace_options,
)
from uniSMP.errors import ConfigError
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Outcome, RunResult
from uniSMP.machine.target import Target

_DEFAULT_LIMIT_INSTRUCTIONS = 10_000_000_000


@click.command("run")
@click.argument("target")
@machine_options
@click.option(
    "--max-instructions",
    default=_DEFAULT_LIMIT_INSTRUCTIONS,
    show_default=True,
    help="End after so many instructions of all cores.",
)
@click.option("--timeout", type=float, help="End after so many seconds; not deterministic.")
@click.option("--record", metavar="FILE", help="Record the run; `unismp replay FILE` repeats it.")
@trace_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(  # noqa: PLR0913 - one parameter per option
    *,
    target: str,
    options: MachineOptions,
    max_instructions: int,
    timeout: float | None,
    record: str | None,
    tracing: TraceOptions,
    as_json: bool,
) -> int:
    """Run TARGET: the name of a guest program, an assembly source, or a multiboot image.

    Exit status: 0 when the guest FINISHED, 1 for any other outcome, 2 for an error of use.
    """
    limits = HostLimits(timeout)
    guest, schedule, config = make_guest(target, options)
    if max_instructions < 1:
        raise ConfigError(f"--max-instructions {max_instructions}: choose 1 or more")
    modules = [module.partition(" ")[0] for module in options.modules]
    check_record(record, [target, options.serial, *modules], tracing.directory)
    with Machine(config) as machine:
        machine.load(guest.image)
        chosen = make_filter(tracing, guest, config.cores) if tracing.directory else None
        facts = {"name": schedule.name, "quantum": options.quantum, "seed": options.seed}
        settings = describe_run(config, facts)
        writer = make_writer(tracing, guest, settings) if tracing.directory else None
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


def _print_result(result: RunResult, guest: Target, *, as_json: bool) -> None:
    if as_json:
        click.echo(report.to_json(result))
    else:
        report.print_summary(result, guest.labels, sys.stdout)
