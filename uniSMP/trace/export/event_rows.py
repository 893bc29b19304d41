"""The events of a trace as rows of a timeline: their places, their names, their arrows."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from uniSMP.trace.export import packets
from uniSMP.trace.export.control_flow import EVENT, PHASES, Deliveries
from uniSMP.trace.export.flows import KINDS, MOST_ENDS, Event, Flows
from uniSMP.trace.export.names import Names
from uniSMP.trace.export.rows import Window
from uniSMP.trace.export.slices import OpenSlices
from uniSMP.trace.export.tracks import Tracks

Words = npt.NDArray[np.int64]
_HANDLERS = pa.array(["interrupt_delivered", "exception", "software_interrupt"])
_SLICES = pa.array(["slice_begin", "slice_end"])
_RESETS = pa.array(["init", "start_up", "reset"])
_EXCEPTIONS = (
    "#DE #DB NMI #BP #OF #BR #UD #NM #DF - #TS #NP #SS #GP #PF - #MF #AC #MC #XM #VE #CP".split()  # noqa: SIM905
)
_VECTOR = "'0x' || lower(to_hex(vector))"
_TEXT = f"""CASE kind
WHEN 'slice_begin' THEN 'slice'
WHEN 'slice_end' THEN ''
WHEN 'interrupt_delivered' THEN concat('interrupt ', {_VECTOR})
WHEN 'software_interrupt' THEN concat('software interrupt ', {_VECTOR})
WHEN 'exception' THEN concat('exception ', vector, ' ', ({_EXCEPTIONS})[vector + 1])
WHEN 'ipi_sent' THEN concat('IPI ', CASE WHEN mode = 'fixed' THEN '' ELSE mode || ' ' END,
    CASE WHEN mode IN ('INIT', 'NMI', 'SMI') THEN '' ELSE {_VECTOR} || ' ' END,
    'to core ', array_to_string(targets, ', '))
ELSE concat_ws(' ', replace(kind, '_', ' '), mode, {_VECTOR}, source, nullif(detail, ''),
    'to core ' || array_to_string(targets, ', '))
END"""
_COLUMNS = (
    "step, ticks, core, kind, rip, vector, source, mode, targets, address, value, error_code, cr2, "
    f"{_TEXT} AS text"
)


def query(window: Window) -> str:
    """Return the SQL for the events of a window; those of the machine belong to every core."""
    steps = f"step >= {window.first_step} AND step < {window.end_step}"
    of_core = "" if window.core is None else f" AND (core = {window.core} OR core IS NULL)"
    return f"SELECT {_COLUMNS} FROM events WHERE {steps}{of_core}"  # noqa: S608 - numbers of ours


class EventRows:
    """Events between two places of a trace.

    Args:
        table: columns of `query`.

    Attributes:
        step: of each.
        ticks: time of each.
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table.combine_chunks()
        self.step: Words = self._numbers("step").astype(np.int64)
        self.ticks: Words = self._numbers("ticks").astype(np.int64)
        self._core = self._numbers("core").astype(np.int64)
        self._has_core = self._present("core")
        self._is_handler = self._is_in(_HANDLERS)

    def deliveries(self) -> Deliveries:
        """Return those that matter to call stacks."""
        chosen = (self._is_handler | self._is_in(_RESETS)) & self._has_core
        return Deliveries(
            self.step[chosen],
            self._core[chosen],
            self._numbers("rip")[chosen],
            self.ticks[chosen],
            self._is_handler[chosen],
        )

    def order(self) -> Words:
        """Return where each stands among all that happens."""
        return PHASES * self.step + EVENT

    def timeline(
        self, tracks: Tracks, names: Names, flows: Flows, slices: OpenSlices, *, has_handlers: bool
    ) -> packets.Events:
        """Return them as events of a timeline; handlers begin where `has_handlers`."""
        size = len(self.step)
        kind = np.full(size, packets.INSTANT, dtype=np.int64)
        track = np.where(self._has_core, tracks.functions(self._core), tracks.machine)
        is_slice = self._is_in(_SLICES)
        is_begin = self._is_in(_SLICES[:1])[is_slice]
        kind[is_slice] = np.where(is_begin, packets.SLICE_BEGIN, packets.SLICE_END)
        track[is_slice] = tracks.slices(self._core[is_slice])
        lacks_begin = slices.unbegun(self._core[is_slice], is_begin)
        kind[np.flatnonzero(is_slice)[lacks_begin]] = packets.NOTHING
        if has_handlers:
            kind[self._is_handler & self._has_core] = packets.SLICE_BEGIN
        flow, flow_ends = self._flows(flows)
        notes = {name: (self._numbers(name), self._present(name)) for name in packets.ANNOTATIONS}
        return packets.Events(
            self.ticks,
            kind,
            track,
            names.of_column(self._table.column("text")),
            flow,
            flow_ends,
            np.zeros(size, dtype=np.int64),
            notes,
        )

    def counters(self, tracks: Tracks) -> tuple[Words, packets.Events]:
        """Return order and events of the counter of instructions in a slice."""
        chosen = self._is_in(pa.array(["slice_end"])) & self._has_core
        size = int(chosen.sum())
        zeros = np.zeros(size, dtype=np.int64)
        return self.order()[chosen], packets.Events(
            self.ticks[chosen],
            np.full(size, packets.COUNTER, dtype=np.int64),
            tracks.counter(self._core[chosen]),
            zeros,
            zeros,
            np.zeros((size, 0), dtype=np.int64),
            self._numbers("value")[chosen].astype(np.int64),
        )

    def _flows(self, flows: Flows) -> tuple[Words, Words]:
        """Return the arrows that begin at each row, and those that end there."""
        begin = np.zeros(len(self.step), dtype=np.int64)
        ends = np.zeros((len(self.step), MOST_ENDS), dtype=np.int64)
        rows = np.flatnonzero(self._is_in(pa.array(KINDS)))
        names = ("kind", "core", "vector", "source", "mode", "targets")
        columns = self._table.select(names).take(rows).to_pylist()
        for row, values in zip(rows.tolist(), columns, strict=True):
            begin[row], ended = flows.follow(Event(**values))
            ends[row, : len(ended)] = ended
        return begin, ends

    def _is_in(self, kinds: pa.Array) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = np.asarray(
            pc.is_in(self._table.column("kind"), value_set=kinds)
        )
        return found

    def _present(self, name: str) -> npt.NDArray[np.bool_]:
        present: npt.NDArray[np.bool_] = np.asarray(pc.is_valid(self._table.column(name)))
        return present

    def _numbers(self, name: str) -> npt.NDArray[np.uint64]:
        filled = pc.fill_null(self._table.column(name), 0)
        return np.asarray(filled).astype(np.uint64)
