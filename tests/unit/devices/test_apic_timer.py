"""The local APIC timer (SDM "APIC Timer")."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.arch.apic import TimerMode
from uniSMP.devices.apic_timer import ApicTimer, ApicTimerState

DIVIDE_BY_1 = 0b1011


def timer(mode: TimerMode, divide: int = DIVIDE_BY_1, now_ticks: int = 1000) -> ApicTimer:
    made = ApicTimer()
    made.set_mode(mode)
    made.advance(now_ticks)
    made.write_divide(divide)
    return made


def test_timer_after_reset_is_stopped_and_divides_by_two() -> None:
    made = ApicTimer()

    assert (made.divisor, made.current_count, made.deadline_ticks()) == (2, 0, None)


def test_state_round_trip_keeps_all() -> None:
    saved = ApicTimerState(TimerMode.PERIODIC, 3, 50, 40, 7, 9, 0, -5)

    assert ApicTimer(saved).state == saved


@pytest.mark.parametrize(
    ("divide", "divisor"),
    [(0, 2), (1, 4), (2, 8), (3, 16), (8, 32), (9, 64), (10, 128), (11, 1)],
)
def test_divide_encoding_gives_divisor(divide: int, divisor: int) -> None:
    made = ApicTimer()

    made.write_divide(divide)

    assert made.divisor == divisor


def test_divide_reserved_bits_are_dropped() -> None:
    made = ApicTimer()

    made.write_divide(0xFFFF_FFFF)

    assert made.state.divide == 0b1011


def test_initial_count_of_more_than_32_bits_is_truncated() -> None:
    made = timer(TimerMode.ONE_SHOT)

    made.write_initial_count(0x1_0000_0005)

    assert made.current_count == 5


@pytest.mark.parametrize(("elapsed", "count"), [(0, 10), (3, 10), (4, 9), (39, 1), (40, 0)])
def test_one_shot_count_falls_once_per_divided_clock(elapsed: int, count: int) -> None:
    made = timer(TimerMode.ONE_SHOT, divide=1)
    made.write_initial_count(10)

    made.advance(1000 + elapsed)

    assert made.current_count == count


def test_one_shot_expires_once_at_its_deadline() -> None:
    made = timer(TimerMode.ONE_SHOT, divide=0)
    made.write_initial_count(10)

    assert made.deadline_ticks() == 1020
    assert [made.advance(tick) for tick in (1019, 1020, 5000)] == [False, True, False]
    assert made.deadline_ticks() is None


def test_initial_count_zero_stops() -> None:
    made = timer(TimerMode.PERIODIC)
    made.write_initial_count(10)

    made.write_initial_count(0)

    assert made.deadline_ticks() is None
    assert not made.advance(5000)


def test_periodic_reloads_at_each_expiry() -> None:
    made = timer(TimerMode.PERIODIC)
    made.write_initial_count(10)

    assert [made.advance(tick) for tick in (1009, 1010, 1019, 1020)] == [False, True, False, True]
    assert (made.current_count, made.deadline_ticks()) == (10, 1030)


def test_periodic_over_many_periods_expires_once_and_keeps_phase() -> None:
    made = timer(TimerMode.PERIODIC)
    made.write_initial_count(7)

    assert made.advance(1000 + 7 * 10**15 + 3)
    assert made.current_count == 4
    assert made.deadline_ticks() == 1000 + 7 * 10**15 + 7


def test_initial_count_written_again_restarts() -> None:
    made = timer(TimerMode.PERIODIC)
    made.write_initial_count(10)
    made.advance(1005)

    made.write_initial_count(20)

    assert made.deadline_ticks() == 1025


def test_divide_written_while_counting_goes_on_from_current_count() -> None:
    made = timer(TimerMode.ONE_SHOT)
    made.write_initial_count(10)
    made.advance(1004)

    made.write_divide(0)

    assert (made.current_count, made.deadline_ticks()) == (6, 1016)


def test_mode_from_one_shot_to_periodic_while_counting_keeps_count() -> None:
    made = timer(TimerMode.ONE_SHOT)
    made.write_initial_count(10)
    made.advance(1004)

    made.set_mode(TimerMode.PERIODIC)

    assert made.current_count == 6
    assert made.advance(1010)
    assert made.deadline_ticks() == 1020


def test_mode_to_periodic_after_one_shot_expired_stays_stopped() -> None:
    made = timer(TimerMode.ONE_SHOT)
    made.write_initial_count(10)
    made.advance(1010)

    made.set_mode(TimerMode.PERIODIC)

    assert made.deadline_ticks() is None


def test_mode_to_one_shot_while_periodic_stops_after_this_period() -> None:
    made = timer(TimerMode.PERIODIC)
    made.write_initial_count(10)

    made.set_mode(TimerMode.ONE_SHOT)

    assert made.advance(1010)
    assert made.deadline_ticks() is None


@pytest.mark.parametrize("mode", [TimerMode.ONE_SHOT, TimerMode.PERIODIC])
def test_mode_to_tsc_deadline_disarms_count(mode: TimerMode) -> None:
    made = timer(mode)
    made.write_initial_count(10)

    made.set_mode(TimerMode.TSC_DEADLINE)

    assert (made.deadline_ticks(), made.current_count) == (None, 0)


@pytest.mark.parametrize("mode", [TimerMode.ONE_SHOT, TimerMode.PERIODIC])
def test_mode_from_tsc_deadline_disarms_deadline(mode: TimerMode) -> None:
    made = timer(TimerMode.TSC_DEADLINE)
    made.write_tsc_deadline(5000)

    made.set_mode(mode)

    assert (made.tsc_deadline, made.deadline_ticks()) == (0, None)


def test_tsc_deadline_mode_kept_leaves_deadline() -> None:
    made = timer(TimerMode.TSC_DEADLINE)
    made.write_tsc_deadline(5000)

    made.set_mode(TimerMode.TSC_DEADLINE)

    assert made.tsc_deadline == 5000


def test_tsc_deadline_expires_once_and_reads_zero() -> None:
    made = timer(TimerMode.TSC_DEADLINE)

    assert not made.write_tsc_deadline(5000)
    assert made.deadline_ticks() == 5000
    assert [made.advance(tick) for tick in (4999, 5000, 6000)] == [False, True, False]
    assert made.tsc_deadline == 0


@pytest.mark.parametrize("deadline", [1, 999, 1000])
def test_tsc_deadline_not_in_the_future_expires_at_once(deadline: int) -> None:
    made = timer(TimerMode.TSC_DEADLINE)

    assert made.write_tsc_deadline(deadline)
    assert made.tsc_deadline == 0


def test_tsc_deadline_zero_disarms() -> None:
    made = timer(TimerMode.TSC_DEADLINE)
    made.write_tsc_deadline(5000)

    assert not made.write_tsc_deadline(0)
    assert made.deadline_ticks() is None


@pytest.mark.parametrize(("offset", "tick"), [(-500, 5500), (1000, 4000), (4500, 1000)])
def test_tsc_deadline_counts_in_the_cores_tsc(offset: int, tick: int) -> None:
    made = timer(TimerMode.TSC_DEADLINE)
    made.write_tsc_deadline(5000)

    made.state.tsc_offset_ticks = offset

    assert made.deadline_ticks() == tick


def test_tsc_deadline_written_in_other_mode_is_ignored() -> None:
    made = timer(TimerMode.ONE_SHOT)

    assert not made.write_tsc_deadline(1)
    assert made.tsc_deadline == 0


def test_initial_count_written_in_tsc_deadline_mode_is_ignored() -> None:
    made = timer(TimerMode.TSC_DEADLINE)

    made.write_initial_count(10)

    assert (made.state.initial_count, made.current_count) == (0, 0)


def test_reset_keeps_time_and_tsc_offset() -> None:
    made = timer(TimerMode.PERIODIC)
    made.write_initial_count(10)
    made.state.tsc_offset_ticks = 7

    made.reset()

    assert made.state == ApicTimerState(
        since_ticks=made.state.since_ticks, now_ticks=1000, tsc_offset_ticks=7
    )


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (Reg.TIMER_INITIAL_COUNT, 10),
        (Reg.TIMER_CURRENT_COUNT, 8),
        (Reg.TIMER_DIVIDE, 1),
        (Reg.SELF_IPI, 0),
    ],
)
def test_read_register_returns_value(offset: int, value: int) -> None:
    made = timer(TimerMode.ONE_SHOT, divide=1)
    made.write_initial_count(10)
    made.advance(1008)

    assert made.read_register(offset) == value


@settings(derandomize=True, deadline=None)
@given(
    initial=st.integers(1, 50),
    divide=st.sampled_from([0, 1, 2, 3, 8, 9, 10, 11]),
    steps=st.lists(st.integers(0, 400), max_size=12),
)
def test_periodic_count_is_independent_of_how_time_is_cut(
    initial: int, divide: int, steps: list[int]
) -> None:
    cut, whole = timer(TimerMode.PERIODIC, divide), timer(TimerMode.PERIODIC, divide)
    cut.write_initial_count(initial)
    whole.write_initial_count(initial)

    fired = sum([cut.advance(cut.state.now_ticks + step) for step in steps])
    whole_fired = whole.advance(1000 + sum(steps))

    assert cut.current_count == whole.current_count
    assert cut.deadline_ticks() == whole.deadline_ticks()
    assert bool(fired) == whole_fired
