"""Stacks that overflow: accesses to guard ranges, and pushes below the bottom of a stack.

A guard range that is not mapped shows itself by the page fault. Only what pushes is looked at for
bottoms: PUSH, CALL, ENTER and the deliveries of interrupts and exceptions.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from uniSMP.checks.executed_code import PUSHES, executed_code
from uniSMP.checks.history import (
    DELIVERY,
    PAGE_WALK,
    WRITE,
    AccessRows,
    History,
    Needs,
    Signed,
    Violation,
)
from uniSMP.checks.places import Places, resolve_range
from uniSMP.checks.recorded import accesses_of

_PAGE_FAULT = 14
_REACH = 4096
"""A push farther below a bottom is to another stack."""


class GuardPages:
    """Looks for accesses to guard ranges, and for stacks that grow below their bottoms.

    Args:
        guards: ranges FIRST..BEHIND that nobody may touch, linear addresses or symbols.
        stacks: ranges BOTTOM..TOP of stacks. A push below BOTTOM is a violation where the push
            before it, of the same core, was to this stack.
    """

    name = "guard-pages"
    needs = Needs.ACCESSES | Needs.EVENTS

    def __init__(self, guards: Sequence[str] = (), stacks: Sequence[str] = ()) -> None:
        self._guards = tuple(guards)
        self._stacks = tuple(stacks)

    def examine(self, history: History) -> list[Violation]:
        """Return one violation for each range and instruction, see `Check.examine`.

        Raises:
            ConfigError: a range is none, or accesses are missing.
        """
        guards = [(text, resolve_range(history.symbols, text)) for text in self._guards]
        stacks = [(text, resolve_range(history.symbols, text)) for text in self._stacks]
        rows, places = accesses_of(history, self.name), Places(history.symbols)
        linear = np.where(rows.has_linear, rows.linear, rows.physical)
        found = [
            *self._faults(history, guards, places),
            *self._touched(rows, linear, guards, places),
            *self._overflows(history, rows, linear, stacks, places),
        ]
        unique = {each.key: each for each in sorted(found, key=lambda each: -each.step)}
        return sorted(unique.values(), key=lambda each: each.step)

    def _faults(
        self, history: History, guards: Sequence[tuple[str, range]], places: Places
    ) -> Iterator[Violation]:
        for event in history.events:
            if event.kind != "exception" or event.vector != _PAGE_FAULT:
                continue
            for text, guard in guards:
                if event.address in guard:
                    yield Violation(
                        self.name,
                        f"core {event.core} at {places.show(event.rip)} faults at "
                        f"{places.show(event.address)}, in the guard range {text}",
                        event.step,
                        event.core,
                        (self.name, text, event.rip),
                        (event.rip,),
                    )

    def _touched(
        self,
        rows: AccessRows,
        linear: Signed,
        guards: Sequence[tuple[str, range]],
        places: Places,
    ) -> Iterator[Violation]:
        for text, guard in guards:
            inside = (linear < guard.stop) & (linear + rows.size > guard.start)
            hit = np.nonzero(inside & ((rows.kind & PAGE_WALK) == 0))[0]
            _, first = np.unique(rows.rip[hit], return_index=True)
            for row in hit[first]:
                what = "writes to" if rows.kind[row] & WRITE else "reads from"
                yield self._violation(
                    rows, int(row), text, places, f"{what} the guard range {text}"
                )

    def _overflows(
        self,
        history: History,
        rows: AccessRows,
        linear: Signed,
        stacks: Sequence[tuple[str, range]],
        places: Places,
    ) -> Iterator[Violation]:
        if not stacks:
            return
        is_push = np.isin(rows.rip, executed_code(history).addresses(PUSHES))
        is_push |= (rows.kind & DELIVERY) != 0
        pushes = np.nonzero(is_push & ((rows.kind & (WRITE | PAGE_WALK)) == WRITE))[0]
        for core in np.unique(rows.core[pushes]):
            mine = pushes[rows.core[pushes] == core]
            for text, stack in stacks:
                at, before = linear[mine][1:], linear[mine][:-1]
                was_inside = (before >= stack.start) & (before < stack.stop)
                is_below = (at < stack.start) & (at >= stack.start - _REACH)
                for row in mine[1:][was_inside & is_below]:
                    how = f"pushes below the bottom of the stack {text}"
                    yield self._violation(rows, int(row), text, places, how)

    def _violation(
        self, rows: AccessRows, row: int, text: str, places: Places, how: str
    ) -> Violation:
        rip, core = int(rows.rip[row]), int(rows.core[row])
        who = f"core {core} at {places.show(rip)}"
        if rows.kind[row] & DELIVERY:
            who = f"a delivery to core {core}, interrupted at {places.show(rip)},"
        address = int(rows.linear[row] if rows.has_linear[row] else rows.physical[row])
        summary = f"{who} {how}, at {places.show(address)}"
        return Violation(
            self.name, summary, int(rows.step[row]), core, (self.name, text, rip), (rip,)
        )
