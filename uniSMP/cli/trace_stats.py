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
_TITLES = {
    "functions": "Hot functions (what lies between two labels)",
    "blocks": "Hot blocks",
    "interrupts": "Interrupts delivered; latency in steps and ns from accepted (IRR) to delivered",
    "exceptions": "Exceptions and software interrupts",
    "ipis": "Interprocessor interrupts",
    "slices": "Slices, and what ended them; pause: PAUSE while others could run (spinning)",
    "halts": "HLT",
    "interrupts_off": "Longest stretch with interrupts off (IF = 0)",
    "locks": "Locked accesses, by the address",
    "sharing": "Cache lines (64 bytes) that cores share",
}
_NOTES = {
    "locks": "handovers: another core had it last; unchanged: it wrote what was there,\n"
    "such as a compare-exchange that failed",
    "sharing": "transfers: the line must move to another core; false: no 8 bytes are used by\n"
    "two cores",
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
                trace, top, lambda name: status.update(f"computing {_TITLES[name].lower()}")
            )
        manifest = trace.manifest
    if as_json:
        click.echo(json.dumps({"sections": sections, "missing": missing}, indent=2))
        return
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    _print_head(console, manifest)
    total = sum(core["instructions"] for core in manifest.get("cores", []))
    for name, rows in sections.items():
        if rows:
            _print_section(console, name, rows, total)
    empty = [_TITLES[name].split(",")[0].lower() for name, rows in sections.items() if not rows]
    if empty:
        console.print(f"none: {'; '.join(empty)}", style="dim")
    for name, level in missing.items():
        console.print(f"{_TITLES[name]}: needs --trace-level {level}", style="dim")


def _print_head(console: "Console", manifest: Row) -> None:
    ended = manifest.get("outcome", "the trace is incomplete: the run was killed, or goes on")
    steps = f"{manifest['steps']:,} instructions" if "steps" in manifest else ""
    console.print(f"{manifest['target']}  level {manifest['level']}  {ended}  {steps}")


def _print_section(console: "Console", name: str, rows: list[Row], total: int) -> None:
    from rich.markup import escape  # noqa: PLC0415 - heavy
    from rich.table import Table  # noqa: PLC0415

    console.print(f"\n[bold]{_TITLES[name]}[/]")
    shaped = [_SHAPES.get(name, dict)(row) for row in rows]
    if name == "ipis":
        shaped = _matrix(rows)
    if name in ("functions", "blocks"):
        shaped = [_with_share(row, total) for row in shaped]
    table = Table(box=None, pad_edge=False)
    for title in shaped[0]:
        is_text = any(isinstance(row[title], str) for row in shaped) and title != "share"
        table.add_column(title, justify="left" if is_text else "right", overflow="fold")
    for row in shaped:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    console.print(table)
    if name in _NOTES:
        console.print(_NOTES[name], style="dim")


def _cell(value: Any) -> str:  # noqa: ANN401 - a cell
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _with_share(row: Row, total: int) -> Row:
    share = f"{row['instructions'] / total:.1%}" if total else "-"
    return {**row, "share": share}


def _function(row: Row) -> Row:
    most = max(zip(row["by_core"], row["cores"], strict=True))
    return {
        "function": row["function"],
        "instructions": row["instructions"],
        "cores": len(row["cores"]),
        "most on": f"core {most[1]}: {most[0]:,}",
    }


def _block(row: Row) -> Row:
    return {
        "block": row["symbol"] or f"{row['address']:#x}",
        "instructions": row["instructions"],
        "runs": row["runs"],
        "cores": row["cores"],
    }


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


def _halt(row: Row) -> Row:
    return {**row, "halted_ns": row["halted_ns"] or 0}


def _address(row: Row) -> Row:
    rest = {key: value for key, value in row.items() if key not in ("physical", "symbol")}
    return {"address": row["symbol"] or f"{row['physical']:#x}", **rest}


_SHAPES: dict[str, Callable[[Row], Row]] = {
    "functions": _function,
    "blocks": _block,
    "interrupts": _interrupt,
    "exceptions": _exception,
    "halts": _halt,
    "locks": _address,
    "sharing": _address,
}
