"""A plan set up in this process: the machine at its scene, and who runs and judges executions."""

import functools

import numpy as np

from uniSMP.errors import ConfigError
from uniSMP.explore.check_choice import make_checks
from uniSMP.explore.final_state import final_state
from uniSMP.explore.job import Plan
from uniSMP.explore.judging import Judge
from uniSMP.explore.methods import ORDERS, PAIRS, SCHEDULES, STATES
from uniSMP.explore.opaque import opaque_counts
from uniSMP.explore.ordering import conflicts
from uniSMP.explore.points import Learnt, learn
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Execution, Performer, Strategy, can_go_on
from uniSMP.machine.machine import Machine

_MASK64 = (1 << 64) - 1


class Workshop:
    """What every strategy's worker needs.

    Args:
        plan: what is explored.

    Raises:
        ConfigError: it does not fit the guest.
    """

    def __init__(self, plan: Plan) -> None:
        machine = Machine(plan.config)
        machine.load(plan.target.image)
        untils = None if plan.until_symbol is None else [plan.until_symbol]
        self.executor = set_scene(machine, plan.from_symbol, untils)
        self.executor.most_instructions = plan.limits.instructions
        self.performer = Performer(self.executor)
        self.judge = Judge(self.executor, make_checks(plan.checks))

    @functools.cached_property
    def learnt(self) -> Learnt:
        """What the scene's cores meet in."""
        return learn(self.performer)


@functools.lru_cache(maxsize=1)
def _workshop(key: str, plan: bytes) -> Workshop:
    del key
    return Workshop(Plan.from_bytes(plan))


def workshop(plan: Plan) -> Workshop:
    """Return the workshop of a plan; the same one while no other plan is asked for."""
    return _workshop(plan.key(), plan.to_bytes())


class Tally:
    """Counts the executions of one job.

    Args:
        shop: where they run.

    Attributes:
        executions: that came to an end of their own.
        blocked: that were cut short as redundant.
        unfinished: of the executions, those that reached the limit of instructions.
        ended: of these, those that the guest ended while other cores could go on.
        found: violations, JSON-able.
        sets: members by name.
        opaque: of all executions, those with opaque handlers, see `opaque.opaque_counts`.
    """

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self.executions = self.blocked = self.unfinished = self.ended = 0
        self.opaque: dict[str, int] = {}
        self.found: list[dict[str, object]] = []
        self._sets: dict[str, set[int]] = {STATES: set(), SCHEDULES: set(), PAIRS: set()}
        self._sets[ORDERS] = set()

    @property
    def sets(self) -> dict[str, list[int]]:
        """Members by name, ascending."""
        return {name: sorted(members) for name, members in self._sets.items()}

    def perform(self, strategy: Strategy) -> bool:
        """Run an execution; False where the strategy has no other."""
        execution = self._shop.performer.perform(strategy)
        if execution is None:
            return False
        for name in opaque_counts(execution, strategy.stepwise):
            self.opaque[name] = self.opaque.get(name, 0) + 1
        if not execution.is_complete and not execution.is_unfinished:
            self.blocked += 1
            return True
        self.executions += 1
        self.unfinished += execution.is_unfinished
        self.ended += execution.ending is not None and can_go_on(self._shop.executor)
        self._note(execution)
        return True

    def _note(self, execution: Execution) -> None:
        analysis = execution.analysis
        self._sets[SCHEDULES].add(analysis.trace() & _MASK64)
        self._sets[STATES].add(final_state(self._shop.executor))
        pairs = conflicts(analysis.accesses, analysis.events).view(np.uint64)
        self._sets[PAIRS].update(pairs[:, 0].tolist())
        self._sets[ORDERS].update(pairs[:, 1].tolist())
        for violation in self._shop.judge.judge(execution):
            self.found.append(
                {
                    "key": list(violation.key),
                    "check": violation.check,
                    "summary": violation.summary,
                    "step": violation.step,
                    "core": violation.core,
                    "rips": list(violation.rips),
                    "schedule": [list(each) for each in execution.slices],
                }
            )


def check_parameter(plan: Plan, name: str, default: int, least: int, most: int) -> int:
    """Return a parameter of a plan's strategy.

    Raises:
        ConfigError: it is out of range.
    """
    value: int = plan.parameters.get(name, default)
    if not least <= value <= most:
        raise ConfigError(f"--{name} {value}: choose {least} to {most}")
    return value
