"""`unismp trace diff`: where two traces first differ."""

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from uniSMP.trace.comparison import Difference
    from uniSMP.trace.reader import Trace
    from uniSMP.trace.telling import Teller

Row = dict[str, Any]
_CONTEXT = 5


@click.command("diff")
@click.argument("left", metavar="A", type=click.Path(path_type=Path))
@click.argument("right", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--context", default=_CONTEXT, show_default=True, type=click.IntRange(min=0),
    help="Instructions of the core shown before, and steps behind.",
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
        _print_difference(one, other, found, context)
    return 1


def _compared(one: "Trace", other: "Trace") -> str:
    rows = one.manifest["rows"]
    names = [name for name in rows if one.has(name) and other.has(name) and rows[name]]
    return ", ".join(f"{rows[name]:,} {name}" for name in names) or "both are empty"


def _print_difference(one: "Trace", other: "Trace", found: "Difference", context: int) -> None:
    from uniSMP.trace.telling import Teller  # noqa: PLC0415 - heavy

    click.echo(f"the same up to step {found.step}; the first difference is in {found.table}:")
    sides = [("A", one, found.left), ("B", other, found.right)]
    for title, trace, row in sides:
        click.echo(f"  {title}: {_happened(Teller(trace), trace, found.table, row)}")
    for title, trace, row in sides:
        other_row = found.right if row is None else row
        core_id = (other_row or found.left or {}).get("core")
        click.echo(f"\n{title}: {trace.directory}{'' if core_id is None else f', core {core_id}'}")
        _print_context(trace, found.step, core_id, context)


def _happened(teller: "Teller", trace: "Trace", table: str, row: Row | None) -> str:
    """Return in words what one trace has where they differ."""
    from uniSMP.trace.story import Item  # noqa: PLC0415 - heavy

    if row is None:
        return "has no more rows"
    step, core_id = row["step"], row["core"]
    start = f"step {step}" + ("" if core_id is None else f", core {core_id}")
    if table == "memory":
        what = teller.access(row)
    elif table == "registers":
        what = f"{row['register']}={row['value']:#x}"
    elif table == "events":
        what = teller.short(Item(step, core_id, row["kind"], row))
    else:
        text = _instruction(trace, step, row["rip"])
        place = trace.names.describe(row["rip"]) or f"{row['rip']:#x}"
        what = f"executed {text} at {place}" if text else f"executed {place}"
    return f"{start}: {what}"


def _instruction(trace: "Trace", step: int, rip: int) -> str:
    from uniSMP.trace.executed_code import ExecutedCode  # noqa: PLC0415 - heavy

    return ExecutedCode(trace).find([step], [rip])[0].text


def _print_context(trace: "Trace", step: int, core_id: int | None, context: int) -> None:
    """Print what a core (None: each) did before and behind a step; the step itself is marked."""
    from uniSMP.trace.story import Story, Wanted  # noqa: PLC0415 - heavy
    from uniSMP.trace.telling import Teller  # noqa: PLC0415

    teller = Teller(trace, shutil.get_terminal_size().columns - 1 if sys.stdout.isatty() else None)
    first = _first_of_context(trace, step, core_id, context)
    cores = () if core_id is None else (core_id,)
    for item in Story(trace, Wanted(first, step + context + 1, cores)).items():
        for number, line in enumerate(teller.lines(item)):
            mark = ">" if item.step == step and not number else " "
            click.echo(f"{mark}{line}")


def _first_of_context(trace: "Trace", step: int, core_id: int | None, context: int) -> int:
    """Return the step at which the last rows of a core before a step begin."""
    table = next((name for name in ("instructions", "executions") if trace.has(name)), None)
    if core_id is None or table is None or not context:
        return max(0, step - context)
    rows = trace.rows(
        f"SELECT step FROM {table} WHERE step < $step AND core = $core "  # noqa: S608 - a name of ours
        "ORDER BY step DESC LIMIT $most",
        {"step": step, "core": core_id, "most": context},
    )
    return int(rows[-1]["step"]) if rows else max(0, step - context)
