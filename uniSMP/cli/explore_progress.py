"""How far an exploration is: a live line on a terminal, otherwise a line now and then."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from uniSMP.explore.campaign import Progress
from uniSMP.explore.methods import ORDERS, PAIRS, SCHEDULES, STATES, Summary

_FIRST_SECONDS = 1.0
"""Shorter explorations show no progress."""
_STEP_SECONDS = 0.25
_PLAIN_STEP_SECONDS = 10.0
_MINUTE = 60
_HOUR = 3600


class ExploreProgress:
    """Shows one exploration on standard error.

    Args:
        done: executions that an earlier run of the campaign did.
        is_quiet: show nothing at all.
    """

    def __init__(self, done: int, *, is_quiet: bool) -> None:
        self._done = done
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._start_seconds = time.monotonic()
        is_live = self._console.is_terminal
        self._step_seconds = _STEP_SECONDS if is_live else _PLAIN_STEP_SECONDS
        first = _FIRST_SECONDS if is_live else _PLAIN_STEP_SECONDS
        self._next_seconds = float("inf") if is_quiet else self._start_seconds + first

    @property
    def seconds(self) -> float:
        """Time since this object was made."""
        return time.monotonic() - self._start_seconds

    def show(self, progress: Progress) -> None:
        """Bring the display up to date if it is time."""
        now = time.monotonic()
        if now < self._next_seconds:
            return
        self._next_seconds = now + self._step_seconds
        text = describe(progress, now - self._start_seconds, self._done)
        if not self._console.is_terminal:
            self._console.print(text, soft_wrap=True)
            return
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, transient=True)
            self._live.start()
        self._live.update(Text(text, style="dim"), refresh=True)

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


def describe(progress: Progress, seconds: float, done_before: int) -> str:
    """Return how far a campaign is, in a line.

    Args:
        progress: how far.
        seconds: since this run of it began, above 0.
        done_before: executions that were done by then.
    """
    rate = (progress.executions - done_before) / seconds
    parts = [
        f"{seconds:6.1f} s",
        f"{progress.executions:,} executions ({rate:,.0f}/s)",
        f"{progress.summary.pending:,} jobs pending",
        *describe_sets(progress.summary),
    ]
    if progress.rest is not None:
        about = "about " if progress.is_estimate else ""
        parts.append(f"{about}{progress.rest:,} executions left")
        if rate > 0:
            parts.append(_duration(progress.rest / rate))
    if progress.summary.found:
        parts.append(f"{len(progress.summary.found):,} violations")
    return "  ".join(parts)


def describe_sets(summary: Summary) -> list[str]:
    """Return what was covered: distinct states and schedules, and pairs of conflicting accesses."""
    distinct = summary.distinct
    parts = [f"{distinct[name]:,} {name}" for name in (STATES, SCHEDULES) if name in distinct]
    if PAIRS in distinct:
        pairs = distinct[PAIRS]
        parts.append(f"{distinct.get(ORDERS, 0):,} of {2 * pairs:,} orders of conflicting pairs")
    return parts


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds / _HOUR:,.1f} h"
