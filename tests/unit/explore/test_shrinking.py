"""Shrinking, with two toy cores whose steps are numbers."""

from collections.abc import Callable, Sequence

import pytest

from uniSMP.errors import ConfigError
from uniSMP.explore.schedule import NO_VECTOR, Slice
from uniSMP.explore.shrinking import cost, joined, segments, shrink
from uniSMP.explore.strategy import FOREVER

VECTOR = 0x41
LENGTH = 400
Step = tuple[int, int | str]
Predicate = Callable[[list[Step]], bool]


class Toy:
    """Cores of `LENGTH` steps each; core 0 may take an interrupt once core 1 is behind step 9.

    What cannot be done is left out; then core 0 ends, then core 1, then the interrupt comes.
    """

    def __init__(self, is_wrong: Predicate) -> None:
        self._is_wrong = is_wrong
        self.runs = 0

    def __call__(self, slices: Sequence[Slice]) -> list[Slice] | None:
        self.runs += 1
        self._done = [0, 0]
        self._history: list[Step] = []
        self._ran: list[Slice] = []
        for each in slices:
            self._run(*each)
        last = slices[-1].core if slices else 0
        self._run(last, FOREVER, NO_VECTOR)
        self._run(1 - last, FOREVER, NO_VECTOR)
        self._run(0, 0, VECTOR)
        return self._ran if self._is_wrong(self._history) else None

    def _run(self, core: int, instructions: int, vector: int) -> None:
        takes = vector != NO_VECTOR and self._done[1] > 9 and (0, "taken") not in self._history
        count = min(instructions, LENGTH - self._done[core])
        if takes:
            self._history.append((0, "taken"))
        self._history += [(core, self._done[core] + step) for step in range(count)]
        self._done[core] += count
        self._ran.append(Slice(core, count, vector if takes else NO_VECTOR))


def _in_order(*steps: Step) -> Predicate:
    """Return what tells whether steps happen in this order."""

    def is_wrong(history: list[Step]) -> bool:
        places = [history.index(step) for step in steps if step in history]
        return len(places) == len(steps) and places == sorted(places)

    return is_wrong


def _slices(*values: tuple[int, ...]) -> list[Slice]:
    return [Slice(*each) for each in values]


@pytest.mark.parametrize(
    ("order", "before", "after"),
    [
        pytest.param(
            [(1, 29), (0, 20), (1, 30)],
            [(0, 5), (1, 10), (0, 3), (1, 20), (0, 90), (1, 40), (0, 50)],
            [(1, 30), (0, 400, VECTOR), (1, 370)],
            id="one core is stopped",
        ),
        pytest.param(
            [(0, 10), (1, 50), (0, 11), (1, 51)],
            [(1, 20), (0, 11), (1, 5), (1, 26), (0, 40), (1, 7), (0, 9)],
            [(0, 11), (1, 51), (0, 389, VECTOR), (1, 349)],
            id="both are stopped",
        ),
        pytest.param(
            [(0, 99), (0, "taken"), (0, 100)],
            [(0, 20), (1, 50), (0, 80), (0, 10, VECTOR), (1, 30)],
            [(1, 400), (0, 100), (0, 300, VECTOR)],
            id="an interrupt is held back",
        ),
        pytest.param(
            [(0, 299), (0, "taken"), (0, 300)],
            [(0, 20), (1, 50), (0, 280), (0, 10, VECTOR), (1, 30)],
            [(1, 400), (0, 300), (0, 100, VECTOR)],
            id="it is held back for long",
        ),
        pytest.param(
            [(1, 20), (0, 99), (0, "taken"), (0, 100), (1, 21)],
            [(0, 20), (1, 21), (0, 80), (0, 10, VECTOR), (1, 30)],
            [(1, 21), (0, 100), (0, 300, VECTOR), (1, 379)],
            id="both",
        ),
        pytest.param(
            [(0, "taken"), (0, 100)],
            [(0, 20), (1, 50), (0, 30, VECTOR), (1, 30)],
            [(1, 400), (0, 400, VECTOR)],
            id="an interrupt comes as early as it can",
        ),
    ],
)
def test_what_matters_stays_and_is_early(
    order: list[Step], before: list[tuple[int, ...]], after: list[tuple[int, ...]]
) -> None:
    toy = Toy(_in_order(*order))
    shrunk = shrink(toy, _slices(*before))
    assert shrunk.slices == _slices(*after)
    assert (shrunk.is_minimal, shrunk.tries) == (True, toy.runs)
    assert toy.runs < 200


def test_a_violation_of_every_schedule_needs_no_more_than_the_default() -> None:
    alternating = [Slice(step % 2, 7) for step in range(100)]
    shrunk = shrink(Toy(lambda _history: True), alternating)
    assert shrunk.slices == _slices((1, 400), (0, 400, VECTOR))


def test_a_place_far_from_both_ends_of_a_long_slice_is_kept() -> None:
    slices = _slices((0, 280), (1, 9), (0, 50))
    shrunk = shrink(Toy(_in_order((0, 271), (1, 0), (0, 290))), slices)
    assert shrunk.slices[:2] == _slices((0, 272), (1, 400))


def test_two_runs_are_equal_and_tell_of_their_progress() -> None:
    slices = _slices((0, 20), (1, 21), (0, 80), (0, 10, VECTOR), (1, 30))
    told: list[tuple[int, int]] = []
    results = [
        shrink(
            Toy(_in_order((1, 20), (0, 99), (1, 21))),
            slices,
            on_try=lambda tries, best: told.append((tries, len(best))),
        )
        for _ in range(2)
    ]
    assert results[0] == results[1]
    half = len(told) // 2
    assert told[:half] == told[half:]
    assert [tries for tries, _ in told[:half]] == list(range(1, results[0].tries + 1))


def test_too_few_tries_are_no_claim() -> None:
    slices = _slices((0, 20), (1, 21), (0, 80), (0, 10, VECTOR), (1, 30))
    toy = Toy(_in_order((1, 20), (0, 99), (1, 21)))
    shrunk = shrink(toy, slices, most_tries=5)
    assert (shrunk.is_minimal, shrunk.tries, toy.runs) == (False, 5, 5)


def test_a_schedule_without_the_violation_is_an_error() -> None:
    with pytest.raises(ConfigError, match="does not show the violation"):
        shrink(Toy(lambda _history: False), [Slice(0, 1)])


@pytest.mark.parametrize(
    ("slices", "expected"),
    [
        ([], (0, 0, 0)),
        ([(0, 5)], (0, 0, 5)),
        ([(0, 5), (1, 3), (0, 2)], (2, 0, 5, 8, 10)),
        ([(0, 5), (0, 3, VECTOR), (1, 2, VECTOR)], (1, 2, 8, 5, 8, 10)),
    ],
)
def test_cost_has_switches_deliveries_their_places_and_the_end(
    slices: list[tuple[int, ...]], expected: tuple[int, ...]
) -> None:
    assert cost(_slices(*slices)) == expected


def test_neighbours_of_one_core_are_joined_up_to_a_delivery() -> None:
    slices = _slices((0, 1), (0, 2), (1, 0), (0, 3), (0, 0, VECTOR), (0, 4), (1, FOREVER), (1, 1))
    assert joined(slices) == _slices((0, 6), (0, 4, VECTOR), (1, FOREVER))
    assert segments(joined(slices)) == [joined(slices)[:2], joined(slices)[2:]]
