"""A recording that drives the machine of a test again.

The test does what it did: its asserts and its writes to the machine count. The recording says only
which core runs when; so a test that was changed may depart from it, which is told.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from uniSMP.assembler.image import Image
from uniSMP.errors import DivergenceError
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import RunResult
from uniSMP.replay.recording import Recording
from uniSMP.schedule.policy import Slice


class RecordedSchedule:
    """The slices of a recording, one after the other.

    Args:
        slices: core id and budget in instructions of each.
    """

    name = "recorded"

    def __init__(self, slices: Sequence[tuple[int, int]]) -> None:
        self._slices = iter(slices)

    def next_slice(self, runnable: Sequence[int]) -> Slice:
        """Return the next slice.

        Raises:
            DivergenceError: there is none, or its core cannot run.
        """
        core_id, budget_instructions = next(self._slices, (None, 0))
        if core_id is None:
            raise DivergenceError("the test goes on where its recording ends")
        if core_id not in runnable:
            raise DivergenceError(f"core {core_id} ran here in the recording, and cannot run now")
        return Slice(core_id, budget_instructions)


@contextmanager
def departures_fail() -> Iterator[None]:
    """Let the test fail, by one sentence, where it departs from its recording."""
    try:
        yield
    except DivergenceError as error:
        message = f"the test departs from its recording: {error}"
        raise pytest.fail.Exception(message, pytrace=False) from None


class Replay:
    """A recording, and the test that it drives.

    Args:
        recording: of one test.

    Attributes:
        schedule: what it says of who runs when.
    """

    def __init__(self, recording: Recording) -> None:
        self._recording = recording
        self.schedule = RecordedSchedule(_choices(recording))

    @departures_fail()
    def check_machine(self, machine: Machine) -> None:
        """See that the test loaded what it loaded then, into the same machine."""
        recorded = self._recording.config
        for name in recorded.__slots__:
            then, now = getattr(recorded, name), getattr(machine.config, name)
            if name == "modules":
                now = machine.modules
            if then != now:
                raise DivergenceError(f"the machine has {name} = {now!r}, then it had {then!r}")
        if _data(machine.image) != _data(self._recording.image):
            raise DivergenceError("the test loads another guest than then")

    @departures_fail()
    def check_end(self, machine: Machine, result: RunResult | None) -> None:
        """See that a test that passed did all that it did then; `result` is of its last run."""
        recording = self._recording
        if machine.steps != recording.steps:
            raise DivergenceError(
                f"the test ran {machine.steps:,} instructions, then it ran {recording.steps:,}"
            )
        if result is not None and recording.digest not in {None, result.digest}:
            raise DivergenceError(
                "the machine ends in another state than then: the test gives it other inputs"
            )


def _choices(recording: Recording) -> list[tuple[int, int]]:
    """Return what the schedule chose: core id and budget of each slice."""
    rows = recording.rows
    begins = rows.budget > 0  # an interrupt splits a slice: only its first row has the budget
    return list(zip(rows.core[begins].tolist(), rows.budget[begins].tolist(), strict=True))


def _data(guest: Image | bytes | None) -> bytes | None:
    return guest.data if isinstance(guest, Image) else guest
