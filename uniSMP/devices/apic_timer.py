"""The timer of a local APIC.

Source: Intel SDM volume 3A, section "APIC Timer" and its subsection "TSC-Deadline Mode". The
timer's clock is one tick of virtual time, divided by the divide configuration register. A count
of n expires n divided clocks after it was written, and in periodic mode every n clocks after that.
All values are functions of the time of the last `advance`; nothing is counted step by step.

Not modelled: the phase of the clock divider. A write of the divide register starts a new divided
clock with the count reached so far.
"""

from dataclasses import dataclass

from uniSMP.arch.apic import LocalApicRegister as Reg
from uniSMP.arch.apic import TimerMode

DIVIDE_BITS = 0b1011
"""Writable bits of the divide configuration register."""
_COUNT_MASK = 0xFFFF_FFFF
_TSC_MASK = (1 << 64) - 1


@dataclass(slots=True)
class ApicTimerState:
    """Registers of the timer.

    Attributes:
        mode: mode field of the LVT timer entry.
        divide: divide configuration register.
        initial_count: initial count register.
        count: current count at `since_ticks`; 0 is a stopped timer.
        since_ticks: when `count` was true.
        now_ticks: time of the last `advance`.
        tsc_deadline: IA32_TSC_DEADLINE; 0 is disarmed.
        tsc_offset_ticks: the core's time-stamp counter minus virtual time.
    """

    mode: TimerMode = TimerMode.ONE_SHOT
    divide: int = 0
    initial_count: int = 0
    count: int = 0
    since_ticks: int = 0
    now_ticks: int = 0
    tsc_deadline: int = 0
    tsc_offset_ticks: int = 0


class ApicTimer:
    """A down counter with a one-shot, a periodic and a TSC-deadline mode.

    Attributes:
        state: the registers, taken over from the caller and live.
    """

    def __init__(self, state: ApicTimerState | None = None) -> None:
        self.state = ApicTimerState() if state is None else state

    @property
    def divisor(self) -> int:
        """Ticks per count: a power of two from 1 to 128."""
        encoded = self.state.divide >> 1 & 4 | self.state.divide & 3
        return 1 << (encoded + 1 & 7)

    @property
    def current_count(self) -> int:
        """Current count register at the time of the last `advance`."""
        state = self.state
        if state.count == 0:
            return 0
        return state.count - (state.now_ticks - state.since_ticks) // self.divisor

    @property
    def tsc_deadline(self) -> int:
        """IA32_TSC_DEADLINE; 0 while disarmed and in the other modes."""
        return self.state.tsc_deadline

    def read_register(self, offset: int) -> int:
        """Return the register at a local APIC offset of 0x380 or above."""
        match offset:
            case Reg.TIMER_INITIAL_COUNT:
                return self.state.initial_count
            case Reg.TIMER_CURRENT_COUNT:
                return self.current_count
            case Reg.TIMER_DIVIDE:
                return self.state.divide
            case _:
                return 0

    def reset(self) -> None:
        """Go to the state after power-up; time and the offset of the TSC stay."""
        state = self.state
        state.mode = TimerMode.ONE_SHOT
        state.divide = state.initial_count = state.count = state.tsc_deadline = 0

    def set_mode(self, mode: TimerMode) -> None:
        """Change the mode; to or from TSC-deadline mode disarms the timer."""
        state = self.state
        if mode != state.mode and TimerMode.TSC_DEADLINE in (mode, state.mode):
            state.initial_count = state.count = state.tsc_deadline = 0
        state.mode = mode

    def write_divide(self, value: int) -> None:
        """Write the divide configuration register; a running count goes on at the new rate."""
        state = self.state
        self._start(self.current_count)
        state.divide = value & DIVIDE_BITS

    def write_initial_count(self, value: int) -> None:
        """Start counting down from `value`; 0 stops. Ignored in TSC-deadline mode."""
        if self.state.mode != TimerMode.TSC_DEADLINE:
            self.state.initial_count = value & _COUNT_MASK
            self._start(self.state.initial_count)

    def write_tsc_deadline(self, value: int) -> bool:
        """Arm the timer for TSC value `value`, 0 disarms; ignored in the other modes.

        Returns:
            Whether the timer expired at once because the deadline is not in the future.
        """
        if self.state.mode != TimerMode.TSC_DEADLINE:
            return False
        self.state.tsc_deadline = value & _TSC_MASK
        return self.advance(self.state.now_ticks)

    def deadline_ticks(self) -> int | None:
        """Return the absolute tick of the next expiry, None if the timer is stopped."""
        state = self.state
        if state.mode == TimerMode.TSC_DEADLINE:
            if state.tsc_deadline == 0:
                return None
            tsc = state.now_ticks + state.tsc_offset_ticks & _TSC_MASK
            return state.now_ticks + max(0, state.tsc_deadline - tsc)
        if state.count == 0:
            return None
        return state.since_ticks + state.count * self.divisor

    def advance(self, now_ticks: int) -> bool:
        """Let time pass until `now_ticks`; return whether the timer expired at least once."""
        state = self.state
        if not (state.count or state.tsc_deadline):  # stopped, in every mode
            state.now_ticks = now_ticks
            return False
        deadline = self.deadline_ticks()
        state.now_ticks = now_ticks
        if deadline is None or now_ticks < deadline:
            return False
        self._expire(deadline)
        return True

    def _start(self, count: int) -> None:
        self.state.count = count
        self.state.since_ticks = self.state.now_ticks

    def _expire(self, at_ticks: int) -> None:
        """Reload or stop after the expiry at `at_ticks` and all later ones until now."""
        state = self.state
        state.tsc_deadline = 0
        state.count = state.initial_count if state.mode == TimerMode.PERIODIC else 0
        if state.count:
            period_ticks = state.count * self.divisor
            missed = (state.now_ticks - at_ticks) // period_ticks
            state.since_ticks = at_ticks + missed * period_ticks
