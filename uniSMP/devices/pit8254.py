"""The 8254 programmable interval timer of a PC: three counters, six modes.

Source: Intel 8254 Programmable Interval Timer data sheet (order 231164-005), sections "Programming
the 8254", "Mode definitions" and "Operation common to all modes".

Pulse n of the input clock comes at TSC tick ceil(n * TICKS_PER_SECOND / PIT_HERTZ), so that at tick
t exactly floor(t * PIT_HERTZ / TICKS_PER_SECOND) pulses have passed: integers only, no drift. What
happens between two pulses is seen by the counters at the next one, except where the data sheet
lets OUT change at once. Outputs follow from when a counter was last loaded, in constant time.

What the data sheet leaves open: CE keeps its value from a control word until the next load; a count
of 1 in modes 2 and 3, which it forbids, holds OUT high; digits above 9 of a BCD count carry.

Not modelled: anything undefined before the first control word (counters start in mode 0, stopped).
"""

from dataclasses import dataclass, field, replace

from uniSMP.arch.time import PIT_HERTZ, TICKS_PER_SECOND
from uniSMP.devices.messages import IrqLine, Messages

IRQ = 0
"""Interrupt line that OUT of counter 0 drives."""

_MOST_CHANGES_TOLD = 3
_CONTROL_OFFSET = 3
_FLOATING_BUS = 0xFF
_READ_BACK = 3
_READ_BACK_NO_COUNT, _READ_BACK_NO_STATUS = 1 << 5, 1 << 4
_STATUS_OUT, _STATUS_NULL_COUNT = 1 << 7, 1 << 6
_LATCH, _HIGH_ONLY, _LOW_THEN_HIGH = 0, 2, 3
_SQUARE_WAVE = 3
_PERIODIC_MODES = (2, _SQUARE_WAVE)
_TRIGGERED_MODES = (1, 5)
"""Modes in which only a rising gate loads the counter; the gate's level is ignored."""
_LOADED_BY_GATE = (1, 2, 3, 5)
_STROBE_MODES = (4, 5)


def clocks_at(ticks: int) -> int:
    """Return how many pulses of the input clock have passed at TSC tick `ticks`."""
    return ticks * PIT_HERTZ // TICKS_PER_SECOND


