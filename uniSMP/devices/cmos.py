"""The CMOS RAM and real-time clock at ports 0x70 and 0x71.

Source: Motorola MC146818A data sheet (1984) for registers 0x00-0x0D; IBM PC/AT Technical Reference,
"Real-Time Clock/CMOS RAM Information", and Ralf Brown's Interrupt List, file CMOS.LST, for the RAM.

The clock starts at 2026-01-01 00:00:00 and follows virtual time: one second is TICKS_PER_SECOND.
Update-in-progress is 1 for the last 2228 us of each second (244 us warning, 1984 us update at
32 kHz). Time registers are kept as numbers and converted to the format of status B when accessed.
A number out of range stands until the next update, which carries it over.

Not modelled: alarm, periodic and update interrupts (IRQ 8 never rises, their flags in status C stay
0 except the update-ended flag), the divider's reset phase, square wave, daylight saving, the NMI
gate (bit 7 of port 0x70 is kept for the machine to see).
"""

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum, IntFlag

from uniSMP.arch.time import TICKS_PER_SECOND
from uniSMP.devices.messages import Messages

CMOS_FIRST_PORT = 0x70
"""Index port; 0x71 is the data port."""
CMOS_LAST_PORT = 0x71
"""Data port."""
CMOS_BYTES = 128
"""Registers of the clock and RAM together."""

_INDEX_OFFSET = 0
_DATA_OFFSET = 1
_INDEX_MASK = 0x7F
_NMI_DISABLE = 0x80
_UPDATE_TICKS = 2_228 * TICKS_PER_SECOND // 1_000_000
_KIB = 1 << 10
_MIB = 1 << 20
_BLOCK_BYTES = 64 * _KIB
_BASE_MEMORY_KIB = 640
_FPU_PRESENT = 0x02
_CHECKED_FIRST = 0x10
_CHECKSUM = 0x2E
_HOURS_OF_HALF_DAY = 12
_PM = 0x80
_MONTHS = 12
_YEARS = 100
_WEEKDAYS = 7
_SECONDS_OF_DAY = 86_400
_DIVIDER_MASK = 0x70
_DIVIDER_32_KHZ = 0x20


class CmosRegister(IntEnum):
    """Indices with a meaning to the hardware or to the firmware's tables."""

    SECONDS = 0x00
    MINUTES = 0x02
    HOURS = 0x04
    WEEKDAY = 0x06
    DAY = 0x07
    MONTH = 0x08
    YEAR = 0x09
    STATUS_A = 0x0A
    STATUS_B = 0x0B
    STATUS_C = 0x0C
    STATUS_D = 0x0D
    SHUTDOWN = 0x0F
    EQUIPMENT = 0x14
    BASE_KIB = 0x15
    EXTENDED_KIB = 0x17
    EXTENDED_KIB_FOUND = 0x30
    CENTURY = 0x32
    BLOCKS_ABOVE_16_MIB = 0x34
    BLOCKS_ABOVE_4_GIB = 0x5B


class StatusA(IntFlag):
    """Bits of status A outside the rate and divider fields."""

    UPDATE_IN_PROGRESS = 1 << 7


class StatusB(IntFlag):
    """Bits of status B that have an effect."""

    HOURS_24 = 1 << 1
    BINARY = 1 << 2
    SET = 1 << 7


class StatusC(IntFlag):
    """Bits of status C."""

    UPDATE_ENDED = 1 << 4


_STATUS_A_RESET = 0x26
_STATUS_D_VALID = 0x80
_TIME_REGISTERS = (
    CmosRegister.SECONDS,
    CmosRegister.MINUTES,
    CmosRegister.HOURS,
    CmosRegister.WEEKDAY,
    CmosRegister.DAY,
    CmosRegister.MONTH,
    CmosRegister.YEAR,
    CmosRegister.CENTURY,
)


