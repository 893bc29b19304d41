"""The serial port COM1: ports 0x3F8-0x3FF, IRQ 4.

Source: National Semiconductor PC16550D data sheet (June 1995), section 8, "Registers"; IBM PC/AT
Technical Reference, "Serial/Parallel Adapter": the OUT2 pin gates the interrupt.

Timing: transmission takes no time, THR is empty again at once. Received bytes wait in a queue on
the host's side without limit and enter the FIFO as soon as it has room, so input never overruns it.
The first byte arrives when the guest first looks (reads RBR, LSR or IIR outside loopback mode, or
enables the received-data interrupt): input given before the guest sets the UART up survives its
clearing of the FIFO; later, bytes in the FIFO are lost when the guest clears it. The character
timeout is reported at once: as soon as bytes below the trigger level wait. A read of RBR takes the
interrupt back and, when more bytes wait, raises it again, so that an edge-triggered interrupt
controller sees an edge for each. In loopback mode the queue waits, and the OUT2 pin is inactive:
there are no interrupts at the pin, although IIR shows them.

Not modelled: baud rate, word length, parity and stop bits (bytes travel whole), break, framing and
parity errors, DMA signalling (TXRDY, RXRDY), changes of the modem lines outside loopback mode: CTS,
DSR and DCD are always asserted, RI never. Writes to LSR and MSR (factory test) are ignored.
"""

from dataclasses import dataclass, field

from uniSMP.arch.uart import (
    COM1_IRQ,
    FIFO_BYTES,
    FifoControl,
    InterruptEnable,
    InterruptId,
    LineControl,
    LineStatus,
    ModemControl,
    ModemStatus,
    UartRegister,
)
from uniSMP.devices.messages import ConsoleOutput, IrqLine, Messages

_TRIGGER_BYTES = (1, 4, 8, 14)
_TRIGGER_SHIFT = 6
_FIFOS_ENABLED = 0xC0
_FIRMWARE_DIVISOR = 12
_DIVISOR_REGISTERS = 2


_CONNECTED = int(ModemStatus.CTS | ModemStatus.DSR | ModemStatus.DCD)
_LOOPED_LINES = (
    (ModemControl.RTS, ModemStatus.CTS),
    (ModemControl.DTR, ModemStatus.DSR),
    (ModemControl.OUT1, ModemStatus.RI),
    (ModemControl.OUT2, ModemStatus.DCD),
)


@dataclass(slots=True)
class UartState:
    """Registers, FIFO and host queue.

    Attributes:
        fcr: FCR without the self-clearing bits, as IIR bits 7:6 and the trigger level need it.
        modem_changes: MSR bits 3:0.
        received: the receive FIFO, or RBR, oldest first.
        waiting: bytes from the host that have not entered the FIFO.
        is_listening: whether the guest has looked for input since reset.
        is_timeout: bytes below the trigger level wait in the FIFO.
        is_transmitter_pending: the transmitter-empty interrupt has not been taken back.
        is_irq_high: level of the interrupt line.
    """

    ier: int = 0
    fcr: int = 0
    lcr: int = 0
    mcr: int = 0
    scr: int = 0
    divisor: int = _FIRMWARE_DIVISOR
    modem_changes: int = 0
    received: bytearray = field(default_factory=bytearray)
    waiting: bytearray = field(default_factory=bytearray)
    is_listening: bool = False
    is_overrun: bool = False
    is_timeout: bool = False
    is_transmitter_pending: bool = False
    is_irq_high: bool = False


