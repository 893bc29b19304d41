"""Records everything that happens to one machine, from its first instruction on, into a file."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from uniSMP.machine.host_input import HostInput
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import RunResult
from uniSMP.machine.slice_log import SliceLog
from uniSMP.machine.state_hash import StateHash
from uniSMP.machine.written_pages import RamTracking
from uniSMP.replay.chunks import Checkpoint, Chunk, Idle, Item, RunEnd, encode
from uniSMP.replay.container import ContainerWriter
from uniSMP.replay.manifest import members_of
from uniSMP.replay.recording import CHUNK_NAME, END

_ROWS_OF_A_CHUNK = 1 << 15
_STEPS_OF_A_CHUNK = 1 << 24
"""So many rows or instructions, about, lie between two checkpoints."""
_CLOSER_AT_FIRST = 16
"""At first they are so many times closer, then twice as far each time: a short run is soon kept."""


class Recorder:
    r"""Records a machine while it is entered with `with`.

    The file is a valid recording from the start; whenever the process ends, it holds everything up
    to the last checkpoint. Leaving the `with` block completes it.

    Args:
        machine: loaded, and has not run yet.
        path: the file; an older one is replaced.
        facts: what else people should know of the run, by subject, such as {"target": "hello"};
            plain values for JSON.
        schedule: the same, for the subject "schedule".

    Raises:
        ConfigError: the machine has no image, has run, is recorded already, or the file cannot
            be written.

    >>> import tempfile
    >>> from uniSMP import Machine, Recorder, Replayer, assemble
    >>> machine = Machine(cores=1, boot="long")
    >>> machine.load(assemble("_start: xor eax, eax\n out 0xF4, al"))
    >>> path = tempfile.mktemp(suffix=".rec")
    >>> with Recorder(machine, path):
    ...     result = machine.run()
    >>> Replayer(path).run().digest == result.digest
    True
    """

    def __init__(
        self,
        machine: Machine,
        path: str | Path,
        *,
        facts: Mapping[str, Any] | None = None,
        schedule: Mapping[str, Any] | None = None,
    ) -> None:
        machine.check_fresh()
        self._is_over = False
        self._machine = machine
        self._parts = machine.parts
        facts = {**(facts or {}), **({} if schedule is None else {"schedule": dict(schedule)})}
        self._writer = ContainerWriter(Path(path))
        self._items: list[tuple[int, Item]] = [(0, given) for given in machine.first_inputs]
        self._chunks = 0
        self._row = 0
        self._next_row = self._next_step = 0
        self._closer = 2 * _CLOSER_AT_FIRST
        self._log = SliceLog(self._parts.loop.batch.mark_slice)
        tracking = RamTracking(self._parts.ram)
        self._hash = StateHash(self._parts, tracking)
        try:
            for name, data in members_of(machine, facts).items():
                self._writer.add(name, data)
            self._checkpoint()
            self._writer.begin()
        except BaseException:
            self._stop()
            raise
        self._parts.loop.batch.set_marks(0)
        self._parts.loop.log = self._log
        self._parts.loop.after_slice = self._after_slice
        self._parts.loop.on_abort = self._stop
        machine.on_input = self._put_in
        machine.on_run_end = self._run_ended

    def _after_slice(self) -> None:
        if self._log.count >= self._next_row or self._parts.clock.steps >= self._next_step:
            self._checkpoint()

    def _put_in(self, given: HostInput) -> None:
        self._log.put_in()
        row, idle_events = self._log.count, self._parts.loop.boundary.idle_events
        if idle_events:
            self._items.append((row, Idle(idle_events)))
        self._items.append((row, given))

    def _run_ended(self, result: RunResult) -> None:
        end = RunEnd(
            outcome=result.outcome.value,
            reason=result.reason,
            exit_value=result.exit_value,
            digest=result.digest,
            steps=result.steps,
            ticks=result.ticks,
            idle_events=self._parts.loop.boundary.idle_events,
            console_bytes=len(result.console),
            console_sha256=hashlib.sha256(result.console).hexdigest(),
            instructions=[core.instructions for core in result.cores],
        )
        self._items.append((self._log.count, end))
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Write what happened since the last time, and how things stand."""
        rows, items, self._items = self._log.take(), self._items, []
        first, self._row = self._row, self._row + len(rows)
        step = self._parts.clock.steps
        chunk = Chunk(first, rows, items, Checkpoint(self._row, step, self._hash.take()))
        self._writer.add(CHUNK_NAME.format(self._chunks), encode(chunk))
        self._chunks += 1
        self._closer = max(1, self._closer // 2)
        self._next_row = self._row + _ROWS_OF_A_CHUNK // self._closer
        self._next_step = step + _STEPS_OF_A_CHUNK // self._closer

    def finish(self) -> None:
        """Complete the file and record no more; nothing, where that was done.

        After a run that was broken off (KeyboardInterrupt) the file stays as it was at the last
        checkpoint; an exception of a callback leaves the machine between two instructions, and
        what ran up to there is recorded.
        """
        if self._is_over:
            return
        self._log.abandon()
        if self._items or self._log.count > self._row:
            self._checkpoint()
        self._writer.add(END, json.dumps({"chunks": self._chunks}).encode())
        self._writer.finish()
        self._stop()

    def _stop(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._writer.close()
        self._hash.close()
        loop = self._parts.loop
        loop.log = loop.after_slice = loop.on_abort = None
        self._parts.loop.batch.set_marks(None)
        self._machine.on_input = self._machine.on_run_end = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self._stop()