def tick_of(clock: int) -> int:
    """Return the TSC tick of pulse `clock` of the input clock."""
    return -(-clock * TICKS_PER_SECOND // PIT_HERTZ)


@dataclass(slots=True)
class CounterState:
    """Registers of one counter. Counts are binary here even if the guest uses BCD.

    Attributes:
        control: low six bits of the control word: access, mode, BCD.
        reload: count register CR as the guest wrote it; None after a control word.
        is_null_count: CR was not yet moved to the counting element CE.
        first_byte: low byte of a two-byte count whose high byte is awaited, else None.
        reads_high_next: the next byte read of a two-byte count is the high one.
        latched_count: output latch as the guest reads it, or None.
        latched_status: status byte to be read next, or None.
        count: CE at pulse `anchor_clock`; just loaded, it is 1 to 65536 (odd in mode 3, too).
        load_clock: pulse at which CE will be loaded from CR, or None.
        release_clock: pulse at which a strobe (modes 4, 5) ends, or None.
        is_loaded: CE was loaded since the last control word (mode 0: since the last count began).
        is_armed: the terminal count that CE runs towards will change OUT.
    """

    control: int = _LOW_THEN_HIGH << 4
    reload: int | None = None
    is_null_count: bool = True
    first_byte: int | None = None
    reads_high_next: bool = False
    latched_count: int | None = None
    latched_status: int | None = None
    count: int = 0
    anchor_clock: int = 0
    load_clock: int | None = None
    release_clock: int | None = None
    is_loaded: bool = False
    is_armed: bool = False
    is_output_high: bool = False
    is_gate_high: bool = True

    @property
    def mode(self) -> int:
        """Mode 0-5; 6 and 7 are other names of 2 and 3."""
        mode = self.control >> 1 & 7
        return mode & 3 if mode > _STROBE_MODES[1] else mode

    @property
    def access(self) -> int:
        """Which bytes of a count the guest writes and reads."""
        return self.control >> 4 & 3

    @property
    def modulus(self) -> int:
        """Number of values of the count."""
        return 10_000 if self.control & 1 else 0x1_0000


class Counter:
    """One counter. `clock` is the number of clock pulses passed so far; `settle` comes first."""

    def __init__(self, state: CounterState) -> None:
        self.state = state

    def count_at(self, clock: int) -> int:
        """Return CE as the guest reads it, in binary or BCD."""
        count = self._count_at(clock)
        return _to_bcd(count) if self.state.control & 1 else count

    def next_event(self) -> int | None:
        """Return the pulse at which something happens next, or None."""
        state = self.state
        ends = state.anchor_clock + self._span() if self._is_running() and state.is_armed else None
        events = (state.load_clock, state.release_clock, ends)
        return min((event for event in events if event is not None), default=None)

    def next_output_change(self) -> int | None:
        """Return the pulse at which OUT changes next, or None."""
        future = Counter(replace(self.state))
        while (event := future.next_event()) is not None:
            if future.settle(event):
                return event
        return None

    def settle(self, clock: int) -> int:
        """Let time pass until pulse `clock`; return how often OUT changed."""
        changes = self._skip_periods(clock)
        while (event := self.next_event()) is not None and event <= clock:
            was_high = self.state.is_output_high
            self._step(event)
            changes += self.state.is_output_high != was_high
        return changes

    def program(self, control: int, clock: int) -> None:
        """Take a control word's access, mode and BCD bits."""
        state = CounterState(control=control, count=self._count_at(clock), anchor_clock=clock)
        state.is_gate_high = self.state.is_gate_high
        state.is_output_high = state.mode != 0
        self.state = state

    def set_gate(self, clock: int, *, is_high: bool) -> None:
        """Drive the GATE input."""
        state = self.state
        if is_high == state.is_gate_high:
            return
        if state.mode not in _TRIGGERED_MODES:
            self._freeze(clock)
        state.is_gate_high = is_high
        if is_high and state.mode in _LOADED_BY_GATE and state.reload is not None:
            state.load_clock = clock + 1
        if state.mode in _PERIODIC_MODES and not is_high:
            state.is_output_high = True

    def write(self, byte: int, clock: int) -> None:
        """Take a byte of a count. In mode 0 the first of two stops the counter and lowers OUT."""
        state = self.state
        match state.access:
            case 1:
                self._write_count(byte, clock)
            case 2:
                self._write_count(byte << 8, clock)
            case _ if state.first_byte is None:
                state.first_byte = byte
                if state.mode == 0:
                    self._freeze(clock)
                    state.is_output_high = state.is_armed = state.is_loaded = False
                    state.load_clock = None
            case _:
                self._write_count(state.first_byte | byte << 8, clock)
                state.first_byte = None

    def read(self, clock: int) -> int:
        """Return the next byte of the status, of the latched count, or of CE."""
        state = self.state
        if state.latched_status is not None:
            return state.latched_status
        count = self.count_at(clock) if state.latched_count is None else state.latched_count
        is_high_byte = state.access == _HIGH_ONLY or state.reads_high_next
        return count >> 8 if is_high_byte else count & 0xFF

    def after_read(self) -> None:
        """Release what was read; go on to the other byte of a two-byte count."""
        state = self.state
        if state.latched_status is not None:
            state.latched_status = None
            return
        state.reads_high_next = state.access == _LOW_THEN_HIGH and not state.reads_high_next
        if not state.reads_high_next:
            state.latched_count = None

    def latch_count(self, clock: int) -> None:
        """Latch CE, unless an earlier latch was not read."""
        if self.state.latched_count is None:
            self.state.latched_count = self.count_at(clock)

    def latch_status(self) -> None:
        """Latch the status byte, unless an earlier one was not read."""
        state = self.state
        if state.latched_status is None:
            flags = state.is_null_count * _STATUS_NULL_COUNT | state.is_output_high * _STATUS_OUT
            state.latched_status = state.control | flags

    def _count_at(self, clock: int) -> int:
        state = self.state
        elapsed = clock - state.anchor_clock if self._is_running() else 0
        if state.mode == _SQUARE_WAVE and state.is_loaded:
            return ((state.count & ~1) - 2 * elapsed) % state.modulus
        return (state.count - elapsed) % state.modulus

    def _is_running(self) -> bool:
        state = self.state
        if not state.is_loaded or (state.mode in _PERIODIC_MODES and state.load_clock is not None):
            return False
        return state.is_gate_high or state.mode in _TRIGGERED_MODES

    def _span(self) -> int:
        """Return the pulses from the anchor to the next terminal event."""
        state = self.state
        match state.mode:
            case 2:
                return state.count - state.is_output_high
            case 3:
                return (state.count + state.is_output_high) // 2
            case _:
                return state.count or state.modulus

    def _skip_periods(self, clock: int) -> int:
        """Pass all whole periods after the next event at once; return how often OUT changed."""
        state = self.state
        is_steady = state.mode in _PERIODIC_MODES and state.is_armed and not state.is_null_count
        if not is_steady or not self._is_running():
            return 0
        periods = max(0, (clock - state.anchor_clock - self._span()) // state.count)
        state.anchor_clock += periods * state.count
        return 2 * periods

    def _step(self, clock: int) -> None:
        """Do what happens at pulse `clock`; a load comes before the end of the old count."""
        state = self.state
        if state.release_clock == clock:
            state.release_clock = None
            state.is_output_high = True
        if state.load_clock == clock:
            state.load_clock = None
            state.is_loaded = True
            is_periodic = state.mode in _PERIODIC_MODES
            state.is_output_high = is_periodic or (state.mode != 1 and state.is_output_high)
            self._load(clock)
        elif self._is_running() and state.is_armed and state.anchor_clock + self._span() == clock:
            self._end_count(clock)

    def _load(self, clock: int) -> None:
        state = self.state
        assert state.reload is not None, "a load is due only after a count was written"
        count = _from_bcd(state.reload) if state.control & 1 else state.reload
        state.count = count % state.modulus or state.modulus
        state.anchor_clock = clock
        state.is_null_count = False
        state.is_armed = state.mode not in _PERIODIC_MODES or state.count != 1
        state.is_output_high |= not state.is_armed

    def _end_count(self, clock: int) -> None:
        state = self.state
        was_high = state.is_output_high
        match state.mode:
            case 2 if was_high:
                state.is_output_high = False
            case 2 | 3:
                state.is_output_high = not was_high
                self._load(clock)
            case mode:
                state.is_armed = False
                state.is_output_high = mode not in _STROBE_MODES
                state.release_clock = clock + 1 if mode in _STROBE_MODES else None

    def _write_count(self, value: int, clock: int) -> None:
        state = self.state
        state.reload = value
        state.is_null_count = True
        if state.mode == 0:
            state.is_output_high = False
        is_periodic = state.mode in _PERIODIC_MODES
        if state.mode not in _TRIGGERED_MODES and not (is_periodic and state.is_armed):
            self._freeze(clock)
            state.load_clock = clock + 1

    def _freeze(self, clock: int) -> None:
        self.state.count = self._count_at(clock)
        self.state.anchor_clock = clock


def _from_bcd(value: int) -> int:
    return sum((value >> 4 * digit & 15) * 10**digit for digit in range(4))


def _to_bcd(value: int) -> int:
    return sum(value // 10**digit % 10 << 4 * digit for digit in range(4))


@dataclass(slots=True)
class PitState:
    """Registers of the three counters, and the clock pulses passed at the last `advance`."""

    counters: list[CounterState] = field(
        default_factory=lambda: [CounterState(), CounterState(), CounterState(is_gate_high=False)]
    )
    now_clock: int = 0


class Pit:
    """The 8254 behind ports 0x40-0x43, a `TimedDevice`.

    OUT of counter 0 drives IRQ 0. Gates 0 and 1 are tied high; gate 2 starts low.
    """

    widest_access_bytes = 1

    def __init__(self, state: PitState | None = None) -> None:
        state = state if state is not None else PitState()
        self._counters = [Counter(counter) for counter in state.counters]
        self._now_clock = state.now_clock

    @property
    def state(self) -> PitState:
        """Registers of the chip; the counters are live."""
        return PitState([counter.state for counter in self._counters], self._now_clock)

    def output(self, channel: int) -> bool:
        """Return whether OUT of counter `channel` (0-2) is high."""
        return self._counters[channel].state.is_output_high

    def set_gate(self, channel: int, is_high: bool) -> Messages:  # noqa: FBT001 - the line's level
        """Drive the GATE input of counter `channel` (0-2)."""
        was_high = self.output(0)
        self._counters[channel].set_gate(self._now_clock, is_high=is_high)
        return self._interrupt_line(was_high, int(self.output(0) != was_high))

    def advance(self, now_ticks: int) -> Messages:
        """Let time pass; return the changes of IRQ 0.

        Of a line that changed more than three times, only the last two or three changes are told.
        """
        self._now_clock = clocks_at(now_ticks)
        was_high = self.output(0)
        changes = [counter.settle(self._now_clock) for counter in self._counters]
        return self._interrupt_line(was_high, changes[0])

    def deadline_ticks(self) -> int | None:
        """Return the tick at which OUT of counter 0 changes next, or None."""
        clock = self._counters[0].next_output_change()
        return None if clock is None else tick_of(clock)

    def read(self, offset: int, size_bytes: int) -> int:
        """Return a counter's next byte; the control word cannot be read."""
        del size_bytes
        if offset == _CONTROL_OFFSET:
            return _FLOATING_BUS
        return self._counters[offset].read(self._now_clock)

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Release a latch, or go on to the other byte of a count."""
        del size_bytes
        if offset != _CONTROL_OFFSET:
            self._counters[offset].after_read()
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Take a byte of a count or a control word."""
        del size_bytes
        was_high = self.output(0)
        if offset == _CONTROL_OFFSET:
            self._write_control(value)
        else:
            self._counters[offset].write(value, self._now_clock)
        return self._interrupt_line(was_high, int(self.output(0) != was_high))

    def _write_control(self, value: int) -> None:
        channel = value >> 6
        if channel == _READ_BACK:
            self._read_back(value)
        elif value >> 4 & 3 == _LATCH:
            self._counters[channel].latch_count(self._now_clock)
        else:
            self._counters[channel].program(value & 0x3F, self._now_clock)

    def _read_back(self, value: int) -> None:
        for channel, counter in enumerate(self._counters):
            is_selected = bool(value >> channel + 1 & 1)
            if is_selected and not value & _READ_BACK_NO_COUNT:
                counter.latch_count(self._now_clock)
            if is_selected and not value & _READ_BACK_NO_STATUS:
                counter.latch_status()

    def _interrupt_line(self, was_high: bool, changes: int) -> Messages:  # noqa: FBT001 - a level
        told = changes if changes <= _MOST_CHANGES_TOLD else 2 + changes % 2
        return tuple(IrqLine(IRQ, was_high ^ (change % 2 == 0)) for change in range(told))
