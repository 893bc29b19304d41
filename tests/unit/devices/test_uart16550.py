"""The PC16550D."""

from copy import deepcopy

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from uniSMP.devices.device import Device
from uniSMP.devices.messages import ConsoleOutput, IrqLine, Messages
from uniSMP.devices.uart16550 import Uart, UartState

DATA, IER, IIR, LCR, MCR, LSR, MSR, SCR = range(8)
FCR = IIR
RISE = IrqLine(4, is_high=True)
FALL = IrqLine(4, is_high=False)


def put(uart: Uart, offset: int, value: int) -> Messages:
    return uart.write(offset, value, 1)


def get(uart: Uart, offset: int) -> int:
    value = uart.read(offset, 1)
    uart.after_read(offset, 1)
    return value


def wired(ier: int, fcr: int = 0) -> Uart:
    """Return a UART that listens, with OUT2 set, `fcr` and `ier` written in this order."""
    uart = Uart(UartState(is_listening=True))
    put(uart, MCR, 0x0B)
    put(uart, FCR, fcr)
    put(uart, IER, ier)
    return uart


def looped(ier: int = 0, fcr: int = 0) -> Uart:
    uart = Uart()
    put(uart, FCR, fcr)
    put(uart, IER, ier)
    put(uart, MCR, 0x10)
    uart.after_read(MSR, 1)
    return uart


def test_uart_is_a_byte_device() -> None:
    assert isinstance(Uart(), Device)
    assert Uart.widest_access_bytes == 1


@pytest.mark.parametrize(
    ("offset", "value"),
    [(DATA, 0), (IER, 0), (IIR, 1), (LCR, 0), (MCR, 0), (LSR, 0x60), (MSR, 0xB0), (SCR, 0)],
)
def test_register_after_reset_has_its_value(offset: int, value: int) -> None:
    assert Uart().read(offset, 1) == value


def test_uart_with_saved_state_keeps_it() -> None:
    saved = UartState(
        ier=15,
        fcr=0xC1,
        lcr=0x83,
        mcr=0x0B,
        scr=1,
        divisor=0x123,
        modem_changes=2,
        received=bytearray(b"ab"),
        waiting=bytearray(b"cd"),
        is_listening=True,
        is_overrun=True,
        is_timeout=True,
        is_transmitter_pending=True,
        is_irq_high=True,
    )
    assert Uart(deepcopy(saved)).state == saved


@pytest.mark.parametrize(
    ("offset", "written", "kept"),
    [
        (IER, 0xFF, 0x0F),
        (LCR, 0xFF, 0xFF),
        (MCR, 0xFF, 0x1F),
        (SCR, 0xA5, 0xA5),
        (SCR, 0x1A5, 0xA5),
    ],
)
def test_register_written_keeps_its_writable_bits(offset: int, written: int, kept: int) -> None:
    uart = Uart()
    put(uart, offset, written)
    assert uart.read(offset, 1) == kept


@pytest.mark.parametrize("offset", [LSR, MSR])
def test_status_register_ignores_a_write(offset: int) -> None:
    uart = Uart()
    assert put(uart, offset, 0xFF) == ()
    assert uart.state == UartState()


def test_offset_beyond_the_registers_reads_ones_and_ignores_writes() -> None:
    uart = Uart()
    assert put(uart, 8, 0x12) == ()
    assert get(uart, 8) == 0xFF
    assert uart.state == UartState()


@pytest.mark.parametrize(("offset", "left"), [(DATA, b"bcd"), (LSR, b"abcd"), (IIR, b"abcd")])
def test_input_given_early_survives_the_clearing_of_the_fifo(offset: int, left: bytes) -> None:
    uart = Uart()
    assert uart.receive(b"abcd") == ()
    put(uart, FCR, 0xC7)
    put(uart, MCR, 0x0B)
    assert (uart.read(LSR, 1), uart.read(DATA, 1)) == (0x61, ord("a"))
    assert uart.state.received == b""
    uart.after_read(offset, 1)
    assert uart.state.received == left


def test_input_given_early_interrupts_when_enabled() -> None:
    uart = Uart()
    uart.receive(b"a")
    put(uart, MCR, 0x0B)
    assert put(uart, IER, 0x01) == (RISE,)


def test_input_given_early_is_not_let_in_by_loopback_or_divisor_reads() -> None:
    uart = Uart()
    uart.receive(b"a")
    put(uart, MCR, 0x10)
    looped_data, looped_status = get(uart, DATA), get(uart, LSR)
    put(uart, MCR, 0x00)
    put(uart, LCR, 0x80)
    get(uart, DATA)
    assert (looped_data, looped_status) == (0, 0x60)
    assert not uart.state.is_listening


