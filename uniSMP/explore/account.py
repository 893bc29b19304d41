"""What a counterexample does, told for people: its slices, and how the cores stand at the end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from uniSMP.checks.history import Violation
from uniSMP.explore.counterexample import Counterexample
from uniSMP.explore.executor import Executor
from uniSMP.explore.judging import history_of_execution
from uniSMP.explore.retrying import Lenient
from uniSMP.explore.schedule import NMI, NO_VECTOR, Slice, switches
from uniSMP.explore.standing import Standing, stand
from uniSMP.explore.strategy import Move, Performer
from uniSMP.explore.telling import Line, Teller, shared_words
from uniSMP.machine.target import Target


@dataclass(frozen=True, slots=True)
class Part:
    """A slice.

    Attributes:
        core: its id.
        first_step: instructions retired before, since the scene.
        instructions: that it retires.
        accepts: vector of the interrupt accepted before the first of them, `schedule.NMI`, or None.
        holds_back: the same of one that could be accepted before it or behind it, but came
            later or never.
        lines: the instructions that matter.
        skipped: instructions behind the last of them.
    """

    core: int
    first_step: int
    instructions: int
    accepts: int | None
    holds_back: int | None
    lines: tuple[Line, ...]
    skipped: int


@dataclass(frozen=True, slots=True)
class Account:
    """A violation, told.

    Attributes:
        target: name of the guest.
        violation: what is wrong.
        is_minimal: whether no switch can be dropped.
        scene_step: instructions retired before the scene.
        switches: how often another core goes on.
        deliveries: interrupts accepted.
        parts: the slices.
        cores: how the cores stand at the end.
        ending: how the guest ended the run, or None.
    """

    target: str
    violation: Violation
    is_minimal: bool
    scene_step: int
    switches: int
    deliveries: int
    parts: tuple[Part, ...]
    cores: tuple[Standing, ...]
    ending: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the attributes by name, JSON-able."""
        return asdict(self)


def give_account(performer: Performer, target: Target, shown: Counterexample) -> Account:
    """Run a counterexample once more, and tell what it does.

    Args:
        performer: of the scene that it begins at.
        target: the guest, for names and lines.
        shown: the counterexample.
    """
    executor = performer.executor
    watched = _Watched(shown)
    execution = performer.perform(watched)
    assert execution is not None, "the strategy has an execution"
    history = history_of_execution(executor, execution)
    teller = Teller(
        executor.machine, target, history, execution.analysis, named=shown.violation.rips
    )
    shared = shared_words(execution.analysis)
    cores = range(len(executor.cores))
    return Account(
        target=target.name,
        violation=shown.violation,
        is_minimal=shown.is_minimal,
        scene_step=shown.scene_step,
        switches=switches(shown.slices),
        deliveries=sum(each.vector != NO_VECTOR for each in shown.slices),
        parts=tuple(_parts(shown.slices, teller, watched.held)),
        cores=tuple(stand(executor, core, history, teller, shared) for core in cores),
        ending=None if shown.ending is None else shown.ending.reason,
    )


def _parts(slices: Sequence[Slice], teller: Teller, held: Mapping[int, int]) -> Iterator[Part]:
    step = 0
    for number, each in enumerate(slices):
        lines, skipped = teller.lines(each.core, step, step + each.instructions)
        yield Part(
            core=each.core,
            first_step=step,
            instructions=each.instructions,
            accepts=None if each.vector == NO_VECTOR else each.vector,
            holds_back=held.get(number),
            lines=lines,
            skipped=skipped,
        )
        step += each.instructions


class _Watched(Lenient):
    """Runs a counterexample and notes which interrupts are held back.

    Args:
        shown: the counterexample.

    Attributes:
        held: by number of the slice, what could have been accepted.
    """

    def __init__(self, shown: Counterexample) -> None:
        super().__init__(shown.slices, goes_on=bool(shown.stuck))
        self.held: dict[int, int] = {}
        self._mover: int | None = None

    def next_slice(self, executor: Executor) -> Move | None:
        """Return the next move, after a look at what waits."""
        slices, mover = executor.slices, self._mover
        waits = mover is not None and executor.can_take(mover)
        move = super().next_slice(executor)
        follows = move is not None and move.takes and move.core == mover
        if mover is not None and waits and not follows:
            self._note(executor, mover, len(slices) - 1)
        self._mover = None if move is None or move.takes else move.core
        if self._mover is not None and executor.can_take(self._mover):
            goes_on = bool(slices) and slices[-1].core == self._mover
            self._note(executor, self._mover, len(slices) - goes_on)
        return move

    def _note(self, executor: Executor, core: int, number: int) -> None:
        vector = executor.machine.devices.local_apics[core].pending_vector()
        self.held[number] = NMI if vector is None else vector
