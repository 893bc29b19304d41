"""The I/O APIC: 24 pins, each with a redirection entry.

Source: Intel 82093AA I/O Advanced Programmable Interrupt Controller datasheet (order number
290566), chapters "Register Description" and "Functional Description".

A level-triggered message sets remote IRR when it is sent and is repeated after its EOI while the
pin stays asserted. Only fixed and lowest-priority entries can be level-triggered; the other
delivery modes are edge-triggered as programmed or not. Edges on a masked pin are lost. An entry
that becomes edge-triggered loses its remote IRR.

High means asserted: every wire of this machine has the polarity that the guest programs, so that a
pin nobody drives stays quiet as an active-low entry too. The polarity bit is only kept.

An access that is not a doubleword: reads see its bytes, a write to IOREGSEL selects by the low
byte, any other write does nothing.

Not modelled: the APIC serial bus (a message leaves at once, so delivery status always reads 0, and
one that no local APIC accepts is not retried); the EOI register of later versions.
"""

from copy import deepcopy
from dataclasses import dataclass, field
from enum import IntEnum

from uniSMP.arch.apic import DeliveryMode, TriggerMode
from uniSMP.devices import interrupt_entry as entry_bits
from uniSMP.devices.messages import InterruptMessage, Messages

PINS = 24
VERSION = (PINS - 1) << 16 | 0x11

IOREGSEL = 0x00
"""Offset of the register select."""
IOWIN = 0x10
"""Offset of the data window."""


class IoApicIndex(IntEnum):
    """What IOREGSEL selects; redirection entry n is at IOREDTBL + 2n (low half) and + 2n + 1."""

    ID = 0x00
    VERSION = 0x01
    ARBITRATION = 0x02
    IOREDTBL = 0x10


_REDIRECTION = range(IoApicIndex.IOREDTBL, IoApicIndex.IOREDTBL + 2 * PINS)
_ACCESS_BYTES = 4
_ID_BITS = 0x0F00_0000
_LOW_WRITABLE = 0x1_AFFF
_HIGH_WRITABLE = 0xFF00_0000
_LOW_HALF = 0xFFFF_FFFF
_DESTINATION_SHIFT = 56
_LEVEL_CAPABLE = (DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY)


@dataclass(slots=True)
class IoApicState:
    """Registers of the IOAPIC.

    Attributes:
        select: IOREGSEL.
        identification: APIC ID register.
        arbitration: arbitration ID register, loaded with every write of the APIC ID.
        redirection: the 64-bit redirection entries, by pin.
        levels: whether each pin is asserted.
    """

    select: int = 0
    identification: int = 0
    arbitration: int = 0
    redirection: list[int] = field(default_factory=lambda: [entry_bits.MASKED] * PINS)
    levels: list[bool] = field(default_factory=lambda: [False] * PINS)


class IoApic:
    """An IOAPIC behind its register page, with pins in and messages out.

    Attributes:
        state: the registers; live.
    """

    widest_access_bytes = _ACCESS_BYTES

    def __init__(self, state: IoApicState | None = None) -> None:
        self.state = IoApicState() if state is None else deepcopy(state)

    def reset(self) -> None:
        """Go to the state after power-up; the pins keep their levels."""
        self.state = IoApicState(levels=self.state.levels)

    def read(self, offset: int, size_bytes: int) -> int:
        """Return `size_bytes` of IOREGSEL or IOWIN; anything else reads 0."""
        register = offset & ~0x3
        value = 0
        if register == IOREGSEL:
            value = self.state.select
        elif register == IOWIN:
            value = self._read_selected()
        return value >> 8 * (offset & 3) & (1 << 8 * size_bytes) - 1

    def after_read(self, offset: int, size_bytes: int) -> Messages:  # noqa: ARG002 - Device
        """Do nothing: no read has an effect."""
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Write IOREGSEL or IOWIN; anything else is dropped."""
        if offset == IOREGSEL:
            self.state.select = value & 0xFF
        elif offset == IOWIN and size_bytes == _ACCESS_BYTES:
            return self._write_selected(value)
        return ()

    def set_line(self, pin: int, is_high: bool) -> Messages:  # noqa: FBT001 - a wire's level
        """Take a new level of pin 0-23; return the interrupt it makes."""
        was_high = self.state.levels[pin]
        self.state.levels[pin] = is_high
        entry = self.state.redirection[pin]
        if _is_level(entry):
            return self._request_level(pin)
        is_edge = is_high and not was_high
        return _messages(entry) if is_edge and not entry & entry_bits.MASKED else ()

    def end_of_interrupt(self, vector: int) -> Messages:
        """Take the EOI of a level-triggered `vector`; a pin still asserted interrupts again."""
        messages: Messages = ()
        for pin, entry in enumerate(self.state.redirection):
            is_same = entry & entry_bits.VECTOR_MASK == vector
            if is_same and entry & entry_bits.REMOTE_IRR:
                self.state.redirection[pin] = entry & ~entry_bits.REMOTE_IRR
                messages += self._request_level(pin)
        return messages

    def _read_selected(self) -> int:
        state = self.state
        match state.select:
            case IoApicIndex.ID:
                return state.identification
            case IoApicIndex.VERSION:
                return VERSION
            case IoApicIndex.ARBITRATION:
                return state.arbitration
            case index if index in _REDIRECTION:
                pin, is_high_half = divmod(index - _REDIRECTION.start, 2)
                return state.redirection[pin] >> 32 * is_high_half & _LOW_HALF
            case _:
                return 0

    def _write_selected(self, value: int) -> Messages:
        state = self.state
        if state.select == IoApicIndex.ID:
            state.identification = state.arbitration = value & _ID_BITS
            return ()
        if state.select not in _REDIRECTION:
            return ()
        pin, is_high_half = divmod(state.select - _REDIRECTION.start, 2)
        old = state.redirection[pin]
        if is_high_half:
            state.redirection[pin] = (value & _HIGH_WRITABLE) << 32 | old & _LOW_HALF
            return ()
        new = old & ~_LOW_WRITABLE | value & _LOW_WRITABLE
        state.redirection[pin] = new if _is_level(new) else new & ~entry_bits.REMOTE_IRR
        return self._request_level(pin)

    def _request_level(self, pin: int) -> Messages:
        """Send a level-triggered pin's interrupt if it is asserted and has seen its EOI."""
        entry = self.state.redirection[pin]
        is_held_back = entry & (entry_bits.MASKED | entry_bits.REMOTE_IRR)
        if is_held_back or not self.state.levels[pin] or not _is_level(entry):
            return ()
        self.state.redirection[pin] = entry | entry_bits.REMOTE_IRR
        return _messages(entry)


def _is_level(entry: int) -> bool:
    """Whether an entry is level-triggered: its trigger bit and a mode that can be."""
    is_capable = entry_bits.delivery_mode(entry) in _LEVEL_CAPABLE
    return is_capable and bool(entry & entry_bits.LEVEL_TRIGGERED)


def _messages(entry: int) -> Messages:
    """Return what a redirection entry sends; nothing for a reserved delivery mode."""
    mode = entry_bits.delivery_mode(entry)
    if mode is None or mode == DeliveryMode.START_UP:
        return ()
    return (
        InterruptMessage(
            destination=entry >> _DESTINATION_SHIFT,
            destination_mode=entry_bits.destination_mode(entry),
            delivery_mode=mode,
            vector=entry & entry_bits.VECTOR_MASK,
            trigger_mode=TriggerMode.LEVEL if _is_level(entry) else TriggerMode.EDGE,
        ),
    )
