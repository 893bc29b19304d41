"""The two 8259A interrupt controllers of a PC and their ELCR registers.

Source: Intel 8259A Programmable Interrupt Controller data sheet (order 231468-003), sections
"Programming the 8259A", "Interrupt sequence" and "Cascade mode"; Intel 82371AB (PIIX4) data
sheet, section "ELCR1/ELCR2". A request is latched at a rising edge, withdrawn when the line falls
before it is acknowledged, and equal to the line where the input is level-triggered.

What the data sheet leaves open: ICW1 also clears ISR and the rotation in AEOI mode, since the chip
has no other reset; INT stays low until the last ICW is written; a poll without a request reads 0;
a slave that is addressed by an identity it does not have leaves 0xFF on the bus.

Not modelled: the CALL sequence of the MCS-80/85 mode (vectors are always those of the 8086 mode),
buffered mode, and more than one slave.
"""

from dataclasses import dataclass, field
from enum import IntFlag
from itertools import pairwise

from uniSMP.devices.messages import Messages, PicOutput

CASCADE_IRQ = 2
"""Master input that the slave's INT output drives; no interrupt line of the board reaches it."""

_ICW2, _ICW3, _ICW4 = 2, 3, 4
_INPUTS = 8
_SPURIOUS_LEVEL = _UNADDRESSED_ID = _LEVEL_BITS = 7
_FLOATING_BUS = 0xFF
_POLL_REQUEST = 0x80
_IS_ICW1 = 0x10
_IS_OCW3 = 0x08
_ELCR_SETTABLE = (0xF8, 0xDE)
"""IRQ 0, 1, 2, 8 and 13 are always edge-triggered."""


class Icw1(IntFlag):
    """Bits of initialization command word 1."""

    IC4 = 1 << 0
    SNGL = 1 << 1
    LTIM = 1 << 3


class Icw4(IntFlag):
    """Bits of initialization command word 4."""

    UPM = 1 << 0
    AEOI = 1 << 1
    SFNM = 1 << 4


class Ocw2(IntFlag):
    """Bits of operation command word 2."""

    EOI = 1 << 5
    SL = 1 << 6
    R = 1 << 7


class Ocw3(IntFlag):
    """Bits of operation command word 3."""

    RIS = 1 << 0
    RR = 1 << 1
    P = 1 << 2
    SMM = 1 << 5
    ESMM = 1 << 6


@dataclass(slots=True)
class PicState:
    """Registers of one 8259A; the default is a chip that awaits ICW1, with all inputs masked.

    Attributes:
        lines: levels of the inputs IR0-IR7.
        latches: rising edges not yet acknowledged.
        next_icw: 2, 3 or 4 while that initialization command word is awaited, else 0.
        icw3: inputs with a slave (master), or identity (slave).
        lowest: level that has the lowest priority.
        elcr: inputs that are level-triggered, beside those ICW1 makes so.
    """

    lines: int = 0
    latches: int = 0
    isr: int = 0
    imr: int = 0xFF
    next_icw: int = 0
    icw1: int = 0
    icw2: int = 0
    icw3: int = 0
    icw4: int = 0
    lowest: int = 7
    elcr: int = 0
    rotates_in_aeoi: bool = False
    reads_isr: bool = False
    is_polled: bool = False
    is_special_mask: bool = False


