"""Traces a stretch of a time line: from where `monitor trace on` was said to `trace off`.

Nothing is traced while the target moves about. At the end the stretch is run once more with a
trace, so it does not matter how often, and in which direction, it was gone through.
"""

from typing import TYPE_CHECKING

from uniSMP.errors import ConfigError
from uniSMP.machine.outcome import Ending, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from uniSMP.replay.history import Position
    from uniSMP.replay.timeline import Timeline
    from uniSMP.trace.writer import TraceWriter


class Tracing:
    """Traces one target.

    Args:
        timeline: the target.
        make_writer: makes the writer of a trace in a folder; raises ConfigError.
    """

    def __init__(self, timeline: "Timeline", make_writer: "Callable[[str], TraceWriter]") -> None:
        self._timeline = timeline
        self._make_writer = make_writer
        self._writer: TraceWriter | None = None
        self._directory = ""
        self._edge: Position | None = None

    def begin(self, directory: str) -> str:
        """Begin a trace here; return what to say.

        Raises:
            ConfigError: one has begun already, or the folder cannot be written.
        """
        if self._writer is not None:
            raise ConfigError(f"a trace to {self._directory} has begun: say `trace off` first")
        self._writer = self._make_writer(directory)
        self._directory = directory
        self._edge = self._timeline.position
        return f"traces from step {self._timeline.step} to where you say `trace off`\n"

    def end(self) -> str:
        """Write the trace from where it began to here, or from here to there; return what to say.

        Raises:
            ConfigError: no trace has begun.
        """
        writer, edge = self._writer, self._edge
        if writer is None or edge is None:
            raise ConfigError("there is no trace to end: say `trace on DIR`")
        self._writer = None
        try:
            steps = self._write(writer, edge)
        except BaseException:
            writer.abandon()
            raise
        if writer.error is not None:
            return f"trace: {writer.error}\n"
        return f"{steps} steps are in {self._directory}: see `unismp trace show`\n"

    def finish(self) -> None:
        """End a trace that nobody ended."""
        if self._writer is not None:
            self.end()

    def _write(self, writer: "TraceWriter", edge: "Position") -> int:
        """Run the stretch between `edge` and here with a trace; return its length in steps."""
        line = self._timeline
        here = line.position
        line.goto_position(max(edge, here))
        end = line.step
        line.goto_position(min(edge, here))
        begin = line.step
        line.trace(line.machine.make_tracer(writer))
        try:
            line.advance(max(edge, here))
        finally:
            line.trace(None)
        ending = Ending(Outcome.HOST_TIMEOUT, "the trace of a stretch ends here")
        result = line.machine.result(ending)
        writer.end(
            {
                "outcome": result.outcome.value,
                "digest": result.digest,
                "steps": result.steps,
                "ticks": result.ticks,
                "cores": [
                    {"id": core.id, "instructions": core.instructions} for core in result.cores
                ],
            }
        )
        line.goto_position(here)
        return end - begin
