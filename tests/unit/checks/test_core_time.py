"""Time and IF of one core."""

import sys
from pathlib import Path

import numpy as np
import pytest

from uniSMP.checks.core_time import OFF, ON, UNKNOWN, CoreTime
from uniSMP.checks.history import FlagRows

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

RUN = [(0, 1), (1, 2), (1, 3), (0, 4), (1, 5)]
FLAGS = FlagRows(
    np.array([11, 12, 12, 14]), np.array([0, 1, 1, 1], np.uint8), np.array([2, 0x202, 2, 0x246])
)
TIME = CoreTime(history(RUN, cores=2, first_step=10, flags=FLAGS), 1)


def test_steps_and_addresses_are_those_of_the_core() -> None:
    assert TIME.steps.tolist() == [11, 12, 14]
    assert TIME.rips.tolist() == [2, 3, 5]


@pytest.mark.parametrize(
    ("begin", "end", "count"), [(10, 15, 3), (11, 12, 1), (12, 14, 1), (15, 20, 0)]
)
def test_instructions_between_steps_are_counted(begin: int, end: int, count: int) -> None:
    assert TIME.count(begin, end) == count


def test_flag_is_the_last_that_was_told() -> None:
    assert TIME.interrupt_flag(TIME.steps).tolist() == [UNKNOWN, OFF, ON]


def test_flag_is_unknown_without_flags() -> None:
    assert CoreTime(history(RUN, cores=2), 0).interrupt_flag(np.array([0, 3])).tolist() == [-1, -1]
