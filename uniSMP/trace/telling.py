"""Items of a story as lines of text, for a terminal or a pipe."""

from collections.abc import Iterable, Iterator
from textwrap import wrap
from typing import Any

from uniSMP.trace.reader import Trace
from uniSMP.trace.story import Item

Row = dict[str, Any]
_HEX = frozenset({"address", "value", "rip", "cr2", "error_code", "vector"})
_DECIMAL_VALUES = frozenset(
    {"slice_begin", "slice_end", "timer_programmed", "code_invalidated", "exit", "a20"}
)
_LEFT_OUT = frozenset({"step", "core", "kind", "ticks"})
_SYMBOL_WIDTH = 24
_TEXT_WIDTH = 34
_STEP_WIDTH = 11
_HEAD_WIDTH = 16
"""Step and core."""
_NARROWEST_COLUMN = 16


class Teller:
    """Makes lines.

    Args:
        trace: for symbols and source lines.
        width: characters of a line, for a terminal; None is no limit.
    """

    def __init__(self, trace: Trace, width: int | None = None) -> None:
        self._width = width
        self._names = trace.names
        self._source_line = trace.source_line

    def lines(self, item: Item) -> list[str]:
        """Return an item as one line, and what it read, wrote and changed below it."""
        core = "  -" if item.core is None else f"{item.core:>3}"
        head = f"{item.step:>11} {core} "
        if item.kind == "access":
            lines = [f"{head}-- {detail}" for detail in self.details(item)]
            return [part for line in lines for part in self._wrapped(line, len(head) + 3)]
        if item.kind not in ("instruction", "execution"):
            return self._wrapped(f"{head}-- {self._event(item)}", len(head) + 3)
        rip = item.row["rip"]
        name = self._names.describe(rip) or f"{rip:#x}"
        line = f"{head}{name:<{_SYMBOL_WIDTH}} "
        if item.kind == "execution":
            count = item.row["count"]
            line += f"{count} instruction{'s' if count != 1 else ''}"
        else:
            line += item.text or "(bytes not traced)"
        return [self._with_source(line, rip), *self._below(item)]

    def _with_source(self, line: str, rip: int) -> str:
        """Add the source line, at its column where it fits; where it does not, it goes."""
        source = self._source_line(rip)
        column = _HEAD_WIDTH + _SYMBOL_WIDTH + 1 + _TEXT_WIDTH
        if self._width is None:
            return f"{line:<{column}} {source}".rstrip()
        start = max(len(line) + 2, min(column + 1, self._width - len(source)))
        return f"{line:<{start}}{source}".rstrip() if start + len(source) <= self._width else line

    def _below(self, item: Item) -> list[str]:
        indent = " " * (_HEAD_WIDTH + 2)
        return [
            line
            for detail in self.details(item)
            for line in self._wrapped(f"{indent}{detail}", len(indent))
        ]

    def _wrapped(self, line: str, indent: int) -> list[str]:
        if self._width is None or len(line) <= self._width:
            return [line.rstrip()]
        room = max(self._width, indent + _NARROWEST_COLUMN)
        return wrap(
            line, room, subsequent_indent=" " * indent, break_long_words=False,
            break_on_hyphens=False, drop_whitespace=True,
        )  # fmt: skip

    def details(self, item: Item) -> list[str]:
        """Return what an instruction read, wrote and changed."""
        told = [self.access(row) for row in item.accesses]
        if item.changes:
            told.append(" ".join(f"{row['register']}={row['value']:#x}" for row in item.changes))
        return told

    def access(self, row: Row) -> str:
        """Return a row of `memory` as text."""
        place = row["physical"] if row["linear"] is None else row["linear"]
        name = self._names.describe(place)
        where = f"[{place:#x}{' ' + name if name else ''}]"
        if row["linear"] is not None and row["linear"] != row["physical"]:
            where += f" at physical {row['physical']:#x}"
        arrow = "<-" if row["access"].endswith("write") else "->"
        notes = ["locked"] if row["access"].startswith("locked") else []
        notes += [row["origin"]] if row["origin"] != "instruction" else []
        note = f" ({', '.join(notes)})" if notes else ""
        return f"{where} {arrow} {row['value']:#0{2 * row['size'] + 2}x}{note}"

    def _event(self, item: Item) -> str:
        parts = [item.kind]
        for name, value in item.row.items():
            if value is None or name in _LEFT_OUT:
                continue
            if name == "rip":
                symbol = self._names.describe(value)
                parts.append(f"at {symbol or hex(value)}")
            elif name == "detail":
                parts.append(repr(value) if item.kind == "console" else str(value))
            elif name == "value" and item.kind in _DECIMAL_VALUES:
                parts.append(f"{value:,}")
            elif name == "targets":
                parts.append("to " + (",".join(map(str, value)) or "nobody"))
            else:
                text = f"{value:#x}" if name in _HEX and isinstance(value, int) else str(value)
                parts.append(f"{name}={text}")
        return " ".join(parts)

    def short(self, item: Item) -> str:
        """Return an item without its step, core, source and, of an instruction, its accesses."""
        if item.kind == "access":
            return f"-- {'; '.join(self.details(item))}"
        if item.kind not in ("instruction", "execution"):
            return f"-- {self._event(item)}"
        rip = item.row["rip"]
        name = self._names.describe(rip) or f"{rip:#x}"
        return (
            f"{name} x{item.row['count']}" if item.kind == "execution" else f"{item.text}  {name}"
        )


class Columns:
    """Tells with the cores side by side.

    Args:
        teller: for the texts.
        core_ids: one column each.
        width: characters of a line; more where the columns would be too narrow.
    """

    def __init__(self, teller: Teller, core_ids: list[int], width: int) -> None:
        self._teller = teller
        self._core_ids = core_ids
        room = (width - _STEP_WIDTH - 1) // max(1, len(core_ids))
        self._column = max(_NARROWEST_COLUMN, room)

    def tell(self, items: Iterable[Item]) -> Iterator[list[str]]:
        """Yield the titles, and a line for each item; what no core did has none."""
        titles = "".join(f"{f'core {core}':<{self._column}}" for core in self._core_ids)
        head = f"{'step':>{_STEP_WIDTH}} {titles}".rstrip()
        for item in items:
            if item.core in self._core_ids:
                lines = [head, self.line(item)] if head else [self.line(item)]
                head = ""
                yield lines

    def line(self, item: Item) -> str:
        """Return an item in the column of its core, cut where it does not fit."""
        text = self._teller.short(item)
        room = self._column - 1
        cut = text if len(text) <= room else text[: room - 1] + "…"
        place = self._core_ids.index(-1 if item.core is None else item.core)
        return f"{item.step:>{_STEP_WIDTH}} {'':<{self._column * place}}{cut}".rstrip()


def as_json(item: Item, trace: Trace) -> Row:
    """Return an item as a dictionary for JSON."""
    row: Row = {"step": item.step, "core": item.core, "kind": item.kind}
    row |= {key: value for key, value in item.row.items() if value is not None}
    if item.kind == "instruction":
        row |= {"code": item.code.hex(), "text": item.text}
    if "rip" in item.row and item.row["rip"] is not None:
        row |= {"symbol": trace.names.describe(item.row["rip"])}
        row |= {"line": trace.source_line(item.row["rip"])}
    if item.accesses:
        row["memory"] = item.accesses
    if item.changes:
        row["registers"] = {each["register"]: each["value"] for each in item.changes}
    return row
