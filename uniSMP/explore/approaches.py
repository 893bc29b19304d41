"""The strategies as campaigns see them: how work is cut into jobs, and what the results show."""

from collections.abc import Callable

from uniSMP.explore import ranges
from uniSMP.explore.bounded import Bounded
from uniSMP.explore.dpor import Dpor
from uniSMP.explore.job import Job, JobResult, Payload, Plan
from uniSMP.explore.methods import UNFINISHED, End, Summary
from uniSMP.explore.opaque import REPEATED, opaque_handlers
from uniSMP.explore.pct import Pct
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.strategy import Strategy
from uniSMP.explore.workshop import Tally, check_parameter, workshop

ENDED = "ended by the guest"
"""Name in `JobResult.counts`: executions that the guest ended while other cores could go on."""


def _result(tally: Tally, more: list[Payload], repeated: int = 0) -> JobResult:
    return JobResult(
        executions=tally.executions,
        blocked=tally.blocked,
        found=tally.found,
        more=more,
        counts={
            UNFINISHED: tally.unfinished,
            ENDED: tally.ended,
            REPEATED: repeated,
            **tally.opaque,
        },
        sets=tally.sets,
    )


def _verdict(summary: Summary) -> str:
    """Return what was seen, as the end of a sentence."""
    unfinished = summary.counts.get(UNFINISHED, 0)
    rest = f" ({unfinished:,} reached the limit of instructions)" if unfinished else ""
    ended = summary.counts.get(ENDED, 0)
    if ended:
        rest += (
            f"; {ended:,} were ended by the guest while other cores could go on: what these might "
            "have done before is not covered"
        )
    repeated = summary.counts.get(REPEATED, 0)
    if repeated:
        rest += f"; {repeated:,} were repeated when a handler was first seen to be opaque"
    rest += "".join(f"; {each}" for each in opaque_handlers(summary.counts))
    if not summary.found:
        return f"none violates anything that was checked{rest}"
    times = sum(each.times for each in summary.found)
    return f"{times:,} violate something{rest}"


class NumberedWorker:
    """Runs stretches of executions that depend on their numbers only.

    Args:
        plan: what is explored.
        make: the strategy for a range of numbers.
    """

    def __init__(self, plan: Plan, make: Callable[[Plan, range], Strategy]) -> None:
        self._plan = plan
        self._make = make

    def run(self, job: Job) -> JobResult:
        """Run them, up to the first violation."""
        numbers = ranges.numbers(job)
        strategy = self._make(self._plan, numbers)
        tally, done = Tally(workshop(self._plan)), 0
        while not tally.found and tally.perform(strategy):
            done += 1
        return _result(tally, ranges.further(job, done, self._plan.limits))


def make_random(plan: Plan, numbers: range) -> Strategy:
    """Return the random walk of a plan."""
    return RandomWalk(workshop(plan).learnt, plan.seed, numbers)


def make_pct(plan: Plan, numbers: range) -> Pct:
    """Return the PCT of a plan."""
    depth = check_parameter(plan, "depth", 3, 1, 64)
    return Pct(workshop(plan).learnt, plan.seed, numbers, depth=depth, cores=plan.config.cores)


class NumberedApproach:
    """Random walk and PCT.

    Args:
        plan: what is explored.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def payloads(self) -> list[Payload]:
        """Return the first stretches."""
        workshop(self._plan)
        return ranges.first_payloads(self._plan.limits)

    def rest(self, summary: Summary) -> int | None:
        """Return None: there is always more."""
        del summary
        return None

    def statement(self, summary: Summary) -> str:
        """Return what was done and seen."""
        return f"random walk: {summary.executions:,} executions, {_verdict(summary)}"


class PctApproach(NumberedApproach):
    """PCT, which knows what it may have missed."""

    def payloads(self) -> list[Payload]:
        """Return the first stretches."""
        make_pct(self._plan, range(0))
        return super().payloads()

    def statement(self, summary: Summary) -> str:
        """Return what was done and seen, and the probability of having missed a bug."""
        pct = make_pct(self._plan, range(0))
        missed = (1 - pct.bound) ** summary.executions
        learnt = workshop(self._plan).learnt
        return (
            f"PCT d={pct.depth}: {summary.executions:,} executions, {_verdict(summary)}; a bug of "
            f"depth {pct.depth} at the places learnt is missed with a probability <= {missed:.2g} "
            f"(n={2 * self._plan.config.cores}, k={learnt.choices})"
        )


class BoundedWorker:
    """Explores schedules with a bounded number of preemptions.

    Args:
        plan: what is explored.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._most = check_parameter(plan, "preemptions", 2, 0, 64)

    def run(self, job: Job) -> JobResult:
        """Run the next schedules, up to the first violation."""
        shop = workshop(self._plan)
        strategy = Bounded(self._plan.config.cores, self._most, job.payload)
        tally, is_over = Tally(shop), False
        while tally.executions < job.executions and not tally.found:
            if not tally.perform(strategy):
                is_over = True
                break
        return _result(tally, [] if is_over else [strategy.state()], strategy.repeated)


class BoundedApproach:
    """All schedules with at most K preemptions.

    Args:
        plan: what is explored.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._most = check_parameter(plan, "preemptions", 2, 0, 64)

    def payloads(self) -> list[Payload]:
        """Return the one that goes straight on."""
        workshop(self._plan)
        return [Bounded(self._plan.config.cores, self._most).state()]

    def rest(self, summary: Summary) -> int | None:
        """Return None: how large the tree is shows at the end."""
        return None if summary.pending else 0

    def statement(self, summary: Summary) -> str:
        """Return what was done and seen."""
        all_or_some = "all" if summary.end is End.COMPLETE else "some of the"
        return (
            f"{all_or_some} schedules with <= {self._most} preemptions, equivalent ones once: "
            f"{summary.executions:,} executions, {_verdict(summary)}"
        )


class DporWorker:
    """Goes on with the one tree of traces.

    Args:
        plan: what is explored.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def run(self, job: Job) -> JobResult:
        """Run the next executions, up to the first violation."""
        shop = workshop(self._plan)
        strategy = Dpor(shop.executor)
        strategy.go_on(job.payload)
        tally, is_over = Tally(shop), False
        while tally.executions < job.executions and not tally.found:
            if not tally.perform(strategy):
                is_over = True
                break
        return _result(tally, [] if is_over else [strategy.state()], strategy.repeated)


class DporApproach:
    """One execution for each Mazurkiewicz trace.

    Args:
        plan: what is explored.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def payloads(self) -> list[Payload]:
        """Return the beginning."""
        return [Dpor(workshop(self._plan).executor).state()]

    def rest(self, summary: Summary) -> int | None:
        """Return None: how large the tree is shows at the end."""
        return None if summary.pending else 0

    def statement(self, summary: Summary) -> str:
        """Return what was done and seen."""
        if summary.end is End.COMPLETE:
            what = f"all schedules, one of each Mazurkiewicz trace: {summary.executions:,}"
        else:
            what = f"some of the Mazurkiewicz traces, one schedule of each: {summary.executions:,}"
        return f"{what} executions (and {summary.blocked:,} cut short), {_verdict(summary)}"