class Pic:
    """One 8259A. Offset 0 is A0 = 0, offset 1 is A0 = 1."""

    def __init__(self, state: PicState | None = None, *, is_master: bool = True) -> None:
        self.state = state if state is not None else PicState()
        self._is_master = is_master

    @property
    def irr(self) -> int:
        """Inputs that request an interrupt, masked or not."""
        state = self.state
        level_triggered = 0xFF if state.icw1 & Icw1.LTIM else state.elcr
        return state.lines & level_triggered | state.latches & ~level_triggered

    @property
    def slave_inputs(self) -> int:
        """Inputs of this master that slaves drive, as the guest programmed it."""
        is_cascaded = self._is_master and not self.state.icw1 & Icw1.SNGL
        return self.state.icw3 if is_cascaded else 0

    @property
    def is_output_high(self) -> bool:
        """Level of the INT output."""
        return self.pending_level() is not None

    def vector(self, level: int) -> int:
        """Return the vector the guest gave to input `level`."""
        return self.state.icw2 & ~_LEVEL_BITS | level

    def pending_level(self) -> int | None:
        """Return the input that the next acknowledge takes, or None."""
        state = self.state
        level = self._highest(self.irr & ~state.imr)
        if level is None or state.next_icw:
            return None
        blocker = self._highest(state.isr & ~(state.imr if state.is_special_mask else 0))
        if blocker is None or self._rank(level) < self._rank(blocker):
            return level
        is_nested_slave = bool(state.icw4 & Icw4.SFNM) and bool(self.slave_inputs >> level & 1)
        return level if level == blocker and is_nested_slave else None

    def set_line(self, level: int, *, is_high: bool) -> None:
        """Drive input `level` (0-7)."""
        bit = 1 << level
        if not is_high:
            self.state.lines &= ~bit
            self.state.latches &= ~bit
        elif not self.state.lines & bit:
            self.state.lines |= bit
            self.state.latches |= bit

    def acknowledge(self) -> int:
        """Do the INTA sequence; return the level taken: 7, with ISR unchanged, if there is none."""
        level = self.pending_level()
        if level is None:
            return _SPURIOUS_LEVEL
        state = self.state
        state.latches &= ~(1 << level)
        if not state.icw4 & Icw4.AEOI:
            state.isr |= 1 << level
        elif state.rotates_in_aeoi:
            state.lowest = level
        return level

    def read(self, offset: int) -> int:
        """Return the poll byte after a poll command, else IMR at offset 1 and IRR or ISR at 0."""
        state = self.state
        if state.is_polled:
            level = self.pending_level()
            return 0 if level is None else _POLL_REQUEST | level
        if offset:
            return state.imr
        return state.isr if state.reads_isr else self.irr

    def take_poll(self) -> bool:
        """After a read: acknowledge if a poll was commanded; return whether it was."""
        was_polled = self.state.is_polled
        if was_polled:
            self.acknowledge()
            self.state.is_polled = False
        return was_polled

    def write(self, offset: int, value: int) -> None:
        """Take a command word."""
        match offset, self.state.next_icw:
            case 0, _ if value & _IS_ICW1:
                self._begin_initialization(value)
            case 0, _ if value & _IS_OCW3:
                self._write_ocw3(value)
            case 0, _:
                self._write_ocw2(value)
            case _, 0:
                self.state.imr = value
            case _, icw:
                self._write_icw(icw, value)

    def _begin_initialization(self, icw1: int) -> None:
        self.state = PicState(
            lines=self.state.lines,
            imr=0,
            next_icw=_ICW2,
            icw1=icw1,
            icw2=self.state.icw2,
            icw3=0 if self._is_master else _UNADDRESSED_ID,
            elcr=self.state.elcr,
        )

    def _write_icw(self, icw: int, value: int) -> None:
        state = self.state
        match icw:
            case 2:
                state.icw2 = value
            case 3:
                state.icw3 = value if self._is_master else value & _LEVEL_BITS
            case _:
                state.icw4 = value
        needs_icw3 = icw == _ICW2 and not state.icw1 & Icw1.SNGL
        needs_icw4 = icw != _ICW4 and bool(state.icw1 & Icw1.IC4)
        state.next_icw = _ICW3 if needs_icw3 else _ICW4 if needs_icw4 else 0

    def _write_ocw2(self, value: int) -> None:
        state = self.state
        if value & Ocw2.EOI:
            self._end_of_interrupt(value)
        elif value & Ocw2.SL:
            state.lowest = value & _LEVEL_BITS if value & Ocw2.R else state.lowest
        else:
            state.rotates_in_aeoi = bool(value & Ocw2.R)

    def _end_of_interrupt(self, value: int) -> None:
        state = self.state
        hidden = state.imr if state.is_special_mask else 0
        level = value & _LEVEL_BITS if value & Ocw2.SL else self._highest(state.isr & ~hidden)
        if level is None:
            return
        state.isr &= ~(1 << level)
        if value & Ocw2.R:
            state.lowest = level

    def _write_ocw3(self, value: int) -> None:
        state = self.state
        state.is_polled = bool(value & Ocw3.P)
        if value & Ocw3.RR and not state.is_polled:
            state.reads_isr = bool(value & Ocw3.RIS)
        if value & Ocw3.ESMM:
            state.is_special_mask = bool(value & Ocw3.SMM)

    def _rank(self, level: int) -> int:
        return (level - self.state.lowest - 1) % _INPUTS

    def _highest(self, levels: int) -> int | None:
        return min((i for i in range(_INPUTS) if levels >> i & 1), key=self._rank, default=None)


@dataclass(slots=True)
class PicPairState:
    """Registers of both chips."""

    master: PicState = field(default_factory=PicState)
    slave: PicState = field(default_factory=PicState)


class PicPorts:
    """The two ports of one chip, a `Device`."""

    widest_access_bytes = 1

    def __init__(self, pair: "PicPair", chip: Pic) -> None:
        self._pair = pair
        self._chip = chip

    def read(self, offset: int, size_bytes: int) -> int:  # noqa: ARG002 - always one byte
        """Return the poll byte, IRR, ISR or IMR."""
        return self._chip.read(offset)

    def after_read(self, offset: int, size_bytes: int) -> Messages:  # noqa: ARG002 - any port
        """Acknowledge if the read was a poll."""
        return self._pair.take_poll(self._chip)

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:  # noqa: ARG002 - a byte
        """Take a command word."""
        return self._pair.write_command(self._chip, offset, value)


