"""`unismp trace export`: write a trace in the format of another tool."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uniSMP.cli.export_progress import ExportProgress
from uniSMP.cli.ranges import parse_range
from uniSMP.errors import ConfigError

if TYPE_CHECKING:
    from uniSMP.trace.export.rows import Window
    from uniSMP.trace.reader import Trace

_FORMATS = ("perfetto", "drcov", "tenet", "execlog", "csv")
_BINARY = frozenset(["perfetto", "drcov"])
Chunks = Iterator[tuple[int, memoryview]]


@click.command("export")
@click.argument("directory", metavar="DIR")
@click.option(
    "--format", "chosen", type=click.Choice(_FORMATS), required=True, help="What to write."
)
@click.option("-o", "--output", required=True, metavar="FILE", help="Where; - is standard output.")
@click.option("--steps", default="", metavar="A..B", help="Only steps A to B-1; either may lack.")
@click.option("--core", type=int, help="Only this core.  [tenet: default 0]")
@click.option("--table", metavar="NAME", help="csv: this table instead of the instructions.")
@click.option("--force", is_flag=True, help="Replace FILE.")
def command(  # noqa: PLR0913 - one parameter per option
    *,
    directory: str,
    chosen: str,
    output: str,
    steps: str,
    core: int | None,
    table: str | None,
    force: bool,
) -> None:
    """Write the trace in DIR to FILE in the format of another tool.

    \b
    perfetto  timeline for ui.perfetto.dev             from level events
    drcov     covered code, for Lighthouse and others  from level blocks
    execlog   lines like those of QEMU's execlog       from level instructions
    csv       the instructions, or one --table         from level instructions
    tenet     one core, for the trace explorer Tenet   from level registers
    """  # noqa: D301 - \b is click's mark for lines that are not to be wrapped
    from uniSMP.trace.reader import Trace  # noqa: PLC0415 - DuckDB takes a while to import

    if table is not None and chosen != "csv":
        raise ConfigError(f"--table goes with --format csv, not {chosen}")
    if output == "-" and chosen in _BINARY:
        raise ConfigError(f"{chosen} is no text: name a file with -o FILE")
    with Trace(Path(directory)) as trace:
        window = _window(trace, steps, core)
        unit, rows = _size(trace, table)
        with ExportProgress(rows, unit) as progress:
            chunks = _chunks(trace, window, chosen, table)
            if output == "-":
                _write_to_stdout(chunks, progress)
            else:
                _write_to_file(chunks, progress, Path(output), force=force)


def _window(trace: "Trace", steps: str, core: int | None) -> "Window":
    from uniSMP.trace.export.rows import END_STEP, Window  # noqa: PLC0415 - needs numpy and Arrow

    cores = int(trace.manifest.get("configuration", {}).get("cores", 1))
    if core is not None and not 0 <= core < cores:
        raise ConfigError(f"--core {core}: this trace has cores 0 to {cores - 1}")
    if not steps:
        return Window(core=core)
    first, end = parse_range(steps, "--steps")
    if not first < (END_STEP if end is None else end) <= END_STEP:
        raise ConfigError(f"--steps: there is no step in {steps}")
    return Window(first, END_STEP if end is None else end, core)


def _size(trace: "Trace", table: str | None) -> tuple[str, int]:
    """Return what is counted, and how many of them the trace has."""
    rows: dict[str, Any] = trace.manifest.get("rows", {})
    name = table or "instructions"
    return "rows" if table else name, int(rows.get(name, 0))


def _chunks(trace: "Trace", window: "Window", chosen: str, table: str | None) -> Chunks:
    """Return (rows done, bytes) one after the other."""
    match chosen:
        case "perfetto":
            from uniSMP.trace.export import perfetto  # noqa: PLC0415 - only what is asked for

            return perfetto.timeline(trace, window)
        case "drcov":
            from uniSMP.trace.export import drcov  # noqa: PLC0415

            return iter([(0, memoryview(drcov.coverage(trace, window)))])
        case "tenet":
            from uniSMP.trace.export import tenet  # noqa: PLC0415

            return tenet.lines(trace, window, window.core or 0)
        case "execlog":
            from uniSMP.trace.export import execlog  # noqa: PLC0415

            return execlog.lines(trace, window)
    from uniSMP.trace.export import tables  # noqa: PLC0415

    if table is None:
        return tables.instruction_lines(trace, window)
    return tables.table_lines(trace, window, table)


def _write_to_stdout(chunks: Chunks, progress: ExportProgress) -> None:
    for rows, text in chunks:
        sys.stdout.buffer.write(text)
        progress.advance(rows, len(text))
    sys.stdout.buffer.flush()


def _write_to_file(chunks: Chunks, progress: ExportProgress, path: Path, *, force: bool) -> None:
    from uniSMP.trace.export.output import whole_file  # noqa: PLC0415

    with whole_file(path, force=force) as stream:
        for rows, text in chunks:
            stream.write(text)
            progress.advance(rows, len(text))
    progress.finish(path)
