"""When each interrupt and exception handler ran: from the event that entered it to its IRET.

IRETs are found in the executed blocks. A trace without blocks, or of some addresses only, shows
interrupt handlers up to their EOI and no others. A handler that never returns but switches to
another task appears to hold what that task does.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa

from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import SelectedEvents

_ENTRIES = ("interrupt_delivered", "exception", "software_interrupt")
_IRETS = frozenset({b"\xcf", b"\x48\xcf", b"\x66\xcf"})
"""IRET, IRETQ, and IRET with the other operand size."""
_MOST_DEPTH = 250
_NEVER = -1
_EVENT_COLUMNS = ("step", "core", "kind", "vector", "rip")


@dataclass(slots=True)
class Handler:
    """One run of a handler.

    Attributes:
        event: the number of the event that entered it.
        core: which core.
        begin_step: the first step in the handler.
        end_step: behind the last one; -1 where it was not seen to end.
        depth: how many handlers it interrupted.
    """

    event: int
    core: int
    begin_step: int
    end_step: int
    depth: int


class _Stacks:
    """The handlers that each core is in."""

    def __init__(self) -> None:
        self.handlers: list[Handler] = []
        self._open: dict[int, list[int]] = {}

    def enter(self, event: int, step: int, core: int) -> None:
        """Enter a handler."""
        stack = self._open.setdefault(core, [])
        depth = min(len(stack), _MOST_DEPTH)
        stack.append(len(self.handlers))
        self.handlers.append(Handler(event, core, step, _NEVER, depth))

    def leave(self, step: int, core: int) -> None:
        """Leave the innermost handler; without one it is an IRET for another purpose."""
        stack = self._open.get(core)
        if stack:
            self.handlers[stack.pop()].end_step = step

    def drop_failed(self, step: int, core: int) -> None:
        """Forget a handler that no instruction ran of, because its delivery failed."""
        stack = self._open.get(core)
        if stack and self.handlers[stack[-1]].begin_step == step:
            self.handlers[stack.pop()].end_step = step


def find_handlers(trace: Trace, selected: SelectedEvents) -> list[Handler]:
    """Return the handlers entered in a selection, in the order of their beginnings.

    Raises:
        FormatError: the trace is damaged.
    """
    rows = list(_entries(selected.rows))
    addresses = trace.manifest.get("filter", {})
    has_all_code = trace.has("executions") and not (
        addresses.get("addresses") or addresses.get("symbols")
    )
    if has_all_code:
        rows = [row for row in rows if row[2] != "eoi"] + list(_irets(trace, selected))
    else:
        rows = [row for row in rows if row[2] in ("interrupt_delivered", "eoi")]
    stacks = _Stacks()
    failing: dict[int, tuple[int, int]] = {}
    for step, _, kind, core, event, rip in sorted(rows):
        if kind not in _ENTRIES:
            stacks.leave(step, core)
            continue
        if kind == "exception":
            if failing.get(core) == (step, rip):
                stacks.drop_failed(step, core)
            failing[core] = (step, rip)
        stacks.enter(event, step, core)
    return stacks.handlers


Row = tuple[int, int, str, int, int, int]
"""Step, order at that step, kind, core, number of the event, RIP."""


def _entries(events: pa.Table) -> Iterable[Row]:
    columns = [events.column(name).to_pylist() for name in _EVENT_COLUMNS]
    for number, (step, core, kind, _, rip) in enumerate(zip(*columns, strict=True)):
        if core is not None and (kind in _ENTRIES or kind == "eoi"):
            yield step, number + 1, kind, core, number, rip or 0


def _irets(trace: Trace, selected: SelectedEvents) -> Iterable[Row]:
    """Return an IRET as what happens first at the step of the next instruction."""
    whole = _instructions_of_iret_blocks(trace)
    if not whole:
        return
    rows = trace.rows(
        "SELECT core, step + instructions AS step FROM executions "
        "WHERE step >= $first AND step < $end AND instructions = ($whole)[block + 1] "
        "AND (len($cores) = 0 OR list_contains($cores, core)) LIMIT $most",
        {
            "first": selected.first_step,
            "end": selected.end_step,
            "whole": whole,
            "cores": list(selected.core_ids),
            "most": 2 * selected.most,
        },
    )
    for row in rows:
        yield row["step"], 0, "iret", row["core"], -1, 0


def _instructions_of_iret_blocks(trace: Trace) -> list[int]:
    """Return by block: its number of instructions if it ends with IRET, else -1."""
    rows = trace.rows("SELECT block, code, offsets, instructions FROM blocks ORDER BY block")
    whole = [-1] * (max((row["block"] for row in rows), default=-1) + 1)
    for row in rows:
        last = row["code"][row["offsets"][-1] :] if row["offsets"] else b""
        if last in _IRETS:
            whole[row["block"]] = row["instructions"]
    return whole if any(count > 0 for count in whole) else []