class ElcrPorts:
    """The edge/level control registers of both chips, a `Device`."""

    widest_access_bytes = 1

    def __init__(self, pair: "PicPair") -> None:
        self._pair = pair

    def read(self, offset: int, size_bytes: int) -> int:  # noqa: ARG002 - always one byte
        """Return the level-triggered inputs of the master (offset 0) or of the slave (1)."""
        state = self._pair.state
        return (state.slave if offset else state.master).elcr

    def after_read(self, offset: int, size_bytes: int) -> Messages:  # noqa: ARG002 - no effect
        """Do nothing."""
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:  # noqa: ARG002 - a byte
        """Choose the level-triggered inputs; bits that a PC fixes to edge stay 0."""
        return self._pair.write_elcr(offset, value)


class PicPair:
    """Master and slave as a PC wires them: the slave's INT drives the master's input 2.

    Attributes:
        master: the master's two ports, from 0x20.
        slave: the slave's two ports, from 0xA0.
        elcr: the two edge/level control registers, from 0x4D0.
    """

    def __init__(self, state: PicPairState | None = None) -> None:
        state = state if state is not None else PicPairState()
        self._master = Pic(state.master)
        self._slave = Pic(state.slave, is_master=False)
        self.master = PicPorts(self, self._master)
        self.slave = PicPorts(self, self._slave)
        self.elcr = ElcrPorts(self)

    @staticmethod
    def firmware_state() -> PicPairState:
        """Return what a PC BIOS leaves: vectors 0x08 and 0x70, all masked but the cascade."""
        icw1, icw4 = int(Icw1.IC4), int(Icw4.UPM)
        return PicPairState(
            PicState(imr=0xFB, icw1=icw1, icw2=0x08, icw3=1 << CASCADE_IRQ, icw4=icw4),
            PicState(imr=0xFF, icw1=icw1, icw2=0x70, icw3=CASCADE_IRQ, icw4=icw4),
        )

    @property
    def state(self) -> PicPairState:
        """Registers of both chips."""
        return PicPairState(self._master.state, self._slave.state)

    @property
    def is_output_high(self) -> bool:
        """Level of the master's INT output."""
        return self._master.is_output_high

    def set_line(self, irq: int, is_high: bool) -> Messages:  # noqa: FBT001 - the line's level
        """Drive interrupt line `irq` (0-15; line 2 and those beyond 15 are not connected)."""
        was_high = self.is_output_high
        if irq == CASCADE_IRQ or irq >= 2 * _INPUTS:
            return ()
        chip = self._slave if irq >= _INPUTS else self._master
        chip.set_line(irq % _INPUTS, is_high=is_high)
        return self._settle(was_high)

    def acknowledge(self) -> tuple[int, Messages]:
        """Do the INTA sequence: return the vector, and how the output changed.

        Without a request the vector is that of the master's (or the slave's) level 7 and that
        chip's ISR keeps its value.
        """
        was_high = self.is_output_high
        level = self._master.acknowledge()
        if not self._master.slave_inputs >> level & 1:
            return self._master.vector(level), self._settle(was_high, self._master)
        if self._slave.state.icw3 != level:
            return _FLOATING_BUS, self._settle(was_high, self._master)
        vector = self._slave.vector(self._slave.acknowledge())
        self._master.set_line(CASCADE_IRQ, is_high=False)
        return vector, self._settle(was_high, self._master)

    def take_poll(self, chip: Pic) -> Messages:
        """After a read of `chip`: acknowledge if it was a poll."""
        was_high = self.is_output_high
        return self._settle(was_high, chip) if chip.take_poll() else ()

    def write_command(self, chip: Pic, offset: int, value: int) -> Messages:
        """Write a command word to `chip`."""
        was_high = self.is_output_high
        chip.write(offset, value)
        return self._settle(was_high)

    def write_elcr(self, offset: int, value: int) -> Messages:
        """Write the ELCR of the master (offset 0) or of the slave (offset 1)."""
        was_high = self.is_output_high
        chip = self._slave if offset else self._master
        chip.state.elcr = value & _ELCR_SETTABLE[offset]
        return self._settle(was_high)

    def _settle(self, was_high: bool, acknowledged: Pic | None = None) -> Messages:  # noqa: FBT001
        """Propagate the slave's INT; return the output's changes. An acknowledge pulses INT low."""
        levels = [was_high]
        if acknowledged is self._slave:
            self._master.set_line(CASCADE_IRQ, is_high=False)
            levels.append(self.is_output_high)
        elif acknowledged is self._master:
            levels.append(False)
        self._master.set_line(CASCADE_IRQ, is_high=self._slave.is_output_high)
        levels.append(self.is_output_high)
        return tuple(PicOutput(now) for before, now in pairwise(levels) if now != before)
