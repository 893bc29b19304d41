"""How many traces and final states the litmus programs have, by brute force, in figures."""

import sys
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
import litmus_models
from interleavings import (
    Change,
    Program,
    Read,
    Write,
    conflict_order,
    final_states,
    interleavings,
    traces,
)
from litmus_models import MODELS, Body

# Program, cores, traces, final states.
COUNTS = [
    *(("litmus_readers", 1 + n, 2**n, 2**n) for n in (1, 2, 3, 4)),
    ("litmus_writers", 2, 2, 2),
    ("litmus_writers", 3, 6, 3),
    ("litmus_writers", 4, 24, 4),
    ("litmus_lastzero", 2, 2, 2),
    ("litmus_lastzero", 3, 5, 5),
    ("litmus_lastzero", 4, 12, 12),
    ("litmus_lastzero", 5, 28, 28),
    ("litmus_independent", 2, 1, 1),
    ("litmus_independent", 4, 1, 1),
    ("litmus_store_buffering", 2, 3, 3),
    ("litmus_message_passing", 2, 3, 3),
    ("litmus_increments", 2, 4, 3),
    ("litmus_increments", 3, 36, 16),
    ("litmus_increments", 4, 576, 109),
    ("litmus_locked", 2, 2, 1),
    ("litmus_locked", 3, 6, 1),
    ("litmus_locked", 4, 24, 1),
    ("litmus_spin", 2, 1, 1),
    ("litmus_cas", 2, 4, 2),
    ("litmus_cas", 3, 66, 6),
    ("litmus_cas", 4, 5208, 24),
    ("explore_ticket", 2, 4, 2),
]


@pytest.mark.parametrize(("name", "cores", "trace_count", "state_count"), COUNTS)
def test_litmus_has_as_many_traces_and_final_states_as_is_known(
    name: str, cores: int, trace_count: int, state_count: int
) -> None:
    programs = MODELS[name](cores)
    ends = traces(programs)
    states = final_states(programs)
    assert (len(ends), len(states)) == (trace_count, state_count)
    assert set(ends.values()) == states


@pytest.mark.parametrize(
    ("name", "cores", "interleaving_count", "trace_count"),
    [
        ("litmus_readers", 5, 120, 16),
        ("litmus_writers", 4, 24, 24),
        ("litmus_lastzero", 3, 35, 5),
        ("litmus_independent", 2, 70, 1),
        ("litmus_store_buffering", 2, 6, 3),
        ("litmus_message_passing", 2, 6, 3),
        ("litmus_increments", 3, 90, 36),
        ("litmus_spin", 2, 1, 1),
        ("litmus_cas", 3, 198, 66),
        ("explore_ticket", 2, 56, 4),
    ],
)
def test_orders_of_conflicts_are_as_many_as_normal_forms(
    name: str, cores: int, interleaving_count: int, trace_count: int
) -> None:
    all_of_them = list(interleavings(MODELS[name](cores)))
    orders = {(conflict_order(order, history), end) for order, history, end in all_of_them}
    assert (len(all_of_them), len(orders)) == (interleaving_count, trace_count)


def test_message_passing_never_finds_the_flag_without_the_data() -> None:
    results = {results for _, results in final_states(litmus_models.message_passing(2))}
    assert results == {(0, 0), (0, 1), (0, 3)}


def test_store_buffering_never_finds_both_words_zero() -> None:
    results = {results for _, results in final_states(litmus_models.store_buffering(2))}
    assert results == {(0, 1), (1, 0), (1, 1)}


@pytest.mark.parametrize(("cores", "trace_count"), [(2, 4), (3, 48), (4, 1536)])
def test_failing_exchanges_that_only_read_commute(cores: int, trace_count: int) -> None:
    assert len(traces(litmus_models.cas(cores, failure_writes=False))) == trace_count


@pytest.mark.parametrize(("vain_looks", "trace_count"), [(0, 1), (1, 4), (2, 9)])
def test_vain_looks_that_count_multiply_the_traces_of_polling(
    vain_looks: int, trace_count: int
) -> None:
    assert len(traces(litmus_models.spin(2, vain_looks=vain_looks))) == trace_count


def _reads(*cells: str) -> Body:
    total = 0
    for cell in cells:
        total += yield Read(cell)
    return total


def _writes(cell: str) -> Body:
    yield Write(cell, 1)
    return 0


def _changes(cell: str) -> Body:
    return (yield Change(cell, lambda value: value + 1))


@pytest.mark.parametrize(
    ("programs", "trace_count"),
    [
        ([partial(_reads, "a"), partial(_reads, "a")], 1),
        ([partial(_reads, "a"), partial(_writes, "b")], 1),
        ([partial(_reads, "a"), partial(_writes, "a")], 2),
        ([partial(_reads, "a", "a"), partial(_writes, "a")], 3),
        ([partial(_writes, "a"), partial(_writes, "a")], 2),
        ([partial(_changes, "a"), partial(_changes, "a")], 2),
        ([partial(_changes, "a"), partial(_changes, "b")], 1),
    ],
)
def test_operations_conflict_if_they_meet_and_one_writes(
    programs: list[Program], trace_count: int
) -> None:
    assert len(traces(programs)) == trace_count


def test_programs_that_wait_for_one_another_are_an_error() -> None:
    def wait() -> Body:
        return (yield Read("never", unlike=0))

    with pytest.raises(AssertionError, match="wait for one another"):
        traces([wait, wait])
