"""How work is cut into jobs, and how many processes share it, changes no result."""

from dataclasses import replace

import pytest

from uniSMP.explore.campaign import Campaign, Stop
from uniSMP.explore.catalog import METHODS
from uniSMP.explore.job import CheckChoice, Limits, Plan
from uniSMP.explore.methods import Summary
from uniSMP.explore.store import Store
from uniSMP.explore.workers import OneProcess, Processes
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.target import Target

REGION = CheckChoice("exclusion", {"regions": ["pmm_enter..pmm_exit"]})


def make_plan(program: str, strategy: str, limits: Limits, **parameters: int) -> Plan:
    return Plan(
        target=Target.of_program(program),
        config=MachineConfig(cores=2),
        strategy=strategy,
        parameters=parameters,
        from_symbol="explore_from",
        until_symbol="explore_until",
        checks=(REGION,),
        limits=limits,
    )


def run(plan: Plan, executions: int | None, processes: int) -> Summary:
    method = METHODS[plan.strategy]
    with Store(None) as store:
        campaign = Campaign(plan, method.make_approach(plan), store)
        if processes == 1:
            return campaign.run(OneProcess(plan, method.make_worker), Stop(executions))
        with Processes(plan, method.make_worker, processes) as crew:
            return campaign.run(crew, Stop(executions))


@pytest.mark.parametrize("strategy", ["pct", "random"])
@pytest.mark.parametrize("program", ["pair_swap_naive", "pair_ticket"])
def test_two_processes_find_what_one_finds(program: str, strategy: str) -> None:
    plan = make_plan(program, strategy, Limits(executions=10, jobs=4))
    assert run(plan, 80, processes=2) == run(plan, 80, processes=1)


@pytest.mark.parametrize(
    ("strategy", "parameters", "executions"),
    [("dpor", {}, 16), ("bounded", {"preemptions": 2}, 230)],
)
@pytest.mark.parametrize("limits", [Limits(executions=1, jobs=1), Limits(executions=5, jobs=2)])
def test_tree_cut_into_small_jobs_is_the_same_tree(
    strategy: str, parameters: dict[str, int], executions: int, limits: Limits
) -> None:
    whole = make_plan("pair_freeze_ordered", strategy, Limits(10_000, 10_000, 1), **parameters)
    one = run(whole, None, processes=1)
    many = run(replace(whole, limits=replace(limits, instructions=10_000)), None, processes=1)
    assert (one.executions, one.distinct, one.counts) == (
        many.executions,
        many.distinct,
        many.counts,
    )
    assert one.executions == executions
    assert not one.found
