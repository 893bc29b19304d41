"""Rows of the result, how they are timed, and how they are shown."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

ROUNDS = 5
MILLION = 1e6


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
        table.add_column(title, justify="right" if title in {"value", "peer", "ratio"} else "left")
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
    Console().print(table)
