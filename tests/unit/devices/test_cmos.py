"""CMOS RAM and real-time clock."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.arch.time import TICKS_PER_SECOND
from uniSMP.devices.cmos import ClockTime, Cmos, CmosState, firmware_state
from uniSMP.devices.device import TimedDevice

SECOND = TICKS_PER_SECOND
TIME_INDICES = (0x00, 0x02, 0x04, 0x06, 0x07, 0x08, 0x09, 0x32)
MIB = 1 << 20
GIB = 1 << 30


def load(cmos: Cmos, index: int) -> int:
    cmos.write(0, index, 1)
    return cmos.read(1, 1)


def store(cmos: Cmos, index: int, value: int) -> None:
    cmos.write(0, index, 1)
    cmos.write(1, value, 1)


def clock(cmos: Cmos) -> list[int]:
    return [load(cmos, index) for index in TIME_INDICES]


def set_clock(cmos: Cmos, values: list[int]) -> None:
    for index, value in zip(TIME_INDICES, values, strict=True):
        store(cmos, index, value)


def number(cmos: Cmos, index: int, size_bytes: int) -> int:
    return int.from_bytes(bytes(load(cmos, index + place) for place in range(size_bytes)), "little")


def test_cmos_is_a_timed_byte_device() -> None:
    cmos = Cmos()
    assert isinstance(cmos, TimedDevice)
    assert cmos.widest_access_bytes == 1
    assert cmos.deadline_ticks() is None


def test_clock_at_power_on_shows_the_first_of_january_2026() -> None:
    assert clock(Cmos()) == [0, 0, 0, 5, 1, 1, 0x26, 0x20]


@pytest.mark.parametrize(
    ("index", "value"), [(0x0A, 0x26), (0x0B, 0x02), (0x0C, 0), (0x0D, 0x80), (0x0F, 0), (0x7F, 0)]
)
def test_register_at_power_on_has_its_value(index: int, value: int) -> None:
    assert load(Cmos(), index) == value


def test_cmos_with_saved_state_keeps_it() -> None:
    saved = CmosState(
        index=0x8F,
        ram=bytearray(b"\x01" * 128),
        time=ClockTime(seconds=7),
        second_ticks=5,
        now_ticks=9,
        is_update_ended=True,
    )
    assert Cmos(saved).state == saved


@pytest.mark.parametrize("index", [0x01, 0x03, 0x05, 0x0E, 0x0F, 0x10, 0x33, 0x7F])
def test_ram_is_writable(index: int) -> None:
    cmos = Cmos()
    store(cmos, index, 0xA5)
    assert load(cmos, index) == 0xA5


@pytest.mark.parametrize(("index", "value"), [(0x0C, 0), (0x0D, 0x80)])
def test_read_only_register_ignores_a_write(index: int, value: int) -> None:
    cmos = Cmos()
    store(cmos, index, 0x7F)
    assert load(cmos, index) == value


def test_index_port_reads_ones_and_keeps_the_nmi_gate() -> None:
    cmos = Cmos()
    cmos.write(0, 0x8D, 1)
    assert cmos.is_nmi_disabled
    assert cmos.read(0, 1) == 0xFF
    assert cmos.read(1, 1) == 0x80
    cmos.write(0, 0x0D, 1)
    assert not cmos.is_nmi_disabled


def test_offset_beyond_the_ports_reads_ones_and_ignores_writes() -> None:
    cmos = Cmos()
    assert cmos.write(2, 0x12, 1) == ()
    assert cmos.read(2, 1) == 0xFF
    assert cmos.state == CmosState()


def test_write_wider_than_a_byte_is_cut() -> None:
    cmos = Cmos()
    cmos.write(0, 0x140, 2)
    cmos.write(1, 0x155, 2)
    assert load(cmos, 0x40) == 0x55


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (1, [0x01, 0, 0, 5, 1, 1, 0x26, 0x20]),
        (59, [0x59, 0, 0, 5, 1, 1, 0x26, 0x20]),
        (3_600 * 13, [0, 0, 0x13, 5, 1, 1, 0x26, 0x20]),
        (86_400 * 3, [0, 0, 0, 1, 4, 1, 0x26, 0x20]),
        (86_400 * 31 + 61, [0x01, 0x01, 0, 1, 1, 2, 0x26, 0x20]),
        (86_400 * (365 * 2 + 59), [0, 0, 0, 3, 0x29, 2, 0x28, 0x20]),
        (86_400 * 27_028, [0, 0, 0, 6, 1, 1, 0x00, 0x21]),
    ],
)
def test_clock_after_seconds_shows_the_date(seconds: int, shown: list[int]) -> None:
    cmos = Cmos()
    assert cmos.advance(seconds * SECOND - 1) == ()
    before = clock(cmos)
    cmos.advance(seconds * SECOND)
    assert clock(cmos) == shown
    assert before != shown


@settings(derandomize=True, deadline=None)
@given(steps=st.lists(st.integers(0, 10**17), max_size=6))
def test_clock_in_steps_agrees_with_the_calendar(steps: list[int]) -> None:
    cmos = Cmos()
    _ = [cmos.advance(sum(steps[: count + 1])) for count in range(len(steps))]
    days, seconds = divmod(sum(steps) // SECOND, 86_400)
    today = date(2026, 1, 1) + timedelta(days=days)
    time = cmos.state.time
    assert (time.century * 100 + time.year, time.month, time.day) == (
        today.year,
        today.month,
        today.day,
    )
    assert time.weekday == today.isoweekday() % 7 + 1
    assert (time.hours * 60 + time.minutes) * 60 + time.seconds == seconds


@pytest.mark.parametrize(
    ("status_b", "hours", "shown"),
    [
        (0x02, 0, 0x00),
        (0x02, 23, 0x23),
        (0x06, 23, 23),
        (0x00, 0, 0x12),
        (0x00, 11, 0x11),
        (0x00, 12, 0x92),
        (0x00, 23, 0x91),
        (0x04, 0, 12),
        (0x04, 23, 0x80 | 11),
    ],
)
def test_hours_are_shown_and_taken_in_the_format_of_status_b(
    status_b: int, hours: int, shown: int
) -> None:
    cmos = Cmos()
    cmos.state.time.hours = hours
    store(cmos, 0x0B, status_b)
    assert load(cmos, 0x04) == shown
    cmos.state.time.hours = 99
    store(cmos, 0x04, shown)
    assert cmos.state.time.hours == hours


@pytest.mark.parametrize(
    ("status_b", "written"),
    [
        (0x02, [0x58, 0x59, 0x23, 7, 0x31, 0x12, 0x99, 0x19]),
        (0x06, [58, 59, 23, 7, 31, 12, 99, 19]),
    ],
)
def test_clock_set_by_the_guest_runs_on(status_b: int, written: list[int]) -> None:
    cmos = Cmos()
    store(cmos, 0x0B, status_b | 0x80)
    set_clock(cmos, written)
    store(cmos, 0x0B, status_b)
    assert clock(cmos) == written
    cmos.advance(2 * SECOND)
    time = cmos.state.time
    assert time == ClockTime(weekday=1, year=0)


def test_clock_while_set_stands_still_and_keeps_its_phase() -> None:
    cmos = Cmos()
    store(cmos, 0x0B, 0x82)
    cmos.advance(10 * SECOND + SECOND // 2)
    store(cmos, 0x0B, 0x02)
    assert load(cmos, 0) == 0
    cmos.advance(11 * SECOND)
    assert load(cmos, 0) == 1


def test_clock_with_stopped_divider_stands_still() -> None:
    cmos = Cmos()
    store(cmos, 0x0A, 0x76)
    cmos.advance(10 * SECOND)
    assert load(cmos, 0) == 0
    assert load(cmos, 0x0A) == 0x76


@pytest.mark.parametrize(
    ("time", "after"),
    [
        (ClockTime(seconds=99), ClockTime(seconds=40, minutes=1)),
        (ClockTime(day=0, month=0), ClockTime(seconds=1)),
        (ClockTime(day=31, month=2), ClockTime(seconds=1, day=3, month=3)),
        (ClockTime(month=99), ClockTime(seconds=1, month=12)),
        (ClockTime(century=0, year=0), ClockTime(seconds=1, century=0, year=1)),
        (ClockTime(century=165, year=99), ClockTime(seconds=1, century=99, year=99)),
    ],
)
def test_time_out_of_range_is_carried_over_at_the_next_update(
    time: ClockTime, after: ClockTime
) -> None:
    time.add_seconds(1)
    assert time == after


def test_time_after_the_year_9999_wraps() -> None:
    time = ClockTime(seconds=59, minutes=59, hours=23, day=31, month=12, year=99, century=99)
    time.add_seconds(1)
    assert (time.day, time.month, time.year, time.century) == (1, 1, 1, 0)


@pytest.mark.parametrize("register", [0x00, 0x09])
def test_time_of_invalid_bcd_still_reads_as_a_byte(register: int) -> None:
    cmos = Cmos()
    store(cmos, register, 0xFF)
    assert 0 <= load(cmos, register) <= 0xFF


@pytest.mark.parametrize(
    ("ticks", "status_a"),
    [(0, 0x26), (SECOND - 2_228_001, 0x26), (SECOND - 2_228_000, 0xA6), (SECOND, 0x26)],
)
def test_update_in_progress_is_set_at_the_end_of_a_second(ticks: int, status_a: int) -> None:
    cmos = Cmos()
    cmos.advance(ticks)
    assert load(cmos, 0x0A) == status_a


def test_update_in_progress_while_set_is_clear() -> None:
    cmos = Cmos()
    store(cmos, 0x0B, 0x82)
    cmos.advance(SECOND - 1)
    assert load(cmos, 0x0A) == 0x26


def test_status_a_update_bit_is_read_only() -> None:
    cmos = Cmos()
    store(cmos, 0x0A, 0xA6)
    assert load(cmos, 0x0A) == 0x26


def test_status_c_shows_an_ended_update_until_read() -> None:
    cmos = Cmos()
    cmos.advance(SECOND)
    assert load(cmos, 0x0C) == 0x10
    cmos.after_read(0, 1)
    assert cmos.read(1, 1) == 0x10
    assert cmos.after_read(1, 1) == ()
    assert cmos.read(1, 1) == 0


def test_reading_another_register_keeps_status_c() -> None:
    cmos = Cmos()
    cmos.advance(SECOND)
    load(cmos, 0x0B)
    cmos.after_read(1, 1)
    assert load(cmos, 0x0C) == 0x10


@pytest.mark.parametrize(
    ("below", "above", "extended_kib", "blocks", "high_blocks"),
    [
        (512 << 10, 0, 0, 0, 0),
        (MIB, 0, 0, 0, 0),
        (16 * MIB, 0, 15 * 1024, 0, 0),
        (64 * MIB, 0, 63 * 1024, 48 * 16, 0),
        (65 * MIB, 0, 65_535, 49 * 16, 0),
        (3 * GIB, GIB, 65_535, 3056 * 16, 16_384),
        (8 * GIB, 2048 * GIB, 65_535, 65_535, 0xFFFFFF),
    ],
)
def test_firmware_state_tells_the_memory_size(
    below: int, above: int, extended_kib: int, blocks: int, high_blocks: int
) -> None:
    cmos = Cmos(firmware_state(below, above))
    assert number(cmos, 0x15, 2) == 640
    assert number(cmos, 0x17, 2) == extended_kib
    assert number(cmos, 0x30, 2) == extended_kib
    assert number(cmos, 0x34, 2) == blocks
    assert number(cmos, 0x5B, 3) == min(high_blocks, 0xFFFFFF)


def test_firmware_state_checksum_covers_0x10_to_0x2d() -> None:
    cmos = Cmos(firmware_state(64 * MIB))
    covered = sum(load(cmos, index) for index in range(0x10, 0x2E))
    assert covered == load(cmos, 0x2E) << 8 | load(cmos, 0x2F)
