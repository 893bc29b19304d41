"""A recording that drives the machine of a test again.

The test does what it did: its asserts and its writes to the machine count. The recording says only
which core runs when; so a test that was changed may depart from it, which is told.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from uniSMP.assembler.image import Image
from uniSMP.errors import DivergenceError
from uniSMP.machine.config import MachineConfig
from uniSMP.replay.recording import Recording
from uniSMP.schedule.policy import Slice

if TYPE_CHECKING:
    from uniSMP.pytest_plugin.machine_under_test import MachineUnderTest


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
        self.schedule = RecordedSchedule(_slices(recording))

    @departures_fail()
    def check_machine(self, config: MachineConfig, guest: Image | bytes) -> None:
        """See that the test loads what it loaded then, into the same machine."""
        recorded = self._recording.config
        for name in config.__slots__:
            then, now = getattr(recorded, name), getattr(config, name)
            if then != now:
                raise DivergenceError(f"the machine has {name} = {now!r}, then it had {then!r}")
        if _data(guest) != _data(self._recording.image):
            raise DivergenceError("the test loads another guest than then")

    @departures_fail()
    def check_end(self, machine: "MachineUnderTest") -> None:
        """See that a test that passed did all that it did then."""
        recording = self._recording
        if machine.steps != recording.steps:
            raise DivergenceError(
                f"the test ran {machine.steps:,} instructions, then it ran {recording.steps:,}"
            )
        if machine.digest() != recording.digest:
            raise DivergenceError(
                "the machine ends in another state than then: the test gives it other inputs"
            )


def _slices(recording: Recording) -> list[tuple[int, int]]:
    return [each for slices, _most in recording.slices for each in slices]


def _data(guest: Image | bytes) -> bytes:
    return guest.data if isinstance(guest, Image) else guest
