"""Vector clocks against what they abbreviate: paths in a graph of ordered accesses."""

import random
from dataclasses import dataclass

import numpy as np
import pytest

from uniSMP.checks import vector_clocks as vc
from uniSMP.checks.history import LOCKED, WRITE
from uniSMP.checks.pieces import P_ROW, find_pieces

NO_SIGNALS = np.zeros((0, vc.SIGNAL_WORDS), np.int64)


@dataclass(frozen=True)
class One:
    core: int
    address: int
    size: int
    kind: int
    is_atomic: bool

    @property
    def is_write(self) -> bool:
        return bool(self.kind & WRITE)

    @property
    def is_plain(self) -> bool:
        return not self.kind & LOCKED and not self.is_atomic

    @property
    def bytes(self) -> set[int]:
        return set(range(self.address, self.address + self.size))


def some(seed: int) -> list[One]:
    """Return accesses of three cores to two words, few of them plain."""
    rng = random.Random(seed)
    made = []
    for _ in range(rng.randint(2, 14)):
        kind = rng.choice([0, WRITE, LOCKED | WRITE, LOCKED | WRITE, 0, WRITE])
        is_atomic = not kind & LOCKED and rng.random() < 0.5
        size = rng.choice([1, 2, 4])
        address = 0x1000 + size * rng.randrange(16 // size)
        made.append(One(rng.randrange(3), address, size, kind, is_atomic))
    return made


def reaches(accesses: list[One]) -> list[list[bool]]:
    """Return which access happened before which, by all paths."""
    count = len(accesses)
    before = [[False] * count for _ in range(count)]
    for late in range(count):
        direct = {early for early in range(late) if accesses[early].core == accesses[late].core}
        if not accesses[late].is_plain and (
            accesses[late].kind & LOCKED or not accesses[late].is_write
        ):
            direct |= sources(accesses, late)
        for early in direct:
            before[early][late] = True
            for first in range(early):
                before[first][late] = before[first][late] or before[first][early]
    return before


def sources(accesses: list[One], late: int) -> set[int]:
    """Return the synchronising writes that an acquiring access takes over from."""
    found = set()
    for place in accesses[late].bytes:
        for early in range(late - 1, -1, -1):
            other = accesses[early]
            if place in other.bytes and other.is_write and not other.is_plain:
                found.add(early)
                if not other.kind & LOCKED:
                    break  # a plain store replaces what was published; a locked one adds to it
    return found


def first_unordered(accesses: list[One]) -> int | None:
    """Return the first access that races with an earlier one."""
    before = reaches(accesses)
    late = [
        late
        for late in range(len(accesses))
        for early in range(late)
        if is_conflict(accesses[early], accesses[late]) and not before[early][late]
    ]
    return min(late, default=None)


def is_conflict(one: One, other: One) -> bool:
    is_written = one.is_write or other.is_write
    is_plain = one.is_plain or other.is_plain
    return bool(one.core != other.core and is_written and is_plain and one.bytes & other.bytes)


def found_by_clocks(accesses: list[One]) -> int | None:
    columns = (
        np.arange(len(accesses)),
        np.array([one.core for one in accesses], np.uint8),
        np.arange(len(accesses)) + 0x100,
        np.array([one.address for one in accesses]),
        np.array([one.size for one in accesses], np.uint8),
        np.array([one.kind for one in accesses], np.uint8),
    )
    is_atomic = np.array([one.is_atomic for one in accesses])
    pieces, shared = find_pieces(columns, is_atomic, locked_words=False)
    races = vc.find_races(pieces, shared, NO_SIGNALS, 0, 3)
    later = [int(pieces[row, P_ROW]) for row in races[:, 1]]
    return min(later, default=None)


@pytest.mark.parametrize("group", range(10))
def test_first_race_is_where_no_path_leads(group: int) -> None:
    seeds = range(group * 100, group * 100 + 100)
    runs = [some(seed) for seed in seeds]
    assert [found_by_clocks(run) for run in runs] == [first_unordered(run) for run in runs]
    assert {first_unordered(run) is None for run in runs} == {True, False}
