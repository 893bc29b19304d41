"""Happens-before and the races it leaves, on histories by hand."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.history import DELIVERY, LOCKED, PAGE_WALK, WRITE, Event
from uniSMP.checks.races import Atomic, Races
from uniSMP.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

SYMBOLS = {"code": 0x100, "flag": 0x1000, "next": 0x1004, "data": 0x1010, "behind": 0x1020}
FLAG, NEXT, DATA = 0x1000, 0x1004, 0x1010
R, W, LR, LW = 0, WRITE, LOCKED, LOCKED | WRITE
Step = tuple[int, int, int]
"""Core, address, kind."""


def races(
    steps: list[Step], check: Races | None = None, events: tuple[Event, ...] = (), cores: int = 3
) -> list[tuple[int, int]]:
    """Return races as steps; the instruction of step s has the address 0x100 + s."""
    accesses = [
        Access(step, core, 0x100 + step, address, kind=kind)
        for step, (core, address, kind) in enumerate(steps)
    ]
    run = [(core, 0x100 + step) for step, (core, _, _) in enumerate(steps)]
    made = history(run, cores=cores, symbols=SYMBOLS, accesses=accesses, events=events)
    found = (check or Races()).examine(made)
    return [(each.rips[0] - 0x100, each.rips[1] - 0x100) for each in found]


@pytest.mark.parametrize(
    "steps",
    [
        [(0, DATA, R), (1, DATA, R)],
        [(0, DATA, W), (0, DATA, R), (0, DATA, W)],
        [(0, DATA, W), (1, DATA + 4, W)],  # other bytes of one word
        [(0, FLAG, LW), (1, FLAG, LW), (0, FLAG, LR)],
        [(0, DATA, W | PAGE_WALK), (1, DATA, W)],
    ],
)
def test_accesses_without_a_conflict_are_no_race(steps: list[Step]) -> None:
    assert races(steps) == []


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(0, DATA, W), (1, DATA, R)], [(0, 1)]),
        ([(0, DATA, R), (1, DATA, W)], [(0, 1)]),
        ([(0, DATA, W), (1, DATA, W)], [(0, 1)]),
        ([(0, DATA, W), (1, DATA + 3, W)], [(0, 1)]),  # one common byte
        ([(0, DATA - 2, W), (1, DATA, R)], [(0, 1)]),
        ([(0, 0x1FFE, W), (1, 0x2000, R)], [(0, 1)]),  # across a word
        ([(0, DATA, R), (1, DATA, R), (2, DATA, W)], [(0, 2), (1, 2)]),
        ([(0, DATA, W), (1, DATA, W | DELIVERY)], [(0, 1)]),
        ([(0, DATA, W), (1, DATA, LW)], [(0, 1)]),  # a locked access and a plain one
        ([(0, DATA, LW), (1, DATA, R)], [(0, 1)]),
        ([(0, DATA, R), (1, DATA, LW)], [(0, 1)]),
    ],
)
def test_unordered_conflicts_are_races(steps: list[Step], expected: list[tuple[int, int]]) -> None:
    assert races(steps) == expected


@pytest.mark.parametrize(
    ("between", "expected"),
    [
        ([(0, FLAG, LR), (0, FLAG, LW), (1, FLAG, LR), (1, FLAG, LW)], []),
        ([(0, FLAG, LW), (2, FLAG, LW), (1, FLAG, LR)], []),  # passed on by core 2
        ([(0, FLAG, LW), (2, FLAG, LW), (2, NEXT, LW), (1, NEXT, LW)], []),
        ([(1, FLAG, LW), (0, FLAG, LW)], [(0, 3)]),  # the other way round
        ([(0, FLAG, LW), (1, NEXT, LW)], [(0, 3)]),  # other bytes
        ([(0, FLAG, W), (1, FLAG, R)], [(1, 2), (0, 3)]),  # plain: orders nothing
    ],
)
def test_locked_accesses_to_the_same_bytes_order(
    between: list[Step], expected: list[tuple[int, int]]
) -> None:
    assert races([(0, DATA, W), *between, (1, DATA, R)]) == expected


def test_what_comes_behind_a_release_is_not_published_by_it() -> None:
    assert races([(0, FLAG, LW), (0, DATA, W), (1, FLAG, LW), (1, DATA, R)]) == [(1, 3)]


PUBLISH = [(0, DATA, W), (0, FLAG, W), (1, FLAG, R), (1, DATA, R)]


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        (Races(), [(1, 2), (0, 3)]),
        (Races(["flag"]), []),
        (Races(["flag..next"]), []),
        (Races(["0x1000"]), []),
        (Races(["next"]), [(1, 2), (0, 3)]),
        (Races(["data"]), [(1, 2)]),  # data itself is atomic, and its read takes it over
        (Races(others=Atomic.ALIGNED), []),
        (Races(others=Atomic.LOCKED_WORDS), [(1, 2), (0, 3)]),
    ],
)
def test_atomic_plain_accesses_publish_and_take_over(
    check: Races, expected: list[tuple[int, int]]
) -> None:
    assert races(PUBLISH, check) == expected


def test_plain_accesses_to_locked_words_count_as_atomic_where_wanted() -> None:
    lock = [(0, FLAG, LW), (0, DATA, W), (0, FLAG, W), (1, FLAG, LR), (1, FLAG, LW), (1, DATA, R)]
    assert races(lock) == [(2, 3), (2, 4), (1, 5)]
    assert races(lock, Races(others=Atomic.LOCKED_WORDS)) == []


def test_load_takes_over_from_the_store_that_it_reads_only() -> None:
    steps = [(0, DATA, W), (0, FLAG, W), (2, FLAG, W), (1, FLAG, R), (1, DATA, R)]
    assert races(steps, Races(["flag"])) == [(0, 4)]


def test_unaligned_accesses_are_never_atomic() -> None:
    steps = [(0, FLAG + 2, W), (1, FLAG + 2, R)]
    assert races(steps, Races(others=Atomic.ALIGNED)) == [(0, 1)]


def test_atomic_and_unaligned_accesses_race() -> None:
    steps = [(0, FLAG, W), (1, FLAG - 2, R), (2, FLAG - 2, W)]
    assert races(steps, Races(["flag"])) == [(0, 1), (1, 2), (0, 2)]


def event(step: int, kind: str, core: int, **more: object) -> Event:
    return Event(step, core, kind, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("taking", "expected"),
    [
        (event(3, "interrupt_delivered", 1, vector=0x40, source="apic"), []),
        (event(3, "interrupt_delivered", 1, vector=2, source="nmi"), []),
        (event(3, "start_up", 1), []),
        (event(3, "init", 1), []),
        (event(3, "interrupt_delivered", 1, vector=0x41, source="apic"), [(0, 3)]),
        (event(3, "interrupt_delivered", 2, vector=0x40, source="apic"), [(0, 3)]),
        (event(3, "interrupt_accepted", 1, vector=0x40), [(0, 3)]),  # the handler has not begun
        (event(1, "interrupt_delivered", 1, vector=0x40, source="apic"), [(0, 3)]),  # an older one
    ],
)
def test_interrupt_is_ordered_behind_what_came_before_it_was_sent(
    taking: Event, expected: list[tuple[int, int]]
) -> None:
    sent = event(2, "ipi_sent", 0, vector=0x40, targets=(1,))
    steps = [(0, DATA, W), (2, 0x3000, W), (0, 0x3008, W), (1, DATA, R)]
    events = tuple(sorted((taking, sent), key=lambda each: each.step))
    assert races(steps, events=events) == expected


def test_what_the_sender_does_behind_the_ipi_is_not_ordered() -> None:
    events = (
        event(1, "ipi_sent", 0, vector=0x40, targets=(1, 2)),
        event(3, "interrupt_delivered", 1, vector=0x40, source="apic"),
    )
    steps = [(0, DATA, W), (0, NEXT, W), (0, NEXT, R), (1, DATA, W), (1, NEXT, W)]
    assert races(steps, events=events) == [(1, 4), (2, 4)]


def test_two_instructions_are_reported_once() -> None:
    accesses = [
        Access(step, step % 2, 0x100 + step % 2, DATA + 8 * (step // 2), kind=W)
        for step in range(8)
    ]
    run = [(step % 2, 0x100 + step % 2) for step in range(8)]
    found = Races().examine(history(run, cores=2, accesses=accesses))
    assert [(each.step, each.rips) for each in found] == [(1, (0x100, 0x101))]


def test_key_is_the_same_whoever_comes_first() -> None:
    keys = []
    for first, second in ((0, 1), (1, 0)):
        accesses = [Access(0, first, 0x100 + first, DATA, kind=W * first)]
        accesses.append(Access(1, second, 0x100 + second, DATA, kind=W * second))
        run = [(first, 0x100 + first), (second, 0x100 + second)]
        keys += [each.key for each in Races().examine(history(run, cores=2, accesses=accesses))]
    assert keys == [("races", 0x100, "read", 0x101, "write")] * 2


def test_summary_says_who_does_what_to_which_byte() -> None:
    accesses = [
        Access(0, 0, 0x108, DATA, kind=W),
        Access(1, 2, 0x120, DATA + 2, kind=R, size=1),
    ]
    made = history([(0, 0x108), (2, 0x120)], cores=3, symbols=SYMBOLS, accesses=accesses)
    [found] = Races().examine(made)
    assert found.summary == (
        "data race on data+0x2 (0x1012): 4-byte write by core 0 at code+0x8 (0x108) "
        "[code+0x8] and 1-byte read by core 2 at code+0x20 (0x120) [code+0x20] are in no order"
    )
    assert (found.step, found.core, found.rips) == (1, 2, (0x108, 0x120))


def test_history_without_accesses_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no accesses"):
        Races().examine(history([], cores=1))


def test_empty_history_has_no_race() -> None:
    assert Races().examine(history([], cores=1, accesses=[])) == []


def test_missing_symbol_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no symbol nowhere"):
        races([], Races(["nowhere"]))
