import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import toy

from uniSMP.errors import ConfigError, EngineError, InternalError, WorkerError
from uniSMP.explore.campaign import Campaign, Progress, Stop
from uniSMP.explore.cluster import Cluster
from uniSMP.explore.job import Plan
from uniSMP.explore.methods import End, Summary
from uniSMP.explore.store import Store
from uniSMP.explore.workers import OneProcess

PATH = os.pathsep.join([str(Path(__file__).parent), *sys.path])


class Loopback:
    """A scheduler and processes that work for it, all on this machine."""

    def __init__(self, folder: Path, stack: ExitStack, workers: int) -> None:
        self._folder = folder
        self._stack = stack
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1:0")
        self.address = _read(self.scheduler, "Scheduler at:")
        place = ("--local-directory", str(folder))
        options = (self.address, "--no-nanny", "--nthreads", "1", *place)
        self.workers = [self._start("worker", *options) for _ in range(workers)]
        for worker in self.workers:
            _read(worker, "Registered to:")

    def _start(self, what: str, *options: str) -> subprocess.Popen[str]:
        """Start a process of dask.distributed."""
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options]
        process = subprocess.Popen(
            [*command, "--dashboard-address", "127.0.0.1:0"],
            cwd=self._folder,
            env={
                **os.environ,
                "PYTHONPATH": PATH,
                "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
            },
            stderr=subprocess.PIPE,
            text=True,
        )
        self._stack.enter_context(process)
        self._stack.callback(process.kill)
        return process


def _read(process: subprocess.Popen[str], word: str) -> str:
    """Wait until a process says this, and return the last word of its line."""
    assert process.stderr is not None
    return next(line for line in process.stderr if word in line).split()[-1]


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Callable[[int], Loopback]]:
    with ExitStack() as stack:
        yield lambda workers: Loopback(tmp_path, stack, workers)


def explore(
    plan: Plan, crew: Any, on_progress: Callable[[Progress], None] | None = None
) -> tuple[Summary, list[Any]]:
    with Store(None) as store, crew:
        campaign = Campaign(plan, toy.Approach(plan), store)
        summary = campaign.run(crew, Stop(), on_progress)
        return summary, store.members(toy.STATES)


def killing(process: subprocess.Popen[str], jobs: int) -> Callable[[Progress], None]:
    """Return what kills a process when so many jobs are done."""
    count = 0

    def tick(_progress: Progress) -> None:
        nonlocal count
        count += 1
        if count == jobs:
            process.kill()

    return tick


def test_process_killed_midway_changes_nothing(loopback: Callable[[int], Loopback]) -> None:
    cluster = loopback(2)
    plan = toy.make_plan("count", bad=[200])
    kill = killing(cluster.workers[0], 10)
    found = explore(plan, Cluster(plan, toy.Worker, cluster.address), kill)
    assert cluster.workers[0].wait() == -9
    assert cluster.workers[1].poll() is None
    assert (found[0].end, found[0].executions) == (End.VIOLATED, 224)
    assert found == explore(plan, OneProcess(plan, toy.Worker))


def test_error_of_a_worker_stays_what_it_is(loopback: Callable[[int], Loopback]) -> None:
    plan = toy.make_plan("count", fails=5)
    with pytest.raises(EngineError, match="the toy cannot do this job"):
        explore(plan, Cluster(plan, toy.Worker, loopback(1).address))


def test_bug_of_a_worker_is_told(loopback: Callable[[int], Loopback]) -> None:
    plan = toy.make_plan("count", breaks=5)
    with pytest.raises(InternalError, match="job 5: ZeroDivisionError"):
        explore(plan, Cluster(plan, toy.Worker, loopback(1).address))


def test_job_that_kills_every_process_is_an_error(loopback: Callable[[int], Loopback]) -> None:
    plan = toy.make_plan("count", deadly=0)
    with pytest.raises(WorkerError, match="job 0: too many processes died of it"):
        explore(plan, Cluster(plan, toy.Worker, loopback(2).address))


def test_scheduler_that_dies_is_an_error(loopback: Callable[[int], Loopback]) -> None:
    cluster = loopback(1)
    plan = toy.make_plan("count")
    kill = killing(cluster.scheduler, 10)
    with pytest.raises(WorkerError, match="the scheduler is gone; what is finished is kept"):
        explore(plan, Cluster(plan, toy.Worker, cluster.address), kill)


def test_scheduler_without_processes_is_refused(loopback: Callable[[int], Loopback]) -> None:
    address = loopback(0).address
    with pytest.raises(ConfigError, match=f"nobody works there; .*`dask worker {address}`"):
        Cluster(toy.make_plan(), toy.Worker, address)


def test_address_without_a_scheduler_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uniSMP.explore.cluster._CONNECT_SECONDS", 0.1)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1: no scheduler answers there"):
        Cluster(toy.make_plan(), toy.Worker, "tcp://127.0.0.1:1")


@pytest.mark.parametrize("address", ["", "host", "foo://host:1", "tcp://host", "host:1/path"])
def test_text_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="write HOST:PORT"):
        Cluster(toy.make_plan(), toy.Worker, address)


def test_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"pip install 'uniSMP\[cluster\]'"):
        Cluster(toy.make_plan(), toy.Worker, "127.0.0.1:1")
