import numpy as np

from uniSMP.trace.export.clock import TickMap


def test_without_events_time_is_that_of_the_instructions() -> None:
    assert TickMap(3).at(np.array([0, 5])).tolist() == [0, 15]


def test_time_jumps_with_the_last_event_of_a_step() -> None:
    ticks = TickMap(2)
    ticks.learn(np.array([0, 10, 10, 12]), np.array([0, 20, 120, 124]))
    assert ticks.at(np.array([9, 10, 11, 12, 20])).tolist() == [18, 120, 122, 124, 140]


def test_events_are_told_in_parts() -> None:
    ticks = TickMap(1)
    ticks.learn(np.array([10]), np.array([110]))
    ticks.learn(np.array([20]), np.array([220]))
    assert ticks.at(np.array([12, 19, 21])).tolist() == [112, 119, 221]
    ticks.learn(np.array([], dtype=np.int64), np.array([], dtype=np.int64))
    assert ticks.at(np.array([30])).tolist() == [230]
