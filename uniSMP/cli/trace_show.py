"""`unismp trace show`: what happened, in the terminal."""

import json
import shutil
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from uniSMP.cli.ranges import parse_cores, parse_range, parse_symbol
from uniSMP.errors import ConfigError

if TYPE_CHECKING:
    from uniSMP.trace.reader import Trace
    from uniSMP.trace.story import Wanted

_LIMIT = 1000
_END = (1 << 64) - 1
_STEP_END = 1 << 62
_PIPE_COLUMNS = 120
_OF_INSTRUCTIONS = ("--address", "--symbol", "--memory")
_SMALL_PAGE_ROWS = 2_000
_PAGE_ROWS = 20_000


@click.command("show")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--core", "cores", multiple=True, metavar="LIST",
    help="Only these cores: 0,2-3; repeatable.")  # fmt: skip
@click.option("--steps", default="", metavar="A..B", help="Only steps A to B-1; either may lack.")
@click.option("--address", multiple=True, metavar="A..B", help="Only instructions there.")
@click.option("--symbol", multiple=True, metavar="NAME[..NAME]", help="Only instructions there.")
@click.option("--memory", multiple=True, metavar="A..B", help="Only instructions accessing it.")
@click.option("--kind", "kinds", multiple=True, help="Only events of this kind; repeatable.")
@click.option("--events", "events_only", is_flag=True, help="Only events.")
@click.option("--follow-interrupts", "follows", is_flag=True, help="Tell each interrupt's story.")
@click.option("--columns", "in_columns", is_flag=True, help="Cores side by side.")
@click.option("--limit", default=_LIMIT, show_default=True, help="So many at most; 0 is all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line.")
def command(  # noqa: PLR0913 - one parameter per option
    *,
    directory: Path,
    cores: tuple[str, ...],
    steps: str,
    address: tuple[str, ...],
    symbol: tuple[str, ...],
    memory: tuple[str, ...],
    kinds: tuple[str, ...],
    events_only: bool,
    follows: bool,
    in_columns: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Show what happened in the trace in DIR, oldest first.

    A line is: step, core, symbol, instruction, source; below it what was read (->) and written
    (<-) and the registers that changed. Events stand between with --.
    """
    from uniSMP.trace.reader import Trace  # noqa: PLC0415 - heavy; `unismp --help` is fast
    from uniSMP.trace.story import Wanted  # noqa: PLC0415

    if limit < 0:
        raise ConfigError(f"--limit {limit}: choose 0 (all) or more")
    chosen: dict[str, object] = {
        "--address": address,
        "--symbol": symbol,
        "--memory": memory,
        "--kind": kinds,
    }
    chosen |= {"--events": events_only, "--columns": in_columns}
    if follows:
        _refuse_together("--follow-interrupts", chosen)
    if events_only or kinds:
        _refuse_together("--kind" if kinds else "--events", chosen, _OF_INSTRUCTIONS)
    if as_json:
        _refuse_together("--json", chosen, ("--columns",))
    _check_kinds(kinds)
    with Trace(directory) as trace:
        first, end = parse_range(steps, "--steps") if steps else (0, None)
        ranges = [_addresses(text, "--address") for text in address]
        ranges += [parse_symbol(text, trace.symbols, "--symbol") for text in symbol]
        wanted = Wanted(
            first,
            _STEP_END if end is None else min(end, _STEP_END),
            _cores(trace, cores),
            tuple(ranges),
            tuple(_addresses(text, "--memory") for text in memory),
            kinds,
            events_only=events_only or bool(kinds),
        )
        lines = (
            _follow(trace, wanted, as_json=as_json)
            if follows
            else _tell(trace, wanted, limit, as_json=as_json, in_columns=in_columns)
        )
        _print(lines, limit)


def _cores(trace: "Trace", texts: Sequence[str]) -> tuple[int, ...]:
    """Return the core ids of all --core options.

    Raises:
        ConfigError: one cannot be understood, or is none of a trace that tells its cores (one that
            was cut short does not).
    """
    chosen = frozenset[int]().union(*(parse_cores(text, "--core") for text in texts))
    there = [core["id"] for core in trace.manifest.get("cores", ())]
    strangers = sorted(chosen.difference(there))
    if there and strangers:
        raise ConfigError(f"--core {strangers[0]}: this trace has cores {there[0]} to {there[-1]}")
    return tuple(sorted(chosen))


def _refuse_together(
    option: str, chosen: Mapping[str, object], others: Collection[str] | None = None
) -> None:
    """Raise ConfigError where an option was given that means nothing beside another one."""
    for name, value in chosen.items():
        if value and (others is None or name in others):
            raise ConfigError(f"{option} and {name} do not go together")


def _check_kinds(kinds: Sequence[str]) -> None:
    from uniSMP.trace.schema import EVENT_KINDS  # noqa: PLC0415 - heavy

    for kind in kinds:
        if kind not in EVENT_KINDS:
            near = get_close_matches(kind, EVENT_KINDS, 1)
            hint = f"is {near[0]} meant?" if near else f"choose from {', '.join(EVENT_KINDS)}"
            raise ConfigError(f"--kind {kind}: there are no such events; {hint}")


def _addresses(text: str, option: str) -> tuple[int, int]:
    low, high = parse_range(text, option)
    return low, _END if high is None else high


def _print(groups: Iterator[list[str]], limit: int) -> None:
    """Print groups of lines; say where the limit cut."""
    count = 0
    for group in groups if limit == 0 else islice(groups, limit):
        sys.stdout.write("".join(f"{line}\n" for line in group))
        count += 1
    if not count:
        click.echo("nothing in the trace matches", err=True)
    elif limit and next(groups, None) is not None:
        click.echo(f"the first {limit:,} are shown: --limit 0 shows all", err=True)


def _width() -> int | None:
    """Return the columns of the terminal; None: the output goes elsewhere and is not cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _tell(
    trace: "Trace", wanted: "Wanted", limit: int, *, as_json: bool, in_columns: bool
) -> Iterator[list[str]]:
    from uniSMP.trace import telling  # noqa: PLC0415 - heavy
    from uniSMP.trace.story import Story  # noqa: PLC0415

    width = _width()
    teller = telling.Teller(trace, width)
    small = 0 < limit < _SMALL_PAGE_ROWS
    items = Story(trace, wanted).items(limit + 1 if small else _PAGE_ROWS)
    if as_json:
        yield from ([json.dumps(telling.as_json(item, trace))] for item in items)
    elif in_columns:
        core_ids = list(wanted.core_ids) or trace.core_ids
        columns = telling.Columns(teller, core_ids, width or _PIPE_COLUMNS)
        yield from columns.tell(items)
    else:
        yield from (teller.lines(item) for item in items)


def _follow(trace: "Trace", wanted: "Wanted", *, as_json: bool) -> Iterator[list[str]]:
    """Yield the lines of each interrupt's story; one that began before the steps lacks that."""
    from uniSMP.trace.interrupt_stories import tell_interrupts  # noqa: PLC0415 - heavy
    from uniSMP.trace.interrupt_telling import interrupt_data, interrupt_lines  # noqa: PLC0415
    from uniSMP.trace.selection import Selection, select_events  # noqa: PLC0415

    end = None if wanted.end_step == _STEP_END else wanted.end_step
    selected = select_events(trace, Selection(wanted.first_step, end))
    for note in selected.notes:
        click.echo(note.replace("--steps or --max-events", "--steps"), err=True)
    for story in tell_interrupts(trace, selected):
        if story.concerns(wanted.core_ids):
            yield (
                [json.dumps(interrupt_data(story, trace.names))]
                if as_json
                else interrupt_lines(story, trace.names, _width())
            )
