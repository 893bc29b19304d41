"""A timeline for Perfetto (ui.perfetto.dev): what each core was in, and what happened to it.

A track per core has functions, nested as they called each other, interrupt handlers, and events
between them; a second one has the core's slices, a counter their instructions. Arrows lead from
what raised an interrupt to its handler. `call_stacks` says what is a function's end. Without
executions (level events) handlers are events, because nothing tells their end.

Times are virtual: ns since the start. What happened at the same time stands in the file in its
order, and Perfetto keeps that.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from uniSMP.trace.export import event_rows, packets
from uniSMP.trace.export.call_stacks import CallStacks
from uniSMP.trace.export.clock import TickMap
from uniSMP.trace.export.control_flow import PHASES, ControlFlow, Deliveries
from uniSMP.trace.export.event_rows import EventRows
from uniSMP.trace.export.flows import MOST_ENDS, Flows
from uniSMP.trace.export.names import Names
from uniSMP.trace.export.rows import Rows, Window
from uniSMP.trace.export.slices import OpenSlices
from uniSMP.trace.export.tracks import Tracks
from uniSMP.trace.reader import Trace

Words = npt.NDArray[np.int64]
_GROUP = 1 << 15
"""Packets that are encoded at a time."""


def timeline(trace: Trace, window: Window) -> Iterator[tuple[int, memoryview]]:
    """Yield (number of instructions done, packets) of the timeline."""
    builder = _Timeline(trace, window)
    yield 0, memoryview(builder.head())
    events = Rows(trace.stream(event_rows.query(window)))
    if trace.has("executions"):
        executions = trace.stream(
            "SELECT step, core, block, instructions FROM executions "  # noqa: S608 - numbers of ours
            f"WHERE {window.condition()}"
        )
        flow = ControlFlow(trace, builder.stacks)
        for batch in executions:
            if batch.num_rows:
                behind = int(batch.column("step")[-1].as_py()) + 1
                builder.add(events.before(behind), batch, flow)
                yield pc.sum(batch.column("instructions")).as_py(), builder.take()
    for table in events.rest():
        builder.add(table, None, None)
        yield 0, builder.take()
    yield 0, builder.end()


class _Timeline:
    """Puts a timeline together, part by part."""

    def __init__(self, trace: Trace, window: Window) -> None:
        self.stacks = CallStacks()
        configuration = trace.manifest.get("configuration", {})
        cores = int(configuration.get("cores", 1))
        self._title = str(trace.manifest.get("target", "uniSMP"))
        self._cores = range(cores) if window.core is None else [window.core]
        self._has_handlers = trace.has("executions")
        self._tracks = Tracks()
        self._names = Names(trace.names)
        self._flows = Flows()
        self._slices = OpenSlices()
        self._ticks = TickMap(int(configuration.get("ticks_per_instruction", 1)))
        self._end = 0, 0
        self._parts: list[bytes] = []
        self._learn_start(trace, window)

    def _learn_start(self, trace: Trace, window: Window) -> None:
        """Learn how much time passed before a window that begins inside the trace."""
        rows = trace.rows(
            "SELECT step, ticks FROM events WHERE step <= ? ORDER BY step DESC, ticks DESC LIMIT 1",
            [window.first_step],
        )
        for row in rows:
            self._ticks.learn(np.array([row["step"]]), np.array([row["ticks"]]))

    def head(self) -> bytes:
        """Return the packets before all events."""
        return self._tracks.packets(self._title, self._cores) + packets.first_packet()

    def add(
        self, table: pa.Table | None, executions: pa.RecordBatch | None, flow: ControlFlow | None
    ) -> None:
        """Add events, and the executions up to the same step."""
        rows = None if table is None else EventRows(table)
        deliveries = _no_deliveries() if rows is None else rows.deliveries()
        if rows is not None:
            self._ticks.learn(rows.step, rows.ticks)
            self._end = int(rows.step[-1]), int(rows.ticks[-1])
        if executions is not None and flow is not None:
            flow.follow(executions, deliveries, self._ticks)
            self._end = self._end_of(executions)
        orders, parts = [], []
        if rows is not None:
            orders.append(rows.order())
            parts.append(
                rows.timeline(
                    self._tracks,
                    self._names,
                    self._flows,
                    self._slices,
                    has_handlers=self._has_handlers,
                )
            )
            order, counters = rows.counters(self._tracks)
            orders.append(order)
            parts.append(counters)
        self._write(orders, parts)

    def _end_of(self, executions: pa.RecordBatch) -> tuple[int, int]:
        step = np.array([executions.column("step")[-1].as_py()])
        count = executions.column("instructions")[-1].as_py()
        time = int(self._ticks.at(step)[0]) + count * self._ticks.per_instruction
        return max(self._end, (int(step[0]) + count, time))

    def end(self) -> memoryview:
        """End all functions and slices; return the last packets."""
        step, time = self._end
        self.stacks.reset_all(PHASES * (step + 1), time)
        track = self._tracks.slices(self._slices.cores())
        zeros = np.zeros(len(track), dtype=np.int64)
        ends = packets.Events(
            zeros + time,
            zeros + packets.SLICE_END,
            track,
            zeros,
            zeros,
            np.zeros((len(track), 0), dtype=np.int64),
            zeros,
        )
        self._write([zeros + PHASES * (step + 1)], [ends])
        return self.take()

    def take(self) -> memoryview:
        """Return the packets since this was called last."""
        data = b"".join(self._parts)
        self._parts = []
        return memoryview(data)

    def _write(self, orders: list[Words], parts: list[packets.Events]) -> None:
        """Encode events and the marks of the stacks, in order."""
        order, marks = self._marks()
        merged = packets.merge([*parts, marks])
        places = np.argsort(np.concatenate([*orders, order]), kind="stable")
        self._parts.append(packets.names_packet(self._names.take_new()))
        for first in range(0, len(places), _GROUP):
            self._parts.append(packets.event_packets(merged.take(places[first : first + _GROUP])))

    def _marks(self) -> tuple[Words, packets.Events]:
        """Return order and events of what began and ended on the stacks."""
        marks = self.stacks.take()
        is_begin = np.array(marks.is_begin, dtype=np.bool_)
        order = np.array(marks.order, dtype=np.int64)
        size = len(order)
        names = [
            self._names.of_function(address) if begins else 0
            for address, begins in zip(marks.address, marks.is_begin, strict=True)
        ]
        return order, packets.Events(
            np.array(marks.time, dtype=np.int64),
            np.where(is_begin, packets.SLICE_BEGIN, packets.SLICE_END),
            self._tracks.functions(np.array(marks.core, dtype=np.int64)),
            np.array(names, dtype=np.int64),
            np.zeros(size, dtype=np.int64),
            np.zeros((size, MOST_ENDS), dtype=np.int64),
            np.zeros(size, dtype=np.int64),
            {"step": ((order // PHASES).astype(np.uint64), is_begin)},
        )


def _no_deliveries() -> Deliveries:
    empty = np.empty(0, dtype=np.int64)
    return Deliveries(empty, empty, empty.astype(np.uint64), empty, empty.astype(np.bool_))
