"""What one execution was, as arrays: accesses, events, their order and the races between them."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from uniSMP.core import native_state as ns
from uniSMP.core.blocks import Block
from uniSMP.devices.local_apic import LocalApic
from uniSMP.explore import collecting, handler_flow, holding, ordering
from uniSMP.explore import events as events_of
from uniSMP.explore.executor import Executor
from uniSMP.explore.fabric import DELIVERY
from uniSMP.explore.interrupted import FRAME, REGISTER_NAMES, Found
from uniSMP.explore.register_use import WORDS, register_use

Table = npt.NDArray[np.int64]
_CLI, _STI, _POPF = 0xFA, 0xFB, 0x9D
_WITH_PREFIX = 2
"""Bytes of one of these with a prefix."""
_LAST = {_STI: collecting.ENDS_IN_STI, _POPF: collecting.ENDS_IN_POPF}


@dataclass(slots=True, eq=False)
class Analysis:
    """One execution, or the part of it that has been run.

    Attributes:
        accesses: rows of `collecting.ACCESS_WORDS`.
        kinds: for each access, kind of its event and handlers under way.
        events: rows of `collecting.EVENT_WORDS`.
        shared: for each access, whether two agents met in its word.
        shared_words: how many words two agents met in.
        steps: instructions retired since the scene.
        cores: number of cores.
        looked: core and vector of handlers that accessed the frame their delivery pushed.
        kept_from: what cores would do next and cannot, as accesses with the words named in
            `Analyst.kept_from`.
    """

    accesses: Table
    kinds: Table
    events: Table
    shared: npt.NDArray[np.bool_]
    shared_words: int
    steps: int
    cores: int
    looked: tuple[tuple[int, int], ...] = ()
    clocks: Table | None = None

    kept_from: list[Table] = field(default_factory=list)

    def order(self, new: int = 0) -> Table:
        """Return the races whose later event is number `new` or later, see `ordering.order`.

        What cores are kept from counts as events behind all others.
        """
        real = len(self.events)
        accesses, events = self._with_what_was_kept()
        clocks, races = ordering.order(accesses, events, self.cores, new, real)
        self.clocks = clocks[:real]
        found: Table = races
        return found

    def _with_what_was_kept(self) -> tuple[Table, Table]:
        if not self.kept_from:
            return self.accesses, self.events
        accesses, events = events_of.with_others(self.accesses, self.events, self.kept_from)
        return accesses, events

    def held_back(self, new: int = 0) -> Table:
        """Return what else might come before deliveries, see `holding.held_back` and `order`."""
        real = len(self.events)
        if self.clocks is None:
            self.order(real)
        accesses, events = self._with_what_was_kept()
        rows = holding.held_back(accesses, events, self.clocks, self.cores, new, real)
        found: Table = rows
        return found

    def traces(self) -> Table:
        """Return a hash of the Mazurkiewicz trace of the first 0, 1, 2, ... events."""
        if self.clocks is None:
            self.order(len(self.events))
        hashes: Table = ordering.trace_hashes(self.events, self.clocks)
        return hashes

    def trace(self) -> int:
        """Return a hash of the Mazurkiewicz trace."""
        return int(self.traces()[-1])


class Analyst:
    """Reads the log of one executor.

    Args:
        executor: its scene has begun.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._catalog = executor.machine.parts.catalog
        self._changes: Table = np.zeros((0, 2), dtype=np.int64)
        self._uses: Table = np.zeros((0, WORDS), dtype=np.int64)
        self._used_blocks = 0

    def look(self) -> Analysis:
        """Return what has happened since the scene."""
        executor, log = self._executor, self._executor.log
        first, addresses, _ = self._catalog.arrays()
        stepwise = np.array([core in executor.stepwise for core in range(len(executor.cores))])
        accesses, kinds, steps, looked = collecting.read_log(
            *(log.words, int(log.head[ns.LOG_COUNT]), len(executor.cores)),
            *(first, addresses, self._changes_of_flags()),
            executor.machine.config.memory_bytes,
            stepwise,
        )
        shared, words = events_of.find_shared(accesses)
        pending = np.array([bool(apic.state.irr) for apic in self._apics()], dtype=np.bool_)
        events = events_of.find_events(accesses, kinds, shared, pending)
        return Analysis(
            *(accesses, kinds, events, shared, words, steps, len(executor.cores)),
            tuple((core, vector) for core, vector in np.argwhere(looked).tolist()),
        )

    def opaque(self, analysis: Analysis) -> dict[tuple[int, int], frozenset[str]]:
        """Return by core and vector what handlers change of what they interrupt, or look at."""
        if not (analysis.accesses[:, collecting.A_WORD] >> 9 == DELIVERY >> 12).any():
            return {}
        executor, log = self._executor, self._executor.log
        found: Found = {key: set(names) for key, names in executor.interrupted.changed.items()}
        for key in analysis.looked:
            found.setdefault(key, set()).add(FRAME)
        first, _, _ = self._catalog.arrays()
        tables = handler_flow.follow(
            *(log.words, int(log.head[ns.LOG_COUNT]), len(executor.cores), first),
            self._uses_of_registers(),
        )
        for table, verb in zip(tables, ("reads ", "changes "), strict=True):
            for core, vector in np.argwhere(table).tolist():
                bits = int(table[core, vector])
                names = {verb + name for at, name in enumerate(REGISTER_NAMES) if bits >> at & 1}
                found.setdefault((core, vector), set()).update(names)
        return {key: frozenset(names) for key, names in sorted(found.items())}

    def _uses_of_registers(self) -> Table:
        """Return what each instruction of the catalog does with registers, see `register_use`."""
        blocks = self._catalog.blocks
        new = [row for block in blocks[self._used_blocks :] for row in register_use(block)]
        self._used_blocks = len(blocks)
        if new:
            self._uses = np.concatenate((self._uses, np.array(new, dtype=np.int64)))
        return self._uses

    def kept_from(self) -> list[Table]:
        """Return what cores would do next and cannot: read what they wait for, take interrupts.

        Each is a table of accesses; A_EVENT tells the kind of the event.
        """
        executor = self._executor
        found = []
        for core, apic in enumerate(self._apics()):
            irr = apic.state.irr
            if irr and not executor.can_take(core):
                vectors = [vector for vector in range(256) if irr >> vector & 1]
                found += [events_of.delivery(core, vector) for vector in vectors]
            waits = executor.waits[core]
            if waits is not None and not executor.can_run(core):
                found.append(events_of.reads(core, waits.reads))
        return [rows for rows in found if len(rows)]

    def _apics(self) -> list[LocalApic]:
        return self._executor.machine.parts.board.local_apics

    def _changes_of_flags(self) -> Table:
        """Return for each block how it ends and where its first CLI is, see `read_log`."""
        blocks = self._catalog.blocks
        known = len(self._changes)
        if known != len(blocks):
            new = [_change_of_flags(block) for block in blocks[known:]]
            self._changes = np.concatenate((self._changes, np.array(new, dtype=np.int64)))
        return self._changes


def _change_of_flags(block: Block) -> tuple[int, int]:
    code, offsets = block.code, block.layout.offsets
    sizes = range(block.count)
    cli = next(
        (index for index in sizes if code[offsets[index]] == _CLI and block.size_of(index) == 1),
        collecting.NO_CLI,
    )
    if block.layout.flags & ns.ENDS_IN_IRET:
        return collecting.ENDS_IN_IRET, cli
    is_short = block.size_of(block.count - 1) <= _WITH_PREFIX
    return _LAST.get(code[-1], 0) if is_short else 0, cli
