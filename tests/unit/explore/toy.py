"""A tree to walk and numbers to count instead of a guest, in pure Python.

Parameters of a plan: `depth` of the tree; `bad`: leaves or numbers that violate; `log`: a file to
which each job that is run adds its number. Numbers of jobs: `fails`, `breaks` raise; `stuck` never
ends; `interrupts` sends its process the signal of Ctrl-C; `deadly` kills its process unless the
file `spared` exists, after making that file.
"""

import os
import signal
import zlib
from pathlib import Path
from typing import Any

from uniSMP.errors import ConfigError, EngineError
from uniSMP.explore import ranges
from uniSMP.explore.job import Job, JobResult, Limits, Payload, Plan
from uniSMP.explore.methods import SHARE, STATES, WHOLE, Method, Summary
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.target import Target


def make_plan(strategy: str = "tree", limits: Limits | None = None, **parameters: Any) -> Plan:
    return Plan(
        target=Target("toy", b"\xf4"),
        config=MachineConfig(),
        strategy=strategy,
        parameters=parameters,
        limits=limits or Limits(executions=7, jobs=4),
    )


def children(prefix: list[int]) -> int:
    return zlib.crc32(bytes(prefix)) % 3 + 1


def state_of(path: list[int]) -> int:
    return zlib.crc32(bytes(reversed(path))) % 50 + (1 << 63)


class Approach:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def payloads(self) -> list[Payload]:
        if "unfit" in self._plan.parameters:
            raise ConfigError("the toy does not take this plan")
        if self._plan.strategy == "count":
            return ranges.first_payloads(self._plan.limits, self._plan.parameters.get("end"))
        return [{"prefixes": [[]]}]

    def rest(self, summary: Summary) -> int | None:
        return summary.estimate_rest()

    def statement(self, summary: Summary) -> str:
        if summary.found:
            return f"violated after {summary.executions} executions"
        return f"{summary.executions} executions, none violates"


class Worker:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._parameters = plan.parameters

    def run(self, job: Job) -> JobResult:
        self._misbehave(job.number)
        return self._count(job) if self._plan.strategy == "count" else self._walk(job)

    def _count(self, job: Job) -> JobResult:
        done = ranges.numbers(job)
        bad = self._parameters.get("bad", [])
        return JobResult(
            executions=len(done),
            found=[{"key": ["bad", n], "summary": f"{n} is bad"} for n in done if n in bad],
            more=ranges.further(job, len(done), self._plan.limits),
            counts={"sum": sum(done)},
            sets={STATES: sorted({n % 10 for n in done}), "numbers": list(done)},
        )

    def _walk(self, job: Job) -> JobResult:
        stack = [list(prefix) for prefix in reversed(job.payload["prefixes"])]
        leaves: list[list[int]] = []
        while stack and len(leaves) < job.executions:
            prefix = stack.pop()
            if len(prefix) == self._parameters["depth"]:
                leaves.append(prefix)
            else:
                stack += [[*prefix, child] for child in reversed(range(children(prefix)))]
        bad = self._parameters.get("bad", [])
        return JobResult(
            executions=len(leaves),
            found=[{"key": leaf, "summary": f"leaf {leaf}"} for leaf in leaves if leaf in bad],
            more=[{"prefixes": [prefix]} for prefix in reversed(stack)],
            counts={SHARE: sum(share_of(leaf) for leaf in leaves)},
            sets={STATES: sorted({state_of(leaf) for leaf in leaves}), "names": ["a", "b"]},
        )

    def _misbehave(self, number: int) -> None:
        if "log" in self._parameters:
            with Path(self._parameters["log"]).open("a") as log:
                log.write(f"{number}\n")
        if number == self._parameters.get("fails"):
            raise EngineError("the toy cannot do this job")
        if number == self._parameters.get("breaks"):
            raise ZeroDivisionError("the toy is broken")
        if number == self._parameters.get("interrupts"):
            os.kill(os.getpid(), signal.SIGINT)
        if number == self._parameters.get("stuck"):
            signal.pause()
        if number == self._parameters.get("deadly"):
            self._die()

    def _die(self) -> None:
        if "spared" in self._parameters:
            spared = Path(self._parameters["spared"])
            if spared.exists():
                return
            spared.touch()
        os.kill(os.getpid(), signal.SIGKILL)


def share_of(leaf: list[int]) -> int:
    share = WHOLE
    for length in range(len(leaf)):
        share //= children(leaf[:length])
    return share


METHODS = {
    "tree": Method("a tree", Approach, Worker, frozenset({"depth", "bad", "log"})),
    "count": Method("numbers", Approach, Worker, frozenset({"end", "bad"}), is_endless=True),
}
