"""`unismp protocols`: the handler protocols side by side, with verdicts and counted costs."""

import json
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from uniSMP.errors import ConfigError

if TYPE_CHECKING:
    from uniSMP.cli.protocol_tables import JudgedProtocol
    from uniSMP.explore.cost_counter import Costs

_CORES = "1,2,4,8"
_MOST_CORES = 32
_MOST_JOBS = 256


@click.command("protocols")
@click.option("--cores", default=_CORES, show_default=True, metavar="N,N,...",
    help="Numbers of cores to count costs with, 1 to 32.",
)  # fmt: skip
@click.option("--protocol", "names", multiple=True, metavar="NAME",
    help="Only this one; repeatable.",
)  # fmt: skip
@click.option("--jobs", default=1, show_default=True, help="Processes that work at a time.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--markdown", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Write the page docs/verdicts.md instead.",
)  # fmt: skip
def command(
    *, cores: str, names: tuple[str, ...], jobs: int, as_json: bool, markdown: Path | None
) -> None:
    """Compare the protocols of the guest library: verdicts, and costs that are counted.

    Each cost is a count of one run of lock_NAME under a fixed schedule, never a time. The result is
    the same with any --jobs. All of it takes some minutes.
    """
    if as_json and markdown is not None:
        raise ConfigError("--json and --markdown: choose one")
    if not 1 <= jobs <= _MOST_JOBS:
        raise ConfigError(f"--jobs {jobs}: choose 1 to {_MOST_JOBS}")
    judged = _judge(_chosen(names), _core_counts(cores), jobs)
    if as_json:
        click.echo(json.dumps({"protocols": [_as_dict(each) for each in judged]}, indent=2))
    elif markdown is not None:
        _write_page(judged, markdown)
    else:
        _print(judged)


def _core_counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(f"--cores {text}: write numbers as in {_CORES}") from error
    if counts != sorted(set(counts)) or not 1 <= counts[0] <= counts[-1] <= _MOST_CORES:
        raise ConfigError(f"--cores {text}: choose rising numbers from 1 to {_MOST_CORES}")
    return counts


def _chosen(names: Sequence[str]) -> list[str]:
    from uniSMP.explore.costs import protocols  # noqa: PLC0415 - heavy; `--help` is fast

    unknown = [name for name in names if name not in protocols()]
    if unknown:
        raise ConfigError(f"no protocol {unknown[0]}; there are: {', '.join(protocols())}")
    return [name for name in protocols() if name in names or not names]


def _judge(names: list[str], counts: list[int], jobs: int) -> "list[JudgedProtocol]":
    from rich.console import Console  # noqa: PLC0415 - heavy

    from uniSMP.cli.protocol_tables import JudgedProtocol  # noqa: PLC0415
    from uniSMP.explore.verdicts import Budget, verdict  # noqa: PLC0415

    runs = [(name, cores) for name in names for cores in counts]
    found: list[Costs] = []
    with Console(stderr=True).status("counting") as status:
        for costs in _count(runs, jobs):
            found.append(costs)
            status.update(f"counting: {len(found)} of {len(runs)} runs")
        judged = []
        for number, name in enumerate(names):
            status.update(f"exploring {name}")
            own = found[number * len(counts) : (number + 1) * len(counts)]
            judged.append(JudgedProtocol(name, verdict(name, Budget()), tuple(own)))
    return judged


def _count(runs: list[tuple[str, int]], jobs: int) -> "Iterator[Costs]":
    """Yield the costs of runs in their order."""
    import multiprocessing  # noqa: PLC0415 - not needed for one job
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    from uniSMP.explore.costs import count_costs  # noqa: PLC0415

    if jobs == 1:
        for name, cores in runs:
            yield count_costs(name, cores)
        return
    spawning = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(runs)), mp_context=spawning) as pool:
        yield from pool.map(count_costs, *zip(*runs, strict=True))


def _as_dict(judged: "JudgedProtocol") -> dict[str, Any]:
    found = judged.verdict
    verdict: dict[str, Any] = (
        dict.fromkeys(("verdict", "property", "bound", "executions", "counterexample"))
        if found is None
        else dict(found.as_dict())
    )
    costs = [each.as_dict() for each in judged.costs]
    return {"name": judged.name, **verdict, "costs": costs}


def _print(judged: "list[JudgedProtocol]") -> None:
    from uniSMP.cli import protocol_tables as tables  # noqa: PLC0415 - heavy

    for line in tables.verdict_rows(judged):
        click.echo(line)
    for place, costs in enumerate(judged[0].costs):
        click.echo(f"\n{'1 core' if costs.cores == 1 else f'{costs.cores} cores'}")
        for line in tables.cost_rows(judged, place):
            click.echo(line)
        for note in tables.unfinished_notes(judged, place):
            for line in textwrap.wrap(note, tables.WIDTH, subsequent_indent="  "):
                click.echo(line)
    click.echo("")
    for column in tables.COLUMNS:
        text = f"{column.title:8}{column.meaning}."
        for line in textwrap.wrap(text, tables.WIDTH, subsequent_indent=" " * 8):
            click.echo(line)


def _write_page(judged: "list[JudgedProtocol]", path: Path) -> None:
    from uniSMP.cli.verdicts_page import make_page  # noqa: PLC0415 - heavy

    try:
        path.write_text(make_page(judged, path.parent), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    click.echo(f"{path}: {len(judged)} protocols", err=True)
