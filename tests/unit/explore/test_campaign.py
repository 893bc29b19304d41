from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import toy

from uniSMP.errors import ConfigError, InternalError
from uniSMP.explore.campaign import Campaign, Progress, Stop
from uniSMP.explore.job import Job, JobResult, Limits, Payload, Plan
from uniSMP.explore.methods import SHARE, WHOLE, End, Summary
from uniSMP.explore.store import Store
from uniSMP.explore.workers import OneProcess


class Observed(OneProcess):
    """Notes which jobs it was given, round by round; answers in the opposite order."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan, toy.Worker)
        self.rounds: list[list[tuple[int, int]]] = []

    def run(
        self, jobs: Sequence[Job], is_interrupted: Callable[[], bool]
    ) -> Iterator[tuple[Job, JobResult]]:
        self.rounds.append([(job.number, job.executions) for job in jobs])
        yield from super().run(jobs[::-1], is_interrupted)


def explore(
    plan: Plan, stop: Stop | None = None, folder: Path | None = None, crew: Any = None
) -> Summary:
    with Store(folder) as store:
        campaign = Campaign(plan, toy.Approach(plan), store)
        return campaign.run(crew or OneProcess(plan, toy.Worker), stop or Stop())


def after(calls: int) -> Callable[[], bool]:
    """Return what is false so many times, then true."""
    answers = iter([False] * calls)
    return lambda: next(answers, True)


def test_tree_is_walked_to_its_end() -> None:
    plan = toy.make_plan(depth=7)
    summary = explore(plan)
    assert (summary.end, summary.executions, summary.pending) == (End.COMPLETE, 45, 0)
    assert abs(WHOLE - summary.counts[SHARE]) < 1000
    assert summary.distinct == {"names": 2, "states": 32}


def test_rounds_take_the_first_jobs_in_order() -> None:
    plan = toy.make_plan("count")
    crew = Observed(plan)
    explore(plan, Stop(executions=60), crew=crew)
    assert crew.rounds == [
        [(0, 7), (1, 7), (2, 7), (3, 7)],
        [(4, 7), (5, 7), (6, 7), (7, 7)],
        [(8, 4)],
    ]


def test_order_of_the_answers_does_not_matter() -> None:
    plan = toy.make_plan(depth=7, bad=[[0] * 7])
    stop = Stop(keep_going=True)
    assert explore(plan, stop, crew=Observed(plan)) == explore(plan, stop)


@pytest.mark.parametrize("executions", [1, 7, 28, 29, 100])
def test_executions_end_it_exactly_there(executions: int) -> None:
    summary = explore(toy.make_plan("count"), Stop(executions=executions))
    assert (summary.end, summary.executions) == (End.EXECUTIONS, executions)
    assert summary.counts == {"sum": executions * (executions - 1) // 2}


@pytest.mark.parametrize("executions", [1, 30, 44])
def test_executions_end_a_tree_exactly_there(executions: int) -> None:
    summary = explore(toy.make_plan(depth=7), Stop(executions=executions))
    assert (summary.end, summary.executions) == (End.EXECUTIONS, executions)


@pytest.mark.parametrize("first", [1, 10, 28, 50])
def test_more_executions_repeat_none_of_the_fewer_before(first: int, tmp_path: Path) -> None:
    plan = toy.make_plan("count")
    explore(plan, Stop(executions=first), tmp_path)
    summary = explore(plan, Stop(executions=80), tmp_path)
    assert (summary.executions, summary.distinct["numbers"]) == (80, 80)


def test_violation_ends_it_after_its_round() -> None:
    summary = explore(toy.make_plan("count", bad=[30, 50]))
    assert (summary.end, summary.executions, summary.rounds) == (End.VIOLATED, 56, 2)
    assert [found.content["summary"] for found in summary.found] == ["30 is bad", "50 is bad"]
    assert [found.job for found in summary.found] == [4, 7]


def test_violated_campaign_does_nothing_more(tmp_path: Path) -> None:
    plan = toy.make_plan("count", bad=[30])
    crew = Observed(plan)
    summary = explore(plan, folder=tmp_path)
    assert explore(plan, folder=tmp_path, crew=crew) == summary
    assert crew.rounds == []


def test_keep_going_goes_on_behind_a_violation(tmp_path: Path) -> None:
    plan = toy.make_plan("count", bad=[30], end=100)
    explore(plan, folder=tmp_path)
    summary = explore(plan, Stop(keep_going=True), tmp_path)
    assert (summary.end, summary.executions, summary.pending) == (End.VIOLATED, 100, 0)


def test_equal_violations_are_one_with_its_number_of_times() -> None:
    class Same(toy.Worker):
        def run(self, job: Job) -> JobResult:
            return JobResult(executions=2, found=[{"key": [1], "summary": f"of {job.number}"}] * 2)

    plan = toy.make_plan("count", end=14)
    crew = OneProcess(plan, Same)
    (found,) = explore(plan, crew=crew).found
    assert (found.content["summary"], found.job, found.times) == ("of 0", 0, 4)


def test_time_ends_it_between_two_rounds_only() -> None:
    summary = explore(toy.make_plan("count"), Stop(is_over=after(2)))
    assert (summary.end, summary.rounds, summary.executions) == (End.BUDGET, 2, 56)


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 7, 12])
def test_interrupted_campaign_goes_on_as_if_nothing_had_been(calls: int, tmp_path: Path) -> None:
    plan = toy.make_plan(depth=7)
    first = explore(plan, Stop(is_interrupted=after(calls)), tmp_path)
    assert first.end is End.INTERRUPTED
    assert explore(plan, folder=tmp_path) == explore(plan)


def test_finished_jobs_of_an_interrupted_round_are_not_done_again(tmp_path: Path) -> None:
    plan = toy.make_plan("count")
    explore(plan, Stop(executions=28, is_interrupted=after(3)), tmp_path)
    crew = Observed(plan)
    explore(plan, Stop(executions=28), tmp_path, crew)
    assert crew.rounds == [[(2, 7), (3, 7)]]


def test_progress_counts_the_round_under_way_and_what_is_left() -> None:
    plan = toy.make_plan("count")
    seen: list[Progress] = []
    with Store(None) as store:
        campaign = Campaign(plan, toy.Approach(plan), store)
        campaign.run(OneProcess(plan, toy.Worker), Stop(executions=30), seen.append)
    assert [(each.executions, each.rest) for each in seen] == [
        (7, 23),
        (14, 16),
        (21, 9),
        (28, 2),
        (30, 0),
    ]
    assert [each.is_estimate for each in seen] == [False] * 5


def test_progress_of_a_tree_is_estimated() -> None:
    plan = toy.make_plan(depth=7)
    seen: list[Progress] = []
    with Store(None) as store:
        campaign = Campaign(plan, toy.Approach(plan), store)
        campaign.run(OneProcess(plan, toy.Worker), Stop(), seen.append)
    assert [(each.executions, each.rest) for each in seen[:3]] == [(7, None), (8, 13), (9, 12)]
    assert (seen[-1].executions, seen[-1].rest, seen[-1].is_estimate) == (45, 0, True)


def test_worker_that_does_more_than_it_may_is_a_bug() -> None:
    class Eager(toy.Worker):
        def run(self, job: Job) -> JobResult:
            return JobResult(executions=job.executions + 1)

    plan = toy.make_plan("count")
    with pytest.raises(InternalError, match="job 0 ran 8 executions, 7 were allowed"):
        explore(plan, crew=OneProcess(plan, Eager))


def test_plan_that_the_strategy_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not take"):
        explore(toy.make_plan(depth=3, unfit=1), folder=tmp_path)
    assert explore(toy.make_plan(depth=3), folder=tmp_path).end is End.COMPLETE


def test_executions_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match="executions = 0"):
        Stop(executions=0)


def test_limits_decide_how_much_a_round_is() -> None:
    plan = toy.make_plan("count", Limits(executions=2, jobs=3))
    crew = Observed(plan)
    explore(plan, Stop(executions=7), crew=crew)
    assert crew.rounds == [[(0, 2), (1, 2), (2, 2)], [(3, 1)]]


def test_payloads_are_what_a_job_gets() -> None:
    seen: list[Payload] = []

    class Noting(toy.Worker):
        def run(self, job: Job) -> JobResult:
            seen.append(job.payload)
            return super().run(job)

    plan = toy.make_plan("count", end=10)
    explore(plan, crew=OneProcess(plan, Noting))
    assert seen == [
        {"start": 0, "first": 0, "stop": 7, "end": 10},
        {"start": 7, "first": 7, "stop": 10, "end": 10},
    ]
