"""`unismp trace diff`: where two traces first differ."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from uniSMP.trace.comparison import Difference
    from uniSMP.trace.reader import Trace

_CONTEXT = 5


@click.command("diff")
@click.argument("left", metavar="A", type=click.Path(path_type=Path))
@click.argument("right", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--context", default=_CONTEXT, show_default=True, type=click.IntRange(min=0),
    help="Steps shown before and behind the difference.",
)  # fmt: skip
def command(*, left: Path, right: Path, context: int) -> int:
    """Show where the traces in A and B first differ.

    Compared is what both have; exit status: 0 they are the same, 1 they differ.
    """
    from rich.console import Console  # noqa: PLC0415 - heavy; `unismp --help` is fast

    from uniSMP.trace.comparison import describe_runs, first_difference  # noqa: PLC0415
    from uniSMP.trace.reader import Trace  # noqa: PLC0415

    with Trace(left) as one, Trace(right) as other:
        for line in describe_runs(one, other):
            click.echo(f"runs differ: {line}")
        with Console(stderr=True).status("reading") as status:
            found = first_difference(one, other, lambda name: status.update(f"comparing {name}"))
        if found is None:
            click.echo(f"the same: {_compared(one, other)}")
            return 0
        click.echo(f"the same up to step {found.step}; the first difference is in {found.table}")
        _print_side("A", one, found.left, found, context)
        _print_side("B", other, found.right, found, context)
    return 1


def _compared(one: "Trace", other: "Trace") -> str:
    rows = one.manifest["rows"]
    names = [name for name in rows if one.has(name) and other.has(name) and rows[name]]
    return ", ".join(f"{rows[name]:,} {name}" for name in names) or "both are empty"


def _print_side(
    title: str, trace: "Trace", row: dict[str, object] | None, found: "Difference", context: int
) -> None:
    from uniSMP.trace.story import Story, Wanted  # noqa: PLC0415 - heavy
    from uniSMP.trace.telling import Teller  # noqa: PLC0415

    click.echo(f"\n{title}: {trace.directory}")
    if row is None:
        click.echo("  has no more rows")
    else:
        shown = {key: _value(value) for key, value in row.items() if value is not None}
        click.echo("  " + " ".join(f"{key}={value}" for key, value in shown.items()))
    teller = Teller(trace)
    first, end = max(0, found.step - context), found.step + context + 1
    for item in Story(trace, Wanted(first, end)).items():
        for number, line in enumerate(teller.lines(item)):
            mark = ">" if item.step == found.step and not number else " "
            click.echo(f"{mark}{line}")


def _value(value: object) -> object:
    return f"{value:#x}" if isinstance(value, int) and value > 9999 else value  # noqa: PLR2004 - addresses
