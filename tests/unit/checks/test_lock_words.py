"""Which words are locks, and what was done to them."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.history import LOCKED, WRITE
from uniSMP.checks.lock_words import found_locks, given_lock

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, rows

WORD = 0x2000


def locked(step: int, before: int, after: int, core: int = 0, at: int = WORD) -> list[Access]:
    return [
        Access(step, core, 0x10, at, 4, LOCKED, before),
        Access(step, core, 0x10, at, 4, LOCKED | WRITE, after),
    ]


def plain(step: int, value: int, kind: int = WRITE) -> list[Access]:
    return [Access(step, 0, 0x20, WORD, 4, kind, value)]


@pytest.mark.parametrize(
    "accesses",
    [
        locked(0, 0, 1) + plain(1, 0) + locked(2, 0, 1),
        locked(0, 0, 1) + locked(1, 1, 1, core=1) + plain(2, 0),
        locked(0, 0, 1) + locked(1, 1, 0),
        locked(0, 5, 9) + plain(1, 5) + locked(2, 5, 7),
        plain(0, 0, kind=0) + locked(1, 0, 1),
    ],
)
def test_word_that_goes_from_free_to_taken_and_back_is_a_lock(accesses: list[Access]) -> None:
    assert [word.physical for word in found_locks(rows(accesses))] == [WORD]


@pytest.mark.parametrize(
    "accesses",
    [
        locked(0, 0, 1) + locked(1, 1, 2),
        locked(0, 0, 1) + plain(1, 0) + plain(2, 3),
        locked(0, 1, 1),
        plain(0, 1) + plain(1, 0),
        plain(0, 7) + locked(1, 0, 1),
    ],
)
def test_word_that_is_used_otherwise_is_no_lock(accesses: list[Access]) -> None:
    assert found_locks(rows(accesses)) == []


def test_tries_takes_and_releases_are_told_apart() -> None:
    accesses = [
        *locked(0, 0, 1),
        *locked(1, 1, 1, core=1),
        *plain(2, 0),
        *locked(3, 0, 1, core=1),
        *locked(4, 1, 0, core=1),
    ]
    (word,) = found_locks(rows(accesses))
    assert word.tries.tolist() == [0, 2, 5]
    assert word.takes.tolist() == [1, 6]
    assert word.releases.tolist() == [4, 8]


def test_compare_exchange_that_fails_without_a_write_is_a_try() -> None:
    accesses = [*locked(0, 0, 1), Access(1, 1, 0x10, WORD, 4, LOCKED, 1)]
    (word,) = found_locks(rows(accesses))
    assert word.tries.tolist() == [0, 2]


def test_given_word_is_a_lock_however_it_is_used() -> None:
    accesses = [*locked(0, 0, 1), *locked(1, 1, 2), *plain(2, 5), *plain(3, 0)]
    word = given_lock(rows(accesses), WORD)
    assert word is not None
    assert word.takes.tolist() == [1, 3]
    assert word.releases.tolist() == [5]


def test_given_word_without_a_locked_access_is_none() -> None:
    assert given_lock(rows([*locked(0, 0, 1), *plain(1, 0)]), WORD + 4) is None


def test_halves_of_a_double_word_are_words_of_their_own() -> None:
    accesses = [
        Access(0, 0, 0x10, WORD, 8, LOCKED, 0),
        Access(0, 0, 0x10, WORD + 8, 8, LOCKED, 4),
        Access(0, 0, 0x10, WORD, 8, LOCKED | WRITE, 1),
        Access(0, 0, 0x10, WORD + 8, 8, LOCKED | WRITE, 4),
        Access(1, 0, 0x20, WORD, 8, WRITE, 0),
    ]
    assert [word.physical for word in found_locks(rows(accesses))] == [WORD]
