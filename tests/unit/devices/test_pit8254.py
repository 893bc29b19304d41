from copy import deepcopy
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from uniSMP.arch.time import PIT_HERTZ, TICKS_PER_SECOND
from uniSMP.devices.device import TimedDevice
from uniSMP.devices.messages import IrqLine, Messages
from uniSMP.devices.pit8254 import CounterState, Pit, PitState, clocks_at, tick_of

CONTROL = 3
RISES = (IrqLine(0, is_high=True),)
FALLS = (IrqLine(0, is_high=False),)
LOW_ONLY, HIGH_ONLY, LOW_THEN_HIGH = 0x10, 0x20, 0x30


def program(pit: Pit, channel: int, mode: int, count: int, *, bcd: int = 0) -> None:
    """Write a control word and a two-byte count."""
    pit.write(CONTROL, channel << 6 | LOW_THEN_HIGH | mode << 1 | bcd, 1)
    write_count(pit, channel, count)


def write_count(pit: Pit, channel: int, count: int) -> None:
    """Write a two-byte count."""
    pit.write(channel, count & 0xFF, 1)
    pit.write(channel, count >> 8, 1)


def at(pit: Pit, clock: int) -> Messages:
    """Advance to pulse `clock`."""
    return pit.advance(tick_of(clock))


def guest_read(pit: Pit, channel: int) -> int:
    """Read a byte as a guest does."""
    value = pit.read(channel, 1)
    pit.after_read(channel, 1)
    return value


def count(pit: Pit, channel: int) -> int:
    """Latch and read a two-byte count."""
    pit.write(CONTROL, channel << 6, 1)
    return guest_read(pit, channel) | guest_read(pit, channel) << 8


def status(pit: Pit, channel: int) -> int:
    """Read the status byte with a read-back command."""
    pit.write(CONTROL, 0xE0 | 2 << channel, 1)
    return guest_read(pit, channel)


def outputs(pit: Pit, channel: int, clocks: int) -> str:
    """Advance pulse by pulse from pulse 1; return OUT after each as H or L."""
    first = clocks_at(0) + 1
    levels = []
    for clock in range(first, first + clocks):
        at(pit, clock)
        levels.append("LH"[pit.output(channel)])
    return "".join(levels)


def counts(pit: Pit, channel: int, clocks: int) -> list[int]:
    """Advance pulse by pulse from pulse 1; return CE after each."""
    levels = []
    for clock in range(1, clocks + 1):
        at(pit, clock)
        levels.append(count(pit, channel))
    return levels


def deadlines(pit: Pit, number: int) -> list[tuple[int, Messages]]:
    """Advance from deadline to deadline; return pulse and messages of each."""
    result = []
    for _ in range(number):
        ticks = pit.deadline_ticks()
        assert ticks is not None
        result.append((clocks_at(ticks), pit.advance(ticks)))
    return result


@pytest.fixture
def pit() -> Pit:
    return Pit()


def test_pit_shape_is_a_timed_device(pit: Pit) -> None:
    assert isinstance(pit, TimedDevice)
    assert pit.widest_access_bytes == 1


@pytest.mark.parametrize("clock", [0, 1, 2, 1_193_181, 1_193_182, 10**15 + 7])
def test_tick_of_is_first_tick_of_the_pulse(clock: int) -> None:
    assert clocks_at(tick_of(clock)) == clock
    assert clocks_at(tick_of(clock + 1) - 1) == clock


def test_clocks_at_a_second_has_no_drift() -> None:
    assert clocks_at(TICKS_PER_SECOND * 1000) == PIT_HERTZ * 1000


def test_pit_reset_counters_are_stopped(pit: Pit) -> None:
    assert pit.deadline_ticks() is None
    assert at(pit, 1_000_000) == ()
    assert [pit.output(channel) for channel in range(3)] == [False] * 3
    assert [count(pit, channel) for channel in range(3)] == [0] * 3
    assert [status(pit, channel) for channel in range(3)] == [0x70] * 3


def test_control_port_read_floats(pit: Pit) -> None:
    assert pit.read(CONTROL, 1) == 0xFF
    assert pit.after_read(CONTROL, 1) == ()