@dataclass(slots=True)
class ClockTime:
    """The time registers as numbers; `weekday` 1 is Sunday."""

    seconds: int = 0
    minutes: int = 0
    hours: int = 0
    weekday: int = 5
    day: int = 1
    month: int = 1
    year: int = 26
    century: int = 20

    def add_seconds(self, seconds: int) -> None:
        """Move on by `seconds`, 0 or more, in the Gregorian calendar of the years 1 to 9999."""
        seconds += (self.hours * 60 + self.minutes) * 60 + self.seconds
        days, seconds = divmod(seconds, _SECONDS_OF_DAY)
        self.hours, seconds = divmod(seconds, 3600)
        self.minutes, self.seconds = divmod(seconds, 60)
        self.weekday = (self.weekday - 1 + days) % _WEEKDAYS + 1
        month = min(max(self.month, 1), _MONTHS)
        year = min(max(self.century * _YEARS + self.year, 1), date.max.year)
        ordinal = date(year, month, 1).toordinal() + max(self.day, 1) - 1 + days
        today = date.fromordinal((ordinal - 1) % date.max.toordinal() + 1)
        self.day, self.month = today.day, today.month
        self.century, self.year = divmod(today.year, _YEARS)


def _reset_ram() -> bytearray:
    ram = bytearray(CMOS_BYTES)
    ram[CmosRegister.STATUS_A] = _STATUS_A_RESET
    ram[CmosRegister.STATUS_B] = StatusB.HOURS_24
    return ram


@dataclass(slots=True)
class CmosState:
    """Registers, RAM and time.

    Attributes:
        index: index register, bit 7 the NMI gate.
        ram: all 128 bytes; the time registers and status C and D live elsewhere.
        time: the time registers.
        second_ticks: absolute tick at which the running second began.
        now_ticks: time of the last `advance`.
        is_update_ended: the update-ended flag of status C.
    """

    index: int = 0
    ram: bytearray = field(default_factory=_reset_ram)
    time: ClockTime = field(default_factory=ClockTime)
    second_ticks: int = 0
    now_ticks: int = 0
    is_update_ended: bool = False


