import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "explore"))
import toy

from uniSMP.cli.explore_progress import describe
from uniSMP.explore.campaign import Progress
from uniSMP.explore.catalog import METHODS
from uniSMP.explore.job import CheckChoice, Job, JobResult, Plan
from uniSMP.explore.methods import Found, Method, Summary

SOURCE = "_start: nop\nexplore_from: nop\nmiddle: nop\nexplore_until: hlt\n"
PLANS: list[Plan] = []


class Bad(toy.Worker):
    """Finds number 40 bad."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._parameters = {"bad": [40]}


class Impatient(toy.Worker):
    """Presses Ctrl-C in job 2."""

    def run(self, job: Job) -> JobResult:
        if job.number == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return super().run(job)


class Noting(toy.Approach):
    """Notes the plan."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        PLANS.append(plan)


@pytest.fixture(autouse=True)
def _methods(monkeypatch: pytest.MonkeyPatch) -> None:
    PLANS.clear()
    monkeypatch.setitem(METHODS, "tree", Method("", Noting, toy.Worker, frozenset({"depth"})))
    monkeypatch.setitem(METHODS, "count", Method("", Noting, toy.Worker, is_endless=True))
    monkeypatch.setattr("uniSMP.cli.explore.tell", lambda *_: ())  # the toy runs no guest


@pytest.fixture
def explore(unismp: Callable[..., Any], source: Callable[[str], str]) -> Callable[..., Any]:
    """Explore a small guest."""
    return lambda strategy, *rest: unismp("explore", source(SOURCE), "--strategy", strategy, *rest)


def choose_worker(monkeypatch: pytest.MonkeyPatch, worker: type[toy.Worker]) -> None:
    method = Method("", Noting, worker, is_endless=True)
    monkeypatch.setitem(METHODS, "count", method)


def test_tree_that_holds_is_said_to_hold(explore: Callable[..., Any]) -> None:
    call = explore("tree", "--depth", "7")
    lines = call.out.splitlines()
    assert call.status == 0
    assert lines[0].startswith("45 executions, 45 of them now, ")
    assert lines[1:] == ["32 states", "HOLDS: 45 executions, none violates"]