@pytest.mark.parametrize(
    ("mode", "initial", "expected"),
    [
        (0, 4, "LLLLHHHHHH"),
        (0, 1, "LHHHHHHHHH"),
        (1, 4, "HHHHHHHHHH"),
        (2, 4, "HHHLHHHLHH"),
        (2, 3, "HHLHHLHHLH"),
        (2, 2, "HLHLHLHLHL"),
        (2, 1, "HHHHHHHHHH"),
        (3, 4, "HHLLHHLLHH"),
        (3, 5, "HHHLLHHHLL"),
        (3, 3, "HHLHHLHHLH"),
        (3, 2, "HLHLHLHLHL"),
        (3, 1, "HHHHHHHHHH"),
        (4, 3, "HHHLHHHHHH"),
        (4, 1, "HLHHHHHHHH"),
        (5, 3, "HHHHHHHHHH"),
        (6, 4, "HHHLHHHLHH"),
        (7, 4, "HHLLHHLLHH"),
    ],
)
@pytest.mark.parametrize("channel", [0, 1])
def test_output_per_mode_follows_the_data_sheet(
    pit: Pit, channel: int, mode: int, initial: int, expected: str
) -> None:
    program(pit, channel, mode, initial)

    assert outputs(pit, channel, 10) == expected


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0, "LLLHHHHH"),
        (1, "LLLHHHHH"),
        (2, "HHLHHLHH"),
        (3, "HHLHHLHH"),
        (4, "HHHLHHHH"),
        (5, "HHHLHHHH"),
    ],
)
def test_output_after_gate_rises_starts_the_mode(pit: Pit, mode: int, expected: str) -> None:
    program(pit, 2, mode, 3)
    pit.set_gate(2, is_high=True)

    assert outputs(pit, 2, 8) == expected


@pytest.mark.parametrize(
    ("mode", "initial", "expected"),
    [
        (0, 3, [3, 2, 1, 0, 0xFFFF, 0xFFFE]),
        (2, 3, [3, 2, 1, 3, 2, 1]),
        (2, 1, [1, 0, 0xFFFF]),
        (3, 6, [6, 4, 2, 6, 4, 2]),
        (3, 5, [4, 2, 0, 4, 2, 4]),
        (4, 2, [2, 1, 0, 0xFFFF, 0xFFFE]),
    ],
)
def test_count_per_mode_follows_the_data_sheet(
    pit: Pit, mode: int, initial: int, expected: list[int]
) -> None:
    program(pit, 0, mode, initial)

    assert counts(pit, 0, len(expected)) == expected


@pytest.mark.parametrize(
    ("mode", "bcd", "rise"), [(0, 0, 65537), (0, 1, 10001), (2, 0, 65536), (3, 1, 5001)]
)
def test_count_zero_is_the_highest(pit: Pit, mode: int, bcd: int, rise: int) -> None:
    program(pit, 0, mode, 0, bcd=bcd)

    assert deadlines(pit, 1)[0][0] == rise


@pytest.mark.parametrize(
    ("initial", "expected"),
    [(0x0100, [0x100, 0x99, 0x98]), (0x0001, [1, 0, 0x9999]), (0x000F, [0x15, 0x14])],
)
def test_bcd_count_borrows_in_decimal(pit: Pit, initial: int, expected: list[int]) -> None:
    program(pit, 0, 0, initial, bcd=1)

    assert counts(pit, 0, len(expected)) == expected


@pytest.mark.parametrize(("access", "initial"), [(LOW_ONLY, 0x34), (HIGH_ONLY, 0x3400)])
def test_access_one_byte_clears_the_other(pit: Pit, access: int, initial: int) -> None:
    pit.write(CONTROL, access, 1)
    pit.write(0, 0x34, 1)

    at(pit, 1)

    assert pit.state.counters[0].count == initial
    assert [guest_read(pit, 0) for _ in range(2)] == [0x34, 0x34]


def test_access_two_bytes_alternates(pit: Pit) -> None:
    program(pit, 0, 2, 0x1234)
    at(pit, 1)

    assert [guest_read(pit, 0) for _ in range(3)] == [0x34, 0x12, 0x34]