def firmware_state(below_4_gib_bytes: int, above_4_gib_bytes: int = 0) -> CmosState:
    """Return the state that firmware leaves on a machine with so much RAM, in bytes."""
    state = CmosState()
    extended = max(below_4_gib_bytes - _MIB, 0) // _KIB
    blocks = max(below_4_gib_bytes - 16 * _MIB, 0) // _BLOCK_BYTES
    sizes = (
        (CmosRegister.BASE_KIB, _BASE_MEMORY_KIB, 2),
        (CmosRegister.EXTENDED_KIB, extended, 2),
        (CmosRegister.EXTENDED_KIB_FOUND, extended, 2),
        (CmosRegister.BLOCKS_ABOVE_16_MIB, blocks, 2),
        (CmosRegister.BLOCKS_ABOVE_4_GIB, above_4_gib_bytes // _BLOCK_BYTES, 3),
    )
    for register, value, size_bytes in sizes:
        most = (1 << 8 * size_bytes) - 1
        state.ram[register : register + size_bytes] = min(value, most).to_bytes(
            size_bytes, "little"
        )
    state.ram[CmosRegister.EQUIPMENT] = _FPU_PRESENT
    checksum = sum(state.ram[_CHECKED_FIRST:_CHECKSUM])
    state.ram[_CHECKSUM : _CHECKSUM + 2] = checksum.to_bytes(2, "big")
    return state


class Cmos:
    """Index and data port. The index port is write-only and reads all ones."""

    widest_access_bytes = 1

    def __init__(self, state: CmosState | None = None) -> None:
        """Continue from `state`, which is taken over, or start with empty RAM."""
        self.state = CmosState() if state is None else state

    @property
    def is_nmi_disabled(self) -> bool:
        """Whether the guest set bit 7 of port 0x70."""
        return bool(self.state.index & _NMI_DISABLE)

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the indexed byte at the data port, 0xFF elsewhere."""
        del size_bytes
        if offset != _DATA_OFFSET:
            return 0xFF
        index = self.state.index & _INDEX_MASK
        match index:
            case _ if index in _TIME_REGISTERS:
                return self._read_time(CmosRegister(index))
            case CmosRegister.STATUS_A:
                in_progress = StatusA.UPDATE_IN_PROGRESS if self._is_updating() else 0
                return self.state.ram[index] | in_progress
            case CmosRegister.STATUS_C:
                return int(StatusC.UPDATE_ENDED) if self.state.is_update_ended else 0
            case CmosRegister.STATUS_D:
                return _STATUS_D_VALID
            case _:
                return self.state.ram[index]

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Clear the flags of status C when it was read."""
        del size_bytes
        if offset == _DATA_OFFSET and self.state.index & _INDEX_MASK == CmosRegister.STATUS_C:
            self.state.is_update_ended = False
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Set the index, or the indexed byte; status C and D are read-only."""
        del size_bytes
        value &= 0xFF
        if offset == _INDEX_OFFSET:
            self.state.index = value
        elif offset == _DATA_OFFSET:
            self._write_data(self.state.index & _INDEX_MASK, value)
        return ()

    def advance(self, now_ticks: int) -> Messages:
        """Let time pass until `now_ticks`."""
        state = self.state
        state.now_ticks = now_ticks
        seconds = (now_ticks - state.second_ticks) // TICKS_PER_SECOND
        state.second_ticks += seconds * TICKS_PER_SECOND
        if seconds and self._is_running():
            state.time.add_seconds(seconds)
            state.is_update_ended = True
        return ()

    def deadline_ticks(self) -> int | None:
        """Return None: nothing happens by itself."""
        return None

    def _is_running(self) -> bool:
        ram = self.state.ram
        is_set = ram[CmosRegister.STATUS_B] & StatusB.SET
        return not is_set and ram[CmosRegister.STATUS_A] & _DIVIDER_MASK == _DIVIDER_32_KHZ

    def _is_updating(self) -> bool:
        into_second = self.state.now_ticks - self.state.second_ticks
        return self._is_running() and into_second >= TICKS_PER_SECOND - _UPDATE_TICKS

    def _write_data(self, index: int, value: int) -> None:
        ram = self.state.ram
        match index:
            case _ if index in _TIME_REGISTERS:
                self._write_time(CmosRegister(index), value)
            case CmosRegister.STATUS_A:
                ram[index] = value & ~StatusA.UPDATE_IN_PROGRESS
            case CmosRegister.STATUS_C | CmosRegister.STATUS_D:
                pass
            case _:
                ram[index] = value

    def _read_time(self, register: CmosRegister) -> int:
        number: int = getattr(self.state.time, register.name.lower())
        afternoon = 0
        if register is CmosRegister.HOURS and not self._has(StatusB.HOURS_24):
            afternoon = _PM if number >= _HOURS_OF_HALF_DAY else 0
            number = (number - 1) % _HOURS_OF_HALF_DAY + 1
        if not self._has(StatusB.BINARY):
            number = number // 10 << 4 | number % 10
        return (number | afternoon) & 0xFF

    def _write_time(self, register: CmosRegister, value: int) -> None:
        is_half_day = register is CmosRegister.HOURS and not self._has(StatusB.HOURS_24)
        number = value & ~_PM if is_half_day else value
        if not self._has(StatusB.BINARY):
            number = (number >> 4) * 10 + (number & 0x0F)
        if is_half_day:
            number = number % _HOURS_OF_HALF_DAY + (_HOURS_OF_HALF_DAY if value & _PM else 0)
        setattr(self.state.time, register.name.lower(), number)

    def _has(self, bit: StatusB) -> bool:
        return bool(self.state.ram[CmosRegister.STATUS_B] & bit)
