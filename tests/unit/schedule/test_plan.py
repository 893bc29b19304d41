"""A plan is what asking slice by slice would give."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniSMP.schedule.policy import PlannedSchedule, Slice
from uniSMP.schedule.prng import SplitMix64
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.schedule.seeded_random import SeededRandom

Make = Callable[[], PlannedSchedule]
RUNNABLE = st.lists(st.integers(0, 254), min_size=1, max_size=9, unique=True).map(sorted)


def planned(schedule: PlannedSchedule, runnable: Sequence[int], count: int) -> list[Slice]:
    cores, budgets = schedule.plan(runnable, count)
    return [Slice(*each) for each in zip(cores.tolist(), budgets.tolist(), strict=True)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: RoundRobin(77),
        lambda: SeededRandom(5, 1000),
        lambda: SeededRandom(6, 1),
        lambda: SeededRandom((1 << 64) - 1, 1 << 32),
    ],
)
@given(steps=st.lists(st.tuples(RUNNABLE, st.integers(1, 40), st.integers(0, 40)), max_size=6))
def test_plan_and_take_equal_next_slice(
    make: Make, steps: list[tuple[list[int], int, int]]
) -> None:
    ours, asked = make(), make()
    for runnable, count, wanted in steps:
        taken = min(wanted, count)
        plan = planned(ours, runnable, count)
        assert planned(ours, runnable, count) == plan
        ours.take(taken)
        assert plan[:taken] == [asked.next_slice(runnable) for _ in range(taken)]


@given(
    state=st.integers(0, (1 << 64) - 1),
    limits=st.lists(
        st.integers(1, 1 << 63) | st.just((1 << 63) - 1) | st.just((1 << 63) // 3 * 2 + 2),
        min_size=1,
        max_size=3,
    ),
    rows=st.integers(1, 20),
)
def test_peek_below_equals_below_where_outputs_are_rejected_too(
    state: int, limits: list[int], rows: int
) -> None:
    generator, asked = SplitMix64(state), SplitMix64(state)
    numbers, states = generator.peek_below(limits, rows)
    assert generator.state == state
    assert numbers.dtype == np.int64
    for row, after in zip(numbers.tolist(), states, strict=True):
        assert row == [asked.below(limit) for limit in limits]
        assert after == asked.state
