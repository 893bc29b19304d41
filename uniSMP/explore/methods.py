"""What a strategy is to a campaign, and what a campaign has come to.

A strategy runs jobs (`job.Worker`), in many processes; and it says where to begin, how much is left
and what the results show (`Approach`), in the one that hands out jobs. `catalog.METHODS` has all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Any, Protocol

from uniSMP.explore.job import Payload, Plan, Worker

STATES, SCHEDULES = "states", "schedules"
"""Names in `JobResult.sets`: hashes of distinct final states, and of distinct schedules."""
PAIRS, ORDERS = "pairs", "orders"
"""Also there: pairs of accesses that conflict; and in which order each was seen, of two a pair."""
UNFINISHED = "unfinished"
"""Name in `JobResult.counts`: executions that reached the limit of instructions."""
SHARE = "share"
"""Name in `JobResult.counts`: the part of a tree that is done, in units of 1 / `WHOLE`.

A leaf counts 1 / (b1 * b2 * ...), where b are the numbers of children on the way to it. Executions
divided by this share estimate all executions without bias. Source: D. E. Knuth, "Estimating the
efficiency of backtrack programs", Mathematics of Computation 29 (1975).
"""
WHOLE = 1 << 62


class End(Enum):
    """Why a campaign stopped."""

    COMPLETE = "complete"
    """Nothing is left to do."""
    VIOLATED = "violated"
    EXECUTIONS = "executions"
    """It ran as many executions as were asked for."""
    BUDGET = "budget"
    """Its time was over: where it stopped depends on the machine."""
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Found:
    """A violation, as the first job that saw it tells it, and how often it was seen.

    Attributes:
        job: number of that job.
        content: what stood in `JobResult.found`.
        times: 1 or more; violations with the same key are one.
    """

    job: int
    content: Mapping[str, Any]
    times: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What the finished rounds of a campaign came to.

    Attributes:
        executions: that were run.
        blocked: that were given up as redundant.
        rounds: that are finished.
        jobs: that are finished.
        pending: jobs that are left, with those of a round that is not merged yet.
        kept: finished jobs among them.
        counts: sums by name.
        distinct: sizes of the united sets by name.
        found: violations in the order of their jobs.
        end: why it stopped; None while it runs.
    """

    executions: int = 0
    blocked: int = 0
    rounds: int = 0
    jobs: int = 0
    pending: int = 0
    kept: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    distinct: Mapping[str, int] = field(default_factory=dict)
    found: tuple[Found, ...] = ()
    end: End | None = None

    def estimate_rest(self) -> int | None:
        """Return how many executions of a tree are left, by `SHARE`; None where none was told."""
        share = self.counts.get(SHARE, 0)
        if self.pending == 0:
            return 0
        if share <= 0:
            return None
        return max(round(self.executions * (Fraction(WHOLE, share) - 1)), self.pending)


class Approach(Protocol):
    """What a campaign asks the strategy of its plan."""

    def payloads(self) -> list[Payload]:
        """Return what the first jobs are to do; one or more.

        Raises:
            ConfigError: the plan does not suit the strategy: a parameter, a symbol, a check.
        """

    def rest(self, summary: Summary) -> int | None:
        """Return how many executions are left, about; None where that is not known or endless."""

    def statement(self, summary: Summary) -> str:
        """Return what the results show and what they do not, in a sentence with its figures."""


@dataclass(frozen=True, slots=True)
class Method:
    """A strategy that can be chosen.

    Attributes:
        about: it in a line.
        make_approach: of a plan, where jobs are handed out.
        make_worker: of a plan, in the process that works; a function of a module, so that other
            processes find it by its name.
        parameters: those that it takes, by name.
        job_executions: of one job; many where jobs follow one another.
        is_endless: whether it always has more to do, and needs to be told when to stop.
    """

    about: str
    make_approach: Callable[[Plan], Approach]
    make_worker: Callable[[Plan], Worker]
    parameters: frozenset[str] = frozenset()
    is_endless: bool = False
    job_executions: int = 64