def test_divisor_latch_hides_data_and_ier() -> None:
    uart = Uart()
    uart.receive(b"x")
    put(uart, LCR, 0x83)
    assert put(uart, DATA, 0x34) == ()
    assert put(uart, IER, 0x12) == ()
    assert (get(uart, DATA), get(uart, IER)) == (0x34, 0x12)
    assert uart.state.divisor == 0x1234
    put(uart, LCR, 0x03)
    assert (uart.read(DATA, 1), uart.read(IER, 1)) == (ord("x"), 0)


def test_transmit_reaches_the_console_at_once() -> None:
    uart = Uart()
    assert put(uart, DATA, 0x41) == (ConsoleOutput(b"A"),)
    assert uart.read(LSR, 1) == 0x60


def test_receive_sets_data_ready_until_read() -> None:
    uart = Uart()
    assert uart.receive(b"A") == ()
    assert uart.read(LSR, 1) == 0x61
    assert uart.read(DATA, 1) == uart.read(DATA, 1) == 0x41
    uart.after_read(DATA, 1)
    assert uart.read(LSR, 1) == 0x60


@pytest.mark.parametrize("fcr", [0x00, 0x01, 0xC1])
def test_receive_of_more_than_fits_loses_nothing(fcr: int) -> None:
    uart = wired(0, fcr)
    sent = bytes(range(200))
    uart.receive(sent)
    assert bytes(get(uart, DATA) for _ in sent) == sent
    assert uart.read(LSR, 1) == 0x60


@pytest.mark.parametrize(("fcr", "depth"), [(0x00, 1), (0x01, 16)])
def test_receiver_holds_as_many_as_its_mode_allows(fcr: int, depth: int) -> None:
    uart = wired(0, fcr)
    uart.receive(bytes(20))
    assert len(uart.state.received) == depth
    assert len(uart.state.waiting) == 20 - depth


@pytest.mark.parametrize(("fcr", "iir"), [(0, 0x01), (0x01, 0xC1), (0xC1, 0xC1), (0xC0, 0x01)])
def test_iir_tells_whether_the_fifos_are_enabled(fcr: int, iir: int) -> None:
    assert wired(0, fcr).read(IIR, 1) == iir


@pytest.mark.parametrize(
    ("before", "fcr", "left"),
    [(0x01, 0x03, 0), (0x01, 0x05, 3), (0x01, 0x00, 0), (0x00, 0x01, 0), (0x01, 0x81, 3)],
)
def test_fcr_clears_the_receiver_when_told_or_switched(before: int, fcr: int, left: int) -> None:
    uart = wired(0, before)
    uart.receive(b"abc")
    uart.state.waiting.clear()
    put(uart, FCR, fcr)
    assert len(uart.state.received) == left


def test_fcr_clear_lets_waiting_bytes_in() -> None:
    uart = wired(0, 0x01)
    uart.receive(bytes(range(20)))
    put(uart, FCR, 0x03)
    assert uart.state.received == bytes(range(16, 20))


@pytest.mark.parametrize(("fcr", "trigger"), [(0x41, 4), (0x81, 8), (0xC1, 14)])
def test_received_data_below_the_trigger_is_a_timeout(fcr: int, trigger: int) -> None:
    uart = wired(0x01, fcr)
    assert uart.receive(bytes(trigger - 1)) == (RISE,)
    assert uart.read(IIR, 1) == 0xCC


@pytest.mark.parametrize(("fcr", "trigger"), [(0x01, 1), (0x41, 4), (0x81, 8), (0xC1, 14)])
def test_received_data_at_the_trigger_is_no_timeout(fcr: int, trigger: int) -> None:
    uart = wired(0x01, fcr)
    assert uart.receive(bytes(trigger)) == (RISE,)
    assert uart.read(IIR, 1) == 0xC4


def test_received_data_interrupt_of_one_byte_rises_and_falls() -> None:
    uart = wired(0x01)
    assert uart.receive(b"A") == (RISE,)
    assert uart.read(IIR, 1) == 0x04
    assert uart.after_read(IIR, 1) == ()
    assert uart.after_read(DATA, 1) == (FALL,)
    assert uart.read(IIR, 1) == 0x01


def test_received_data_interrupt_without_fifo_gives_an_edge_per_byte() -> None:
    uart = wired(0x01)
    assert uart.receive(b"abc") == (RISE,)
    assert uart.after_read(DATA, 1) == (FALL, RISE)
    assert uart.after_read(DATA, 1) == (FALL, RISE)
    assert uart.after_read(DATA, 1) == (FALL,)


