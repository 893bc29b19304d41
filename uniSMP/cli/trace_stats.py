"""`unismp trace stats`: a trace in numbers."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import Console

Row = dict[str, Any]
_TOP = 12
_MOST_TARGETS = 8
_MOST_CORES = 4
_TITLES = {
    "functions": "Hot functions (what lies between two labels); share of all and of each core",
    "blocks": "Hot blocks; share of all and of each core",
    "interrupts": "Interrupts delivered; latency in steps and ns from accepted (IRR) to delivered",
    "exceptions": "Exceptions and software interrupts",
    "ipis": "Interprocessor interrupts",
    "slices": "Slices, and what ended them; pause: PAUSE while others could run (spinning)",
    "halts": "HLT",
    "interrupts_off": "Longest stretch with interrupts off (IF = 0)",
    "locks": "Locked accesses, by address",
    "sharing": "Cache lines (64 bytes) that cores share",
}
_NOTES = {
    "locks": "handovers: another core had it last; unchanged: it wrote what was there,\n"
    "such as a compare-exchange that failed",
    "sharing": "transfers: a core comes back to a line that it writes or that another wrote;\n"
    "false: no 8 bytes that one core writes are used by another",
}


@click.command("stats")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--top", default=_TOP, show_default=True, type=click.IntRange(min=1),
    help="Rows of the sections that rank.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, directory: Path, top: int, as_json: bool) -> None:
    """Tell what the trace in DIR says in numbers.

    Hot functions and blocks, interrupts and their latency, locks, shared cache lines, slices.
    """
    from rich.console import Console  # noqa: PLC0415 - heavy; `unismp --help` is fast

    from uniSMP.trace.reader import Trace  # noqa: PLC0415
    from uniSMP.trace.statistics import compute  # noqa: PLC0415

    progress = Console(stderr=True)
    with Trace(directory) as trace:
        with progress.status("reading") as status:
            sections, missing = compute(
                trace, top, lambda name: status.update(f"computing {_subject(name).lower()}")
            )
        manifest = trace.manifest
    if as_json:
        click.echo(json.dumps({"sections": sections, "missing": missing}, indent=2))
        return
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    _print_head(console, manifest)
    for name, rows in sections.items():
        if rows:
            _print_section(console, name, rows)
    empty = [_subject(name).lower() for name, rows in sections.items() if not rows]
    if empty:
        console.print(f"none: {'; '.join(empty)}", style="dim")
    for name, level in missing.items():
        console.print(f"{_subject(name)}: needs --trace-level {level}", style="dim")


def _subject(name: str) -> str:
    """Return the title of a section without what explains it."""
    return _TITLES[name].replace(";", ",").partition(",")[0]


def _print_head(console: "Console", manifest: Row) -> None:
    ended = manifest.get("outcome", "the trace is incomplete: the run was killed, or goes on")
    steps = f"{manifest['steps']:,} instructions" if "steps" in manifest else ""
    console.print(f"{manifest['target']}  level {manifest['level']}  {ended}  {steps}")


def _print_section(console: "Console", name: str, rows: list[Row]) -> None:
    from rich.markup import escape  # noqa: PLC0415 - heavy
    from rich.table import Table  # noqa: PLC0415

    console.print(f"\n[bold]{_TITLES[name]}[/]")
    shaped = [_SHAPES.get(name, dict)(row) for row in rows]
    if name == "ipis":
        shaped = _matrix(rows)
    if name in ("functions", "blocks"):
        shaped = _places(rows)
    table = Table(box=None, pad_edge=False)
    for title in shaped[0]:
        is_text = any(isinstance(row[title], str) for row in shaped)
        table.add_column(title, justify="left" if is_text else "right", overflow="fold")
    for row in shaped:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    console.print(table)
    if name in _NOTES:
        console.print(_NOTES[name], style="dim")


def _cell(value: Any) -> str:  # noqa: ANN401 - a cell
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _places(rows: list[Row]) -> list[Row]:
    """Return functions or blocks with a column for each core; with one for all of too many."""
    cores = sorted({core for row in rows for core in row["cores"]})
    return [_place(row, cores) for row in rows]


def _place(row: Row, cores: list[int]) -> Row:
    if "function" in row:
        shaped: Row = {"function": row["function"]}
    else:
        shaped = {"block": row["symbol"] or f"{row['address']:#x}"}
    shaped |= {"instructions": row["instructions"], "share": row["share"]}
    shares = dict(zip(row["cores"], row["share_by_core"], strict=True))
    if len(cores) <= _MOST_CORES:
        return shaped | {f"core {core}": shares.get(core) for core in cores}
    most = max(zip(row["by_core"], row["cores"], strict=True))
    return shaped | {"cores": len(shares), "most on": f"core {most[1]}: {most[0]:,}"}


def _interrupt(row: Row) -> Row:
    return {
        "vector": f"{row['vector']:#04x}",
        "source": row["source"],
        "count": row["delivered"],
        "min": row["steps_min"],
        "median": row["steps_median"],
        "p99": row["steps_p99"],
        "max": row["steps_max"],
        "median ns": row["ns_median"],
        "p99 ns": row["ns_p99"],
        "max ns": row["ns_max"],
    }


def _matrix(rows: list[Row]) -> list[Row]:
    """Return senders downwards and targets across; as they are where these are too many."""
    targets = sorted({row["target"] for row in rows})
    if len(targets) > _MOST_TARGETS:
        return rows
    sent = {(row["sender"], row["mode"], row["target"]): row["sent"] for row in rows}
    senders = dict.fromkeys((row["sender"], row["mode"]) for row in rows)
    return [
        {"from": sender, "mode": mode}
        | {f"to {target}": sent.get((sender, mode, target)) for target in targets}
        for sender, mode in senders
    ]


def _exception(row: Row) -> Row:
    kind = "INT n" if row["kind"] == "software_interrupt" else "exception"
    return {**row, "kind": kind, "vector": f"{row['vector']:#04x}"}


def _address(row: Row) -> Row:
    rest = {key: value for key, value in row.items() if key not in ("physical", "symbol")}
    return {"address": row["symbol"] or f"{row['physical']:#x}", **rest}


_SHAPES: dict[str, Callable[[Row], Row]] = {
    "interrupts": _interrupt,
    "exceptions": _exception,
    "locks": _address,
    "sharing": _address,
}
