"""`unismp replay`: run a recording again, or look at a moment of it."""

import sys
from pathlib import Path

import click

from uniSMP.cli import report
from uniSMP.cli.divergence_report import print_divergence
from uniSMP.cli.host_limits import HostLimits
from uniSMP.cli.moment import print_last_write, print_moment
from uniSMP.cli.progress import RunDisplay
from uniSMP.cli.trace_options import (
    TraceOptions,
    describe_run,
    end_writer,
    keep_trace,
    make_filter,
    make_writer,
    trace_options,
)
from uniSMP.errors import ConfigError, DivergenceError
from uniSMP.machine.outcome import RunResult
from uniSMP.machine.target import Target
from uniSMP.replay.recording import Recording
from uniSMP.replay.replayer import Replayer

_DIVERGED = 1
_INTERRUPTED = 130


@click.command("replay")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--at", type=int, metavar="STEP", help="Print the state at STEP.")
@click.option(
    "--last-write",
    "last_write",
    metavar="ADDRESS[:BYTES]",
    help="Print who wrote there last (before --at, or the end); a number or a label, 8 bytes.",
)
@click.option("--core", type=int, help="With --at: print this core only.")
@trace_options
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(
    *,
    file: Path,
    at: int | None,
    last_write: str | None,
    core: int | None,
    tracing: TraceOptions,
    as_json: bool,
) -> int:
    """Run the recording FILE again, exactly; everything that was recorded is compared.

    Exit status: 0 when the run is the same again, whatever its outcome; 1 where it departs; 2 for
    an error of use or a damaged file.
    """
    recording = Recording.open(file)
    guest = recording.target
    if at is not None or last_write is not None:
        if tracing.directory is not None or as_json:
            raise ConfigError("--at and --last-write go with neither --trace nor --json")
        return _look(recording, guest, at, core, last_write)
    if core is not None:
        raise ConfigError("--core goes with --at")
    with Replayer(recording) as replayer:
        try:
            result = _replay(replayer, guest, tracing, as_json=as_json)
        except DivergenceError as error:
            print_divergence(replayer, error, guest)
            return _DIVERGED
        if as_json:
            click.echo(report.to_json(result))
        else:
            report.print_summary(result, guest.labels, sys.stdout)
            _say(replayer, result)
    return _INTERRUPTED if replayer.was_interrupted else 0


def _replay(
    replayer: Replayer, guest: Target, options: TraceOptions, *, as_json: bool
) -> RunResult:
    recording = replayer.recording
    chosen = make_filter(options, guest, recording.config.cores) if options.directory else None
    schedule = recording.manifest["facts"].get("schedule")
    settings = describe_run(recording.config, schedule if isinstance(schedule, dict) else {})
    writer = make_writer(options, guest, settings) if options.directory else None
    display = RunDisplay(replayer.machine, max(1, recording.steps), sys.stdout, is_quiet=as_json)
    limits = HostLimits(None)
    with keep_trace(writer), display, limits:
        result = replayer.run(
            trace=writer,
            trace_filter=chosen,
            on_console=display.print_guest,
            is_interrupted=lambda: display.tick() or limits.is_over(),
        )
    if writer is not None:
        end_writer(writer, result)
    return result


def _say(replayer: Replayer, result: RunResult) -> None:
    recording = replayer.recording
    if replayer.was_interrupted:
        click.echo(f"stopped at step {result.steps:,} of {recording.steps:,}")
    elif not recording.is_complete:
        click.echo(
            f"replayed up to the last checkpoint, step {recording.steps:,}: it agrees "
            "(the recording was not completed)"
        )
    else:
        click.echo(f"the same run as recorded: {len(recording.rows):,} slices agree")


def _look(
    recording: Recording, guest: Target, at: int | None, core: int | None, last_write: str | None
) -> int:
    with Replayer(recording) as replayer:
        try:
            if last_write is not None:
                print_last_write(replayer, guest, last_write, at)
            elif at is not None:
                print_moment(replayer, guest, at, core)
        except DivergenceError as error:
            print_divergence(replayer, error, guest)
            return _DIVERGED
    return 0
