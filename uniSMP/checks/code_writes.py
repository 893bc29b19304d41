"""Stores to code: bytes that the history executes, before or after the store.

Stores by instructions and by deliveries count; what page walks write does not. Code that a guest
puts in place on purpose (a trampoline for other cores) is to be left out by its range.
"""

from collections.abc import Sequence

import numpy as np

from uniSMP.checks.executed_code import executed_code
from uniSMP.checks.history import DELIVERY, PAGE_WALK, WRITE, AccessRows, History, Needs, Violation
from uniSMP.checks.places import Places, resolve_range
from uniSMP.checks.recorded import accesses_of


class CodeWrites:
    """Looks for stores to executed code.

    Args:
        allowed: ranges FIRST..BEHIND of code that may be written, symbols or addresses.
    """

    name = "code-writes"
    needs = Needs.ACCESSES | Needs.EVENTS

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self._allowed = tuple(allowed)

    def examine(self, history: History) -> list[Violation]:
        """Return one violation for each pair of instructions, see `Check.examine`.

        Raises:
            ConfigError: a range is none, or accesses are missing.
        """
        allowed = [resolve_range(history.symbols, text) for text in self._allowed]
        rows = accesses_of(history, self.name)
        code, owners = executed_code(history).bytes_executed()
        for each in allowed:
            keep = (code < each.start) | (code >= each.stop)
            code, owners = code[keep], owners[keep]
        stores = np.nonzero((rows.kind & (WRITE | PAGE_WALK)) == WRITE)[0]
        place = np.searchsorted(code, rows.physical[stores])
        inside = place < len(code)
        stores, place = stores[inside], place[inside]
        hit = code[place] < rows.physical[stores] + rows.size[stores]
        found: dict[tuple[str | int, ...], Violation] = {}
        pairs = np.stack([rows.rip[stores[hit]], owners[place[hit]]], axis=1)
        _, first = np.unique(pairs, axis=0, return_index=True)
        for index in np.sort(first):
            row, victim = int(stores[hit][index]), int(pairs[index, 1])
            violation = self._violation(history, rows, row, victim)
            found.setdefault(violation.key, violation)
        return list(found.values())

    def _violation(self, history: History, rows: AccessRows, row: int, victim: int) -> Violation:
        places = Places(history.symbols)
        rip, step, core = int(rows.rip[row]), int(rows.step[row]), int(rows.core[row])
        executed = np.nonzero(history.rip == victim)[0] + history.first_step
        when = "executed before" if executed[0] < step else "executed later"
        who = f"core {core} at {places.show(rip)}"
        if rows.kind[row] & DELIVERY:
            who = f"a delivery to core {core}, interrupted at {places.show(rip)},"
        summary = (
            f"{who} writes {rows.size[row]} bytes to code: the instruction at "
            f"{places.show(victim)}, {when}"
        )
        return Violation(self.name, summary, step, core, (self.name, rip, victim), (rip, victim))
