"""Handlers last from the event that enters them to their IRET."""

from pathlib import Path

from uniSMP.trace.handlers import _Stacks, find_handlers
from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import Selection, select_events


def test_every_handler_ends_with_an_iret(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        selected = select_events(trace, Selection())
        handlers = find_handlers(trace, selected)
        irets = {
            (row["core"], row["step"])
            for row in trace.rows(
                "SELECT core, step + e.instructions AS step FROM executions e JOIN blocks b "
                "USING (block) WHERE hex(b.code) LIKE '%48CF' AND e.instructions = b.instructions"
            )
        }
    ends = {(each.core, each.end_step) for each in handlers if each.end_step >= 0}
    assert len(ends) > 100
    assert ends == irets
    assert {each.depth for each in handlers} == {0}


def test_handler_begins_with_its_event(ping_trace: Path) -> None:
    with Trace(ping_trace) as trace:
        selected = select_events(trace, Selection())
        handlers = find_handlers(trace, selected)
    events = selected.rows.to_pylist()
    entered = [events[each.event] for each in handlers]
    assert [each.begin_step for each in handlers] == [event["step"] for event in entered]
    delivered = [event for event in events if event["kind"] == "interrupt_delivered"]
    assert entered == delivered


def test_without_blocks_handlers_end_at_their_eoi(ping_events_trace: Path) -> None:
    with Trace(ping_events_trace) as trace:
        selected = select_events(trace, Selection())
        handlers = find_handlers(trace, selected)
    ends = [row["step"] for row in selected.rows.to_pylist() if row["kind"] == "eoi"]
    assert sorted(each.end_step for each in handlers if each.end_step >= 0) == ends


def test_inner_handler_ends_first() -> None:
    stacks = _Stacks()
    stacks.enter(0, 10, 3)
    stacks.enter(1, 20, 3)
    stacks.leave(30, 3)
    stacks.leave(40, 3)
    found = [(each.begin_step, each.end_step, each.depth) for each in stacks.handlers]
    assert found == [(10, 40, 0), (20, 30, 1)]


def test_iret_without_handler_is_passed_over() -> None:
    stacks = _Stacks()
    stacks.leave(5, 0)
    stacks.enter(0, 10, 0)
    assert [each.end_step for each in stacks.handlers] == [-1]


def test_handler_whose_delivery_failed_has_no_length() -> None:
    stacks = _Stacks()
    stacks.enter(0, 10, 0)
    stacks.drop_failed(10, 0)
    stacks.enter(1, 10, 0)
    stacks.leave(25, 0)
    found = [(each.begin_step, each.end_step, each.depth) for each in stacks.handlers]
    assert found == [(10, 10, 0), (10, 25, 0)]
