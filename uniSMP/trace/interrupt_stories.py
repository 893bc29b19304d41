"""Each interrupt from who caused it to the end of its handler, across cores."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from uniSMP.trace.causes import NO_CAUSE, find_causes
from uniSMP.trace.handlers import find_handlers
from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import SelectedEvents

Row = dict[str, Any]
_KINDS = frozenset(
    {
        *("interrupt_raised", "ipi_sent", "timer_fired", "interrupt_accepted"),
        *("interrupt_delivered", "eoi", "init", "start_up", "nmi"),
    }
)
_ENDS = frozenset({"interrupt_delivered", "init", "start_up", "interrupt_accepted"})
_HANDLERS = """
    WITH entry AS (SELECT unnest($steps) AS step, unnest($cores) AS core)
    SELECT step, core, min(b.address) AS address
    FROM executions e JOIN entry USING (step, core) JOIN blocks b USING (block)
    WHERE e.step >= $first AND e.step <= $last GROUP BY step, core
"""


@dataclass(frozen=True, slots=True)
class InterruptStory:
    """One interrupt.

    Attributes:
        vector: None where it has none (INIT).
        events: oldest first.
        handler: linear address of the handler's first instruction; None: not traced, or no handler.
        end_step: the step behind the handler's IRET; None: not seen.
        is_pending: accepted, and not delivered in the steps that were looked at.
    """

    vector: int | None
    events: tuple[Row, ...]
    handler: int | None = None
    end_step: int | None = None
    is_pending: bool = False

    def concerns(self, core_ids: tuple[int, ...]) -> bool:
        """Return whether one of the cores sent, was told or took it; of none given, each does."""
        told = {row["core"] for row in self.events}
        told.update(core for row in self.events for core in row["targets"] or ())
        return not core_ids or not told.isdisjoint(core_ids)


def tell_interrupts(trace: Trace, selected: SelectedEvents) -> Iterator[InterruptStory]:
    """Yield the story of each interrupt, INIT and start-up, in the order of deliveries.

    Args:
        trace: the trace.
        selected: events of all cores.

    Raises:
        FormatError: the trace is damaged.
    """
    causes = find_causes(selected.rows)
    kinds = selected.rows.column("kind").to_pylist()
    followed = {cause for number, cause in enumerate(causes) if kinds[number] in _ENDS}
    ends = {causes[number]: number for number, kind in enumerate(kinds) if kind == "eoi"}
    returns = {
        each.event: each.end_step for each in find_handlers(trace, selected) if each.end_step >= 0
    }
    begins = _handler_addresses(trace, selected)
    for number, kind in enumerate(kinds):
        is_pending = kind == "interrupt_accepted"
        if kind not in _ENDS or (is_pending and number in followed):
            continue
        chain = _chain(causes, number)
        chain += [ends[number]] if number in ends else []
        events = selected.rows.take([at for at in chain if kinds[at] in _KINDS]).to_pylist()
        vectors = [row["vector"] for row in events if row["vector"] is not None]
        yield InterruptStory(
            vectors[-1] if vectors and kind != "init" else None,
            tuple(events),
            begins.get(number),
            returns.get(number) if trace.has("executions") else None,
            is_pending,
        )


def _chain(causes: list[int], number: int) -> list[int]:
    """Return an event and what brought it about, oldest first."""
    chain = [number]
    while causes[chain[-1]] != NO_CAUSE:
        chain.append(causes[chain[-1]])
    chain.reverse()
    return chain


def _handler_addresses(trace: Trace, selected: SelectedEvents) -> dict[int, int]:
    """Return for each delivery the address of what its core executed at that step."""
    kinds, steps, cores = (
        selected.rows.column(name).to_pylist() for name in ("kind", "step", "core")
    )
    entries = {
        (steps[number], cores[number]): number
        for number, kind in enumerate(kinds)
        if kind == "interrupt_delivered"
    }
    if not entries or not trace.has("executions"):
        return {}
    rows = trace.rows(
        _HANDLERS,
        {
            "steps": [step for step, _ in entries],
            "cores": [core for _, core in entries],
            "first": min(entries)[0],
            "last": max(entries)[0],
        },
    )
    return {entries[row["step"], row["core"]]: row["address"] for row in rows}
