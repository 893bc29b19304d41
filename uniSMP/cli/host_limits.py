"""What the host decides: a time limit, and Ctrl-C."""

import math
import signal
import time
from types import FrameType
from typing import Any, Self

from uniSMP.errors import ConfigError


class HostLimits:
    """Tells when to stop; inside `with`, the first Ctrl-C asks to stop and the second kills.

    Args:
        timeout_seconds: time limit from the entry on, or None.

    Raises:
        ConfigError: the limit is not a positive number.
    """

    def __init__(self, timeout_seconds: float | None) -> None:
        if timeout_seconds is not None and not 0 < timeout_seconds < math.inf:
            raise ConfigError(f"timeout = {timeout_seconds} seconds: choose a number above 0")
        self._timeout_seconds = timeout_seconds
        self._end_seconds = math.inf
        self._is_interrupted = False
        self._previous: Any = signal.SIG_DFL

    def is_over(self) -> bool:
        """Return whether to stop now."""
        return self._is_interrupted or time.monotonic() > self._end_seconds

    def _interrupt(self, _signal: int, _frame: FrameType | None) -> None:
        self._is_interrupted = True
        signal.signal(signal.SIGINT, self._previous)

    def __enter__(self) -> Self:
        if self._timeout_seconds is not None:
            self._end_seconds = time.monotonic() + self._timeout_seconds
        self._previous = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *_exception: object) -> None:
        signal.signal(signal.SIGINT, self._previous)
