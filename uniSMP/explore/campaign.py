"""A campaign: the jobs of one plan, round after round, until there is a reason to stop.

A round is the first so many pending jobs; each runs at most a fixed number of executions; their
results are merged in the order of the jobs. So the work done, and its order, depend on the plan
only, not on how many processes share it nor on how often it was interrupted. Only a limit in
seconds stops it at a place of its own, and only between two rounds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from uniSMP.errors import ConfigError, InternalError
from uniSMP.explore.job import Job, JobResult, Plan
from uniSMP.explore.methods import Approach, End, Summary
from uniSMP.explore.store import Store


class Crew(Protocol):
    """Those who work: this process, others, or other machines."""

    def run(
        self, jobs: Sequence[Job], is_interrupted: Callable[[], bool]
    ) -> Iterator[tuple[Job, JobResult]]:
        """Yield each job with its result, in any order; end early when interrupted.

        Raises:
            WorkerError: a job cannot be done: those who took it died.
        """


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Stop:
    """When a campaign stops before it is complete.

    Attributes:
        executions: after so many, all its runs together; None is no limit. Going on with more
            later repeats none of them, but may come to them in another order.
        keep_going: whether a violation does not stop it.
        is_over: asked between rounds: whether its time is over.
        is_interrupted: asked often: whether to stop at once; what is under way is then done anew.

    Raises:
        ConfigError: the number of executions is below 1.
    """

    executions: int | None = None
    keep_going: bool = False
    is_over: Callable[[], bool] = _never
    is_interrupted: Callable[[], bool] = _never

    def __post_init__(self) -> None:
        if self.executions is not None and self.executions < 1:
            raise ConfigError(f"executions = {self.executions}: choose 1 or more")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a campaign is.

    Attributes:
        summary: of the merged rounds.
        executions: that are run, those of the round under way too.
        rest: how many are left, as far as is known.
        is_estimate: whether `rest` is estimated.
    """

    summary: Summary
    executions: int
    rest: int | None
    is_estimate: bool


class Campaign:
    """Runs a plan.

    Args:
        plan: what is explored.
        approach: of this plan.
        store: where the state is; with the state of this plan, or empty.

    Raises:
        ConfigError: the store has another plan, or the strategy refuses this one.
        FormatError: the store is damaged.
    """

    def __init__(self, plan: Plan, approach: Approach, store: Store) -> None:
        self._limits = plan.limits
        self._approach = approach
        self._store = store
        store.open(plan, approach.payloads)

    def run(
        self, crew: Crew, stop: Stop, on_progress: Callable[[Progress], None] | None = None
    ) -> Summary:
        """Work until there is a reason to stop, and return what the campaign has come to.

        Args:
            crew: who works.
            stop: when to stop.
            on_progress: called after each job.

        Raises:
            WorkerError: a job cannot be done.
            FormatError: the store is damaged.
        """
        while True:
            summary = self._store.summary()
            is_under_way = bool(self._store.unfinished() or self._store.finished())
            if not is_under_way:
                end = _reason(summary, stop)
                if end is not None:
                    return replace(summary, end=end)
                self._store.begin_round(self._shares(summary, stop))
            if not self._finish_round(crew, stop, summary, on_progress):
                return replace(self._store.summary(), end=End.INTERRUPTED)
            self._store.merge_round()

    def _shares(self, summary: Summary, stop: Stop) -> list[int]:
        """Return how many executions each job of the next round may run."""
        limits = self._limits
        most = limits.jobs * limits.executions
        if stop.executions is not None:
            most = min(most, stop.executions - summary.executions)
        starts = range(0, most, limits.executions)
        return [min(limits.executions, most - start) for start in starts][: summary.pending]

    def _finish_round(
        self,
        crew: Crew,
        stop: Stop,
        summary: Summary,
        on_progress: Callable[[Progress], None] | None,
    ) -> bool:
        """Run what is left of the round; return whether all of it is done."""
        left = self._store.unfinished()
        done = summary.executions + sum(each.executions for _, each in self._store.finished())
        rest = self._approach.rest(summary)
        if stop.executions is not None:
            wanted = max(stop.executions - summary.executions, 0)
            is_estimate = rest is not None and rest < wanted
            rest = rest if is_estimate else wanted
        else:
            is_estimate = True
        count = 0
        for job, result in crew.run(left, stop.is_interrupted):
            _check(job, result)
            self._store.keep(job, result)
            count += 1
            done += result.executions
            if on_progress is not None:
                remaining = None if rest is None else max(rest - (done - summary.executions), 0)
                on_progress(Progress(summary, done, remaining, is_estimate))
        return count == len(left)


def _reason(summary: Summary, stop: Stop) -> End | None:
    if summary.found and not stop.keep_going:
        return End.VIOLATED
    if not summary.pending:
        return End.VIOLATED if summary.found else End.COMPLETE
    if stop.executions is not None and summary.executions >= stop.executions:
        return End.EXECUTIONS
    if stop.is_interrupted():
        return End.INTERRUPTED
    return End.BUDGET if stop.is_over() else None


def _check(job: Job, result: JobResult) -> None:
    if result.executions > job.executions:
        raise InternalError(
            f"job {job.number} ran {result.executions} executions, {job.executions} were allowed"
        )
