from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import toy

from uniSMP.errors import ConfigError, EngineError, InternalError, WorkerError
from uniSMP.explore.campaign import Campaign, Stop
from uniSMP.explore.job import Plan
from uniSMP.explore.methods import End, Summary
from uniSMP.explore.store import Store
from uniSMP.explore.workers import MakeWorker, OneProcess, Processes


def one(plan: Plan, make_worker: MakeWorker) -> OneProcess:
    return OneProcess(plan, make_worker)


def two(plan: Plan, make_worker: MakeWorker) -> Processes:
    return Processes(plan, make_worker, 2)


def four(plan: Plan, make_worker: MakeWorker) -> Processes:
    return Processes(plan, make_worker, 4)


def explore(plan: Plan, make_crew: Any, stop: Stop | None = None) -> tuple[Summary, list[Any]]:
    with Store(None) as store, make_crew(plan, toy.Worker) as crew:
        summary = Campaign(plan, toy.Approach(plan), store).run(crew, stop or Stop())
        return summary, store.members(toy.STATES)


@pytest.mark.parametrize(
    ("plan", "stop", "make_crew"),
    [
        (toy.make_plan(depth=9), Stop(), two),
        (toy.make_plan(depth=9), Stop(), four),
        (toy.make_plan(depth=9, bad=[[0] * 9]), Stop(keep_going=True), two),
        (toy.make_plan("count", bad=[30, 45, 70]), Stop(), two),
        (toy.make_plan("count"), Stop(executions=101), four),
    ],
    ids=["tree, 2", "tree, 4", "bad tree, 2", "bad numbers, 2", "numbers, 4"],
)
def test_number_of_processes_does_not_change_the_result(
    plan: Plan, stop: Stop, make_crew: Any
) -> None:
    assert explore(plan, make_crew, stop) == explore(plan, one, stop)


def test_job_of_a_killed_process_is_done_by_another(tmp_path: Path) -> None:
    log = str(tmp_path / "log")
    plan = toy.make_plan("count", end=84, deadly=5, spared=str(tmp_path / "spared"), log=log)
    summary, _ = explore(plan, two)
    assert (summary.end, summary.executions, summary.counts) == (End.COMPLETE, 84, {"sum": 3486})
    done = sorted(int(line) for line in Path(log).read_text().split())
    assert done == [0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 10, 11]


def test_job_that_kills_every_process_is_an_error() -> None:
    plan = toy.make_plan("count", end=84, deadly=5)
    with pytest.raises(WorkerError, match=r"job 5: 2 processes died of it \(the last by signal 9"):
        explore(plan, two)


@pytest.mark.parametrize("make_crew", [one, two])
def test_error_of_a_worker_stays_what_it_is(make_crew: Any) -> None:
    plan = toy.make_plan("count", end=84, fails=5)
    with pytest.raises(EngineError, match="the toy cannot do this job"):
        explore(plan, make_crew)


def test_ctrl_c_is_not_for_the_processes_that_work() -> None:
    plan = toy.make_plan("count", end=84, interrupts=0)
    summary, _ = explore(plan, two)
    assert (summary.end, summary.executions) == (End.COMPLETE, 84)


def test_bug_of_a_worker_is_told_with_its_traceback() -> None:
    plan = toy.make_plan("count", end=84, breaks=5)
    with pytest.raises(InternalError, match=r"(?s)Traceback.*ZeroDivisionError: the toy is broken"):
        explore(plan, two)


def after(calls: int) -> Callable[[], bool]:
    """Return what is false so many times, then true."""
    answers = iter([False] * calls)
    return lambda: next(answers, True)


def test_processes_stop_at_once_when_interrupted() -> None:
    plan = toy.make_plan("count", stuck=0)
    summary, _ = explore(plan, two, Stop(is_interrupted=after(2)))
    assert (summary.end, summary.rounds) == (End.INTERRUPTED, 0)


@pytest.mark.parametrize("count", [0, -1, 1025])
def test_number_of_processes_out_of_range_is_refused(count: int) -> None:
    with pytest.raises(ConfigError, match=f"jobs = {count}: choose 1 to 1024 processes"):
        Processes(toy.make_plan(), toy.Worker, count)
