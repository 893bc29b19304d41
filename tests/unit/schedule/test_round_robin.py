from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.errors import ConfigError
from uniSMP.schedule.policy import Slice
from uniSMP.schedule.round_robin import RoundRobin


def cores_chosen(schedule: RoundRobin, runnable: Sequence[Sequence[int]]) -> list[int]:
    return [schedule.next_slice(ids).core_id for ids in runnable]


def test_first_slice_goes_to_the_lowest_runnable_core_for_a_quantum() -> None:
    assert RoundRobin(50).next_slice([2, 5]) == Slice(2, 50)


def test_cores_all_runnable_take_turns_in_order() -> None:
    assert cores_chosen(RoundRobin(1), [(0, 1, 2)] * 7) == [0, 1, 2, 0, 1, 2, 0]


def test_core_that_stopped_is_left_out() -> None:
    runnable = [(0, 1, 2), (0, 2), (0, 2), (0, 1, 2)]

    assert cores_chosen(RoundRobin(1), runnable) == [0, 2, 0, 1]


def test_core_that_ran_last_and_stopped_is_followed_by_the_next_id() -> None:
    assert cores_chosen(RoundRobin(1), [(3,), (1, 4, 6), (1, 6), (1,)]) == [3, 4, 6, 1]


def test_single_core_runs_on() -> None:
    assert cores_chosen(RoundRobin(1), [(0,)] * 3) == [0, 0, 0]


@settings(derandomize=True, deadline=None)
@given(
    runnable=st.sets(st.integers(0, 31), min_size=1).map(sorted),
    before=st.lists(st.sets(st.integers(0, 31), min_size=1).map(sorted)),
)
def test_cores_staying_runnable_each_run_once_a_round(
    runnable: list[int], before: list[list[int]]
) -> None:
    schedule = RoundRobin(9)
    cores_chosen(schedule, before)

    assert sorted(cores_chosen(schedule, [runnable] * len(runnable))) == runnable


def test_quantum_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError):
        RoundRobin(0)


def test_name_is_that_of_the_command_line() -> None:
    assert RoundRobin(1).name == "round-robin"
