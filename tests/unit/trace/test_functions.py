"""Spans of functions are the executions, merged."""

from itertools import groupby
from pathlib import Path

from uniSMP.trace.functions import find_functions, function_name
from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import Selection, select_events

Span = tuple[int, int, str, int]


def spans_by_hand(trace: Trace) -> list[Span]:
    """Merge what follows without a gap in one function of one core, row by row."""
    rows = trace.rows(
        "SELECT step, core, e.instructions AS length, address FROM executions e "
        "JOIN blocks USING (block) ORDER BY step"
    )
    groups = groupby(rows, lambda row: (row["core"], function_name(trace, row["address"])))
    spans = []
    for (core, name), group in groups:
        members = list(group)
        spans.append((members[0]["step"], core, name, sum(row["length"] for row in members)))
    return spans


def test_spans_are_merged_executions(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        found = find_functions(trace, select_events(trace, Selection()))
        wanted = spans_by_hand(trace)
    spans = [
        (row["step"], row["core"], found.names[row["function"]], row["length"])
        for row in found.rows.to_pylist()
    ]
    assert spans == wanted
    assert found.notes == []


def test_too_many_spans_are_merged_and_cover_the_same(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        every = select_events(trace, Selection())
        few = select_events(trace, Selection(0, every.end_step, (), every.rows.num_rows))
        whole = find_functions(trace, every).rows.to_pylist()
        merged = find_functions(trace, few)
    rows = merged.rows.to_pylist()
    assert len(rows) < few.most < len(whole)
    assert sum(row["length"] for row in rows) == sum(row["length"] for row in whole)
    assert sum(row["pieces"] for row in rows) == len(whole)
    ends = [row["step"] + row["length"] for row in rows]
    assert [row["step"] for row in rows[1:]] == ends[:-1]
    assert f"{len(whole):,} stretches" in merged.notes[0]


def test_level_events_has_no_spans(ping_events_trace: Path) -> None:
    with Trace(ping_events_trace) as trace:
        found = find_functions(trace, select_events(trace, Selection()))
    assert (found.rows.num_rows, found.names) == (0, [])
