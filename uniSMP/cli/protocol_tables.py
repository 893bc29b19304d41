"""Verdicts and costs of the protocols as tables of at most 80 columns."""

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from uniSMP.explore.cost_counter import Costs
from uniSMP.explore.verdicts import Verdict
from uniSMP.machine.outcome import Outcome

WIDTH = 80
NOT_EXPLORED = "not explored"
_NAME = 15
_VERDICT = 13
_NOTHING = "-"
_DIGITS = ((10, 2), (100, 1))
"""Below what a mean is shown with so many decimals."""


@dataclass(frozen=True, slots=True)
class JudgedProtocol:
    """One protocol with what was found.

    Attributes:
        name: as in `guest/locks`.
        verdict: None where it was not explored.
        costs: one for each number of cores.
    """

    name: str
    verdict: Verdict | None
    costs: tuple[Costs, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One number of the tables.

    Attributes:
        title: of the column.
        meaning: what the number is, a sentence without its full stop.
        cell: how it is shown.
        width: of the column in characters.
    """

    title: str
    meaning: str
    cell: Callable[[Costs], str]
    width: int


def per_operation(count: int, costs: Costs) -> float:
    """Return a sum divided by the number of completed operations, of which there are some."""
    return count / costs.operations


def _mean(name: str) -> Callable[[Costs], str]:
    """Return what shows a sum for each operation."""

    def cell(costs: Costs) -> str:
        value = per_operation(getattr(costs, name), costs)
        decimals = next((digits for limit, digits in _DIGITS if value < limit), 0)
        return f"{value:,.{decimals}f}"

    return cell


def _fairness(costs: Costs) -> str:
    fewest = costs.fewest_operations
    return f"{costs.most_operations / fewest:.2f}" if fewest else "none"


COLUMNS = (
    Column(
        "instr",
        "instructions for each operation, by whichever core: from the call of the memory manager "
        "to its return, and in handlers of the protocol's own interrupt; other interrupt handlers "
        "are left out",
        _mean("instructions"),
        6,
    ),
    Column(
        "wait",
        "of these, instructions spent waiting: from a PAUSE to the last one before the handler "
        "begins (`pmm_enter`), both included",
        _mean("waiting_instructions"),
        6,
    ),
    Column(
        "lock",
        "of these, locked instructions (XCHG with memory included)",
        _mean("locked_instructions"),
        4,
    ),
    Column("IPIs", "interrupts the protocol sends to other cores, each target", _mean("ipis"), 4),
    Column(
        "intr",
        "external interrupts that cores take for each operation, those of timers and of the "
        "workload included",
        _mean("interrupts"),
        4,
    ),
    Column(
        "moved",
        "cache lines of 64 bytes that come from another core's cache, by MESI with caches that "
        "never evict",
        _mean("line_transfers"),
        5,
    ),
    Column(
        "upgr",
        "writes to a line that others have copies of too, which they drop",
        _mean("line_upgrades"),
        4,
    ),
    Column(
        "IF=0",
        "longest stretch with interrupts off, in instructions of its core",
        lambda costs: f"{costs.longest_off_instructions:,}",
        7,
    ),
    Column(
        "longest",
        "longest wait of one operation, in instructions of all cores",
        lambda costs: f"{costs.longest_wait_steps:,}",
        8,
    ),
    Column(
        "fair",
        "operations of the core that completed the most, divided by those of the core that "
        "completed the fewest, when the first core was through; `none`: a core completed none",
        _fairness,
        5,
    ),
)


def verdict_rows(judged: Sequence[JudgedProtocol]) -> list[str]:
    """Return the verdicts as lines: who, what, and within which bound."""
    lines = [f"{'protocol':{_NAME}} {'verdict':{_VERDICT}} property; bound; counterexample"]
    for each in judged:
        found = each.verdict
        head = f"{each.name:{_NAME}} {found.verdict if found else NOT_EXPLORED:{_VERDICT}} "
        if found is None:
            lines.append(head.rstrip())
            continue
        told = f"{found.property}; {found.bound}; {found.executions:,} executions"
        if found.counterexample:
            told += f"; {found.counterexample}"
        indent = " " * len(head)
        lines += textwrap.wrap(told, WIDTH, initial_indent=head, subsequent_indent=indent)
    return lines


def cost_rows(judged: Sequence[JudgedProtocol], place: int) -> list[str]:
    """Return the costs with one number of cores (the `place`-th) as lines."""
    titles = "".join(f" {column.title:>{column.width}}" for column in COLUMNS)
    lines = [f"{'protocol':{_NAME}}{titles}"]
    for each in judged:
        costs = each.costs[place]
        cells = "".join(f" {cell(column, costs):>{column.width}}" for column in COLUMNS)
        lines.append(f"{each.name:{_NAME}}{cells}")
    return lines


def cell(column: Column, costs: Costs) -> str:
    """Return a cell; a run without a completed operation has none."""
    return column.cell(costs) if costs.operations else _NOTHING


def unfinished_notes(judged: Sequence[JudgedProtocol], place: int) -> list[str]:
    """Return a sentence for each run that did not end as it should."""
    return [
        _note(each.name, each.costs[place])
        for each in judged
        if each.costs[place].outcome != Outcome.FINISHED
    ]


def _note(name: str, costs: Costs) -> str:
    how = "stood still" if costs.outcome == Outcome.INSTRUCTION_LIMIT else costs.outcome
    begun = costs.operations + costs.unfinished
    return (
        f"{name}: {how}; {costs.operations:,} of {begun:,} operations that began completed, and "
        "only these are counted."
    )