def test_read_without_consequence_changes_nothing(pit: Pit) -> None:
    program(pit, 0, 2, 0x1234)
    at(pit, 1)

    assert [pit.read(0, 1) for _ in range(2)] == [0x34, 0x34]


def test_latch_holds_count_until_both_bytes_are_read(pit: Pit) -> None:
    program(pit, 0, 2, 0x1234)
    at(pit, 1)
    pit.write(CONTROL, 0x00, 1)
    at(pit, 11)
    pit.write(CONTROL, 0x00, 1)

    assert [guest_read(pit, 0) for _ in range(4)] == [0x34, 0x12, 0x2A, 0x12]


def test_latch_one_byte_is_released_by_one_read(pit: Pit) -> None:
    pit.write(CONTROL, LOW_ONLY | 2 << 1, 1)
    pit.write(0, 0x34, 1)
    at(pit, 1)
    pit.write(CONTROL, 0x00, 1)
    at(pit, 2)

    assert [guest_read(pit, 0) for _ in range(2)] == [0x34, 0x33]


def test_latch_is_dropped_by_control_word(pit: Pit) -> None:
    program(pit, 0, 2, 0x1234)
    at(pit, 1)
    pit.write(CONTROL, 0x00, 1)

    program(pit, 0, 2, 0x5678)
    at(pit, 2)

    assert count(pit, 0) == 0x5678


def test_read_back_latches_selected_counters(pit: Pit) -> None:
    program(pit, 0, 2, 0x100)
    program(pit, 1, 2, 0x200)
    at(pit, 1)
    pit.write(CONTROL, 0xD2, 1)
    at(pit, 3)

    assert [guest_read(pit, channel) for channel in (0, 1)] == [0x00, 0xFE]


def test_read_back_of_both_gives_status_then_count(pit: Pit) -> None:
    program(pit, 0, 3, 0x1234)
    at(pit, 1)
    pit.write(CONTROL, 0xC2, 1)
    at(pit, 5)

    assert [guest_read(pit, 0) for _ in range(3)] == [0xB6, 0x34, 0x12]


def test_read_back_status_is_kept_until_read(pit: Pit) -> None:
    program(pit, 0, 0, 1)
    pit.write(CONTROL, 0xE2, 1)
    at(pit, 2)
    pit.write(CONTROL, 0xE2, 1)

    assert guest_read(pit, 0) == 0x70
    assert status(pit, 0) == 0xB0


@pytest.mark.parametrize("mode", range(8))
def test_status_shows_control_as_written(pit: Pit, mode: int) -> None:
    pit.write(CONTROL, LOW_ONLY | mode << 1 | 1, 1)

    assert status(pit, 0) & 0x3F == LOW_ONLY | mode << 1 | 1


def test_status_null_count_until_loaded(pit: Pit) -> None:
    program(pit, 0, 2, 4)
    before = status(pit, 0)
    at(pit, 1)
    loaded = status(pit, 0)
    pit.write(0, 6, 1)
    half_written = status(pit, 0)
    pit.write(0, 0, 1)
    written = status(pit, 0)
    at(pit, 5)

    assert [value & 0x40 for value in (before, loaded, half_written, written)] == [64, 0, 0, 64]
    assert status(pit, 0) & 0x40 == 0


@pytest.mark.parametrize(
    ("mode", "first", "second", "changes"),
    [
        (2, 4, 6, [4, 5, 10, 11]),
        (3, 8, 4, [5, 7, 9]),
        (3, 4, 7, [3, 6, 10, 13]),
    ],
)
def test_periodic_new_count_waits_for_reload(
    pit: Pit, mode: int, first: int, second: int, changes: list[int]
) -> None:
    program(pit, 0, mode, first)
    at(pit, 2)
    write_count(pit, 0, second)

    assert [clock for clock, _ in deadlines(pit, len(changes))] == changes


@pytest.mark.parametrize(("mode", "changes"), [(2, [8, 9]), (3, [7, 9])])
def test_periodic_count_after_forbidden_one_is_loaded_at_once(
    pit: Pit, mode: int, changes: list[int]
) -> None:
    program(pit, 0, mode, 1)
    at(pit, 4)
    assert pit.deadline_ticks() is None

    write_count(pit, 0, 4)

    assert [clock for clock, _ in deadlines(pit, 2)] == changes


