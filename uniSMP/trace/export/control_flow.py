"""Calls, returns and deliveries of a trace, told to the call stacks in the order of the run.

Only blocks that end with a call or a return matter, and the block that the same core executes next:
it tells where the way led. Where an interrupt is delivered in between, its event tells that.

Order: within a step first what ended before it, then deliveries, then what the step begins.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uniSMP.trace.export.call_stacks import CallStacks
from uniSMP.trace.export.clock import TickMap
from uniSMP.trace.export.listing import Listing
from uniSMP.trace.reader import Trace

Words = npt.NDArray[np.int64]
PHASES = 4
ENDED, EVENT, BEGUN = 0, 1, 2
_NOTHING, _CALL, _RETURN, _END_HANDLER = 0, 1, 2, 3
_CORES = 256
_LAST_WORDS = {
    "call": _CALL, "lcall": _CALL, "syscall": _CALL, "sysenter": _CALL,
    "ret": _RETURN, "retf": _RETURN, "retfq": _RETURN,
    "sysret": _RETURN, "sysretq": _RETURN, "sysexit": _RETURN, "sysexitq": _RETURN,
    "iret": _END_HANDLER, "iretd": _END_HANDLER, "iretq": _END_HANDLER,
}  # fmt: skip
_PREFIXES = frozenset(["bnd", "notrack", "rep", "repne", "lock", "data16"])


class ControlFlow:
    """Follows the executions of a trace.

    Args:
        trace: it has blocks.
        stacks: whom to tell.
    """

    def __init__(self, trace: Trace, stacks: CallStacks) -> None:
        self._stacks = stacks
        listing = Listing(trace)
        size = len(listing.first)
        self._address = np.zeros(size, dtype=np.uint64)
        self._behind = np.zeros(size, dtype=np.uint64)
        self._count = np.zeros(size, dtype=np.int64)
        self._way = np.zeros(size, dtype=np.int8)
        query = "SELECT block, address, instructions, octet_length(code) AS size FROM blocks"
        for row in trace.rows(query):
            number, count = row["block"], row["instructions"]
            self._address[number] = row["address"]
            self._behind[number] = (row["address"] + row["size"]) & ((1 << 64) - 1)
            self._count[number] = count
            self._way[number] = _way(listing.text[listing.first[number] + count - 1])
        self._last = _Executed.none()

    def follow(self, batch: pa.RecordBatch, events: "Deliveries", ticks: TickMap) -> None:
        """Tell the stacks what a batch of executions and the deliveries up to it did.

        Args:
            batch: columns step, core, block, instructions.
            events: deliveries since the last batch, and up to the end of this one.
            ticks: virtual time of the steps.
        """
        step = batch.column("step").to_numpy()
        core = batch.column("core").to_numpy().astype(np.int64)
        block = batch.column("block").to_numpy()
        count = batch.column("instructions").to_numpy().astype(np.int64)
        way = np.where(count == self._count[block], self._way[block], _NOTHING)
        ends = ticks.at(step) + count * ticks.per_instruction
        before = self._last.of_each(core, way, self._behind[block], ends)
        self._last.remember(core, way, self._behind[block], ends)
        address = self._address[block]
        is_interrupted, interrupted = events.interrupted(step, core)
        target = np.where(is_interrupted, interrupted, address)
        steps = _Steps(step, core, before, target, is_interrupted, ticks.at(step))
        self._tell(steps, events)

    def _tell(self, steps: "_Steps", events: "Deliveries") -> None:
        """Tell the stacks in order."""
        stacks, before = self._stacks, steps.before
        chosen = np.flatnonzero((before.way != _NOTHING) | before.is_missing)
        keys = (
            np.where((before.way == _CALL) & ~steps.is_interrupted, BEGUN, ENDED)[chosen]
            + PHASES * steps.step[chosen]
        )
        # what happens at the executions, then the deliveries: one list, in order
        row_keys = np.concatenate([keys, events.keys])
        sources = np.concatenate([chosen, -1 - np.arange(len(events.keys))])
        order = np.argsort(row_keys, kind="stable")
        columns = zip(row_keys[order].tolist(), sources[order].tolist(), strict=True)
        core, target = steps.core.tolist(), steps.target.tolist()
        way, missing = before.way.tolist(), before.is_missing.tolist()
        behind, ended, begun = before.behind.tolist(), before.end.tolist(), steps.time.tolist()
        for key, source in columns:
            if source < 0:
                events.tell(-1 - source, key, stacks)
            elif missing[source]:
                stacks.start(key, begun[source], core[source], target[source])
            elif way[source] == _CALL:
                stacks.call(key, begun[source], core[source], target[source], behind[source])
            elif way[source] == _RETURN:
                stacks.come_back(key, ended[source], core[source], target[source])
            else:
                stacks.end_handler(key, ended[source], core[source])


@dataclass(frozen=True, slots=True)
class _Steps:
    """Executions: where the way led from the one before, and when."""

    step: Words
    core: Words
    before: "_Executed"
    target: npt.NDArray[np.uint64]
    is_interrupted: npt.NDArray[np.bool_]
    time: Words


@dataclass(slots=True)
class _Executed:
    """Executions, one for each core, or one before each other: what they ended with, and when."""

    way: npt.NDArray[np.int8]
    behind: npt.NDArray[np.uint64]
    end: Words
    is_missing: npt.NDArray[np.bool_]

    @classmethod
    def none(cls) -> "_Executed":
        """Return that no core has executed anything."""
        return cls(
            np.zeros(_CORES, np.int8),
            np.zeros(_CORES, np.uint64),
            np.zeros(_CORES, np.int64),
            np.ones(_CORES, np.bool_),
        )

    def of_each(
        self,
        core: Words,
        way: npt.NDArray[np.int8],
        behind: npt.NDArray[np.uint64],
        end: Words,
    ) -> "_Executed":
        """Return what came before each execution of its core."""
        order = np.argsort(core, kind="stable")
        is_same = np.zeros(len(core), dtype=np.bool_)
        is_same[1:] = core[order][1:] == core[order][:-1]
        earlier = np.empty(len(core), dtype=np.int64)
        earlier[order[1:]] = order[:-1]
        earlier[order[:1]] = 0
        has_earlier = np.empty(len(core), dtype=np.bool_)
        has_earlier[order] = is_same
        return _Executed(
            np.where(has_earlier, way[earlier], self.way[core]),
            np.where(has_earlier, behind[earlier], self.behind[core]),
            np.where(has_earlier, end[earlier], self.end[core]),
            ~has_earlier & self.is_missing[core],
        )

    def remember(
        self,
        core: Words,
        way: npt.NDArray[np.int8],
        behind: npt.NDArray[np.uint64],
        end: Words,
    ) -> None:
        """Take note of the last execution of each core of a batch."""
        self.way[core], self.behind[core], self.end[core] = way, behind, end  # the last one counts
        self.is_missing[core] = False


class Deliveries:
    """Interrupts and exceptions that cores took, and resets, in order.

    Args:
        step: of each.
        core: of each.
        rip: where the core was.
        time: in ticks.
        is_handler: whether a handler was entered; else the core was reset.
    """

    def __init__(
        self,
        step: Words,
        core: Words,
        rip: npt.NDArray[np.uint64],
        time: Words,
        is_handler: npt.NDArray[np.bool_],
    ) -> None:
        self.keys = PHASES * step + EVENT
        self._told = list(zip(core.tolist(), time.tolist(), is_handler.tolist(), strict=True))
        places = (step * _CORES + core)[is_handler]
        self._handler_places, first = np.unique(places, return_index=True)
        self._handler_rips = rip[is_handler][first]

    def interrupted(
        self, step: Words, core: Words
    ) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint64]]:
        """Return whether a handler was entered at these steps on these cores, and from where."""
        if not len(self._handler_places):
            return np.zeros(len(step), np.bool_), np.zeros(len(step), np.uint64)
        wanted = step * _CORES + core
        place = np.searchsorted(self._handler_places, wanted)
        place = np.minimum(place, len(self._handler_places) - 1)
        return self._handler_places[place] == wanted, self._handler_rips[place]

    def tell(self, number: int, key: int, stacks: CallStacks) -> None:
        """Tell the stacks one of them."""
        core, time, is_handler = self._told[number]
        if is_handler:
            stacks.deliver(key, time, core)
        else:
            stacks.reset(key, time, core)


def _way(text: str) -> int:
    """Return what an instruction does to the call stack."""
    words = [word for word in text.split() if word not in _PREFIXES]
    return _LAST_WORDS.get(words[0], _NOTHING) if words else _NOTHING
