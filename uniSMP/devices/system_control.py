"""The system control ports of a PC: 0x92, 0x61 and 0xCF9.

Source: Intel I/O Controller Hub 9 datasheet (316972), chapter 13: "NMI_SC - NMI Status and Control
Register" (port 0x61), "PORT92 - Fast A20 and Init Register", "RST_CNT - Reset Control Register".

Port 0x61 bit 4 toggles with every memory refresh, each 18 clocks of the 8254 (15.085 us): toggle n
happens at the first tick t with t * PIT_HERTZ >= n * 18 * TICKS_PER_SECOND.

Not modelled: SERR# and IOCHK# (bits 6 and 7 of port 0x61 read 0, their enables are kept), the
speaker, a reset of the processors alone (every reset is a `SystemReset`), PCI configuration: the
configuration address register at 0xCF8 reads all ones, as without a host bridge.
"""

from dataclasses import dataclass
from enum import IntFlag
from typing import Protocol

from uniSMP.arch.time import PIT_HERTZ, TICKS_PER_SECOND
from uniSMP.devices.a20_line import A20Line
from uniSMP.devices.messages import Messages, SystemReset

PORT_61 = 0x61
"""NMI status and control; timer 2 and speaker."""
PORT_92 = 0x92
"""Fast A20 and fast reset."""
RESET_CONTROL_FIRST_PORT = 0xCF8
"""First port of `ResetControl`: the PCI configuration address, four bytes wide."""
RESET_CONTROL_LAST_PORT = 0xCFB
"""Last port of `ResetControl`."""
SPEAKER_CHANNEL = 2
"""The 8254 channel whose gate and output port 0x61 sees."""

_REFRESH_CLOCKS = 18
_RESET_CONTROL_OFFSET = 1


class Port92(IntFlag):
    """Bits of port 0x92."""

    FAST_RESET = 1 << 0
    A20 = 1 << 1


class Port61(IntFlag):
    """Bits of port 0x61."""

    TIMER_GATE = 1 << 0
    SPEAKER = 1 << 1
    SERR_DISABLE = 1 << 2
    IOCHK_DISABLE = 1 << 3
    REFRESH = 1 << 4
    TIMER_OUTPUT = 1 << 5


class ResetBit(IntFlag):
    """Bits of port 0xCF9."""

    SYSTEM = 1 << 1
    CPU = 1 << 2
    FULL = 1 << 3


_PORT_61_WRITABLE = int(
    Port61.TIMER_GATE | Port61.SPEAKER | Port61.SERR_DISABLE | Port61.IOCHK_DISABLE
)
_RESET_WRITABLE = int(ResetBit.SYSTEM | ResetBit.CPU | ResetBit.FULL)


class Timer(Protocol):
    """What port 0x61 needs of the 8254."""

    def set_gate(self, channel: int, *, is_high: bool) -> Messages:
        """Drive the gate input of `channel`."""

    def output(self, channel: int) -> bool:
        """Return whether the output of `channel` is high."""


@dataclass(slots=True)
class FastControlState:
    """Port 0x92 without the A20 bit, which `A20Line` keeps."""

    value: int = 0


class FastControl:
    """Port 0x92."""

    widest_access_bytes = 1

    def __init__(self, a20: A20Line, state: FastControlState | None = None) -> None:
        """Continue from `state`, which is taken over, or start as after reset."""
        self._a20 = a20
        self.state = FastControlState() if state is None else state

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the A20 and reset bits as last written."""
        del offset, size_bytes
        return self.state.value | (Port92.A20 if self._a20.state.is_port_92_high else 0)

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do nothing."""
        del offset, size_bytes
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Gate A20 by bit 1; bit 0 resets when it becomes 1."""
        del offset, size_bytes
        is_reset = bool(value & ~self.state.value & Port92.FAST_RESET)
        self.state.value = value & Port92.FAST_RESET
        messages = self._a20.set_port_92(is_high=bool(value & Port92.A20))
        return (*messages, SystemReset()) if is_reset else messages


@dataclass(slots=True)
class SpeakerControlState:
    """The writable bits of port 0x61, and the time of the last `advance`."""

    value: int = 0
    now_ticks: int = 0


class SpeakerControl:
    """Port 0x61. The machine advances the 8254 and this device before each access."""

    widest_access_bytes = 1

    def __init__(self, timer: Timer, state: SpeakerControlState | None = None) -> None:
        """Continue from `state`, which is taken over, or start as after reset."""
        self._timer = timer
        self.state = SpeakerControlState() if state is None else state

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the control bits, the refresh toggle and the output of channel 2."""
        del offset, size_bytes
        value = self.state.value
        refreshes = self.state.now_ticks * PIT_HERTZ // (_REFRESH_CLOCKS * TICKS_PER_SECOND)
        if refreshes & 1:
            value |= Port61.REFRESH
        if self._timer.output(SPEAKER_CHANNEL):
            value |= Port61.TIMER_OUTPUT
        return value

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do nothing."""
        del offset, size_bytes
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Set bits 3:0; bit 0 is the gate of channel 2."""
        del offset, size_bytes
        self.state.value = value & _PORT_61_WRITABLE
        return self._timer.set_gate(SPEAKER_CHANNEL, is_high=bool(value & Port61.TIMER_GATE))

    def advance(self, now_ticks: int) -> Messages:
        """Let time pass until `now_ticks`."""
        self.state.now_ticks = now_ticks
        return ()

    def deadline_ticks(self) -> int | None:
        """Return None: nothing happens by itself."""
        return None


@dataclass(slots=True)
class ResetControlState:
    """Port 0xCF9."""

    value: int = 0


class ResetControl:
    """Port 0xCF9, a byte that shares its address with the PCI configuration address.

    It takes all four ports: only a byte access to 0xCF9 reaches the reset control register, any
    other access is one of the configuration address, which is absent.
    """

    widest_access_bytes = 4

    def __init__(self, state: ResetControlState | None = None) -> None:
        """Continue from `state`, which is taken over, or start as after reset."""
        self.state = ResetControlState() if state is None else state

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the reset control register, or all ones elsewhere."""
        if _is_reset_control(offset, size_bytes):
            return self.state.value
        return (1 << 8 * size_bytes) - 1

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do nothing."""
        del offset, size_bytes
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Set the reset control register; bit 2 resets when it becomes 1."""
        if not _is_reset_control(offset, size_bytes):
            return ()
        is_reset = bool(value & ~self.state.value & ResetBit.CPU)
        self.state.value = value & _RESET_WRITABLE
        return (SystemReset(),) if is_reset else ()


def _is_reset_control(offset: int, size_bytes: int) -> bool:
    return offset == _RESET_CONTROL_OFFSET and size_bytes == 1
