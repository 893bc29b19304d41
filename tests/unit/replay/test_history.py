"""Positions of a run, against a model that lists every moment."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uniSMP.machine.host_input import SerialInput
from uniSMP.machine.slice_log import NO_VECTOR, Rows
from uniSMP.replay.history import START, History, Position

CORES = 3
row = st.tuples(
    st.integers(0, CORES - 1), st.integers(0, 4), st.integers(0, 2), st.sampled_from([NO_VECTOR, 3])
)
some_rows = st.lists(row, max_size=12)


def history_of(rows: list[tuple[int, int, int, int]], items: list[int] | None = None) -> History:
    columns = np.array(rows, dtype=np.int64).reshape(len(rows), 4).T.copy()
    zeros = np.zeros(len(rows), dtype=np.int64)
    made = Rows(
        core=columns[0],
        instructions=columns[1],
        budget=zeros,
        vector=columns[3],
        faults=columns[2],
        end=zeros,
        mark=zeros,
    )
    return History(made, [(place, SerialInput(b"")) for place in items or []])


@dataclass(frozen=True)
class Moment:
    """One moment, and who retires the next instruction."""

    position: Position
    step: int


def moments_of(rows: list[tuple[int, int, int, int]]) -> list[Moment]:
    """Return every moment of a run in order; faults stand behind a row's last instruction."""
    moments, step = [Moment(START, 0)], 0
    for number, (_core, instructions, faults, _vector) in enumerate(rows):
        moments += [
            Moment(Position(number, done, 0), step + done) for done in range(instructions + 1)
        ]
        step += instructions
        moments += [
            Moment(Position(number, instructions, count), step) for count in range(1, faults + 1)
        ]
    return moments


def retired_by(rows: list[tuple[int, int, int, int]]) -> list[int]:
    """Return which core retires each step."""
    return [core for core, instructions, _faults, _vector in rows for _ in range(instructions)]


@given(some_rows)
def test_positions_are_ordered_as_moments_are(rows: list[tuple[int, int, int, int]]) -> None:
    positions = [moment.position for moment in moments_of(rows)]
    assert positions == sorted(positions)
    assert len(set(positions)) == len(positions)
    assert history_of(rows).end == positions[-1]


@given(some_rows)
def test_step_of_each_moment(rows: list[tuple[int, int, int, int]]) -> None:
    history, moments = history_of(rows), moments_of(rows)
    assert [history.step_of(each.position) for each in moments] == [each.step for each in moments]
    assert history.steps == moments[-1].step


@given(some_rows)
def test_first_moment_of_each_step(rows: list[tuple[int, int, int, int]]) -> None:
    history, moments = history_of(rows), moments_of(rows)
    expected = [
        next(each.position for each in moments if each.step == step)
        for step in range(history.steps + 1)
    ]
    assert [history.first_at(step) for step in range(history.steps + 1)] == expected


@given(some_rows)
def test_row_that_retires_each_step(rows: list[tuple[int, int, int, int]]) -> None:
    history = history_of(rows)
    found = [history.row_of(step) for step in range(history.steps + 1)]
    assert [rows[number][0] for number in found[:-1]] == retired_by(rows)
    assert found[-1] == len(rows)


@given(some_rows, st.integers(0, CORES - 1))
def test_next_instruction_of_a_core(rows: list[tuple[int, int, int, int]], core_id: int) -> None:
    history, cores = history_of(rows), retired_by(rows)
    expected = [
        next((at + 1 for at in range(each.step, len(cores)) if cores[at] == core_id), None)
        for each in moments_of(rows)
    ]
    found = [history.next_of_core(core_id, each.position) for each in moments_of(rows)]
    assert found == expected


@given(some_rows, st.none() | st.integers(0, CORES - 1))
def test_last_instruction_of_a_core(
    rows: list[tuple[int, int, int, int]], core_id: int | None
) -> None:
    history, cores = history_of(rows), retired_by(rows)
    expected = [
        next((at for at in range(each.step - 1, -1, -1) if core_id in {None, cores[at]}), None)
        for each in moments_of(rows)
    ]
    found = [history.previous_of_core(core_id, each.position) for each in moments_of(rows)]
    assert found == expected


@given(st.lists(row, min_size=1, max_size=12), st.data())
def test_compiled_code_stops_before_a_delivery_or_a_fault(
    rows: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(rows) - 1))
    end = data.draw(st.integers(first + 1, len(rows)))
    stops = [
        number
        for number in range(first + 1, end)
        if rows[number][3] != NO_VECTOR or rows[number][2]
    ]
    assert history_of(rows).plain_end(first, end) == min([*stops, end])


@pytest.mark.parametrize(
    ("row", "following", "before"), [(-1, 0, 0), (0, 2, 1), (1, 2, 1), (2, 4, 3), (4, 5, 4)]
)
def test_items_stand_before_their_row(row: int, following: int, before: int) -> None:
    history = history_of([(0, 1, 0, NO_VECTOR)] * 5, [0, 2, 2, 4])
    assert history.next_item_row(row) == following
    assert history.item_index(row) == before


def test_end_of_no_row_is_the_start() -> None:
    empty = history_of([])
    assert (len(empty), empty.steps, empty.end) == (0, 0, START)
    assert (empty.first_at(0), empty.end_of(-1), empty.begins(0)) == (START, START, 0)
    assert (empty.row_of(0), empty.next_item_row(-1), empty.item_index(0)) == (0, 0, 0)
