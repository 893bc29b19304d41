"""Cores that execute too many instructions on end with IF = 0.

A stretch begins where IF becomes 0, or where an interrupt is delivered (which IF = 1 had let in),
and ends where IF becomes 1.
"""

import numpy as np

from uniSMP.checks.core_time import OFF, CoreTime
from uniSMP.checks.history import History, Needs, Signed, Violation
from uniSMP.checks.places import Places
from uniSMP.checks.recorded import flags_of


class InterruptsOff:
    """Looks for long stretches with IF = 0.

    Args:
        most_instructions: of the core itself, that may be executed on end.
    """

    name = "interrupts-off"
    needs = Needs.EVENTS | Needs.FLAGS

    def __init__(self, most_instructions: int = 10_000) -> None:
        self._most = most_instructions

    def examine(self, history: History) -> list[Violation]:
        """Return one violation for each stretch, see `Check.examine`.

        Raises:
            ConfigError: flags are missing.
        """
        flags_of(history, self.name)
        found: list[Violation] = []
        places = Places(history.symbols)
        for core in range(history.cores):
            time = CoreTime(history, core)
            for first, length in _stretches(history, time):
                if length > self._most:
                    found.append(self._violation(time, first, length, places))
        return sorted(found, key=lambda violation: violation.step)

    def _violation(self, time: CoreTime, first: int, length: int, places: Places) -> Violation:
        begin, beyond = int(time.rips[first]), first + self._most
        summary = (
            f"core {time.core} executes {length} instructions with IF = 0, {self._most} are "
            f"allowed: from {places.show(begin)} at step {time.steps[first]} on"
        )
        rips = (begin, int(time.rips[beyond]))
        step = int(time.steps[beyond])
        return Violation(self.name, summary, step, time.core, (self.name, begin), rips)


def _stretches(history: History, time: CoreTime) -> list[tuple[int, int]]:
    """Return the stretches with IF = 0: place of the first instruction, and how many."""
    is_off = time.interrupt_flag(time.steps) == OFF
    if not is_off.any():
        return []
    delivered = [
        time.place(event.step)
        for event in history.events
        if event.core == time.core and event.kind == "interrupt_delivered"
    ]
    is_first = is_off & ~np.concatenate([[False], is_off[:-1]])
    broken = np.array([place for place in delivered if place < len(is_off)], dtype=np.int64)
    is_first[broken[is_off[broken]]] = True
    begins: Signed = np.nonzero(is_first)[0]
    off_before = np.concatenate([[0], np.cumsum(is_off)])
    ends = np.append(begins[1:], len(is_off))
    lengths = off_before[ends] - off_before[begins]
    return list(zip(begins.tolist(), lengths.tolist(), strict=True))
