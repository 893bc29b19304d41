"""How far a long export is, on a terminal; and what was written."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

import click
from rich.console import Console
from rich.live import Live
from rich.text import Text

_FIRST_SECONDS = 1.0
"""Shorter exports show no progress."""
_STEP_SECONDS = 0.25
_MILLION = 1_000_000


class ExportProgress:
    """Shows one export on standard error.

    Args:
        rows: how many rows there are to do; 0: not known.
        unit: what they are called.
    """

    def __init__(self, rows: int, unit: str) -> None:
        self._rows = rows
        self._unit = unit
        self._done = 0
        self._size_bytes = 0
        self._console = Console(stderr=True, highlight=False)
        self._live: Live | None = None
        self._start_seconds = time.monotonic()
        self._next_seconds = self._start_seconds + _FIRST_SECONDS

    def advance(self, rows: int, size_bytes: int) -> None:
        """Take note of rows that are done, and of bytes written."""
        self._done += rows
        self._size_bytes += size_bytes
        now = time.monotonic()
        if now < self._next_seconds or not self._console.is_terminal:
            return
        self._next_seconds = now + _STEP_SECONDS
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(self._describe(now - self._start_seconds), refresh=True)

    def finish(self, path: Path) -> None:
        """Tell what was written."""
        self._stop()
        rows = f"{self._done:,} {self._unit}, " if self._done else ""
        click.echo(f"{path}: {rows}{self._size_bytes:,} bytes", err=True)

    def _describe(self, seconds: float) -> Text:
        share = f" ({self._done / self._rows:.0%})" if self._rows else ""
        return Text(
            f"{seconds:6.1f} s  {self._done / _MILLION:,.1f} M {self._unit}{share}  "
            f"{self._size_bytes / _MILLION:,.0f} MB",
            style="dim",
        )

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._stop()