def test_periodic_new_count_after_forbidden_one_keeps_count_until_loaded(pit: Pit) -> None:
    program(pit, 0, 2, 1)
    at(pit, 3)

    write_count(pit, 0, 4)

    assert count(pit, 0) == 0xFFFF
    at(pit, 4)
    assert count(pit, 0) == 4


@pytest.mark.parametrize(("written_at", "messages"), [(2, ()), (3, RISES)])
def test_periodic_new_count_one_stops_the_output_high(
    pit: Pit, written_at: int, messages: Messages
) -> None:
    program(pit, 0, 3, 4)
    at(pit, written_at)
    write_count(pit, 0, 1)

    assert at(pit, 5) == messages
    assert pit.deadline_ticks() is None
    assert at(pit, 1000) == ()


@pytest.mark.parametrize("mode", [2, 3])
def test_gate_low_in_periodic_mode_raises_output_and_stops(pit: Pit, mode: int) -> None:
    program(pit, 0, mode, 4)
    at(pit, 4)
    stopped = count(pit, 0)

    assert pit.set_gate(0, is_high=False) == RISES
    assert pit.deadline_ticks() is None
    at(pit, 100)
    assert count(pit, 0) == stopped


@pytest.mark.parametrize(("mode", "change"), [(2, 104), (3, 103)])
def test_gate_rising_in_periodic_mode_reloads(pit: Pit, mode: int, change: int) -> None:
    program(pit, 0, mode, 4)
    at(pit, 4)
    pit.set_gate(0, is_high=False)
    at(pit, 100)

    pit.set_gate(0, is_high=True)

    assert deadlines(pit, 1) == [(change, FALLS)]


@pytest.mark.parametrize("stopped_at", [3, 4])
def test_gate_rising_does_not_count_before_the_reload(pit: Pit, stopped_at: int) -> None:
    program(pit, 2, 2, 4)
    pit.set_gate(2, is_high=True)
    at(pit, stopped_at)
    pit.set_gate(2, is_high=False)
    pit.set_gate(2, is_high=True)

    assert pit.output(2)
    at(pit, stopped_at + 1)
    assert pit.output(2)
    assert count(pit, 2) == 4


def test_gate_rising_loads_new_count(pit: Pit) -> None:
    program(pit, 0, 3, 100)
    at(pit, 10)
    write_count(pit, 0, 4)
    pit.set_gate(0, is_high=False)
    pit.set_gate(0, is_high=True)

    assert [clock for clock, _ in deadlines(pit, 2)] == [13, 15]


@pytest.mark.parametrize(("mode", "messages"), [(0, RISES), (4, FALLS)])
def test_gate_low_in_software_mode_pauses(pit: Pit, mode: int, messages: Messages) -> None:
    program(pit, 0, mode, 10)
    at(pit, 4)
    pit.set_gate(0, is_high=False)
    assert pit.deadline_ticks() is None
    at(pit, 50)
    assert count(pit, 0) == 7

    assert pit.set_gate(0, is_high=True) == ()

    assert deadlines(pit, 1) == [(57, messages)]


@pytest.mark.parametrize("mode", [0, 4])
def test_gate_low_still_loads_the_count(pit: Pit, mode: int) -> None:
    program(pit, 2, mode, 0)
    at(pit, 5)
    assert status(pit, 2) & 0x40 == 0

    pit.set_gate(2, is_high=True)
    at(pit, 6)

    assert count(pit, 2) == 0xFFFF


def test_gate_paused_at_the_highest_count_keeps_it(pit: Pit) -> None:
    pit.set_gate(0, is_high=False)
    program(pit, 0, 0, 0)
    at(pit, 5)
    pit.set_gate(0, is_high=True)

    assert deadlines(pit, 1) == [(5 + 65536, RISES)]


def test_gate_same_level_changes_nothing(pit: Pit) -> None:
    program(pit, 0, 2, 4)
    at(pit, 2)
    before = repr(pit.state)

    assert pit.set_gate(0, is_high=True) == ()
    assert repr(pit.state) == before


