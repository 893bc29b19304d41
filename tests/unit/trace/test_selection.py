"""A selection keeps what was asked for, and says what it leaves out."""

from pathlib import Path

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import DEVICE_ACCESSES, Selection, select_events


def kinds(rows: list[dict[str, object]]) -> set[object]:
    return {row["kind"] for row in rows}


def test_everything_is_the_table(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        selected = select_events(trace, Selection())
        assert selected.rows.to_pylist() == trace.rows("SELECT * FROM events")
        assert selected.notes == []


def test_steps_and_cores_are_those_of_sql(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        selected = select_events(trace, Selection(25_000, 30_000, (1,)))
        wanted = trace.rows(
            "SELECT * FROM events WHERE step >= 25000 AND step < 30000 "
            "AND (core IS NULL OR core = 1)"
        )
        assert selected.rows.to_pylist() == wanted
        assert wanted


def test_device_accesses_are_left_out_first(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        every = select_events(trace, Selection()).rows.num_rows
        selected = select_events(trace, Selection(most_events=every - 1))
        assert not kinds(selected.rows.to_pylist()) & set(DEVICE_ACCESSES)
        assert len(selected.notes) == 1
        assert "device accesses" in selected.notes[0]


def test_then_the_end_is_left_out(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        selected = select_events(trace, Selection(most_events=100))
        last = selected.rows.to_pylist()[-1]["step"]
        assert selected.rows.num_rows == 100
        assert selected.end_step == last + 1
        assert f"from step {last:,} on" in selected.notes[1]


@pytest.mark.parametrize(
    "selection",
    [Selection(5, 5), Selection(most_events=0), Selection(1 << 60), Selection(0, 9, (200,), 0)],
)
def test_empty_selection_is_refused(ping_trace: Path, selection: Selection) -> None:
    with Trace(ping_trace) as trace, pytest.raises(ConfigError):
        select_events(trace, selection)
