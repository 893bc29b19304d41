"""`unismp trace html`: a trace as one page for a browser."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from uniSMP.cli.ranges import parse_range
from uniSMP.errors import ConfigError

if TYPE_CHECKING:
    from uniSMP.trace.selection import Selection

_MOST_EVENTS = 200_000


@click.command("html")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=click.Path(path_type=Path),
    help="The page; a file that is there is replaced.",
)  # fmt: skip
@click.option("--steps", default="", metavar="A..B", help="Only steps A to B-1; either may lack.")
@click.option("--core", "cores", multiple=True, type=click.IntRange(0, 254),
    help="Only this core, and what no core did; repeatable.",
)  # fmt: skip
@click.option(
    "--max-events", default=_MOST_EVENTS, show_default=True, type=click.IntRange(min=1),
    help="Show so many events at most, and so many stretches in functions.",
)  # fmt: skip
@click.option(
    "--source", "sources", multiple=True, metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the guest's sources are; repeatable.  [default: the guest library]",
)  # fmt: skip
def command(
    *,
    directory: Path,
    output: Path,
    steps: str,
    cores: tuple[int, ...],
    max_events: int,
    sources: tuple[Path, ...],
) -> None:
    """Write the trace in DIR as one page for a browser: lanes of cores, interrupts, code.

    The page needs no network and no other file. It holds the source lines that it shows.
    """
    from uniSMP.assembler import library  # noqa: PLC0415 - heavy; `unismp --help` is fast
    from uniSMP.trace.html_page import make_page  # noqa: PLC0415
    from uniSMP.trace.reader import Trace  # noqa: PLC0415

    for folder in sources:
        if not folder.is_dir():
            raise ConfigError(f"--source: there is no folder {folder}")
    with Trace(directory) as trace:
        page = make_page(trace, _selection(steps, cores, max_events), (*sources, *library.roots()))
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {output}: {error.strerror}") from error
    click.echo(f"{output}: {output.stat().st_size:,} bytes")


def _selection(steps: str, cores: tuple[int, ...], most_events: int) -> "Selection":
    from uniSMP.trace.selection import Selection  # noqa: PLC0415 - heavy

    first, end = parse_range(steps, "--steps") if steps else (0, None)
    return Selection(first, end, tuple(sorted(set(cores))), most_events)
