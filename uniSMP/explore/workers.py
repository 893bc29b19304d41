"""Who runs jobs on this machine: this process, or several others.

A process that dies (killed, out of memory, a crash of the engine) costs nothing but time: its job
is given to a new process. A job that costs two processes is an error.
"""

import multiprocessing
import signal
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Self

import uniSMP.errors
from uniSMP.errors import ConfigError, InternalError, UniSMPError, WorkerError
from uniSMP.explore.job import Job, JobResult, Plan, Worker

MOST_PROCESSES = 1024
_POLL_SECONDS = 0.1
_MOST_DEATHS = 2
MakeWorker = Callable[[Plan], Worker]


class OneProcess:
    """Runs jobs in this process, in their order.

    Args:
        plan: whose jobs.
        make_worker: makes what runs them, before the first.
    """

    def __init__(self, plan: Plan, make_worker: MakeWorker) -> None:
        self._plan = plan
        self._make_worker = make_worker
        self._worker: Worker | None = None

    def run(
        self, jobs: Sequence[Job], is_interrupted: Callable[[], bool]
    ) -> Iterator[tuple[Job, JobResult]]:
        """Yield each job with its result; end before the next job when interrupted."""
        for job in jobs:
            if is_interrupted():
                return
            if self._worker is None:
                self._worker = self._make_worker(self._plan)
            yield job, self._worker.run(job)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        """Do nothing: there is nobody to send home."""


class _Process:
    """One process, and the job it has."""

    def __init__(self, plan: bytes, make_worker: MakeWorker) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, plan, make_worker), daemon=True
        )
        # Ctrl-C is for the process that hands out jobs, from the child's first instruction on. The
        # tracker unblocks the signal when it starts, so it has to be there before.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self.job: Job | None = None

    def give(self, job: Job) -> None:
        """Let it run a job; a death shows in `take`."""
        self.job = job
        try:
            self.connection.send(job)
        except OSError:
            return

    def take(self) -> JobResult | UniSMPError | None:
        """Return what it says, or None where it died without a word."""
        try:
            kind, text = self.connection.recv()
        except (EOFError, OSError):
            self._process.join()
            return None
        return JobResult.from_json(text) if kind == "result" else _error(kind, text)

    def describe_death(self) -> str:
        """Return how it died."""
        code = self._process.exitcode
        return f"signal {-code}" if code is not None and code < 0 else f"exit status {code}"

    def end(self) -> None:
        """Kill it; what it was at is lost."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self.connection.close()


class Processes:
    """Runs jobs in processes of this machine, each of which has its own worker.

    Args:
        plan: whose jobs.
        make_worker: a function of a module, called in each process.
        count: how many processes, 1 to 1,024.

    Raises:
        ConfigError: the count is out of range.
    """

    def __init__(self, plan: Plan, make_worker: MakeWorker, count: int) -> None:
        if not 1 <= count <= MOST_PROCESSES:
            raise ConfigError(f"jobs = {count}: choose 1 to {MOST_PROCESSES} processes")
        self._plan = plan.to_bytes()
        self._make_worker = make_worker
        self._count = count
        self._all: list[_Process] = []

    def run(
        self, jobs: Sequence[Job], is_interrupted: Callable[[], bool]
    ) -> Iterator[tuple[Job, JobResult]]:
        """Yield each job with its result as they come; end at once when interrupted.

        Raises:
            WorkerError: two processes died of one job.
            UniSMPError: what a worker raised.
        """
        left = deque(jobs)
        deaths: dict[int, int] = {}
        while not is_interrupted():
            self._hand_out(left)
            busy = {each.connection: each for each in self._all if each.job is not None}
            if not busy:
                return
            for connection in wait(list(busy), _POLL_SECONDS):
                assert isinstance(connection, Connection)
                process = busy[connection]
                job, process.job = process.job, None
                assert job is not None
                answer = process.take()
                if answer is None:
                    self._replace(process, job, deaths)
                    left.appendleft(job)
                elif isinstance(answer, UniSMPError):
                    raise answer
                else:
                    yield job, answer

    def _hand_out(self, left: deque[Job]) -> None:
        idle = [each for each in self._all if each.job is None]
        while left:
            if not idle:
                if len(self._all) >= self._count:
                    return
                idle.append(_Process(self._plan, self._make_worker))
                self._all.append(idle[-1])
            idle.pop().give(left.popleft())

    def _replace(self, process: _Process, job: Job, deaths: dict[int, int]) -> None:
        how = process.describe_death()
        self._all.remove(process)
        process.end()
        deaths[job.number] = deaths.get(job.number, 0) + 1
        if deaths[job.number] >= _MOST_DEATHS:
            raise WorkerError(
                f"job {job.number}: {_MOST_DEATHS} processes died of it (the last by {how}); "
                "what is finished is kept"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        for process in self._all:
            process.end()
        self._all.clear()


def _serve(connection: Connection, plan: bytes, make_worker: MakeWorker) -> None:
    """Run jobs until the other side is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker: Worker | None = None
    try:
        while True:
            job = connection.recv()
            try:
                worker = worker or make_worker(Plan.from_bytes(plan))
                answer = ("result", worker.run(job).to_json())
            except UniSMPError as error:
                answer = (type(error).__name__, str(error))
            except Exception:  # noqa: BLE001 - told to those who can report it
                answer = (InternalError.__name__, traceback.format_exc())
            connection.send(answer)
    except (EOFError, OSError):
        return


def _error(kind: str, text: str) -> UniSMPError:
    found = getattr(uniSMP.errors, kind, InternalError)
    assert issubclass(found, UniSMPError)
    return found(text)
