"""Runs a recording again, and checks on the way that it is the same run."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from uniSMP.errors import ConfigError, DivergenceError
from uniSMP.machine.exact_run import Interrupted
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Ending, Outcome, RunResult
from uniSMP.machine.state_hash import StateHash
from uniSMP.replay.chunks import RunEnd
from uniSMP.replay.history import START, History
from uniSMP.replay.recording import Recording
from uniSMP.replay.timeline import Timeline

if TYPE_CHECKING:
    from uniSMP.machine.tracer import TraceFilter, TraceSink


class Replayer(Timeline):
    """A recording as a time line.

    Args:
        recording: one that is open, or the path of its file.

    Raises:
        FormatError: the file cannot be read, is damaged, or of another version.

    Attributes:
        recording: what is replayed.
        was_interrupted: whether the host stopped `run` before its end.
        differs_in_memory: whether a checkpoint differed, while the marks before it agreed.
    """

    def __init__(self, recording: Recording | str | Path) -> None:
        if not isinstance(recording, Recording):
            recording = Recording.open(recording)
        self.recording = recording
        machine = Machine(recording.config)
        machine.load(recording.image)
        super().__init__(machine, History(recording.rows, recording.items))
        machine.on_input = _refuse
        self._hash: StateHash | None = None
        self.differs_in_memory = False
        self.was_interrupted = False
        self._compared_ends: set[int] = set()
        self._most_items = len(recording.items)
        self._last_end = max(
            (at for at, (_row, item) in enumerate(recording.items) if isinstance(item, RunEnd)),
            default=-1,
        )
        self._result: RunResult | None = None

    def run(
        self,
        *,
        trace: "TraceSink | None" = None,
        trace_filter: "TraceFilter | None" = None,
        on_console: Callable[[bytes], None] | None = None,
        is_interrupted: Callable[[], bool] | None = None,
    ) -> RunResult:
        """Replay everything from the start, once; checkpoints and marks are compared on the way.

        Args:
            trace: takes the rows of a trace.
            trace_filter: what of it is kept; everything by default.
            on_console: is given the guest's output as it appears.
            is_interrupted: asked now and then; True ends the replay where it is.

        Returns:
            The result of the last recorded run, computed anew. Where the recording was not
            completed, holds no run, or `is_interrupted` said so, the outcome is HOST_TIMEOUT at the
            step reached.

        Raises:
            ConfigError: the machine was moved before.
            DivergenceError: the machine does not do again what was recorded.
        """
        if self.position != START or self._hash is not None:
            raise ConfigError("a replay begins at the start: make a new Replayer")
        boundary = self.machine.parts.loop.boundary
        boundary.on_console = on_console
        self._hash = StateHash(self.machine.parts, self._tracking)
        try:
            if trace is not None:
                self.trace(self.machine.make_tracer(trace, trace_filter))
            self._exact.is_interrupted = is_interrupted
            is_whole = self._replay()
        except Interrupted:
            is_whole, self.was_interrupted = False, True
        finally:
            boundary.on_console = self._exact.is_interrupted = None
            self.trace(None)
            self._hash.close()
            self._most_items = len(self.recording.items)
        if is_whole and self._result is not None and self._is_between_runs:
            return self._result
        return self._unfinished()

    def _replay(self) -> bool:
        """Go to the end from checkpoint to checkpoint; return whether the run ended there."""
        recording = self.recording
        for point, items in zip(recording.checkpoints, recording.items_before, strict=True):
            self._most_items = items
            self.advance(self.history.end_of(point.row - 1))
            self.apply_items(items)
            self._compare(point.row, point.state_hash)
        return recording.is_complete

    def apply_items(self, end: int) -> None:
        """Do what the first `end` items say; in a replay, none behind the next checkpoint."""
        super().apply_items(min(end, self._most_items))

    def _end_run(self, end: RunEnd) -> None:
        super()._end_run(end)
        if self._hash is None and self._items not in self._compared_ends:
            self._compared_ends.add(self._items)
            if self.machine.digest() != end.digest:
                raise DivergenceError("the digest at the end is not the recorded one")
        if self._hash is not None and self._items - 1 == self._last_end:
            self._result = self._check_end(end)

    def _compare(self, row: int, expected: bytes) -> None:
        """Compare the state with that of a checkpoint.

        Raises:
            DivergenceError: it differs.
        """
        assert self._hash is not None
        if self._hash.take() != expected:
            self.differs_in_memory = True
            raise DivergenceError(f"the machine's state is not that of the checkpoint at row {row}")

    def _check_end(self, end: RunEnd) -> RunResult:
        """Return the result of a run that ends here.

        Raises:
            DivergenceError: it is not the recorded one.
        """
        result = self.machine.result(Ending(Outcome(end.outcome), end.reason, end.exit_value))
        now = replace(
            end,
            digest=result.digest,
            steps=result.steps,
            ticks=result.ticks,
            console_bytes=len(result.console),
            console_sha256=hashlib.sha256(result.console).hexdigest(),
            instructions=[core.instructions for core in result.cores],
        )
        if now != end:
            names = [name for name in end.__slots__ if getattr(now, name) != getattr(end, name)]
            raise DivergenceError(f"the end is not that of the recorded run: {', '.join(names)}")
        return result

    def _unfinished(self) -> RunResult:
        has_rows = len(self.history) > 0
        reason = "no run was recorded" + " to its end" * has_rows
        if not self.recording.is_complete:
            reason = "the recording was not completed: this is its last checkpoint"
        if self.was_interrupted:
            reason = "the host stopped the replay"
        return self.machine.result(Ending(Outcome.HOST_TIMEOUT, reason))


def _refuse(_given: object) -> None:
    raise ConfigError("the machine of a recording cannot be changed")