@pytest.mark.parametrize("mode", [1, 2, 3, 5])
def test_gate_rising_without_count_does_nothing(pit: Pit, mode: int) -> None:
    pit.write(CONTROL, 0x80 | LOW_THEN_HIGH | mode << 1, 1)
    pit.set_gate(2, is_high=True)

    assert outputs(pit, 2, 5) == "HHHHH"
    assert status(pit, 2) & 0x40


def test_one_shot_trigger_while_low_starts_again(pit: Pit) -> None:
    program(pit, 2, 1, 3)
    pit.set_gate(2, is_high=True)
    at(pit, 3)
    pit.set_gate(2, is_high=False)
    pit.set_gate(2, is_high=True)
    at(pit, 6)
    assert not pit.output(2)

    at(pit, 7)

    assert pit.output(2)


def test_one_shot_trigger_at_the_end_keeps_output_low(pit: Pit) -> None:
    program(pit, 0, 1, 3)
    pit.set_gate(0, is_high=False)
    pit.set_gate(0, is_high=True)
    at(pit, 3)
    pit.set_gate(0, is_high=False)
    pit.set_gate(0, is_high=True)

    assert deadlines(pit, 1) == [(7, RISES)]


@pytest.mark.parametrize("mode", [1, 5])
def test_triggered_mode_new_count_waits_for_trigger(pit: Pit, mode: int) -> None:
    program(pit, 2, mode, 5)
    pit.set_gate(2, is_high=True)
    at(pit, 2)
    write_count(pit, 2, 9)
    at(pit, 4)
    assert count(pit, 2) == 2

    pit.set_gate(2, is_high=False)
    at(pit, 5)
    assert count(pit, 2) == 1
    pit.set_gate(2, is_high=True)
    at(pit, 6)

    assert count(pit, 2) == 9


def test_mode_0_new_count_after_terminal_lowers_output(pit: Pit) -> None:
    pit.write(CONTROL, LOW_ONLY, 1)
    pit.write(0, 2, 1)
    assert at(pit, 3) == RISES

    assert pit.write(0, 5, 1) == FALLS
    assert deadlines(pit, 1) == [(9, RISES)]


def test_mode_0_first_byte_stops_and_second_starts(pit: Pit) -> None:
    program(pit, 0, 0, 5)
    at(pit, 3)
    pit.write(0, 7, 1)
    assert pit.deadline_ticks() is None
    at(pit, 50)
    assert pit.state.counters[0].count == 3

    pit.write(0, 0, 1)

    assert deadlines(pit, 1) == [(58, RISES)]


def test_mode_0_first_byte_lowers_output_at_once(pit: Pit) -> None:
    program(pit, 0, 0, 2)
    assert at(pit, 3) == RISES

    assert pit.write(0, 2, 1) == FALLS


def test_mode_4_new_count_restarts_the_strobe(pit: Pit) -> None:
    program(pit, 0, 4, 5)
    at(pit, 3)
    pit.write(0, 5, 1)
    at(pit, 4)
    assert count(pit, 0) == 2
    pit.write(0, 0, 1)

    assert deadlines(pit, 2) == [(10, FALLS), (11, RISES)]
    assert pit.deadline_ticks() is None


def test_mode_4_count_written_during_strobe_loads_as_it_ends(pit: Pit) -> None:
    program(pit, 0, 4, 1)
    at(pit, 2)
    write_count(pit, 0, 2)

    assert deadlines(pit, 3) == [(3, RISES), (5, FALLS), (6, RISES)]


@pytest.mark.parametrize(("mode", "messages"), [(0, FALLS), (1, ()), (2, ()), (4, ())])
def test_control_word_sets_output(pit: Pit, mode: int, messages: Messages) -> None:
    program(pit, 0, 2, 4)

    assert pit.write(CONTROL, LOW_THEN_HIGH | mode << 1, 1) == messages
    assert pit.deadline_ticks() is None


def test_control_word_first_of_periodic_mode_raises_irq(pit: Pit) -> None:
    assert pit.write(CONTROL, 0x36, 1) == RISES


