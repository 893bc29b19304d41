"""The timeline, read back by the protobuf package of Perfetto as its trace processor would."""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace as Packets
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import TrackEvent

from uniSMP.trace.export import perfetto
from uniSMP.trace.export.rows import Window
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level

WHOLE = Window()


@dataclass
class Slice:
    track: str
    name: str
    begin: int
    depth: int
    flows: list[int]
    end: int | None = None


@dataclass
class Timeline:
    """What the tracks show: slices, instants, counters, flows."""

    tracks: dict[int, str] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    instants: list[tuple[int, str, str]] = field(default_factory=list)
    counters: list[tuple[int, str, int]] = field(default_factory=list)
    flow_begins: dict[int, str] = field(default_factory=dict)
    flow_ends: dict[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, data: bytes) -> "Timeline":
        packets = Packets()
        packets.ParseFromString(data)
        line, names, stacks = cls(), {0: ""}, defaultdict(list)
        for packet in packets.packet:
            names |= {name.iid: name.name for name in packet.interned_data.event_names}
            if packet.HasField("track_descriptor"):
                line.tracks[packet.track_descriptor.uuid] = packet.track_descriptor.name
        events = [packet for packet in packets.packet if packet.HasField("track_event")]
        for packet in sorted(events, key=lambda packet: packet.timestamp):  # stable, as Perfetto
            event = packet.track_event
            line.add(packet.timestamp, event, names[event.name_iid], stacks[event.track_uuid])
        assert not any(stacks.values())
        return line

    def add(self, time: int, event: TrackEvent, name: str, stack: list[Slice]) -> None:
        track = self.tracks[event.track_uuid]
        self.flow_begins |= dict.fromkeys(event.flow_ids, f"{track}: {name}")
        self.flow_ends |= dict.fromkeys(event.terminating_flow_ids, f"{track}: {name}")
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            stack.append(Slice(track, name, time, len(stack), list(event.terminating_flow_ids)))
            self.slices.append(stack[-1])
        elif event.type == TrackEvent.TYPE_SLICE_END:
            stack.pop().end = time
        elif event.type == TrackEvent.TYPE_INSTANT:
            self.instants.append((time, track, name))
        else:
            self.counters.append((time, track, event.counter_value))

    def named(self, name: str) -> list[Slice]:
        return [each for each in self.slices if each.name == name]


def timeline(folder: Path, window: Window = WHOLE) -> Timeline:
    with Trace(folder) as trace:
        return Timeline.of(b"".join(data for _rows, data in perfetto.timeline(trace, window)))


def count(folder: Path, condition: str) -> int:
    with Trace(folder) as trace:
        query = f"SELECT count(*) AS n FROM events WHERE {condition}"  # noqa: S608 - a test's own
        return int(trace.rows(query)[0]["n"])


@pytest.fixture(scope="session")
def ping(full_ping_trace: Path) -> Timeline:
    """Return the timeline of IPIs between two cores."""
    return timeline(full_ping_trace)


def test_function_lasts_from_its_first_instruction_to_its_return(seven_trace: Path) -> None:
    shown = [
        (each.name, each.depth, each.begin, each.end)
        for each in timeline(seven_trace).slices
        if each.track == "core 0"
    ]
    assert shown == [("_start", 0, 0, 7), ("work", 1, 2, 5)]


def test_tracks_have_their_names(ping: Timeline) -> None:
    assert list(ping.tracks.values())[1:] == [
        "machine",
        "core 0", "core 0 slices", "core 0 instructions of a slice",
        "core 1", "core 1 slices", "core 1 instructions of a slice",
    ]  # fmt: skip


def test_each_delivery_is_a_handler(ping: Timeline, full_ping_trace: Path) -> None:
    handlers = [each for each in ping.slices if each.name.startswith("interrupt 0x")]
    assert len(handlers) == count(full_ping_trace, "kind = 'interrupt_delivered'") > 0
    assert all(each.end is not None and each.end > each.begin for each in handlers)


def test_handler_ends_before_the_interrupted_instruction_goes_on(
    ping: Timeline, full_ping_trace: Path
) -> None:
    with Trace(full_ping_trace) as trace:
        rows = trace.rows(
            "WITH e AS (SELECT step, ticks, rip, lead(step) OVER (ORDER BY step) AS next "
            "FROM events WHERE kind = 'interrupt_delivered' AND core = 1), "
            "r AS (SELECT e.*, (SELECT min(i.step) FROM instructions i WHERE i.core = 1 AND "
            "i.step > e.step AND i.rip = e.rip) AS back FROM e) "
            "SELECT ticks AS begin, ticks - step + 1 + (SELECT max(i.step) FROM instructions i "
            "WHERE i.core = 1 AND i.step < r.back) AS end FROM r WHERE back < next ORDER BY step"
        )
    handlers = {each.begin: each.end for each in ping.slices if each.name.startswith("interrupt")}
    assert len(rows) > 10
    assert [handlers[row["begin"]] for row in rows] == [row["end"] for row in rows]


