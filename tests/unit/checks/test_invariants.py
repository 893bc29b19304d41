"""Predicates over memory as it was at chosen moments."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from uniSMP.checks.exclusion import Region
from uniSMP.checks.history import WRITE, History
from uniSMP.checks.invariants import Invariant, Invariants
from uniSMP.checks.pmm_layout import Reader
from uniSMP.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history

SYMBOLS = {"enter": 0x100, "work": 0x110, "leave": 0x120, "check": 0x200, "pair": 0x1FFC}
E, W, L, C = 0x100, 0x110, 0x120, 0x200
REGION = Region("enter", "leave")


class Recorded:
    """A predicate that remembers what it read: two words that must be equal."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []

    def __call__(self, read: Reader, symbols: Mapping[str, int]) -> list[str]:
        raw = read(symbols["pair"], 8)
        pair = int.from_bytes(raw[:4], "little"), int.from_bytes(raw[4:], "little")
        self.seen.append(pair)
        return [] if pair[0] == pair[1] else [f"{pair[0]} is not {pair[1]}", "second line"]


def run_of(run: list[tuple[int, int]], writes: list[tuple[int, int, int]]) -> History:
    """Return a history from step 10 on; `writes` are (step, address, value)."""
    accesses = [
        Access(step, run[step - 10][0], run[step - 10][1], at, kind=WRITE, value=value)
        for step, at, value in writes
    ]
    return history(run, cores=2, symbols=SYMBOLS, first_step=10, accesses=accesses)


LOW, HIGH = 0x1FFC, 0x2000
RUN = [(0, E), (0, W), (0, W), (0, L), (1, C), (1, E), (1, W), (1, L), (0, C)]
WRITES = [(11, LOW, 1), (12, HIGH, 1), (16, HIGH, 2), (17, 0x3000, 9)]


@pytest.mark.parametrize(
    ("symbol", "region", "at_end", "seen"),
    [
        ("check", None, False, [(1, 1), (1, 2)]),
        ("work", None, False, [(0, 0), (1, 0)]),
        ("leave", None, False, [(1, 1), (1, 2)]),
        (None, REGION, False, [(1, 1), (1, 2)]),
        (None, None, True, [(1, 2)]),
        ("check", REGION, True, [(1, 1), (1, 2)]),
        ("work", REGION, False, []),
    ],
)
def test_predicate_sees_the_memory_of_its_moments_up_to_the_first_fault(
    symbol: str | None, region: Region | None, seen: list[tuple[int, int]], *, at_end: bool
) -> None:
    predicate = Recorded()
    Invariants(Invariant("pair", predicate, symbol, region, at_end)).examine(run_of(RUN, WRITES))
    assert predicate.seen == seen


def test_core_that_is_inside_keeps_others_from_asking() -> None:
    predicate = Recorded()
    run = [(0, E), (1, E), (1, L), (1, C), (0, W), (0, L), (1, C)]
    invariant = Invariant("pair", predicate, region=REGION)
    found = Invariants(invariant).examine(run_of(run, [(11, LOW, 5), (14, HIGH, 5)]))
    assert (found, predicate.seen) == ([], [(5, 5)])


def test_predicate_is_not_asked_again_while_its_pages_stay_as_they_were() -> None:
    predicate = Recorded()
    run = [(0, C), (0, C), (0, W), (0, C), (0, C)]
    Invariants(Invariant("pair", predicate, "check")).examine(
        run_of(run, [(10, 0x5000, 1), (12, 0x1FF0, 1)])
    )
    assert predicate.seen == [(0, 0), (0, 0)]


@pytest.mark.parametrize(
    ("symbol", "region", "step", "core", "text"),
    [
        ("check", None, 18, 0, "at step 18, before core 0 executes check (0x200)"),
        (None, REGION, 17, 1, "at step 18, behind core 1 executes leave (0x120)"),
        (None, None, 18, 0, "at step 19, behind core 0 executes check (0x200)"),
    ],
)
def test_violation_says_when_and_what(
    symbol: str | None, region: Region | None, step: int, core: int, text: str
) -> None:
    invariant = Invariant("pair", Recorded(), symbol, region, at_end=True)
    [found] = Invariants(invariant).examine(run_of(RUN, WRITES))
    assert found.summary == f"invariant pair does not hold {text}: 1 is not 2 (and 1 more)"
    assert (found.step, found.core, found.key) == (step, core, ("invariants", "pair"))


def test_what_was_wrong_before_anything_ran_belongs_to_no_core() -> None:
    made = history([], cores=1, accesses=[], symbols={"pair": 0}, memory=b"\1")
    [found] = Invariants(Invariant("pair", Recorded(), at_end=True)).examine(made)
    assert (found.core, found.rips) == (-1, ())
    assert "at the beginning" in found.summary


def test_invariants_are_told_in_the_order_in_which_they_break() -> None:
    check = Invariants(
        Invariant("late", Recorded(), "check"), Invariant("early", Recorded(), "work")
    )
    assert [each.key[1] for each in check.examine(run_of(RUN, WRITES))] == ["early", "late"]


def test_invariant_without_a_moment_is_an_error() -> None:
    with pytest.raises(ConfigError, match="invariant pair: say at which symbol"):
        Invariant("pair", Recorded())


def test_missing_symbols_and_accesses_are_errors() -> None:
    check = Invariants(Invariant("pair", Recorded(), "nowhere"))
    with pytest.raises(ConfigError, match="no symbol nowhere"):
        check.examine(run_of(RUN, []))
    with pytest.raises(ConfigError, match="no accesses"):
        check.examine(history([], cores=1))
