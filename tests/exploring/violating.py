"""Executions of a program of the library that are wrong, found by chance, the same each time."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from uniSMP import Machine, assemble
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.checks.exclusion import Exclusion, parse_region
from uniSMP.explore.counterexample import Counterexample, explain
from uniSMP.explore.judging import Judge
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.retrying import Lenient, Trial
from uniSMP.explore.scene import set_scene
from uniSMP.explore.schedule import Slice
from uniSMP.explore.shrinking import Shrunk
from uniSMP.explore.strategy import Performer

if TYPE_CHECKING:
    from uniSMP.checks.history import Violation

ALONE = Exclusion(parse_region("pmm_enter..pmm_exit"))


def loaded(name: str, cores: int = 2) -> Machine:
    """Return a machine with a program, not run yet."""
    machine = Machine(cores=cores)
    machine.load(assemble_file(program_path(name)))
    return machine


class Found:
    """The first execution of two cores with a violation of a check.

    Args:
        name: of the program.
        check: name of the check.
        rests: whether cores rest at `explore_until`; else the guest ends the run.

    Attributes:
        performer: who performed it.
        violation: what is wrong.
        slices: how it went.
        trial: tries whether another schedule shows the same violation.
    """

    def __init__(self, name: str, check: str, *, rests: bool = True) -> None:
        executor = set_scene(loaded(name), until_symbols=None if rests else [])
        executor.most_instructions = 200_000
        self.performer = Performer(executor)
        judge = Judge(executor, [ALONE] if check == "exclusion" else [])
        walk = RandomWalk(learn(self.performer), 1, range(1000))
        found: list[Violation] = []
        while not found:
            execution = self.performer.perform(walk)
            assert execution is not None, f"{name} does not violate {check}"
            found = [each for each in judge.judge(execution) if each.check == check]
        self.violation = found[0]
        self.slices = execution.slices
        self.trial = Trial(self.performer, judge.judge, found[0].key)


def explored(
    source: str, slices: list[Slice]
) -> tuple[Callable[[], Machine], Performer, Counterexample]:
    """Return what the execution of two cores shows that follows slices, and then goes on.

    Returns:
        A maker of machines with the guest, who performed the execution, and its only violation.
    """

    def make() -> Machine:
        machine = Machine(cores=2, boot="long")
        machine.load(assemble(source))
        return machine

    executor = set_scene(make())
    performer, judge = Performer(executor), Judge(executor, [])
    execution = performer.perform(Lenient(slices))
    assert execution is not None
    (violation,) = judge.judge(execution)
    trial = Trial(performer, judge.judge, violation.key)
    shrunk = Shrunk(slices, is_minimal=True, tries=1)
    return make, performer, explain(trial, executor, shrunk)
