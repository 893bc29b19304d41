"""The page `docs/verdicts.md`: generated, every sentence that depends on a result included."""

import os
import textwrap
from collections.abc import Sequence
from pathlib import Path

from uniSMP.cli.article_claims import (
    READINGS,
    SPIN_LOCKS,
    tell_deadlock_freedom,
    tell_memory_manager,
    tell_spinning,
)
from uniSMP.cli.protocol_tables import (
    COLUMNS,
    NOT_EXPLORED,
    JudgedProtocol,
    cell,
    unfinished_notes,
)
from uniSMP.explore.costs import QUANTUM_INSTRUCTIONS, STALL_INSTRUCTIONS

_PAGE_WIDTH = 100
_HEAD = """\
# Verdicts

Made by `make verdicts` (`unismp protocols --markdown`); do not edit. The protocols are those of
`guest/locks`; guest/README.md says what each does.

`violated`: there is a schedule, kept as a recording, under which the property fails. `holds`: no
execution within the bound violates a property that was checked; beyond it nothing is said.
"""
_COSTS = (
    "Counts of one run of `lock_P` each: every core does 200 operations on the memory manager, "
    f"under timers and IPIs, in slices of {QUANTUM_INSTRUCTIONS} instructions in turn; a PAUSE "
    f"ends a slice. A run in which no operation completes for {STALL_INSTRUCTIONS:,} "
    "instructions has stood still. These are counts and no times: an emulator of instructions "
    "measures no hardware. Means are for each completed operation; what unfinished operations "
    "took is left out."
)


def make_page(judged: Sequence[JudgedProtocol], folder: Path = Path("docs")) -> str:
    """Return the page, in Markdown.

    Args:
        judged: what was found, with costs for the same numbers of cores each.
        folder: where the page will lie, as paths of counterexamples are seen from.
    """
    parts = [_HEAD, *_verdict_table(judged, folder), "", "## Costs", "", _wrapped(_COSTS), ""]
    for place, costs in enumerate(judged[0].costs):
        parts += [f"### {costs.cores} {'core' if costs.cores == 1 else 'cores'}", ""]
        parts += [*cost_table(judged, place), ""]
        parts += [f"- {_wrapped(note, 2)}" for note in unfinished_notes(judged, place)]
        parts += [""] if unfinished_notes(judged, place) else []
    parts += ["### What each number means", "", "| column | meaning |", "|---|---|"]
    parts += [f"| {column.title} | {column.meaning} |" for column in COLUMNS]
    parts += ["", *_claims(judged)]
    return "\n".join(parts).rstrip() + "\n"


def _verdict_table(judged: Sequence[JudgedProtocol], folder: Path) -> list[str]:
    rows = ["| protocol | verdict | property | bound | executions | counterexample |"]
    rows.append("|---|---|---|---|---|---|")
    for each in judged:
        found = each.verdict
        if found is None:
            rows.append(f"| `{each.name}` | {NOT_EXPLORED} | | | | |")
            continue
        path = found.counterexample
        link = f"[{Path(path).name}]({os.path.relpath(path, folder)})" if path else ""
        rows.append(
            f"| `{each.name}` | {found.verdict} | {found.property} | {found.bound} "
            f"| {found.executions:,} | {link} |"
        )
    return rows


def cost_table(judged: Sequence[JudgedProtocol], place: int) -> list[str]:
    """Return the costs with one number of cores (the `place`-th) as lines of a table."""
    rows = ["| protocol | " + " | ".join(column.title for column in COLUMNS) + " |"]
    rows.append("|---|" + "---:|" * len(COLUMNS))
    for each in judged:
        cells = " | ".join(cell(column, each.costs[place]) for column in COLUMNS)
        rows.append(f"| `{each.name}` | {cells} |")
    return rows


def _claims(judged: Sequence[JudgedProtocol]) -> list[str]:
    lines = ["## What the articles' claims come to", ""]
    lines.append(
        _wrapped(
            "Two articles of 2026 are put to the test. The second leaves its protocol for several "
            f"cores open; its readings here are {_names(READINGS)}, the yardstick the spin locks "
            f"{_names(SPIN_LOCKS)}."
        )
    )
    for title, paragraphs in (
        (
            '"Interrupt Handlers as Locks: A Deadlock-Free SMP Design"',
            tell_deadlock_freedom(judged),
        ),
        ("The same: spin locks waste cycles and bounce cache lines", tell_spinning(judged)),
        ('"A Simple, Fragmentation-Proof PMM Design"', tell_memory_manager(judged)),
    ):
        lines += ["", f"### {title}"]
        for paragraph in paragraphs:
            is_item = paragraph.startswith("- ")
            lines += [] if is_item and lines[-1].startswith(("- ", "  ")) else [""]
            lines.append(_wrapped(paragraph, 2 if is_item else 0))
    return lines


def _names(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _wrapped(text: str, indent: int = 0) -> str:
    return textwrap.fill(
        text,
        _PAGE_WIDTH,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
