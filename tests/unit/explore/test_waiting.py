"""What a round of a wait writes, takes back and accepts, read from a log written by hand."""

import numpy as np
import pytest

from uniSMP.core import native_state as ns
from uniSMP.explore.states import changed_bytes, steps_like
from uniSMP.explore.waiting import bytes_taken_back, bytes_written, has_window

STACK = 0x2010


def block(core: int, number: int, executed: int, *, accepts: bool = False) -> list[int]:
    """Return a record of a block."""
    flag = ns.RECORD_IF if accepts else 0
    return [ns.RECORD_BLOCK | core << 4 | flag | number << 16, executed]


def access(physical: int, size: int, value: int, *, writes: bool = True) -> list[int]:
    """Return a record of an access."""
    flag = ns.RECORD_WRITE if writes else 0
    return [ns.RECORD_ACCESS | flag | size << 8, physical, value, physical]


def log(*records: list[int]) -> np.ndarray:
    """Return a log."""
    return np.array([word for record in records for word in record], dtype=np.int64)


ROUND = log(
    block(1, 0, 4),
    access(0x1000, 1, 1),
    access(0x1008, 2, 0x0105),
    access(0x2008, 8, 7),  # below the stack pointer
    access(0x1000, 1, 0),
    access(0x1010, 1, 9, writes=False),
)


def memory() -> np.ndarray:
    """Return RAM as it is behind the round."""
    ram = np.zeros(0x3000, dtype=np.uint8)
    ram[0x1008], ram[0x1009], ram[0x2008] = 5, 1, 7
    return ram


def test_bytes_below_the_stack_pointer_are_not_written() -> None:
    found = bytes_written(ROUND, 0, len(ROUND), STACK)
    assert found.tolist() == [0x1000, 0x1008, 0x1009]


def test_a_byte_is_taken_back_that_had_another_value_meanwhile() -> None:
    assert bytes_taken_back(ROUND, 0, len(ROUND), memory()).tolist() == [0x1000]


def test_only_bytes_unlike_those_of_the_scene_are_changed() -> None:
    origin = np.zeros(0x3000, dtype=np.uint8)
    origin[0x1009] = 1
    found = changed_bytes(ROUND, len(ROUND), memory(), origin)
    assert found.tolist() == [[0x1008, 5], [0x2008, 7]]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([block(1, 0, 3)], False),
        ([block(1, 0, 3, accepts=True)], True),
        ([block(1, 0, 0, accepts=True)], False),  # nothing of it was executed
        ([block(0, 0, 3, accepts=True)], False),  # another core
        ([block(1, 0, 3), access(0x1000, 1, 0), block(1, 1, 2, accepts=True)], True),
    ],
)
def test_a_round_has_a_window_where_a_block_begins_with_if_set(
    records: list[list[int]],
    expected: bool,  # noqa: FBT001
) -> None:
    words = log(*records)
    assert has_window(words, 0, len(words), 1) is expected


FIRST = np.array([0, 2, 4], dtype=np.int64)
ADDRESSES = np.array([0x100, 0x101, 0x200, 0x201], dtype=np.int64)


@pytest.mark.parametrize(
    ("rips", "expected"),
    [
        ((0x100, 0x200), [0, 2, 4]),
        ((0x100, 0x201), [4]),  # core 1 did nothing any more, so it stood there
        ((0x200, 0x100), []),
    ],
)
def test_steps_at_which_cores_stood_where_they_stand(
    rips: tuple[int, int], expected: list[int]
) -> None:
    words = log(block(0, 0, 2), block(1, 1, 2), access(0x1000, 1, 0), block(0, 0, 2))
    waits = np.array([True, True])
    found = steps_like(words, len(words), (FIRST, ADDRESSES), np.array(rips, dtype=np.int64), waits)
    assert found.tolist() == expected


def test_a_core_that_does_not_wait_may_stand_anywhere() -> None:
    words = log(block(0, 0, 2), block(1, 1, 2))
    rips, waits = np.array([0x100, 0x777], dtype=np.int64), np.array([True, False])
    found = steps_like(words, len(words), (FIRST, ADDRESSES), rips, waits)
    assert found.tolist() == [0, 2]