def test_control_word_keeps_the_counting_element(pit: Pit) -> None:
    program(pit, 0, 2, 10)
    at(pit, 4)

    pit.write(CONTROL, 0x34, 1)
    at(pit, 8)

    assert count(pit, 0) == 7


def test_other_counters_send_no_messages(pit: Pit) -> None:
    program(pit, 1, 2, 4)
    program(pit, 2, 3, 4)
    pit.set_gate(2, is_high=True)

    assert at(pit, 3) == ()
    assert at(pit, 1000) == ()
    assert pit.deadline_ticks() is None


def test_deadlines_of_mode_2_repeat(pit: Pit) -> None:
    program(pit, 0, 2, 100)

    assert deadlines(pit, 4) == [(100, FALLS), (101, RISES), (200, FALLS), (201, RISES)]


def test_deadline_of_mode_3_after_days_has_no_drift(pit: Pit) -> None:
    program(pit, 0, 3, 11932)
    at(pit, 1)
    periods = 10**9
    at(pit, 1 + periods * 11932)

    assert pit.output(0)
    assert pit.deadline_ticks() == tick_of(1 + periods * 11932 + 5966)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (1, 3, []),
        (1, 4, [False]),
        (1, 5, [False, True]),
        (1, 8, [False, True, False]),
        (1, 9, [False, True]),
        (1, 12, [False, True, False]),
        (4, 5, [True]),
        (4, 8, [True, False]),
        (4, 9, [True, False, True]),
        (4, 1 + 4 * 10**12, [True, False, True]),
        (4, 4 * 10**12, [True, False]),
        (1, 4 * 10**12, [False, True, False]),
    ],
)
def test_advance_over_many_changes_tells_an_edge(
    pit: Pit, start: int, end: int, expected: list[bool]
) -> None:
    program(pit, 0, 2, 4)
    at(pit, start)

    assert at(pit, end) == tuple(IrqLine(0, is_high=is_high) for is_high in expected)


def test_state_saved_continues_alike(pit: Pit) -> None:
    program(pit, 0, 3, 1001)
    at(pit, 777)
    saved = pit.state

    assert Pit(saved).state == saved
    assert Pit().state == PitState()


@dataclass
class PulseCounter:
    """The data sheet's counter, moved pulse by pulse: slow and plain, to compare with.

    Attributes:
        steps: pulses left in this half of a square wave.
    """

    mode: int = 0
    reload: int | None = None
    count: int = 0
    steps: int = 0
    is_load_due: bool = False
    is_loaded: bool = False
    is_armed: bool = False
    is_strobing: bool = False
    is_gate_high: bool = True
    is_output_high: bool = False

    def write(self, count: int) -> None:
        self.reload = count or 0x10000
        is_cycling = self.mode in (2, 3) and self.is_loaded and self.is_armed
        self.is_load_due |= self.mode not in (1, 5) and not is_cycling
        self.is_output_high &= self.mode != 0

    def set_gate(self, *, is_high: bool) -> None:
        rises = is_high and not self.is_gate_high
        self.is_gate_high = is_high
        self.is_load_due |= rises and self.mode in (1, 2, 3, 5) and self.reload is not None
        self.is_output_high |= self.mode in (2, 3) and not is_high

    def load(self) -> None:
        assert self.reload is not None
        self.count = self.reload
        self.is_armed = self.mode not in (2, 3) or self.count != 1
        if self.mode == 3:
            self.steps = (self.count + self.is_output_high) // 2
            self.count &= ~1
        self.is_output_high |= not self.is_armed

    def pulse(self) -> None:
        if self.is_strobing:
            self.is_strobing = False
            self.is_output_high = True
        if self.is_load_due:
            self.is_load_due = False
            self.is_loaded = True
            self.is_output_high = self.mode in (2, 3) or (self.mode != 1 and self.is_output_high)
            self.load()
        elif self.is_loaded and (self.is_gate_high or self.mode in (1, 5)):
            self.count_down()

    def count_down(self) -> None:
        self.count -= 2 if self.mode == 3 else 1
        self.steps -= 1
        if self.mode == 3 and self.is_armed and self.steps == 0:
            self.is_output_high = not self.is_output_high
            self.load()
        elif self.mode == 2 and self.is_armed:
            self.is_output_high = self.count != 1
            if self.count == 0:
                self.load()
        elif self.mode not in (2, 3) and self.is_armed and self.count == 0:
            self.is_armed = False
            self.is_strobing = self.mode in (4, 5)
            self.is_output_high = not self.is_strobing