def test_function_is_shown_as_often_as_it_is_called(ping: Timeline, full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        address = trace.symbols["apic_send_ipi"]
        rows = trace.rows(
            "SELECT count(*) AS n FROM instructions WHERE rip = ? AND core = 0", [address]
        )  # core 1 gets there by a jump
    assert len(ping.named("apic_send_ipi")) == rows[0]["n"] > 100


def test_arrows_lead_from_each_ipi_to_its_handler(ping: Timeline) -> None:
    ends = {
        begin: {
            ping.flow_ends.get(flow) for flow, name in ping.flow_begins.items() if name == begin
        }
        for begin in ping.flow_begins.values()
    }
    assert ends["core 0: IPI 0x50 to core 1"] <= {"core 1: interrupt 0x50", None}
    assert ends["core 0: IPI INIT to core 1"] == {"core 1: init 0x0"}
    assert ends["core 0: IPI start-up 0x8 to core 1"] == {"core 1: start up 0x8"}
    assert ends["core 0: timer fired apic timer"] == {"core 0: interrupt 0x43"}
    assert ends["machine: interrupt raised irq 0"] == {"core 0: interrupt 0x20"}


def test_every_end_of_an_arrow_has_a_begin(ping: Timeline) -> None:
    assert set(ping.flow_ends) <= set(ping.flow_begins)
    assert len(ping.flow_ends) > 100


def test_instants_are_the_other_events(ping: Timeline, full_ping_trace: Path) -> None:
    handlers = "'interrupt_delivered', 'exception', 'software_interrupt'"
    others = count(full_ping_trace, f"kind NOT IN ('slice_begin', 'slice_end', {handlers})")
    assert len(ping.instants) == others
    halts = [time for time, track, name in ping.instants if (track, name) == ("core 1", "halt")]
    with Trace(full_ping_trace) as trace:
        rows = trace.rows("SELECT ticks FROM events WHERE kind = 'halt' AND core = 1 ORDER BY step")
    assert halts == [row["ticks"] for row in rows]


def test_slices_and_their_counter(ping: Timeline, full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        rows = trace.rows(
            "SELECT ticks, value FROM events WHERE kind = 'slice_end' AND core = 0 ORDER BY step"
        )
    track = "core 0 instructions of a slice"
    assert [(t, v) for t, name, v in ping.counters if name == track] == [
        (row["ticks"], row["value"]) for row in rows
    ]
    slices = [each for each in ping.slices if each.track == "core 0 slices"]
    assert [each.end for each in slices] == [row["ticks"] for row in rows]


def test_core_has_its_own_tracks_only(full_ping_trace: Path, ping: Timeline) -> None:
    part = timeline(full_ping_trace, Window(core=1))
    assert [each for each in part.slices if each.track == "core 1 slices"] == [
        each for each in ping.slices if each.track == "core 1 slices"
    ]
    assert {each.track for each in part.slices} == {"core 1", "core 1 slices"}


@pytest.mark.parametrize(("first", "end"), [(0, 1), (23_900, 24_300), (30_001, 50_003)])
def test_window_shows_what_lies_in_it(full_ping_trace: Path, first: int, end: int) -> None:
    part = timeline(full_ping_trace, Window(first, end))
    with Trace(full_ping_trace) as trace:
        rows = trace.rows(
            "SELECT min(ticks) AS low, max(ticks) AS high FROM events WHERE step >= ? AND step < ?",
            [first - 1000, end + 1000],
        )
    times = [each.begin for each in part.slices] + [time for time, _, _ in part.instants]
    assert rows[0]["low"] <= min(times) <= max(times) <= rows[0]["high"]


def test_level_events_shows_handlers_as_instants(seven_traces: dict[Level, Path]) -> None:
    part = timeline(seven_traces[Level.EVENTS])
    assert {each.track for each in part.slices} == {"core 0 slices"}
    assert "port write" in {name for _, _, name in part.instants}


@pytest.mark.parametrize("level", list(Level)[1:])
def test_levels_from_blocks_on_show_the_same(seven_traces: dict[Level, Path], level: Level) -> None:
    assert timeline(seven_traces[level]) == timeline(seven_traces[Level.BLOCKS])


def test_empty_trace_has_tracks_only(empty_trace: Path) -> None:
    part = timeline(empty_trace)
    assert (part.slices, part.instants, part.counters) == ([], [], [])
    assert len(part.tracks) == 5
