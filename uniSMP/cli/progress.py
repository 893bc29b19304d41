"""The guest's output as it appears, and below it, on a terminal, how far a long run is."""

import time
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.text import Text

from uniSMP.machine.machine import Machine

_FIRST_SECONDS = 1.0
"""Shorter runs show no progress."""
_STEP_SECONDS = 0.25
_MILLION = 1_000_000


class RunDisplay:
    """Shows one run.

    Args:
        machine: what runs.
        max_instructions: its limit.
        stream: where to show it.
        is_quiet: show nothing at all.
    """

    def __init__(
        self, machine: Machine, max_instructions: int, stream: TextIO, *, is_quiet: bool
    ) -> None:
        self._machine = machine
        self._max_instructions = max_instructions
        self._stream = stream
        self._is_quiet = is_quiet
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._line = b""
        self._start_seconds = time.monotonic()
        self._next_seconds = self._start_seconds + _FIRST_SECONDS
        self._ticks = 0
        if is_quiet or not self._console.is_terminal:
            self._next_seconds = float("inf")

    def print_guest(self, data: bytes) -> None:
        """Show output of the guest."""
        if self._is_quiet:
            return
        if self._live is None:
            self._stream.write(data.decode("utf-8", "backslashreplace"))
            if b"\n" in data:
                self._stream.flush()
            self._line = (self._line + data).rpartition(b"\n")[2]
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._console.print(line.decode("utf-8", "backslashreplace"), soft_wrap=True)

    def tick(self) -> bool:
        """Bring the display up to date if it is time; return False: it never ends a run."""
        self._ticks += 1
        if self._ticks % 16 == 0 and time.monotonic() >= self._next_seconds:
            self._refresh()
        return False

    def _refresh(self) -> None:
        if self._live is None:
            if self._line:
                self._stream.write("\n")
                self._line = b""
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        now = time.monotonic()
        self._next_seconds = now + _STEP_SECONDS
        self._live.update(self._describe(now - self._start_seconds), refresh=True)

    def _describe(self, seconds: float) -> Text:
        steps = self._machine.steps
        cores = self._machine.cores
        running = sum(1 for core in cores if core.state.startswith("running"))
        return Text(
            f"{seconds:6.1f} s  {steps / _MILLION:,.1f} M instructions "
            f"({steps / self._max_instructions:.0%} of the limit)  "
            f"{steps / seconds / _MILLION:.1f} M/s  {running} of {len(cores)} cores running",
            style="dim",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            if self._line:
                self._stream.write(self._line.decode("utf-8", "backslashreplace"))
        if self._line and not self._is_quiet:
            self._stream.write("\n")
        self._stream.flush()
