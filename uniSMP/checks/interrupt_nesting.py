"""Handlers that interrupt handlers: more levels at once on a core than a bound."""

from uniSMP.checks.handler_runs import HandlerRun, handler_runs
from uniSMP.checks.history import Event, History, Needs, Violation
from uniSMP.checks.places import Places

_WORDS = {
    "interrupt_delivered": "interrupt",
    "exception": "exception",
    "software_interrupt": "int",
}


class InterruptNesting:
    """Looks for cores that are in more handlers at once than they should be.

    Args:
        most_levels: handlers of interrupts, exceptions and INT n that a core may be in at once.
    """

    name = "interrupt-nesting"
    needs = Needs.EVENTS | Needs.ACCESSES

    def __init__(self, most_levels: int = 4) -> None:
        self._most = most_levels

    def examine(self, history: History) -> list[Violation]:
        """Return the entries into a handler too many, see `Check.examine`."""
        places = Places(history.symbols)
        stacks: dict[int, list[HandlerRun]] = {}
        found: dict[tuple[str | int, ...], Violation] = {}
        for run in handler_runs(history):
            stack = stacks.setdefault(run.core, [])
            del stack[run.depth :]
            stack.append(run)
            if run.depth == self._most:
                violation = self._violation(stack, places)
                found.setdefault(violation.key, violation)
        return list(found.values())

    def _violation(self, stack: list[HandlerRun], places: Places) -> Violation:
        entries = [run.entry for run in stack]
        levels = ", ".join(map(_told, entries))
        last = entries[-1]
        summary = (
            f"core {last.core} is in {len(stack)} handlers at once, {self._most} are allowed: "
            f"{levels}; the last entered at {places.show(last.rip)}"
        )
        key: tuple[str | int, ...] = (self.name, *(entry.vector for entry in entries))
        rips = tuple(entry.rip for entry in entries)
        return Violation(self.name, summary, last.step, last.core, key, rips)


def _told(entry: Event) -> str:
    return f"{_WORDS[entry.kind]} {entry.vector:#x}"
