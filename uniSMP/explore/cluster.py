"""Who runs jobs on other machines: a cluster of dask.distributed (extra `cluster`).

A process of the cluster that dies costs nothing but time: the scheduler gives its jobs to others,
and refuses a job only when several died of it (its setting `allowed-failures`). Each process makes
one worker for a plan and runs one job at a time, however many threads it has.

Source: documentation of Dask.distributed 2026.8, "Resilience" and "Managing Computation".
"""

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from uniSMP.errors import ConfigError, InternalError, UniSMPError, WorkerError
from uniSMP.explore.job import Job, JobResult, Plan, Worker
from uniSMP.explore.workers import MakeWorker

_ADDRESS = re.compile(r"((tcp|tls)://)?[^/\s]+:[0-9]+")
_CONNECT_SECONDS = 10
_POLL_SECONDS = 0.2
_LOCK = threading.Lock()
_WORKERS: dict[str, Worker] = {}
"""The worker of the plan that this process last worked for."""


class Cluster:
    """Runs jobs on the processes of a cluster.

    Args:
        plan: whose jobs.
        make_worker: a function of a module that all of them have.
        address: of the scheduler, such as tcp://10.0.0.1:8786.

    Raises:
        ConfigError: the extra is not installed, or nobody answers or works there.
    """

    def __init__(self, plan: Plan, make_worker: MakeWorker, address: str) -> None:
        try:
            import distributed  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise ConfigError(
                "--cluster needs the extra: pip install 'uniSMP[cluster]', on all machines"
            ) from error
        if _ADDRESS.fullmatch(address) is None:
            raise ConfigError(f"--cluster {address}: write HOST:PORT or tcp://HOST:PORT")
        self._address = address
        self._make_worker = make_worker
        self._library: Any = distributed
        try:
            self._client = distributed.Client(
                address, timeout=_CONNECT_SECONDS, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(
                f"--cluster {address}: no scheduler answers there ({error})"
            ) from error
        if not self._client.scheduler_info(n_workers=1)["workers"]:
            self._client.close()
            raise ConfigError(
                f"--cluster {address}: nobody works there; start processes with "
                f"`dask worker {address}`"
            )
        # As a task, not as data: what a task returned is made anew when its process dies.
        self._plan = self._client.submit(bytes, plan.to_bytes(), key=f"plan-{plan.key()}")
        self._key = plan.key()

    def run(
        self, jobs: Sequence[Job], is_interrupted: Callable[[], bool]
    ) -> Iterator[tuple[Job, JobResult]]:
        """Yield each job with its result as they come; end at once when interrupted.

        Raises:
            WorkerError: processes died of a job, or the scheduler is gone.
            UniSMPError: what a worker raised.
        """
        jobs_by_future = {
            self._client.submit(
                run_job, self._key, self._plan, self._make_worker, job, pure=False
            ): job
            for job in jobs
        }
        try:
            while jobs_by_future and not is_interrupted():
                for future in self._wait(list(jobs_by_future)):
                    job = jobs_by_future.pop(future)
                    yield job, self._result(future, job)
        finally:
            self._client.cancel(list(jobs_by_future))

    def _wait(self, futures: list[Any]) -> list[Any]:
        """Return those that are done, after a while maybe none."""
        with suppress(TimeoutError), self._client.as_current():
            try:
                self._library.wait(futures, timeout=_POLL_SECONDS, return_when="FIRST_COMPLETED")
            except CancelledError as error:
                raise self._gone() from error
        if self._client.status != "running":
            raise self._gone()
        return [future for future in futures if future.done()]

    def _result(self, future: Any, job: Job) -> JobResult:  # noqa: ANN401 - of an untyped library
        try:
            return JobResult.from_json(future.result())
        except UniSMPError:
            raise
        except CancelledError as error:
            raise self._gone() from error
        except self._library.KilledWorker as error:
            raise WorkerError(f"job {job.number}: too many processes died of it") from error
        except Exception as error:
            if future.status != "error":  # the way to the result failed, not the job
                raise self._gone() from error
            raise InternalError(f"job {job.number}: {error!r}") from error

    def _gone(self) -> WorkerError:
        return WorkerError(
            f"--cluster {self._address}: the scheduler is gone; what is finished is kept"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._client.close()


def run_job(key: str, plan: bytes, make_worker: MakeWorker, job: Job) -> str:
    """Run a job in a process of the cluster, and return its result as JSON.

    Args:
        key: of the plan.
        plan: as `Plan.to_bytes` writes it.
        make_worker: makes a worker where this process has none for the plan.
        job: the job.
    """
    with _LOCK:
        if key not in _WORKERS:
            _WORKERS.clear()
            _WORKERS[key] = make_worker(Plan.from_bytes(plan))
        return _WORKERS[key].run(job).to_json()
