"""Executions of a program of the library that end badly, found by chance, the same each time."""

from collections.abc import Iterable

from uniSMP import Machine
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.explore.points import learn
from uniSMP.explore.random_walk import RandomWalk
from uniSMP.explore.retrying import Sighting
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Execution, Performer
from uniSMP.machine.outcome import Outcome

STUCK = Sighting(("stuck",))
FAILED = Sighting(("failed",))


def loaded(name: str, cores: int = 2) -> Machine:
    """Return a machine with a program, not run yet."""
    machine = Machine(cores=cores)
    machine.load(assemble_file(program_path(name)))
    return machine


def judge(execution: Execution) -> Iterable[Sighting]:
    """Return what is wrong with an execution."""
    if execution.ending is not None:
        return [FAILED] if execution.ending.outcome is not Outcome.FINISHED else []
    return [STUCK] if execution.is_complete and not all(execution.rests) else []


def find(name: str) -> tuple[Performer, Execution]:
    """Return the first execution of two cores that ends badly, and who performed it."""
    performer = Performer(set_scene(loaded(name)))
    walk = RandomWalk(learn(performer), 1, range(1000))
    while (execution := performer.perform(walk)) is not None:
        if list(judge(execution)):
            return performer, execution
    raise AssertionError(f"{name} never ends badly")
