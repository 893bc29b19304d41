"""One thread that writes a trace while the cores run on.

It only consumes: nothing that it does, nor when it does it, reaches the run. Work is done in the
order in which it was submitted, and whoever submits waits while too much is under way.
"""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_MOST_UNDER_WAY = 2


class BackgroundWriter:
    """Runs what is submitted, one after the other."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trace")
        self._under_way: deque[Future[None]] = deque()

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work` done later; an exception of earlier work is raised here."""
        while len(self._under_way) >= _MOST_UNDER_WAY:
            self._under_way.popleft().result()
        self._under_way.append(self._thread.submit(work))

    def drain(self) -> None:
        """Wait until all work is done; an exception of it is raised here."""
        while self._under_way:
            self._under_way.popleft().result()

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()
