"""A trace as a story: instructions with what they read, wrote and changed, and events between them.

Rows are fetched in pages of steps, so memory stays bounded whatever the trace.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from uniSMP.trace.reader import Trace
from uniSMP.trace.text import disassemble

Row = dict[str, Any]
_PAGE_ROWS = 20_000
_LONGEST_BLOCK = 512
_END = 1 << 62


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
        kind: "instruction", "execution", or the kind of an event.
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
    """

    def __init__(self, trace: Trace, wanted: Wanted) -> None:
        self._trace = trace
        self._wanted = wanted
        self._decoded: dict[int, dict[int, tuple[bytes, str]]] = {}
        self._table = None
        if not wanted.events_only:
            names = ("instructions", "executions")
            self._table = next((name for name in names if trace.has(name)), None)

    def items(self, page_rows: int = _PAGE_ROWS) -> Iterator[Item]:
        """Yield what happened, oldest first; an event comes before what runs at its step.

        Raises:
            FormatError: the trace is damaged.
        """
        step = self._wanted.first_step
        while step < self._wanted.end_step:
            items, end = self._page(step, page_rows)
            yield from items
            if end is None:
                return
            step = end

    def _page(self, first: int, page_rows: int) -> tuple[list[Item], int | None]:
        """Return the items of a page of steps, and where the next one begins (None: nowhere)."""
        rows = self._code_rows(first, page_rows) if self._table else []
        end = self._wanted.end_step
        is_last = len(rows) < page_rows
        if not is_last:
            end = int(rows[-1]["step"]) + 1
        events = self._events(first, end) if self._tells_events() else []
        items = [Item(row["step"], row["core"], row["kind"], row) for row in events]
        if self._table == "instructions":
            items += self._instructions(rows)
        elif rows:
            items += [Item(row["step"], row["core"], "execution", row) for row in rows]
        items.sort(key=lambda item: item.step)  # stable: events first, in their order
        return items, None if is_last else end

    def _tells_events(self) -> bool:
        wanted = self._wanted
        return wanted.events_only or bool(wanted.kinds) or not (wanted.addresses or wanted.data)

    # -- rows ----------------------------------------------------------------------------------

    def _conditions(self, place: str) -> tuple[str, dict[str, object]]:
        wanted = self._wanted
        parts = ["step >= $first", "step < $end"]
        values: dict[str, object] = {}
        if wanted.core_ids:
            parts.append("list_contains($cores, core)")
            values["cores"] = list(wanted.core_ids)
        if wanted.addresses:
            parts.append(f"({_inside(place, wanted.addresses)})")
        return " AND ".join(parts), values

    def _code_rows(self, first: int, page_rows: int) -> list[Row]:
        """Return rows of instructions or executions with the block they belong to."""
        wanted = self._wanted
        is_fine = self._table == "instructions"
        condition, values = self._conditions("rip" if is_fine else "address")
        values |= {"first": first, "end": wanted.end_step, "most": page_rows}
        if is_fine and wanted.data:
            places = f"{_inside('physical', wanted.data)} OR {_inside('linear', wanted.data)}"
            self._trace.require("memory")
            inside = f"step >= $first AND step < $end AND ({places})"
            condition += f" AND step IN (SELECT step FROM memory WHERE {inside})"  # noqa: S608 - numbers
        source = "instructions" if is_fine else "executions JOIN blocks USING (block)"
        columns = "step, core, rip, cpl"
        if not is_fine:
            columns = "step, core, block, address AS rip, executions.instructions AS count"
        return self._trace.rows(
            f"SELECT {columns} FROM {source} WHERE {condition} ORDER BY step LIMIT $most",  # noqa: S608 - our own words and numbers
            values,
        )

    def _events(self, first: int, end: int) -> list[Row]:
        wanted = self._wanted
        return self._trace.rows(
            "SELECT * FROM events WHERE step >= $first AND step < $end "
            "AND (len($cores) = 0 OR core IS NULL OR list_contains($cores, core)) "
            "AND (len($kinds) = 0 OR list_contains($kinds, kind))",
            {
                "first": first,
                "end": end,
                "cores": list(wanted.core_ids),
                "kinds": list(wanted.kinds),
            },
        )

    # -- instructions --------------------------------------------------------------------------

    def _instructions(self, rows: list[Row]) -> list[Item]:
        """Return items with disassembly, accesses and changes."""
        if not rows:
            return []
        first, end = int(rows[0]["step"]), int(rows[-1]["step"]) + 1
        items = [Item(row["step"], row["core"], "instruction", row) for row in rows]
        self._add_code(items, first, end)
        by_step = {item.step: item for item in items}
        for name, target in (("memory", "accesses"), ("registers", "changes")):
            if not self._trace.has(name):
                continue
            found = self._trace.rows(
                f"SELECT * FROM {name} WHERE step >= $first AND step < $end "  # noqa: S608 - our own words
                "AND (len($cores) = 0 OR list_contains($cores, core))",
                {"first": first, "end": end, "cores": list(self._wanted.core_ids)},
            )
            for row in found:
                item = by_step.get(row["step"])
                if item is not None:
                    getattr(item, target).append(row)
        return items

    def _add_code(self, items: list[Item], first: int, end: int) -> None:
        """Find the bytes that each instruction had: those of the block executed at its step."""
        if not self._trace.has("executions"):
            return
        starts = self._trace.rows(
            "SELECT step, block FROM executions WHERE step >= $first AND step < $end ORDER BY step",
            {"first": first - _LONGEST_BLOCK, "end": end},
        )
        self._decode({row["block"] for row in starts})
        place = -1
        for item in items:
            while place + 1 < len(starts) and starts[place + 1]["step"] <= item.step:
                place += 1
            if place >= 0:
                block = self._decoded[starts[place]["block"]]
                item.code, item.text = block.get(item.row["rip"], (b"", ""))

    def _decode(self, numbers: set[int]) -> None:
        unknown = sorted(numbers - self._decoded.keys())
        if not unknown:
            return
        rows = self._trace.rows(
            "SELECT block, address, bits, code FROM blocks WHERE list_contains($blocks, block)",
            {"blocks": unknown},
        )
        for number in unknown:
            self._decoded[number] = {}
        for row in rows:
            lines = disassemble(row["code"], row["address"], row["bits"])
            self._decoded[row["block"]] = {at: (code, text) for at, code, text in lines}


def _inside(column: str, ranges: tuple[tuple[int, int], ...]) -> str:
    """Return a condition; a row of memory of up to 8 bytes that ends inside counts too."""
    reach = " + size" if column in ("physical", "linear") else " + 1"
    return " OR ".join(f"({column}{reach} > {low} AND {column} < {high})" for low, high in ranges)
