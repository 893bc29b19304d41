"""Rows of the result, how they are timed, and how they are shown."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

ROUNDS = 5
MILLION = 1e6
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the result; `ratio` is value / peer."""

    name: str
    value: float
    unit: str
    peer: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None


def seconds(action: Callable[[], object]) -> float:
    """Return how long `action` takes."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def median(measure: Callable[[], float]) -> float:
    """Return the median of a few rounds."""
    return statistics.median(measure() for _ in range(ROUNDS))


def side_by_side(
    name: str,
    unit: str,
    ours: Callable[[], float],
    peer: Callable[[], float],
    least_ratio: float | None,
) -> Entry:
    """Measure both in turn; the ratio is the median of the rounds' ratios."""
    pairs = []
    for _ in range(ROUNDS):
        theirs = peer()
        pairs.append((ours(), theirs))
    ratio = statistics.median(mine / theirs for mine, theirs in pairs)
    return Entry(
        name,
        statistics.median(mine for mine, _ in pairs),
        unit,
        statistics.median(theirs for _, theirs in pairs),
        ratio,
        "" if least_ratio is None else f"ratio >= {least_ratio}",
        None if least_ratio is None else ratio >= least_ratio,
    )


def cost_entry(name: str, value: float, unit: str, most: float | None = None) -> Entry:
    """Return the row of a cost, with the most it should be."""
    return Entry(
        name,
        value,
        unit,
        target="" if most is None else f"<= {most:g}",
        met=None if most is None else value <= most,
    )


def show(entries: list[Entry]) -> None:
    """Print the table."""
    table = Table(box=None, pad_edge=False)
    for title in ("entry", "value", "unit", "peer", "ratio", "target", "met"):
        justify = "right" if title in {"value", "peer", "ratio"} else "left"
        table.add_column(title, justify=justify, no_wrap=True)
    for entry in entries:
        table.add_row(
            entry.name,
            f"{entry.value:.2f}",
            entry.unit,
            "" if entry.peer is None else f"{entry.peer:.2f}",
            "" if entry.ratio is None else f"{entry.ratio:.2f}",
            entry.target,
            {None: "", True: "yes", False: "NO"}[entry.met],
        )
    Console(width=_WIDTH).print(table)