class PitMachine(RuleBasedStateMachine):
    """Counters 0 and 2 against `PulseCounter`, and counter 0's messages against its output."""

    def __init__(self) -> None:
        super().__init__()
        self.pit = Pit()
        self.clock = 0
        self.is_irq_high = False
        self.models = {0: PulseCounter(), 2: PulseCounter(is_gate_high=False)}
        self.program(0, 0)
        self.program(2, 0)

    def follow(self, messages: Messages) -> None:
        for message in messages:
            assert message == IrqLine(0, is_high=not self.is_irq_high)
            self.is_irq_high = not self.is_irq_high

    @rule(channel=st.sampled_from([0, 2]), mode=st.integers(0, 5))
    def program(self, channel: int, mode: int) -> None:
        self.follow(self.pit.write(CONTROL, channel << 6 | LOW_ONLY | mode << 1, 1))
        old = self.models[channel]
        self.models[channel] = PulseCounter(
            mode, count=old.count, is_gate_high=old.is_gate_high, is_output_high=mode != 0
        )

    @rule(channel=st.sampled_from([0, 2]), value=st.one_of(st.integers(0, 9), st.integers(0, 255)))
    def write_count(self, channel: int, value: int) -> None:
        self.follow(self.pit.write(channel, value, 1))
        self.models[channel].write(value)

    @rule(channel=st.sampled_from([0, 2]), is_high=st.booleans())
    def set_gate(self, channel: int, *, is_high: bool) -> None:
        self.follow(self.pit.set_gate(channel, is_high=is_high))
        self.models[channel].set_gate(is_high=is_high)

    @rule(clocks=st.one_of(st.integers(1, 12), st.integers(1, 600)))
    def advance(self, clocks: int) -> None:
        self.move(clocks)

    @rule(first=st.integers(0, 30), second=st.integers(0, 30))
    def advance_in_pieces(self, first: int, second: int) -> None:
        whole = Pit(deepcopy(self.pit.state))
        self.move(first)
        self.move(second)
        at(whole, self.clock)
        assert whole.state == self.pit.state

    @rule()
    def advance_to_deadline(self) -> None:
        ticks = self.pit.deadline_ticks()
        until = self.clock + 300 if ticks is None else clocks_at(ticks)
        assert self.move(until - 1 - self.clock) == 0
        assert (self.move(1) == 1) == (ticks is not None)

    def move(self, clocks: int) -> int:
        """Let pulses pass; return how often the model of counter 0 changed its output."""
        changes = 0
        for _ in range(clocks):
            was_high = self.models[0].is_output_high
            self.models[0].pulse()
            self.models[2].pulse()
            changes += self.models[0].is_output_high != was_high
        self.clock += clocks
        self.follow(at(self.pit, self.clock))
        return changes

    @invariant()
    def outputs_and_counts_match(self) -> None:
        for channel, model in self.models.items():
            assert self.pit.output(channel) == model.is_output_high
            assert count_of(self.pit, channel) == model.count & 0xFFFF

    @invariant()
    def line_matches_messages(self) -> None:
        assert self.pit.output(0) == self.is_irq_high

    @invariant()
    def state_round_trips(self) -> None:
        assert Pit(self.pit.state).state == self.pit.state


def count_of(pit: Pit, channel: int) -> int:
    """Return CE, whatever bytes the guest may read."""
    copy = Pit(deepcopy(pit.state))
    state: CounterState = copy.state.counters[channel]
    state.control |= LOW_THEN_HIGH
    state.latched_count = state.latched_status = None
    state.reads_high_next = False
    return count(copy, channel)


PitMachine.TestCase.settings = settings(
    derandomize=True, deadline=None, max_examples=60, stateful_step_count=30
)
TestPit = PitMachine.TestCase
