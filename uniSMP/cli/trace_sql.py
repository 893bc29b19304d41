"""`unismp trace sql`: a query over the tables of a trace."""

import csv
import json
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from uniSMP.errors import ConfigError

if TYPE_CHECKING:
    import pyarrow as pa

_MOST_SHOWN = 1000
_PLAIN_TYPES = ("int", "uint", "string", "bool", "float", "double")
"""Arrow types whose Python values need no change."""


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

    if limit < 0:
        raise ConfigError(f"--limit {limit}: choose 0 (all) or more")
    text = sys.stdin.read() if query == "-" else query
    if not text.strip():
        raise ConfigError("the query is empty")
    with Trace(directory) as trace:
        schema, batches = trace.query_batches(text)
        wide = [is_hex and str(field.type) == "uint64" for field in schema]
        rows = (
            list(row)
            for batch in batches
            for row in zip(*map(_cells, batch.columns, wide), strict=True)
        )
        if form is None:
            _print_table(schema.names, rows, limit)
        else:
            _PRINTERS[form](schema.names, rows)


def _cells(column: "pa.Array", is_wide: bool) -> list[Any]:  # noqa: FBT001 - whether in hexadecimal
    """Return the values of a column as JSON knows them."""
    values: list[Any] = column.to_pylist()
    if is_wide:
        return [None if value is None else f"{value:#x}" for value in values]
    if str(column.type).startswith(_PLAIN_TYPES):
        return values
    return [_plain(value) for value in values]


def _plain(value: Any) -> Any:  # noqa: ANN401 - a cell
    """Return bytes as hexadecimal digits, sums as whole numbers."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value if isinstance(value, int | float | str | list | None) else str(value)


def _print_csv(names: list[str], rows: Iterator[list[Any]]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(rows)


def _print_json(names: list[str], rows: Iterator[list[Any]]) -> None:
    for row in rows:
        sys.stdout.write(json.dumps(dict(zip(names, row, strict=True))) + "\n")


_PRINTERS = {"csv": _print_csv, "json": _print_json}


def _print_table(names: list[str], every: Iterator[list[Any]], limit: int) -> None:
    from rich.console import Console  # noqa: PLC0415 - heavy
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    rows = list(every if limit == 0 else islice(every, limit))
    texts = [["" if value is None else str(value) for value in row] for row in rows]
    is_terminal = sys.stdout.isatty()
    console = Console(highlight=False, width=None if is_terminal else _width(names, texts) + 80)
    if is_terminal and rows and _width(names, texts) > console.width:
        _print_records(names, texts)
    else:
        table = Table(box=None, pad_edge=False)
        for number, name in enumerate(names):
            is_number = any(isinstance(row[number], int | float) for row in rows)
            justify: Literal["left", "right"] = "right" if is_number else "left"
            table.add_column(escape(name), justify=justify, overflow="fold")
        for line in texts:
            table.add_row(*map(escape, line))
        console.print(table)
    count = f"{len(rows):,} row{'s' if len(rows) != 1 else ''}"
    is_cut = limit > 0 and next(every, None) is not None
    cut = f"the first {count} are shown: --limit 0 shows all" if is_cut else count
    console.print(cut, style="dim")


def _width(names: list[str], texts: list[list[str]]) -> int:
    """Return the characters of a line of a table."""
    columns = zip(names, *texts, strict=True)
    return sum(max(map(len, column)) + 2 for column in columns)


def _print_records(names: list[str], texts: list[list[str]]) -> None:
    """Print each row downwards, without what is null or empty."""
    widest = max(map(len, names))
    for line in texts:
        for name, text in zip(names, line, strict=True):
            if text:
                click.echo(f"{name:<{widest}}  {text}")
        click.echo()
