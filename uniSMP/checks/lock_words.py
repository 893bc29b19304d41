"""Lock words: what each locked instruction did to one, and which words of a history are locks.

A word is a lock when every locked instruction that changes it changes it from the same value (free)
or back to it, and every plain store to it stores that value. Tries that fail change nothing. Plain
loads do not matter. A counter is none: its second increment begins with another value.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from uniSMP.checks.history import LOCKED, PAGE_WALK, WRITE, AccessRows, Signed

_NEAREST = 3
"""How many rows behind its read a locked write may be: 16 bytes are two reads and two writes."""
_FREE = 0
"""What a lock that was given by name holds when it is free."""
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LockWord:
    """One word, and the rows of `History.accesses` that matter.

    Attributes:
        physical: its address.
        tries: locked instructions that were to take it, whether or not they did: one row each.
        takes: those that took it.
        releases: stores that made it free again.
    """

    physical: int
    tries: Signed
    takes: Signed
    releases: Signed


def found_locks(rows: AccessRows) -> list[LockWord]:
    """Return the words that are used as locks and nothing else."""
    changes = _changes(rows)
    words = np.unique(rows.physical[changes.rows[changes.is_change]])
    found = (_word(rows, changes, int(physical), None) for physical in words)
    return [word for word in found if word is not None]


def given_lock(rows: AccessRows, linear: int) -> LockWord | None:
    """Return the word at an address, free when it is 0; None where no locked access was seen."""
    mine = np.nonzero(((rows.linear == linear) & rows.has_linear) | (rows.physical == linear))[0]
    locked = mine[(rows.kind[mine] & LOCKED) != 0]
    if not len(locked):
        return None
    return _word(rows, _changes(rows), int(rows.physical[locked[0]]), _FREE)


@dataclass(frozen=True, slots=True)
class _Changes:
    """Locked writes: their rows, what was there before, and whether the value changed."""

    rows: Signed
    before: Signed
    is_change: Mask


def _changes(rows: AccessRows) -> _Changes:
    """Return the locked writes, each with what its instruction read."""
    writes = np.nonzero((rows.kind & (LOCKED | WRITE)) == LOCKED | WRITE)[0]
    before, is_known = rows.value[writes].copy(), np.zeros(len(writes), dtype=np.bool_)
    for distance in range(1, _NEAREST + 1):
        reads = np.maximum(writes - distance, 0)
        is_pair = (rows.kind[reads] & (LOCKED | WRITE)) == LOCKED
        for column in (rows.core, rows.step, rows.physical, rows.size):
            is_pair &= column[reads] == column[writes]
        is_pair &= ~is_known
        before[is_pair] = rows.value[reads[is_pair]]
        is_known |= is_pair
    return _Changes(writes, before, before != rows.value[writes])


def _word(rows: AccessRows, changes: _Changes, physical: int, free: int | None) -> LockWord | None:
    """Return one word; where `free` is None, None if it is used otherwise than as a lock."""
    of_word = rows.physical[changes.rows] == physical
    changed = of_word & changes.is_change
    before, after = changes.before[changed], rows.value[changes.rows[changed]]
    is_plain = (rows.kind & (WRITE | LOCKED | PAGE_WALK)) == WRITE
    plain = np.nonzero((rows.physical == physical) & is_plain)[0]
    if free is None:
        free = int(rows.value[plain[0]] if len(plain) else before[0])
        is_lock = np.all((before == free) ^ (after == free)) and np.any(before == free)
        if not is_lock or np.any(rows.value[plain] != free):
            return None
    locked_releases = changes.rows[changed][after == free]
    locked = np.nonzero((rows.physical == physical) & ((rows.kind & LOCKED) != 0))[0]
    releasing = rows.step[locked_releases]
    tries = locked[~np.isin(rows.step[locked], releasing)]
    _, first = np.unique(rows.step[tries], return_index=True)
    releases = plain[rows.value[plain] == free]
    return LockWord(
        physical,
        tries[first],
        changes.rows[changed][after != free],
        np.sort(np.concatenate([releases, locked_releases])),
    )
