"""What exploration says of a protocol of `guest/locks`: the one place where verdicts come from.

Each protocol's program pair_NAME is explored: one operation a core. First all schedules with at
most two preemptions, on two and on three cores; then all schedules on two cores, one of each
Mazurkiewicz trace; then PCT on four cores. The first violation ends it: it is shrunk and kept.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from uniSMP.errors import InternalError
from uniSMP.explore.counterexample import keep_counterexample
from uniSMP.explore.exploration import explore
from uniSMP.explore.job import CheckChoice, Limits, Plan
from uniSMP.explore.methods import UNFINISHED, End
from uniSMP.explore.opaque import opaque_handlers
from uniSMP.explore.scene import FROM_SYMBOL, UNTIL_SYMBOL
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.target import Target

_REGIONS = ("pmm_enter..pmm_exit", "second_enter..second_exit")
_LIMITS = Limits(executions=1_000_000, jobs=1)
_PROPERTIES = "exclusion; no core stuck for ever"


@dataclass(frozen=True, slots=True)
class Budget:
    """What the exploration of one protocol may take.

    Attributes:
        bounded_cores: numbers of cores with which schedules of two preemptions are explored.
        preemptions: or of so many.
        trace_cores: numbers of cores with which all schedules are explored.
        most_executions: of either; where there are more the bound says how many were run.
        pct_cores: number of cores for PCT.
        pct_executions: of PCT; 0 leaves it out.
        traces: folder, relative to the working directory, where counterexamples are written; None:
            nowhere.
    """

    bounded_cores: tuple[int, ...] = (2, 3)
    preemptions: int = 2
    trace_cores: tuple[int, ...] = (2,)
    most_executions: int = 20_000
    pct_cores: int = 4
    pct_executions: int = 10_000
    traces: str | None = "traces/violations"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found within a bound.

    Attributes:
        verdict: whether an execution violates a property, or none within the bound does.
        property: the property that is violated; of one that holds, all that were checked.
        bound: which executions were looked at, for people.
        executions: how many.
        counterexample: path of the recording that violates the property; None where it holds.
    """

    verdict: Literal["violated", "holds"]
    property: str
    bound: str
    executions: int
    counterexample: str | None

    def as_dict(self) -> dict[str, str | int | None]:
        """Return the attributes by name."""
        return asdict(self)


def verdict(name: str, budget: Budget | None = None) -> Verdict:
    """Return the verdict on a protocol.

    Deterministic: the same protocol and budget have the same verdict.

    Raises:
        AssemblyError: there is no such protocol.
        InternalError: an execution did not end, so that nothing can be said.
    """
    executions, bounds = 0, []
    for bound, plan, most in _plans(name, budget or Budget()):
        explored = explore(plan, most)
        executions += explored.summary.executions
        is_cut = explored.summary.end is End.EXECUTIONS and plan.strategy != "pct"
        bounds.append(f"{most:,} of {bound}" if is_cut else bound)
        if explored.summary.counts.get(UNFINISHED, 0):
            raise InternalError(f"{name}: executions reached the limit of instructions")
        for each in opaque_handlers(explored.summary.counts):
            if not each.is_tried:
                raise InternalError(f"{name}: {each}")
        if explored.summary.found:
            content = explored.summary.found[0].content
            kept = None
            folder = (budget or Budget()).traces
            if folder is not None:
                Path(folder).mkdir(parents=True, exist_ok=True)
                path = Path(folder) / f"{name}.rec"
                keep_counterexample(plan, content, path)
                kept = path.as_posix()
            return Verdict("violated", str(content["check"]), bound, executions, kept)
    return Verdict("holds", _PROPERTIES, "; ".join(bounds), executions, None)


def _plans(name: str, budget: Budget) -> Iterator[tuple[str, Plan, int]]:
    """Yield what is explored: the bound for people, the plan, and how many executions."""
    target = Target.of_program(f"pair_{name}")
    regions = [text for text in _REGIONS if text.partition("..")[0] in target.labels]
    checks = (CheckChoice("exclusion", {"regions": regions}),)

    def make(cores: int, strategy: str, **parameters: Any) -> Plan:  # noqa: ANN401 - JSON
        return Plan(
            target=target,
            config=MachineConfig(cores=cores),
            strategy=strategy,
            parameters=parameters,
            from_symbol=FROM_SYMBOL,
            until_symbol=UNTIL_SYMBOL,
            checks=checks,
            limits=_LIMITS,
        )

    for cores in budget.bounded_cores:
        plan = make(cores, "bounded", preemptions=budget.preemptions)
        bound = f"all with <= {budget.preemptions} preemptions, {cores} cores"
        yield bound, plan, budget.most_executions
    for cores in budget.trace_cores:
        yield f"all, {cores} cores", make(cores, "dpor"), budget.most_executions
    if budget.pct_executions:
        cores, most = budget.pct_cores, budget.pct_executions
        yield f"{most:,} of PCT d=3, {cores} cores", make(cores, "pct", depth=3), most
