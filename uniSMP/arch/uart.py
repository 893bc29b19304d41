"""Register offsets and bits of the PC16550D UART.

Source: National Semiconductor PC16550D data sheet (June 1995), section 8, "Registers".
"""

from enum import IntEnum, IntFlag

COM1_FIRST_PORT = 0x3F8
"""First port of COM1."""
COM1_LAST_PORT = 0x3FF
"""Last port of COM1."""
COM1_IRQ = 4
"""ISA interrupt line of COM1."""
FIFO_BYTES = 16
"""Depth of the receive FIFO."""


class UartRegister(IntEnum):
    """Offsets; the first two are the divisor latch while LCR.DLAB is set."""

    DATA = 0
    IER = 1
    IIR_FCR = 2
    LCR = 3
    MCR = 4
    LSR = 5
    MSR = 6
    SCR = 7


class InterruptEnable(IntFlag):
    """Bits of IER."""

    RECEIVED_DATA = 1 << 0
    TRANSMITTER_EMPTY = 1 << 1
    LINE_STATUS = 1 << 2
    MODEM_STATUS = 1 << 3


class InterruptId(IntEnum):
    """IIR bits 3:0, the most urgent pending interrupt."""

    NONE = 0x1
    LINE_STATUS = 0x6
    RECEIVED_DATA = 0x4
    TIMEOUT = 0xC
    TRANSMITTER_EMPTY = 0x2
    MODEM_STATUS = 0x0


class FifoControl(IntFlag):
    """Bits of FCR; bits 7:6 are the trigger level."""

    ENABLE = 1 << 0
    CLEAR_RECEIVER = 1 << 1


class LineControl(IntFlag):
    """Bits of LCR that have an effect."""

    DLAB = 1 << 7


class ModemControl(IntFlag):
    """Bits of MCR."""

    DTR = 1 << 0
    RTS = 1 << 1
    OUT1 = 1 << 2
    OUT2 = 1 << 3
    LOOP = 1 << 4


class LineStatus(IntFlag):
    """Bits of LSR."""

    DATA_READY = 1 << 0
    OVERRUN = 1 << 1
    THR_EMPTY = 1 << 5
    TRANSMITTER_IDLE = 1 << 6


class ModemStatus(IntFlag):
    """Bits of MSR: what changed since it was read, and the lines (1 is asserted)."""

    DELTA_CTS = 1 << 0
    DELTA_DSR = 1 << 1
    TRAILING_RI = 1 << 2
    DELTA_DCD = 1 << 3
    CTS = 1 << 4
    DSR = 1 << 5
    RI = 1 << 6
    DCD = 1 << 7
