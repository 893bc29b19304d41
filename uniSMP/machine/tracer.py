"""Traces one run: what the cores logged and what happened around them, as rows of tables.

The log is taken whenever it is full and when the run ends. At level memory and above the pages that
hold paging structures are followed too (see `page_walk_writes`). Nothing here changes the run.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from uniSMP.core import register_watch
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.blocks import Block
from uniSMP.core.core import Core
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.core.log_decoding import DELIVERY, LOCKED, PAGE_WALK, WRITE, Accesses, Changes, Recorded
from uniSMP.errors import ConfigError
from uniSMP.machine.background_writer import BackgroundWriter
from uniSMP.machine.board import Board
from uniSMP.machine.event_log import EventLog
from uniSMP.machine.page_walk_writes import PageWalkWrites
from uniSMP.machine.virtual_clock import VirtualClock
from uniSMP.trace.schema import Level

_LOG_WORDS = 1 << 22
_ACCESS_WORDS = ("read", "write", "locked read", "locked write")
_ORIGINS = ("instruction", "delivery", "page walk")
Mask = npt.NDArray[np.bool_]


class TraceSink(Protocol):
    """Takes the rows of a trace."""

    @property
    def level(self) -> Level:
        """How much is wanted."""

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        """Take rows of table `name`: arrays or lists by column name; a missing column is null."""


@dataclass(frozen=True, slots=True)
class TraceFilter:
    """What of a run is kept. An instruction outside is not traced, and neither is what it accessed.

    Register changes and events are chosen by core and step only.

    Attributes:
        core_ids: these cores; None is all.
        addresses: linear addresses of instructions, pairs (first, behind the last); empty is all.
        first_step: steps before are left out.
        end_step: and those from here on; None is no end.
    """

    core_ids: frozenset[int] | None = None
    addresses: tuple[tuple[int, int], ...] = ()
    first_step: int = 0
    end_step: int | None = None

    def check(self, cores: int) -> None:
        """Raise ConfigError where nothing could pass."""
        for core_id in sorted(self.core_ids or ()):
            if not 0 <= core_id < cores:
                raise ConfigError(f"trace core {core_id}: this machine has cores 0 to {cores - 1}")
        if self.end_step is not None and self.end_step <= self.first_step:
            raise ConfigError(f"trace steps {self.first_step} to {self.end_step}: nothing between")

    def keeps(self, core: npt.NDArray[np.uint8], rip: npt.NDArray[np.int64]) -> Mask | None:
        """Return which rows pass by core and address; None is all."""
        mask: Mask | None = None
        if self.core_ids is not None:
            mask = np.isin(core, list(self.core_ids))
        if self.addresses:
            unsigned = rip.view(np.uint64)
            inside = np.zeros(len(rip), dtype=np.bool_)
            for first, end in self.addresses:
                inside |= (unsigned >= np.uint64(first)) & (unsigned < np.uint64(end))
            mask = inside if mask is None else mask & inside
        return mask


class Tracer:
    """One run's tracer.

    Args:
        log: the cores' log.
        catalog: their blocks.
        cores: all cores.
        board: the chips.
        clock: steps and virtual time.
        words: RAM.

    Attributes:
        events: where events are told to.
    """

    def __init__(  # noqa: PLR0913 - the parts of a machine
        self,
        sink: TraceSink,
        chosen: TraceFilter,
        *,
        log: ExecutionLog,
        catalog: BlockCatalog,
        cores: Sequence[Core],
        board: Board,
        clock: VirtualClock,
        words: npt.NDArray[np.uint64],
    ) -> None:
        chosen.check(len(cores))
        self._sink = sink
        self._chosen = chosen
        self._level = sink.level
        self._log = log
        self._catalog = catalog
        self._cores = cores
        self._board = board
        self._clock = clock
        self._blocks_taken = 0
        self._starts: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._writer = BackgroundWriter()
        self._step = clock.steps
        self._is_attached = False
        self.events = EventLog(clock, cores, board.local_apics, self._take_events, chosen.core_ids)
        has_memory = self._level >= Level.MEMORY
        self._walks = PageWalkWrites(words, cores, log) if has_memory else None

    @property
    def begin_step(self) -> int:
        """Step at which tracing begins."""
        return self._chosen.first_step

    @property
    def end_step(self) -> int:
        """Step at which it ends."""
        return 1 << 62 if self._chosen.end_step is None else self._chosen.end_step

    def is_wanted(self) -> bool:
        """Return whether the next instruction is inside the window."""
        return self.begin_step <= self._clock.steps < self.end_step

    def follow_window(self) -> None:
        """Attach or detach as the step says; called between runs of cores."""
        if self.is_wanted() != self._is_attached:
            if self._is_attached:
                self.detach()
            else:
                self._attach()

    def steps_to_edge(self) -> int:
        """Return how many instructions may run before `follow_window` must be called again."""
        steps = self._clock.steps
        edge = self.begin_step if steps < self.begin_step else self.end_step
        return edge - steps if edge > steps else 1 << 62

    def _attach(self) -> None:
        self._is_attached = True
        self._step = self._clock.steps
        self._board.observe(self.events)
        if self._level >= Level.BLOCKS:
            self._log.start(
                _LOG_WORDS,
                self.take_log,
                wants_instructions=self._level >= Level.INSTRUCTIONS,
                logs_accesses=self._level >= Level.MEMORY,
            )
            for core in self._cores:
                core.watch(
                    logs_accesses=self._level >= Level.MEMORY,
                    logs_registers=self._level >= Level.REGISTERS,
                )
        for core in self._cores:
            core.observer = self.events
            self.events.look_at_mode(core.core_id)
        if self._walks is not None:
            self._walks.begin()

    def detach(self) -> None:
        """Take what is left and trace no more."""
        if not self._is_attached:
            return
        try:
            if self._walks is not None:
                self._walks.end()
            self.take_log()
            self.events.hand_on()
            self._writer.drain()
        finally:
            self._is_attached = False
            self._board.observe(None)
            for core in self._cores:
                core.observer = None
                core.unwatch()
            self._log.stop()

    def close(self) -> None:
        """Take what is left; the tracer must not be used afterwards."""
        try:
            self.detach()
        finally:
            self._writer.close()

    def after_run(self, core: Core) -> None:
        """Take note of what the page walker wrote, after a core ran."""
        if self._walks is not None and self._is_attached:
            self._walks.follow(core)

    # -- rows ----------------------------------------------------------------------------------

    def _take_events(self, columns: dict[str, list[Any]]) -> None:
        self._writer.submit(lambda: self._sink.add("events", columns))

    def take_log(self) -> None:
        """Hand on what the cores logged."""
        if self._level < Level.BLOCKS:
            return
        recorded = self._log.take(self._step, self._clock.steps)
        self._step = self._clock.steps
        blocks = self._catalog.blocks[self._blocks_taken :]
        first, self._blocks_taken = self._blocks_taken, len(self._catalog.blocks)
        self._writer.submit(lambda: self._write(recorded, first, blocks))

    # -- in the writer's thread ----------------------------------------------------------------

    def _write(self, recorded: Recorded, first_block: int, blocks: list[Block]) -> None:
        taken = recorded.decode()
        self._log.give_back(recorded)
        self._add_blocks(first_block, blocks)
        rows = taken.executions
        starts = np.array([_signed(block.address) for block in blocks], np.int64)
        self._starts = np.concatenate([self._starts, starts])
        keep = self._chosen.keeps(rows.core, self._starts[rows.block])
        self._sink.add("executions", _columns(rows, keep))
        if self._level >= Level.INSTRUCTIONS:
            first, end = recorded.steps
            columns = {
                "step": np.arange(first, end, dtype=np.int64),
                "core": taken.retired.core,
                "rip": taken.retired.rip,
                "cpl": taken.retired.cpl,
            }
            self._add("instructions", columns, taken.retired.core, taken.retired.rip)
        if self._level >= Level.MEMORY:
            self._add_accesses(taken.accesses)
        if self._level >= Level.REGISTERS:
            self._add_changes(taken.changes)

    def _add(
        self,
        name: str,
        columns: dict[str, Any],
        core: npt.NDArray[np.uint8],
        rip: npt.NDArray[np.int64],
    ) -> None:
        keep = self._chosen.keeps(core, rip)
        if keep is not None:
            columns = {key: column[keep] for key, column in columns.items()}
        self._sink.add(name, columns)

    def _add_accesses(self, rows: Accesses) -> None:
        keep = self._chosen.keeps(rows.core, rows.rip)
        if keep is not None:
            rows = Accesses(**_columns(rows, keep))
        access = (rows.kind & WRITE) | (rows.kind & LOCKED)
        origin = np.where(rows.kind & PAGE_WALK, 2, (rows.kind & DELIVERY) // DELIVERY)
        self._sink.add(
            "memory",
            {
                "step": rows.step,
                "core": rows.core,
                "rip": rows.rip,
                "physical": rows.physical,
                "linear": pa.array(rows.linear.view(np.uint64), mask=~rows.has_linear),
                "size": rows.size,
                "value": rows.value,
                "access": _words(access, _ACCESS_WORDS),
                "origin": _words(origin.astype(np.uint8), _ORIGINS),
            },
        )

    def _add_changes(self, rows: Changes) -> None:
        if self._chosen.core_ids is not None:
            rows = Changes(**_columns(rows, np.isin(rows.core, list(self._chosen.core_ids))))
        columns = {
            "step": rows.step,
            "core": rows.core,
            "register": _words(rows.register, register_watch.NAMES),
            "value": rows.value,
            "is_delivery": rows.is_delivery,
        }
        self._sink.add("registers", columns)

    def _add_blocks(self, first: int, blocks: list[Block]) -> None:
        if not blocks:
            return
        self._sink.add(
            "blocks",
            {
                "block": list(range(first, first + len(blocks))),
                "address": [block.address for block in blocks],
                "bits": [block.bits for block in blocks],
                "code": [block.code for block in blocks],
                "instructions": [block.count for block in blocks],
                "offsets": [list(block.layout.offsets) for block in blocks],
            },
        )


def _columns(rows: Any, keep: Mask | None) -> dict[str, Any]:  # noqa: ANN401 - a dataclass of arrays
    columns = {name: getattr(rows, name) for name in rows.__slots__}
    return columns if keep is None else {name: column[keep] for name, column in columns.items()}


def _words(codes: npt.NDArray[np.integer[Any]], words: Sequence[str]) -> pa.Array:
    """Return a column of words by their numbers."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int8)), pa.array(list(words)))


def _signed(value: int) -> int:
    return value if value < 1 << 63 else value - (1 << 64)
