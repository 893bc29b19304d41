"""A trace as a story: instructions with what they read, wrote and changed, and events between them.

Rows are fetched in pages of steps, so memory stays bounded whatever the trace.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from uniSMP.trace.executed_code import ExecutedCode
from uniSMP.trace.reader import Trace

Row = dict[str, Any]
_PAGE_ROWS = 20_000
_FEWEST_ROWS = 512
"""More than the cores that can have a row at one step, so that a page holds a whole step."""
_END = 1 << 62
_EVENTS = """
    SELECT * FROM events WHERE step >= $1 AND step < $2
        AND (len($3) = 0 OR core IS NULL OR list_contains($3, core))
        AND (len($4) = 0 OR list_contains($4, kind))
"""
_TOUCHING = """
    SELECT DISTINCT step, core FROM memory WHERE step >= $first AND step < $end AND ({})
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be told.

    Attributes:
        first_step: steps before are left out.
        end_step: and those from here on.
        core_ids: these cores, and what no core did; empty is all.
        addresses: linear addresses of instructions, pairs (first, behind the last); empty is all.
        data: physical or linear addresses: only instructions with an access there; empty is all.
        kinds: these kinds of events; empty is all.
        events_only: no instructions.
    """

    first_step: int = 0
    end_step: int = _END
    core_ids: tuple[int, ...] = ()
    addresses: tuple[tuple[int, int], ...] = ()
    data: tuple[tuple[int, int], ...] = ()
    kinds: tuple[str, ...] = ()
    events_only: bool = False


@dataclass(slots=True)
class Item:
    """One thing that happened: an instruction, an execution of a block, or an event.

    Attributes:
        step: when.
        core: core id, or None.
        kind: "instruction", "execution", the kind of an event, or "access": what a core read and
            wrote without an instruction of its own at this step (a delivery, a page walk).
        row: its columns.
        text: the instruction.
        code: its bytes.
        accesses: rows of `memory`.
        changes: rows of `registers`.
    """

    step: int
    core: int | None
    kind: str
    row: Row
    text: str = ""
    code: bytes = b""
    accesses: list[Row] = field(default_factory=list)
    changes: list[Row] = field(default_factory=list)


class Story:
    """Tells a trace.

    Args:
        trace: the trace.
        wanted: what of it.

    Raises:
        ConfigError: the trace lacks a table that is needed for what is wanted.
    """

    def __init__(self, trace: Trace, wanted: Wanted) -> None:
        self._trace = trace
        self._wanted = wanted
        self._code = ExecutedCode(trace)
        self._table = None
        if wanted.data:
            trace.require("memory")
        if wanted.addresses:
            trace.require("executions")
        if not wanted.events_only:
            names = ("instructions", "executions")
            self._table = next((name for name in names if trace.has(name)), None)

    def items(self, page_rows: int = _PAGE_ROWS) -> Iterator[Item]:
        """Yield what happened, oldest first; an event comes before what runs at its step.

        Args:
            page_rows: instructions fetched at a time; a few more may be.

        Raises:
            FormatError: the trace is damaged.
        """
        if self._table is None:
            yield from self._only_events()
            return
        step = self._wanted.first_step
        while step < self._wanted.end_step:
            items, end = self._page(step, max(page_rows, _FEWEST_ROWS))
            yield from items
            if end is None:
                return
            step = end

    def _page(self, first: int, page_rows: int) -> tuple[list[Item], int | None]:
        """Return the items of a page of steps, and where the next one begins (None: nowhere)."""
        rows = self._code_rows(first, page_rows)
        end = self._wanted.end_step
        is_last = len(rows) < page_rows
        if not is_last:
            end = rows[-1]["step"]  # of this step there may be more rows
            rows = [row for row in rows if row["step"] < end]
        items = self._events(first, end) if self._tells_events() else []
        if self._table == "instructions":
            items += self._instructions(rows, first, end)
        else:
            items += [Item(row["step"], row["core"], "execution", row) for row in rows]
        items.sort(key=lambda item: item.step)  # stable: events first, in their order
        return items, None if is_last else end

    def _tells_events(self) -> bool:
        return not (self._wanted.addresses or self._wanted.data)

    # -- events --------------------------------------------------------------------------------

    def _only_events(self) -> Iterator[Item]:
        wanted = self._wanted
        values = self._event_values(wanted.first_step, wanted.end_step)
        for batch in self._trace.stream(_EVENTS, values):
            for row in batch.to_pylist():
                yield Item(row["step"], row["core"], row["kind"], row)

    def _events(self, first: int, end: int) -> list[Item]:
        rows = self._trace.rows(_EVENTS, self._event_values(first, end))
        return [Item(row["step"], row["core"], row["kind"], row) for row in rows]

    def _event_values(self, first: int, end: int) -> list[object]:
        return [first, end, list(self._wanted.core_ids), list(self._wanted.kinds)]

    # -- instructions and executions -----------------------------------------------------------

    def _code_rows(self, first: int, page_rows: int) -> list[Row]:
        """Return rows of instructions or executions; `rip` is None for an access without one."""
        wanted = self._wanted
        parts = ["step >= $first", "step < $end"]
        values: dict[str, object] = {"first": first, "end": wanted.end_step, "most": page_rows}
        if wanted.core_ids:
            parts.append("list_contains($cores, core)")
            values["cores"] = list(wanted.core_ids)
        if self._table == "executions":
            columns = "step, core, block, address AS rip, executions.instructions AS count"
            source = "executions JOIN blocks USING (block)"
            place, reach = "address", "octet_length(code)"
        else:
            columns, source = "step, core, rip, cpl", "instructions"
            place, reach = "rip", "1"
            if wanted.data:
                touching = _TOUCHING.format(_touching(wanted.data))
                source = f"({touching}) LEFT JOIN instructions USING (step, core)"
        if wanted.addresses:
            parts.append(f"({_inside(place, reach, wanted.addresses)})")
        return self._trace.rows(
            f"SELECT {columns} FROM {source} WHERE {' AND '.join(parts)} "  # noqa: S608 - our own words and numbers
            "ORDER BY step, core LIMIT $most",
            values,
        )

    def _instructions(self, rows: list[Row], first: int, end: int) -> list[Item]:
        """Return items with disassembly, accesses and changes, in the order of steps."""
        rips = [0 if row["rip"] is None else row["rip"] for row in rows]
        code = self._code.find([row["step"] for row in rows], rips)
        items = {
            (row["step"], row["core"]): Item(
                row["step"], row["core"], "instruction", row, found.text, found.data
            )
            for row, found in zip(rows, code, strict=True)
            if row["rip"] is not None
        }
        strays: dict[tuple[int, int], Item] = {}
        for name in ("memory", "registers"):
            for row in self._details(name, rows, first, end):
                place = row["step"], row["core"]
                item = items.get(place) or strays.get(place)
                if item is None:
                    item = strays[place] = Item(*place, "access", {})
                (item.accesses if name == "memory" else item.changes).append(row)
        return [*strays.values(), *items.values()]

    def _details(self, name: str, rows: list[Row], first: int, end: int) -> list[Row]:
        """Return the accesses or register changes that belong to a page."""
        if not self._trace.has(name):
            return []
        condition = "step >= $first AND step < $end"
        values: dict[str, object] = {"first": first, "end": end}
        if self._wanted.core_ids:
            condition += " AND list_contains($cores, core)"
            values["cores"] = list(self._wanted.core_ids)
        if not self._tells_events():
            if not rows:
                return []
            condition += " AND (step, core) IN (SELECT unnest($steps), unnest($owners))"
            values |= {"first": rows[0]["step"], "end": rows[-1]["step"] + 1}
            values |= {"steps": [row["step"] for row in rows]}
            values |= {"owners": [row["core"] for row in rows]}
        return self._trace.rows(f"SELECT * FROM {name} WHERE {condition}", values)  # noqa: S608 - our own words


def _inside(place: str, reach: str, ranges: tuple[tuple[int, int], ...]) -> str:
    """Return a condition: `reach` bytes from `place` on have one inside; no sum overflows."""
    return " OR ".join(
        f"({place} < {high}::UBIGINT AND "
        f"({place} >= {low}::UBIGINT OR {place}::HUGEINT + {reach} > {low}))"
        for low, high in ranges
    )


def _touching(ranges: tuple[tuple[int, int], ...]) -> str:
    return " OR ".join(_inside(place, "size", ranges) for place in ("physical", "linear"))