class Uart:
    """One PC16550D behind eight byte ports."""

    widest_access_bytes = 1

    def __init__(self, state: UartState | None = None) -> None:
        """Continue from `state`, which is taken over, or start as after master reset."""
        self.state = UartState() if state is None else state

    def receive(self, data: bytes) -> Messages:
        """Take bytes from the host's side of the line; what has no room yet waits."""
        self.state.waiting += data
        self._fill()
        return self._settle()

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the register at `offset`; offsets above 7 give 0xFF."""
        del size_bytes
        state = self.state
        if state.lcr & LineControl.DLAB and offset < _DIVISOR_REGISTERS:
            return state.divisor >> 8 * offset & 0xFF
        value = 0xFF
        match offset:
            case UartRegister.DATA:
                value = next(iter(self._arrived), 0)
            case UartRegister.IER:
                value = state.ier
            case UartRegister.IIR_FCR:
                value = self._interrupt() | (_FIFOS_ENABLED if self._is_fifo else 0)
            case UartRegister.LCR:
                value = state.lcr
            case UartRegister.MCR:
                value = state.mcr
            case UartRegister.LSR:
                value = self._line_status()
            case UartRegister.MSR:
                value = self._modem_lines() | state.modem_changes
            case UartRegister.SCR:
                value = state.scr
        return value

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do what reading does: pop RBR, take back an interrupt, clear LSR errors, MSR changes."""
        del size_bytes
        state = self.state
        match offset:
            case UartRegister.DATA if not state.lcr & LineControl.DLAB:
                self._listen()
                return self._pop()
            case UartRegister.IIR_FCR:
                if self._interrupt() == InterruptId.TRANSMITTER_EMPTY:
                    state.is_transmitter_pending = False
                self._listen()
            case UartRegister.LSR:
                state.is_overrun = False
                self._listen()
            case UartRegister.MSR:
                state.modem_changes = 0
        return self._settle()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Write the register at `offset`; LSR, MSR and offsets above 7 ignore it."""
        del size_bytes
        state = self.state
        value &= 0xFF
        if state.lcr & LineControl.DLAB and offset < _DIVISOR_REGISTERS:
            shift = 8 * offset
            state.divisor = state.divisor & ~(0xFF << shift) | value << shift
            return ()
        match offset:
            case UartRegister.DATA:
                return self._transmit(value)
            case UartRegister.IER:
                self._enable(value & 0x0F)
            case UartRegister.IIR_FCR:
                self._control_fifo(value)
            case UartRegister.LCR:
                state.lcr = value
            case UartRegister.MCR:
                return self._control_modem(value & 0x1F)
            case UartRegister.SCR:
                state.scr = value
        return self._settle()

    @property
    def _is_fifo(self) -> bool:
        return bool(self.state.fcr & FifoControl.ENABLE)

    @property
    def _is_loop(self) -> bool:
        return bool(self.state.mcr & ModemControl.LOOP)

    @property
    def _arrived(self) -> bytearray:
        """The FIFO, or the byte that arrives because the guest looks."""
        state = self.state
        return state.received if state.received or self._is_loop else state.waiting[:1]

    @property
    def _trigger_bytes(self) -> int:
        return _TRIGGER_BYTES[self.state.fcr >> _TRIGGER_SHIFT] if self._is_fifo else 1

    def _interrupt(self) -> InterruptId:
        """Return the most urgent interrupt that IER lets through."""
        state = self.state
        ier = state.ier
        if ier & InterruptEnable.LINE_STATUS and state.is_overrun:
            return InterruptId.LINE_STATUS
        if ier & InterruptEnable.RECEIVED_DATA:
            if len(state.received) >= self._trigger_bytes:
                return InterruptId.RECEIVED_DATA
            if state.is_timeout:
                return InterruptId.TIMEOUT
        if ier & InterruptEnable.TRANSMITTER_EMPTY and state.is_transmitter_pending:
            return InterruptId.TRANSMITTER_EMPTY
        if ier & InterruptEnable.MODEM_STATUS and state.modem_changes:
            return InterruptId.MODEM_STATUS
        return InterruptId.NONE

    def _settle(self) -> Messages:
        """Bring the interrupt line to its level; report a change."""
        state = self.state
        is_gated = state.mcr & (ModemControl.OUT2 | ModemControl.LOOP) == ModemControl.OUT2
        is_high = is_gated and self._interrupt() != InterruptId.NONE
        if is_high == state.is_irq_high:
            return ()
        state.is_irq_high = is_high
        return (IrqLine(COM1_IRQ, is_high),)

    def _listen(self) -> None:
        """Let the host begin to send: the guest looks for input."""
        if not self.state.is_listening and not self._is_loop:
            self.state.is_listening = True
            self._fill()

    def _fill(self) -> None:
        """Let waiting bytes into the receiver, and start the character timeout."""
        state = self.state
        if state.is_listening and not self._is_loop:
            room = (FIFO_BYTES if self._is_fifo else 1) - len(state.received)
            state.received += state.waiting[:room]
            del state.waiting[:room]
        state.is_timeout = 0 < len(state.received) < self._trigger_bytes

    def _pop(self) -> Messages:
        state = self.state
        del state.received[:1]
        state.is_timeout = False
        messages = self._settle()
        self._fill()
        return messages + self._settle()

    def _transmit(self, value: int) -> Messages:
        state = self.state
        state.is_transmitter_pending = False
        messages = self._settle()
        if self._is_loop:
            self._loop_back(value)
        else:
            messages += (ConsoleOutput(bytes((value,))),)
        state.is_transmitter_pending = bool(state.ier & InterruptEnable.TRANSMITTER_EMPTY)
        return messages + self._settle()

    def _loop_back(self, value: int) -> None:
        """Receive what was sent. A full FIFO keeps its bytes, RBR alone takes the new one."""
        state = self.state
        capacity = FIFO_BYTES if self._is_fifo else 1
        if len(state.received) == capacity:
            state.is_overrun = True
            if not self._is_fifo:
                state.received[0] = value
        else:
            state.received.append(value)
        self._fill()

    def _enable(self, value: int) -> None:
        """Set IER; enabling the transmitter interrupt raises it, for THR is always empty."""
        state = self.state
        if not value & InterruptEnable.TRANSMITTER_EMPTY:
            state.is_transmitter_pending = False
        elif not state.ier & InterruptEnable.TRANSMITTER_EMPTY:
            state.is_transmitter_pending = True
        state.ier = value
        if value & InterruptEnable.RECEIVED_DATA:
            state.is_listening = True
            self._fill()

    def _control_fifo(self, value: int) -> None:
        """Set FCR; its other bits count only together with the enable bit."""
        state = self.state
        is_enable = bool(value & FifoControl.ENABLE)
        if is_enable != self._is_fifo or (is_enable and value & FifoControl.CLEAR_RECEIVER):
            state.received.clear()
        state.fcr = value & (_FIFOS_ENABLED | FifoControl.ENABLE) if is_enable else 0
        self._fill()

    def _control_modem(self, value: int) -> Messages:
        state = self.state
        before = self._modem_lines()
        state.mcr = value
        after = self._modem_lines()
        changed = (before ^ after) & ~ModemStatus.RI | before & ~after & ModemStatus.RI
        state.modem_changes |= changed >> 4
        self._fill()
        return self._settle()

    def _line_status(self) -> int:
        status = LineStatus.THR_EMPTY | LineStatus.TRANSMITTER_IDLE
        if self._arrived:
            status |= LineStatus.DATA_READY
        if self.state.is_overrun:
            status |= LineStatus.OVERRUN
        return int(status)

    def _modem_lines(self) -> int:
        """Return MSR bits 7:4: the connected side, or MCR itself in loopback mode."""
        if not self._is_loop:
            return _CONNECTED
        return sum(int(line) for output, line in _LOOPED_LINES if self.state.mcr & output)