def test_timeout_gives_an_edge_per_byte_read() -> None:
    uart = wired(0x01, 0xC1)
    assert uart.receive(b"ab") == (RISE,)
    assert uart.after_read(DATA, 1) == (FALL, RISE)
    assert uart.read(IIR, 1) == 0xCC
    assert uart.after_read(DATA, 1) == (FALL,)


def test_received_data_at_the_trigger_holds_the_line() -> None:
    uart = wired(0x01, 0x01)
    uart.receive(b"abc")
    assert uart.after_read(DATA, 1) == ()
    assert uart.after_read(DATA, 1) == ()
    assert uart.after_read(DATA, 1) == (FALL,)


def test_read_of_an_empty_receiver_changes_nothing() -> None:
    uart = wired(0x0F, 0x01)
    before = deepcopy(uart.state)
    assert uart.after_read(DATA, 1) == ()
    assert uart.state == before


def test_transmitter_interrupt_rises_when_enabled() -> None:
    uart = Uart()
    put(uart, MCR, 0x08)
    assert put(uart, IER, 0x02) == (RISE,)
    assert uart.read(IIR, 1) == 0x02
    assert uart.after_read(IIR, 1) == (FALL,)
    assert uart.read(IIR, 1) == 0x01


def test_transmitter_interrupt_already_enabled_does_not_rise_again() -> None:
    uart = wired(0x02)
    uart.after_read(IIR, 1)
    assert put(uart, IER, 0x02) == ()
    assert put(uart, IER, 0x00) == ()
    assert put(uart, IER, 0x02) == (RISE,)


def test_transmitter_interrupt_follows_each_byte() -> None:
    uart = wired(0x02)
    assert put(uart, DATA, 0x41) == (FALL, ConsoleOutput(b"A"), RISE)
    uart.after_read(IIR, 1)
    assert put(uart, DATA, 0x42) == (ConsoleOutput(b"B"), RISE)


def test_iir_read_for_a_higher_interrupt_keeps_the_transmitters() -> None:
    uart = wired(0x03)
    uart.receive(b"A")
    assert get(uart, IIR) == 0x04
    uart.after_read(DATA, 1)
    assert uart.read(IIR, 1) == 0x02


def test_interrupts_are_told_in_their_order_of_priority() -> None:
    uart = looped(0x0F, 0xC1)
    _ = [put(uart, DATA, value) for value in range(17)]
    put(uart, MCR, 0x12)
    told = [get(uart, IIR)]
    uart.after_read(LSR, 1)
    told.append(get(uart, IIR))
    _ = [uart.after_read(DATA, 1) for _ in range(3)]
    told.append(get(uart, IIR))
    _ = [uart.after_read(DATA, 1) for _ in range(13)]
    told.append(get(uart, IIR))
    told.append(get(uart, IIR))
    uart.after_read(MSR, 1)
    told.append(get(uart, IIR))
    assert told == [0xC6, 0xC4, 0xCC, 0xC2, 0xC0, 0xC1]


@pytest.mark.parametrize("mcr", [0x00, 0x03, 0x07])
def test_interrupt_without_out2_does_not_reach_the_line(mcr: int) -> None:
    uart = Uart()
    put(uart, MCR, mcr)
    put(uart, IER, 0x01)
    assert uart.receive(b"A") == ()
    assert uart.read(IIR, 1) == 0x04
    assert put(uart, MCR, mcr | 0x08) == (RISE,)
    assert put(uart, MCR, mcr) == (FALL,)


def test_interrupt_disabled_in_ier_falls() -> None:
    uart = wired(0x01)
    uart.receive(b"A")
    assert put(uart, IER, 0) == (FALL,)


def test_overrun_without_fifo_overwrites_the_byte() -> None:
    uart = looped()
    put(uart, DATA, 1)
    put(uart, DATA, 2)
    assert get(uart, LSR) == 0x63
    assert get(uart, LSR) == 0x61
    assert get(uart, DATA) == 2


def test_overrun_with_fifo_keeps_the_sixteen_bytes() -> None:
    uart = looped(fcr=0x01)
    _ = [put(uart, DATA, value) for value in range(18)]
    assert get(uart, LSR) == 0x63
    assert [get(uart, DATA) for _ in range(16)] == list(range(16))
    assert get(uart, LSR) == 0x60


def test_loopback_sends_to_the_receiver_and_not_to_the_console() -> None:
    uart = looped()
    assert put(uart, DATA, 0xAE) == ()
    assert get(uart, DATA) == 0xAE


def test_loopback_holds_the_hosts_bytes_back() -> None:
    uart = looped(fcr=0x01)
    uart.receive(b"host")
    assert get(uart, LSR) == 0x60
    put(uart, MCR, 0x00)
    assert get(uart, DATA) == ord("h")


