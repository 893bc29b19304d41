"""Each interrupt from who caused it to its EOI, across cores."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from uniSMP.trace.causes import NO_CAUSE, find_causes
from uniSMP.trace.selection import SelectedEvents

Row = dict[str, Any]
_KINDS = frozenset(
    {
        *("interrupt_raised", "ipi_sent", "timer_fired", "interrupt_accepted"),
        *("interrupt_delivered", "eoi", "init", "start_up", "nmi"),
    }
)
_ENDS = frozenset({"interrupt_delivered", "init", "start_up"})


@dataclass(frozen=True, slots=True)
class InterruptStory:
    """The events of one interrupt, oldest first; `vector` None: it has none."""

    vector: int | None
    events: tuple[Row, ...]


def tell_interrupts(selected: SelectedEvents) -> Iterator[InterruptStory]:
    """Yield the story of each interrupt that was delivered, INIT or start-up, by delivery."""
    causes = find_causes(selected.rows)
    ends = _ends(selected, causes)
    columns = selected.rows.column_names
    kinds = selected.rows.column("kind").to_pylist()
    for number, kind in enumerate(kinds):
        if kind not in _ENDS:
            continue
        chain = [number]
        while causes[chain[-1]] != NO_CAUSE:
            chain.append(causes[chain[-1]])
        chain.reverse()
        if number in ends:
            chain.append(ends[number])
        rows = selected.rows.take([place for place in chain if kinds[place] in _KINDS])
        events = tuple(
            dict(zip(columns, values, strict=True))
            for values in zip(*(column.to_pylist() for column in rows.columns), strict=True)
        )
        vector = next(
            (row["vector"] for row in reversed(events) if row["vector"] is not None), None
        )
        yield InterruptStory(vector, events)


def _ends(selected: SelectedEvents, causes: list[int]) -> dict[int, int]:
    """Return the EOI of each delivery."""
    kinds = selected.rows.column("kind").to_pylist()
    return {
        cause: number
        for number, (kind, cause) in enumerate(zip(kinds, causes, strict=True))
        if kind == "eoi" and cause != NO_CAUSE
    }
