"""A lock that interrupt handlers take, and that others hold while interrupts may come.

An interrupt in between makes its core wait for what only that core can give back. It need not have
come in this run: that both happen to one lock is the violation.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from uniSMP.checks.core_time import ON, CoreTime
from uniSMP.checks.handler_runs import HandlerRun, are_external, handler_runs
from uniSMP.checks.history import AccessRows, History, Needs, Signed, Violation
from uniSMP.checks.lock_words import LockWord, found_locks, given_lock
from uniSMP.checks.places import Places, resolve
from uniSMP.checks.recorded import accesses_of, flags_of


class LockDiscipline:
    """Looks for locks taken in interrupt handlers, and held elsewhere with IF = 1.

    Handlers of INT n and of exceptions are no interrupt handlers, but for those that an interrupt
    handler calls.

    Args:
        locks: symbols or addresses of lock words that hold 0 when they are free; without any, all
            words that are used as a lock and nothing else (see `lock_words`).
    """

    name = "lock-discipline"
    needs = Needs.ACCESSES | Needs.EVENTS | Needs.FLAGS

    def __init__(self, locks: Sequence[str] = ()) -> None:
        self._locks = tuple(locks)

    def examine(self, history: History) -> list[Violation]:
        """Return one violation for each lock, see `Check.examine`.

        Raises:
            ConfigError: a symbol is missing, or accesses or flags are.
        """
        rows = accesses_of(history, self.name)
        flags_of(history, self.name)
        if self._locks:
            places = [resolve(history.symbols, text) for text in self._locks]
            words = [word for place in places if (word := given_lock(rows, place)) is not None]
        else:
            words = found_locks(rows)
        if not words:
            return []
        runs = handler_runs(history)
        found = [
            violation
            for word in words
            if (violation := self._judge(history, rows, word, runs)) is not None
        ]
        return sorted(found, key=lambda violation: violation.step)

    def _judge(
        self, history: History, rows: AccessRows, word: LockWord, runs: Sequence[HandlerRun]
    ) -> Violation | None:
        inside = _first(rows, _in_handlers(rows, word.tries, runs))
        outside = _first(rows, _held_open(history, rows, word, runs))
        if inside is None or outside is None:
            return None
        places = Places(history.symbols)
        taken_inside, taken_outside = int(rows.rip[inside]), int(rows.rip[outside])
        later = max(inside, outside)
        summary = (
            f"the lock at {_named(rows, inside, places)} is taken in an interrupt handler (core "
            f"{rows.core[inside]}, {places.show(taken_inside)}), and held with IF = 1 outside (core"
            f" {rows.core[outside]}, taken at {places.show(taken_outside)})"
        )
        return Violation(
            self.name,
            summary,
            int(rows.step[later]),
            int(rows.core[later]),
            (self.name, word.physical, taken_inside, taken_outside),
            (taken_inside, taken_outside),
        )


def _named(rows: AccessRows, row: int, places: Places) -> str:
    return places.show(int(rows.linear[row] if rows.has_linear[row] else rows.physical[row]))


def _first(rows: AccessRows, chosen: Iterator[Signed]) -> int | None:
    """Return the lowest address's first row, so that a schedule does not decide which is shown."""
    found = np.concatenate([np.zeros(0, dtype=np.int64), *chosen])
    if not len(found):
        return None
    return int(found[np.lexsort((found, rows.rip[found]))[0]])


def _in_handlers(rows: AccessRows, tries: Signed, runs: Sequence[HandlerRun]) -> Iterator[Signed]:
    for core in np.unique(rows.core[tries]):
        mine = tries[rows.core[tries] == core]
        yield mine[are_external(runs, int(core), rows.step[mine])]


def _held_open(
    history: History, rows: AccessRows, word: LockWord, runs: Sequence[HandlerRun]
) -> Iterator[Signed]:
    """Return the takes outside of interrupt handlers after which IF was 1 while the lock was held.

    The instruction that took it counts, the one that gave it back does too.
    """
    releases = np.append(rows.step[word.releases], history.end_step)
    for core in np.unique(rows.core[word.takes]):
        mine = word.takes[rows.core[word.takes] == core]
        mine = mine[~are_external(runs, int(core), rows.step[mine])]
        time = CoreTime(history, int(core))
        is_on = time.interrupt_flag(time.steps) == ON
        on_before = np.concatenate([[0], np.cumsum(is_on)])
        taken = rows.step[mine]
        given = releases[np.searchsorted(releases, taken, side="right").clip(max=len(releases) - 1)]
        begin = np.searchsorted(time.steps, taken)
        behind = np.searchsorted(time.steps, given, side="right")
        yield mine[on_before[behind] > on_before[begin]]
