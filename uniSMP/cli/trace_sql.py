"""`unismp trace sql`: a query over the tables of a trace."""

import csv
import json
import sys
from pathlib import Path
from typing import Any

import click

from uniSMP.errors import ConfigError

_MOST_SHOWN = 1000


@click.command("sql")
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("query")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values.")
@click.option("--json", "form", flag_value="json", help="One JSON object per line.")
@click.option("--hex", "is_hex", is_flag=True, help="Show 64-bit columns in hexadecimal.")
@click.option(
    "--limit", default=_MOST_SHOWN, show_default=True, help="Rows of the table; 0 is all."
)
def command(*, directory: Path, query: str, form: str | None, is_hex: bool, limit: int) -> None:
    """Run the DuckDB QUERY over the tables of the trace in DIR; - reads it from standard input.

    The tables: events, executions, instructions, memory, registers, blocks, symbols, lines.
    """
    from uniSMP.trace.reader import Trace  # noqa: PLC0415 - heavy; `unismp --help` is fast

    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise ConfigError("the query is empty")
    with Trace(directory) as trace:
        result = trace.query(text)
    rows = [list(row) for row in zip(*(column.to_pylist() for column in result.columns))]  # noqa: B905 - one length
    wide = [str(field.type) == "uint64" for field in result.schema]
    if is_hex:
        rows = [[_hex(v) if w else v for v, w in zip(row, wide, strict=True)] for row in rows]
    names = result.schema.names
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)
    elif form == "json":
        for row in rows:
            click.echo(json.dumps(dict(zip(names, map(_plain, row), strict=True))))
    else:
        _print_table(names, rows, limit)


def _hex(value: Any) -> Any:  # noqa: ANN401 - a cell
    return value if value is None else f"{value:#x}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell
    return value if isinstance(value, int | float | str | list | None) else str(value)


def _text(value: Any) -> str:  # noqa: ANN401 - a cell
    if value is None:
        return ""
    return value.hex() if isinstance(value, bytes) else str(value)


def _print_table(names: list[str], rows: list[list[Any]], limit: int) -> None:
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, pad_edge=False)
    shown = rows if limit == 0 else rows[:limit]
    for number, name in enumerate(names):
        is_number = any(isinstance(row[number], int | float) for row in shown)
        table.add_column(escape(name), justify="right" if is_number else "left", overflow="fold")
    for row in shown:
        table.add_row(*(escape(_text(value)) for value in row))
    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(table)
    rest = f"; {len(rows) - len(shown):,} more: --limit 0 shows them" if rows != shown else ""
    console.print(f"{len(rows):,} rows{rest}", style="dim")
