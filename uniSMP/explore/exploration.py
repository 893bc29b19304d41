"""A whole exploration in this process, for those who want its result and keep nothing."""

from dataclasses import dataclass

from uniSMP.explore.campaign import Campaign, Stop
from uniSMP.explore.catalog import METHODS
from uniSMP.explore.job import Plan
from uniSMP.explore.methods import Summary
from uniSMP.explore.store import Store
from uniSMP.explore.workers import OneProcess


@dataclass(frozen=True, slots=True)
class Explored:
    """What an exploration came to.

    Attributes:
        summary: the figures.
        statement: what they show, by the strategy.
    """

    summary: Summary
    statement: str


def explore(plan: Plan, executions: int | None = None) -> Explored:
    """Explore up to the first violation, or to the end, or for so many executions.

    Raises:
        ConfigError: the plan does not suit its strategy.
    """
    method = METHODS[plan.strategy]
    approach = method.make_approach(plan)
    with Store(None) as store:
        campaign = Campaign(plan, approach, store)
        summary = campaign.run(OneProcess(plan, method.make_worker), Stop(executions))
    return Explored(summary, approach.statement(summary))