def test_loopback_keeps_the_interrupt_from_the_line() -> None:
    uart = wired(0x01)
    put(uart, MCR, 0x18)
    assert put(uart, DATA, 1) == ()
    assert uart.read(IIR, 1) == 0x04
    assert put(uart, MCR, 0x08) == (RISE,)


@pytest.mark.parametrize(
    ("mcr", "lines"),
    [(0x10, 0x00), (0x11, 0x20), (0x12, 0x10), (0x14, 0x40), (0x18, 0x80), (0x1F, 0xF0)],
)
def test_loopback_connects_the_modem_lines(mcr: int, lines: int) -> None:
    uart = Uart()
    put(uart, MCR, mcr)
    assert uart.read(MSR, 1) & 0xF0 == lines


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        (0x10, 0x11, 0x02),
        (0x11, 0x10, 0x02),
        (0x10, 0x12, 0x01),
        (0x10, 0x18, 0x08),
        (0x10, 0x14, 0x00),
        (0x14, 0x10, 0x04),
        (0x00, 0x10, 0x0B),
        (0x00, 0x1B, 0x00),
        (0x00, 0x0F, 0x00),
    ],
)
def test_modem_changes_are_shown_until_read(before: int, after: int, changes: int) -> None:
    uart = Uart()
    put(uart, MCR, before)
    uart.after_read(MSR, 1)
    put(uart, MCR, after)
    assert get(uart, MSR) & 0x0F == changes
    assert get(uart, MSR) & 0x0F == 0


def test_modem_status_interrupt_falls_when_read() -> None:
    uart = looped(0x08)
    put(uart, MCR, 0x11)
    assert uart.read(IIR, 1) == 0x00
    assert put(uart, MCR, 0x08) == (RISE,)
    assert uart.after_read(MSR, 1) == (FALL,)


def test_line_status_interrupt_falls_when_read() -> None:
    uart = looped(0x04)
    put(uart, DATA, 1)
    put(uart, DATA, 2)
    assert uart.read(IIR, 1) == 0x06
    assert put(uart, MCR, 0x08) == (RISE,)
    assert uart.after_read(LSR, 1) == (FALL,)


class UartMachine(RuleBasedStateMachine):
    """Any accesses: the line follows its messages, bytes keep their order."""

    def __init__(self) -> None:
        super().__init__()
        self.uart = Uart()
        self.is_high = False
        self.output = bytearray()

    def hear(self, messages: Messages) -> None:
        for message in messages:
            match message:
                case IrqLine(irq, is_high):
                    assert irq == 4
                    assert is_high is not self.is_high
                    self.is_high = is_high
                case ConsoleOutput(data):
                    self.output += data

    @rule(offset=st.integers(0, 8), value=st.integers(0, 255))
    def write(self, offset: int, value: int) -> None:
        self.hear(self.uart.write(offset, value, 1))

    @rule(offset=st.integers(0, 8))
    def read(self, offset: int) -> None:
        before = deepcopy(self.uart.state)
        assert 0 <= self.uart.read(offset, 1) <= 0xFF
        assert self.uart.state == before
        self.hear(self.uart.after_read(offset, 1))

    @rule(data=st.binary(max_size=20))
    def receive(self, data: bytes) -> None:
        self.hear(self.uart.receive(data))

    @rule(value=st.integers(0, 255))
    def control_modem_without_loopback(self, value: int) -> None:
        self.hear(self.uart.write(MCR, value & 0xEF | 0x08, 1))

    @invariant()
    def line_is_what_iir_and_out2_say(self) -> None:
        is_pending = not self.uart.read(IIR, 1) & 1
        is_gated = self.uart.read(MCR, 1) & 0x18 == 0x08
        assert self.is_high is self.uart.state.is_irq_high is (is_pending and is_gated)

    @invariant()
    def bytes_wait_only_for_room(self) -> None:
        state = self.uart.state
        depth = 16 if state.fcr & 1 else 1
        assert len(state.received) <= depth
        is_held = bool(state.mcr & 0x10) or not state.is_listening
        assert not state.waiting or is_held or len(state.received) == depth

    @invariant()
    def saved_state_gives_the_same_chip(self) -> None:
        twin = Uart(deepcopy(self.uart.state))
        registers = range(8)
        assert [twin.read(at, 1) for at in registers] == [self.uart.read(at, 1) for at in registers]

    @invariant()
    def transmitter_is_always_empty(self) -> None:
        assert self.uart.read(LSR, 1) & 0x60 == 0x60


TestUartMachine = UartMachine.TestCase
TestUartMachine.settings = settings(
    derandomize=True, deadline=None, max_examples=100, stateful_step_count=40
)