def test_violation_is_told_and_is_the_exit_status(
    explore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    choose_worker(monkeypatch, Bad)
    call = explore("count", "--executions", "1000")
    assert call.status == 1
    assert call.out.splitlines()[1:] == [
        "10 states",
        "violation: 40 is bad",
        "VIOLATED: violated after 1000 executions",
        "32 jobs are left; --out DIR would have kept the campaign, to go on with it",
    ]


def test_json_has_everything(explore: Callable[..., Any]) -> None:
    call = explore("count", "--executions", "100", "--seed", "7", "--json")
    told = json.loads(call.out)
    assert told.pop("seconds") >= 0
    assert told.pop("plan") == PLANS[0].key()
    assert told.pop("target").endswith("guest.asm")
    assert told == {
        "strategy": "count",
        "parameters": {},
        "seed": 7,
        "verdict": "holds",
        "statement": "100 executions, none violates",
        "end": "executions",
        "deterministic": True,
        "executions": 100,
        "blocked": 0,
        "rounds": 1,
        "jobs": 2,
        "pending": 32,
        "counts": {"sum": 4950},
        "opaque_handlers": [],
        "distinct": {"numbers": 100, "states": 10},
        "counterexamples": [],
        "found": [],
    }


def test_processes_do_not_change_what_is_told(explore: Callable[..., Any]) -> None:
    one, two = (explore("tree", "--depth", "9", "--json", "--jobs", jobs) for jobs in "12")
    told = [json.loads(call.out) | {"seconds": 0} for call in (one, two)]
    assert told[0] == told[1]


def test_interrupted_exploration_says_how_to_go_on_and_does(
    explore: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = ("count", "--executions", "500", "--out", str(tmp_path / "out"))
    choose_worker(monkeypatch, Impatient)
    first = explore(*options)
    choose_worker(monkeypatch, toy.Worker)
    second = explore(*options)
    assert (first.status, second.status) == (130, 0)
    assert first.out.splitlines()[-2:] == [
        "UNDECIDED: 0 executions, none violates",
        "29 jobs are left, 3 of their round are done; the same command goes on with them, from "
        + options[-1],
    ]
    assert "HOLDS: 500 executions, none violates" in second.out


def test_plan_has_what_the_options_say(explore: Callable[..., Any]) -> None:
    explore(
        *("tree", "--depth", "3", "--cores", "2", "--memory", "32M", "--seed", "9"),
        *("--check", "deadlock", "--check", "idle:limit=5,core=1", "--exclusive", "a..b"),
        *("--exclusive", "c..d", "--until", "middle", "--max-instructions", "77"),
    )
    plan = PLANS[0]
    assert (plan.config.cores, plan.config.memory_bytes, plan.config.boot) == (2, 32 << 20, "long")
    assert (plan.seed, plan.parameters, plan.limits.instructions) == (9, {"depth": 3}, 77)
    assert (plan.from_symbol, plan.until_symbol) == ("explore_from", "middle")
    assert plan.checks == (
        CheckChoice("deadlock"),
        CheckChoice("idle", {"limit": "5", "core": "1"}),
        CheckChoice("exclusion", {"regions": ["a..b", "c..d"]}),
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("none",), "no strategy is called none: choose one of bounded, count, "),
        (("count",), "the strategy count never ends by itself: give --executions or --budget"),
        (("count", "--executions", "0"), "executions = 0: choose 1 or more"),
        (("count", "--budget", "0"), "--budget 0.0: choose a number of seconds above 0"),
        (("count", "--budget", "nan"), "--budget nan: choose a number of seconds above 0"),
        (("tree", "--preemptions", "2"), "--preemptions: the strategy tree has no such parameter"),
        (("tree", "--depth", "-1"), "--depth -1: choose 0 or more"),
        (("tree", "--seed", "-1"), "seed -1: choose 0 to "),
        (("tree", "--from", "nowhere"), "--from nowhere: "),
        (("tree", "--check", ":a=1"), "--check :a=1: the name of the check is missing"),
        (("tree", "--check", "a:b"), "--check a:b: write NAME or NAME:KEY=VALUE"),
        (("tree", "--max-instructions", "0"), "--max-instructions 0: choose 1 or more"),
        (("tree", "--jobs", "0"), "jobs = 0: choose 1 to 1024 processes"),
        (("tree", "--jobs", "2", "--cluster", "a:1"), "--jobs and --cluster: "),
        (("tree", "--cluster", "a"), "--cluster a: write HOST:PORT"),
        (("tree", "--out", ""), "--out: the name of the folder is empty"),
    ],
)
def test_mistake_is_told_in_a_line(
    options: tuple[str, ...], message: str, explore: Callable[..., Any]
) -> None:
    call = explore(*options)
    assert (call.status, call.err.count("\n")) == (2, 1)
    assert message in call.err


def test_other_plan_in_the_folder_is_refused(explore: Callable[..., Any], tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    explore("tree", "--depth", "3", "--out", out)
    call = explore("tree", "--depth", "4", "--out", out)
    assert call.status == 2
    assert "another plan (different: parameters.depth); choose another --out" in call.err


def test_time_that_is_over_is_told(explore: Callable[..., Any]) -> None:
    call = explore("count", "--budget", "1e-9")
    assert call.status == 0
    assert "the time was over; where that is depends on the machine" in call.out


def test_progress_is_described_in_a_line() -> None:
    summary = Summary(
        pending=1234,
        distinct={"states": 1000, "schedules": 20, "pairs": 30, "orders": 41},
        found=(Found(1, {}, 1),),
    )
    assert describe(Progress(summary, 6000, 10000, is_estimate=True), 2.0, 1000) == (
        "   2.0 s  6,000 executions (2,500/s)  1,234 jobs pending  1,000 states  20 schedules  "
        "41 of 60 orders of conflicting pairs  about 10,000 executions left  4 s  1 violations"
    )


@pytest.mark.parametrize(("rest", "told"), [(59, "59 s"), (600, "10 min"), (7200, "2.0 h")])
def test_time_that_is_left_is_described(rest: int, told: str) -> None:
    line = describe(Progress(Summary(), 1, rest, is_estimate=False), 1.0, 0)
    assert line.endswith(f"  {rest:,} executions left  {told}")
