"""A violation and the schedule that shows it, kept as a recording that replays like any other.

The recording begins at power-on: first the way to the scene, then the schedule. Where the violation
is complete at an instruction it ends there, where the guest ends the run, there. Where cores are
stuck they go on for a while, as evidence: it ends as DEADLOCK, or, if they spin, as
INSTRUCTION_LIMIT.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from uniSMP.checks.history import Violation
from uniSMP.errors import DivergenceError
from uniSMP.explore.executor import Executor
from uniSMP.explore.job import Plan
from uniSMP.explore.retrying import Trial
from uniSMP.explore.schedule import Slice, instructions, switches
from uniSMP.explore.shrinking import Shrunk, shrink
from uniSMP.explore.workshop import workshop
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Ending, Outcome, RunResult
from uniSMP.machine.target import Target
from uniSMP.replay.exact_slices import end_run, raise_to_end, run_slices
from uniSMP.replay.recorder import Recorder
from uniSMP.schedule import policy

EVIDENCE_INSTRUCTIONS = 20_000
"""Cores that are stuck go on for so many, all together."""
_TURN_INSTRUCTIONS = 100
_BY_EXCEPTIONS = frozenset({Outcome.TRIPLE_FAULT, Outcome.DEADLOCK})
_STUCK = frozenset({Outcome.INSTRUCTION_LIMIT, Outcome.DEADLOCK})


@dataclass(frozen=True, slots=True)
class Counterexample:
    """What shows a violation.

    Attributes:
        violation: what is wrong.
        boot_slices: from power-on to the scene.
        slices: from there on.
        ending: how the guest ends the run; None where it does not.
        stuck: cores that can never go on; empty unless that is what is wrong.
        is_minimal: whether no switch can be dropped, see `shrinking.Shrunk`.
    """

    violation: Violation
    boot_slices: Sequence[Slice]
    slices: Sequence[Slice]
    ending: Ending | None
    stuck: tuple[int, ...]
    is_minimal: bool

    @property
    def scene_step(self) -> int:
        """Instructions retired before the scene."""
        return instructions(self.boot_slices)

    def facts(self) -> dict[str, Any]:
        """Return what a recording says of it, for people; JSON-able."""
        return {
            "violation": {
                "check": self.violation.check,
                "summary": self.violation.summary,
                "step": self.violation.step,
                "scene_step": self.scene_step,
                "slices": len(self.slices),
                "switches": switches(self.slices),
                "minimal": self.is_minimal,
            }
        }


def find_counterexample(plan: Plan, content: Mapping[str, Any]) -> Counterexample:
    """Shrink a violation that an exploration has found.

    Args:
        plan: what was explored.
        content: what a job has found, see `job.JobResult`: `key` and `schedule`.

    Raises:
        ConfigError: the schedule does not show the violation.
    """
    shop = workshop(plan)
    trial = Trial(shop.performer, shop.judge.judge, tuple(content["key"]))
    shrunk = shrink(trial, [Slice(*each) for each in content["schedule"]])
    return explain(trial, shop.executor, shrunk)


def keep_counterexample(plan: Plan, content: Mapping[str, Any], path: Path) -> Counterexample:
    """Shrink a violation that an exploration has found, and record it.

    Args:
        plan: what was explored.
        content: what a job has found, see `job.JobResult`: `key` and `schedule`.
        path: of the recording; an older file is replaced.

    Raises:
        ConfigError: the schedule does not show the violation, or the file cannot be written.
        DivergenceError: it does not do so when it is recorded.
    """
    shown = find_counterexample(plan, content)
    machine = Machine(plan.config)
    machine.load(plan.target.image)
    save(path, plan.target, machine, shown)
    return shown


def explain(trial: Trial, executor: Executor, shrunk: Shrunk) -> Counterexample:
    """Return what a schedule shows that was shrunk by trials.

    Raises:
        DivergenceError: it does not show it again.
    """
    slices = trial(shrunk.slices)
    violation, execution = trial.violation, trial.execution
    if slices is None or violation is None or execution is None:
        raise DivergenceError("the schedule does not show its violation again")
    if trial.is_at_end:
        step = executor.first_step + instructions(slices)
        violation = replace(violation, step=step)
    is_stuck = trial.is_at_end and execution.ending is None and execution.is_complete
    stuck = [core for core, rests in enumerate(execution.rests) if is_stuck and not rests]
    return Counterexample(
        violation=violation,
        boot_slices=executor.boot_slices,
        slices=slices,
        ending=execution.ending if trial.is_at_end else None,
        stuck=tuple(stuck),
        is_minimal=shrunk.is_minimal,
    )


def save(path: Path, target: Target, machine: Machine, shown: Counterexample) -> RunResult:
    """Record a counterexample; an older file is replaced.

    Args:
        path: the file.
        target: the guest; its name goes into the recording.
        machine: new, with the guest loaded; it is run.
        shown: what is recorded.

    Returns:
        How the recorded run ended.

    Raises:
        ConfigError: the machine has run, or the file cannot be written.
        DivergenceError: the machine does something else; the file then holds the run up to there.
    """
    schedule = {"name": "explored", "boot_slices": len(shown.boot_slices)}
    facts = {"target": target.name, **shown.facts()}
    with Recorder(machine, path, facts=facts, schedule=schedule):
        run_slices(machine, [*shown.boot_slices, *shown.slices])
        result = _end(machine, shown)
    if shown.ending is not None and result.outcome is not shown.ending.outcome:
        raise DivergenceError(
            f"the run ended as {result.outcome} ({result.reason}), not as {shown.ending.outcome}"
        )
    return result


def _end(machine: Machine, shown: Counterexample) -> RunResult:
    """End the run as the counterexample does."""
    boundary, cores = machine.parts.loop.boundary, machine.parts.cores
    if shown.ending is not None and boundary.ending is None and shown.slices:
        last = shown.slices[-1].core
        if shown.ending.outcome in _BY_EXCEPTIONS and cores[last].can_run:
            raise_to_end(machine, last)
    stuck = [core for core in shown.stuck if boundary.is_runnable(cores[core])]
    if boundary.ending is None and (stuck or not any(boundary.is_runnable(core) for core in cores)):
        evidence = machine.run(_InTurn(stuck), max_instructions=EVIDENCE_INSTRUCTIONS)
        if shown.stuck and evidence.outcome not in _STUCK:
            raise DivergenceError(f"stuck cores ended the run: {evidence.reason}")
        return evidence
    reason = f"the counterexample ends here: {shown.violation.summary}"
    return end_run(machine, Ending(Outcome.INSTRUCTION_LIMIT, reason))


class _InTurn:
    """A schedule that lets stuck cores go on in turn, and the others rest."""

    name = "stuck cores in turn"

    def __init__(self, cores: Sequence[int]) -> None:
        self._cores = cores
        self._turn = 0

    def next_slice(self, runnable: Sequence[int]) -> policy.Slice:
        """Return the next slice.

        Raises:
            DivergenceError: none of the stuck cores can run any more.
        """
        chosen = [core for core in self._cores if core in runnable]
        if not chosen:
            raise DivergenceError("the stuck cores halted, and others can go on")
        self._turn += 1
        return policy.Slice(chosen[self._turn % len(chosen)], _TURN_INSTRUCTIONS)
