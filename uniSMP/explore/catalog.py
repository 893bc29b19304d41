"""The strategies that can be chosen."""

from uniSMP.explore.approaches import (
    BoundedApproach,
    BoundedWorker,
    DporApproach,
    DporWorker,
    NumberedApproach,
    NumberedWorker,
    PctApproach,
    make_pct,
    make_random,
)
from uniSMP.explore.job import Plan, Worker
from uniSMP.explore.methods import Method


def _random_worker(plan: Plan) -> Worker:
    return NumberedWorker(plan, make_random)


def _pct_worker(plan: Plan) -> Worker:
    return NumberedWorker(plan, make_pct)


METHODS: dict[str, Method] = {
    "random": Method(
        "at every place where cores meet any of them goes on",
        NumberedApproach,
        _random_worker,
        is_endless=True,
    ),
    "pct": Method(
        "random priorities that change at --depth - 1 random places",
        PctApproach,
        _pct_worker,
        frozenset({"depth"}),
        is_endless=True,
    ),
    "bounded": Method(
        "every schedule with at most --preemptions preemptions",
        BoundedApproach,
        BoundedWorker,
        frozenset({"preemptions"}),
        job_executions=500,
    ),
    "dpor": Method(
        "every schedule, but only one of those that differ in nothing",
        DporApproach,
        DporWorker,
        job_executions=500,
    ),
}
"""By the name on the command line."""
