"""The protobuf package of Perfetto itself reads what is written by hand."""

import numpy as np
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackEvent

from uniSMP.trace.export import packets

BIG = (1 << 64) - 1


def events(*rows: tuple[int, int, int, int], **columns: object) -> packets.Events:
    """Return events of (time, kind, track, name), and other columns."""
    size = len(rows)
    table = np.array(rows, dtype=np.int64).reshape(size, 4)
    zeros = np.zeros(size, dtype=np.int64)
    defaults = {"flow": zeros, "flow_ends": np.zeros((size, 2), np.int64), "counter": zeros}
    return packets.Events(*table.T, **(defaults | columns))  # type: ignore[arg-type]


def read(data: bytes) -> list[TracePacket]:
    trace = Trace()
    trace.ParseFromString(data)
    return list(trace.packet)


def test_event_has_time_type_track_and_name() -> None:
    (packet,) = read(packets.event_packets(events((1 << 62, packets.SLICE_BEGIN, 770, 99_999))))
    event = packet.track_event
    assert packet.timestamp == 1 << 62
    assert (event.type, event.track_uuid, event.name_iid) == (
        TrackEvent.TYPE_SLICE_BEGIN,
        770,
        99_999,
    )
    assert packet.trusted_packet_sequence_id == 1
    assert packet.sequence_flags == TracePacket.SEQ_NEEDS_INCREMENTAL_STATE


def test_types_are_those_of_perfetto() -> None:
    kinds = (packets.SLICE_BEGIN, packets.SLICE_END, packets.INSTANT, packets.COUNTER)
    found = read(packets.event_packets(events(*((0, kind, 1, 0) for kind in kinds))))
    assert [packet.track_event.type for packet in found] == [
        TrackEvent.TYPE_SLICE_BEGIN, TrackEvent.TYPE_SLICE_END,
        TrackEvent.TYPE_INSTANT, TrackEvent.TYPE_COUNTER,
    ]  # fmt: skip


def test_event_of_no_type_has_no_packet() -> None:
    rows = ((0, packets.NOTHING, 1, 0), (5, packets.INSTANT, 1, 0))
    assert [packet.timestamp for packet in read(packets.event_packets(events(*rows)))] == [5]


def test_flows_begin_and_end() -> None:
    rows = ((0, packets.INSTANT, 1, 1), (1, packets.SLICE_BEGIN, 2, 1))
    ends = np.array([[0, 0], [7, 9]])
    data = packets.event_packets(events(*rows, flow=np.array([7, 0]), flow_ends=ends))
    first, second = (packet.track_event for packet in read(data))
    assert (list(first.flow_ids), list(first.terminating_flow_ids)) == ([7], [])
    assert (list(second.flow_ids), list(second.terminating_flow_ids)) == ([], [7, 9])


def test_counter_has_its_value() -> None:
    data = packets.event_packets(events((0, packets.COUNTER, 1, 0), counter=np.array([1 << 40])))
    assert read(data)[0].track_event.counter_value == 1 << 40


def test_notes_stand_beside_the_events_that_have_them() -> None:
    values, mask = np.array([BIG, 3], dtype=np.uint64), np.array([True, False])
    rows = ((0, packets.INSTANT, 1, 1), (1, packets.INSTANT, 1, 1))
    data = packets.event_packets(events(*rows, notes={"rip": (values, mask)}))
    first, second = (packet.track_event for packet in read(data))
    assert first.debug_annotations[0].pointer_value == BIG
    assert len(second.debug_annotations) == 0


def test_names_of_notes_are_given_before_all_events() -> None:
    (packet,) = read(packets.first_packet())
    names = {name.iid: name.name for name in packet.interned_data.debug_annotation_names}
    assert list(names.values()) == list(packets.ANNOTATIONS)
    assert packet.sequence_flags == TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    values, mask = np.array([1], dtype=np.uint64), np.array([True])
    data = packets.event_packets(events((0, packets.INSTANT, 1, 1), notes={"cr2": (values, mask)}))
    assert names[read(data)[0].track_event.debug_annotations[0].name_iid] == "cr2"


def test_names_of_events_are_given_by_number() -> None:
    (packet,) = read(packets.names_packet([(1, "main"), (200, "x" * 300)]))
    names = [(name.iid, name.name) for name in packet.interned_data.event_names]
    assert names == [(1, "main"), (200, "x" * 300)]
    assert packets.names_packet([]) == b""


def test_tracks_are_described() -> None:
    data = packets.process_packet(1, "guest") + packets.track_packet(
        5, 1, "core 0", rank=3, is_counter=True
    )
    process, track = (packet.track_descriptor for packet in read(data))
    assert (process.uuid, process.process.process_name) == (1, "guest")
    assert (track.uuid, track.parent_uuid, track.name) == (5, 1, "core 0")
    assert track.sibling_order_rank == 3
    assert track.HasField("counter")


def test_merged_events_have_the_rows_and_notes_of_all() -> None:
    note = {"step": (np.array([4], dtype=np.uint64), np.array([True]))}
    one = events((0, packets.INSTANT, 1, 1), notes=note)
    other = events((1, packets.INSTANT, 2, 1), flow_ends=np.array([[1, 2, 3]]))
    first, second = (
        p.track_event for p in read(packets.event_packets(packets.merge([one, other])))
    )
    assert first.debug_annotations[0].uint_value == 4
    assert list(second.terminating_flow_ids) == [1, 2, 3]
