"""Jobs for strategies that number their executions 0, 1, 2, ...: random walk, PCT.

There are as many jobs as a round takes. Each has a stretch of numbers, and when that is done gives
rise to the stretch one round further on; so there is always work for all, and no end is needed.
"""

from uniSMP.explore.job import Job, Limits, Payload


def first_payloads(limits: Limits, end: int | None = None) -> list[Payload]:
    """Return the payloads of the first round.

    Args:
        limits: of the plan.
        end: number behind the last execution, 1 or more; None is no end.
    """
    stop = limits.jobs * limits.executions
    starts = range(0, stop if end is None else min(stop, end), limits.executions)
    return [_stretch(start, limits, end) for start in starts]


def numbers(job: Job) -> range:
    """Return the numbers of the executions that a job is to run."""
    first: int = job.payload["first"]
    return range(first, min(job.payload["stop"], first + job.executions))


def further(job: Job, done: int, limits: Limits) -> list[Payload]:
    """Return what a job gives rise to, for `JobResult.more`.

    Args:
        job: the job.
        done: how many of its numbers, from the first on, were run.
        limits: of the plan.
    """
    payload = job.payload
    first = payload["first"] + done
    if first < payload["stop"]:
        return [{**payload, "first": first}]
    start = payload["start"] + limits.jobs * limits.executions
    end: int | None = payload["end"]
    return [_stretch(start, limits, end)] if end is None or start < end else []


def _stretch(start: int, limits: Limits, end: int | None) -> Payload:
    stop = start + limits.executions
    return {
        "start": start,
        "first": start,
        "stop": stop if end is None else min(stop, end),
        "end": end,
    }
