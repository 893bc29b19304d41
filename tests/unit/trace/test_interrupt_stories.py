"""Each interrupt from its sender to the end of its handler."""

from pathlib import Path

import pyarrow as pa
import pytest

from uniSMP.trace.interrupt_stories import InterruptStory, tell_interrupts
from uniSMP.trace.interrupt_telling import interrupt_data, interrupt_lines
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import EVENTS
from uniSMP.trace.selection import SelectedEvents, Selection, select_events

PING = 0x50
PONG = 0x51


@pytest.fixture(scope="module")
def stories(ping_trace: Path) -> list[InterruptStory]:
    """Return the stories of IPIs between two cores."""
    with Trace(ping_trace) as trace:
        return list(tell_interrupts(trace, select_events(trace, Selection())))


def test_ping_is_told_from_its_sender_to_its_eoi(stories: list[InterruptStory]) -> None:
    pings = [story for story in stories if story.vector == PING]
    assert len(pings) > 10
    assert {tuple((row["kind"], row["core"]) for row in story.events) for story in pings} == {
        (
            ("ipi_sent", 0),
            ("interrupt_accepted", 1),
            ("interrupt_delivered", 1),
            ("eoi", 1),
        )
    }


def test_handler_begins_at_its_gate_and_ends_behind_the_eoi(
    stories: list[InterruptStory], ping_trace: Path
) -> None:
    whole = [story for story in stories if story.vector == PING and story.end_step is not None]
    with Trace(ping_trace) as trace:
        gate = trace.symbols["prestubs"] + 16 * PING
    assert {story.handler for story in whole} == {gate}
    assert min((story.end_step or 0) - story.events[-1]["step"] for story in whole) > 0


def test_story_concerns_sender_and_receiver(stories: list[InterruptStory]) -> None:
    ping = next(story for story in stories if story.vector == PING)
    assert (ping.concerns((0,)), ping.concerns((1,)), ping.concerns((2,))) == (True, True, False)
    assert ping.concerns(())


def test_init_has_no_vector(stories: list[InterruptStory]) -> None:
    (init,) = [story for story in stories if story.events[-1]["kind"] == "init"]
    assert (init.vector, init.handler, init.is_pending) == (None, None, False)


def test_lines_give_steps_and_time_since_the_first(
    stories: list[InterruptStory], ping_trace: Path
) -> None:
    story = next(story for story in stories if story.vector == PONG and story.end_step)
    with Trace(ping_trace) as trace:
        lines = interrupt_lines(story, trace.names)
    assert lines[0] == "vector 0x51"
    assert " ".join(lines[1].split()[1:11]) == "+0 +0 ns core 1 ipi sent (fixed) to 0"
    assert [line.split("  ")[-1].strip() for line in lines if "handler begins" in line] == [
        "prestubs+0x510"
    ]
    assert lines[-2].endswith("handler ended")
    assert lines[-1] == ""


@pytest.mark.parametrize("width", [120, 80, 64])
def test_lines_fit_the_terminal_and_lose_nothing(
    stories: list[InterruptStory], ping_trace: Path, width: int
) -> None:
    story = next(story for story in stories if story.vector == PONG and story.end_step)
    with Trace(ping_trace) as trace:
        whole = interrupt_lines(story, trace.names)
        lines = interrupt_lines(story, trace.names, width)
    assert max(map(len, lines)) <= max(width, 67)  # head and the narrowest text
    assert " ".join(lines).split() == " ".join(whole).split()


def test_place_that_does_not_fit_stands_below(
    stories: list[InterruptStory], ping_trace: Path
) -> None:
    story = next(story for story in stories if story.vector == PONG and story.end_step)
    with Trace(ping_trace) as trace:
        lines = interrupt_lines(story, trace.names, 80)
    assert [line[47:] for line in lines[1:4]] == [
        "ipi sent (fixed) to 0",
        "  apic_send_idle+0x9",
        "interrupt accepted",
    ]


def test_data_give_the_whole_time(stories: list[InterruptStory], ping_trace: Path) -> None:
    story = next(story for story in stories if story.vector == PING)
    with Trace(ping_trace) as trace:
        data = interrupt_data(story, trace.names)
    assert (data["vector"], data["handler_symbol"]) == (PING, "prestubs+0x500")
    assert data["steps"] == story.events[-1]["step"] - story.events[0]["step"]
    assert data["events"][0]["targets"] == [1]


def test_interrupt_that_waits_is_told(ping_trace: Path) -> None:
    row = dict.fromkeys(EVENTS.schema.names)
    row |= {"step": 3, "ticks": 3, "core": 1, "kind": "interrupt_accepted", "vector": 0x60}
    events = pa.Table.from_pylist([row], schema=EVENTS.schema)
    with Trace(ping_trace) as trace:
        (story,) = tell_interrupts(trace, SelectedEvents(events, 0, 10, (), 10))
        lines = interrupt_lines(story, trace.names)
    assert story.is_pending
    assert lines[-2].split() == ["core", "1", "not", "delivered"]


def test_without_blocks_the_handler_is_unknown(ping_events_trace: Path) -> None:
    with Trace(ping_events_trace) as trace:
        told = list(tell_interrupts(trace, select_events(trace, Selection())))
    assert {(story.handler, story.end_step) for story in told} == {(None, None)}
    assert {story.vector for story in told} >= {PING, PONG}
