"""Wires and messages between the interrupt chips."""

from dataclasses import dataclass, field

import pytest

from uniSMP.arch.apic import DeliveryMode, DestinationMode, Shorthand, TriggerMode
from uniSMP.devices.interrupt_router import InterruptRouter, InterruptRouterState
from uniSMP.devices.io_apic import IoApic
from uniSMP.devices.local_apic import LocalApic
from uniSMP.devices.messages import (
    A20Gate,
    ConsoleOutput,
    CoreEvent,
    CoreSignal,
    EndOfInterrupt,
    ExitRequest,
    InterruptMessage,
    IrqLine,
    Message,
    Messages,
    PicOutput,
    SystemReset,
)

SVR, TPR, LDR, EOI, LINT0 = 0xF0, 0x80, 0xD0, 0xB0, 0x350
LEVEL = 1 << 15


@dataclass
class FakePic:
    """A pair whose output is high while any line is, and whose vector is 0x20."""

    lines: list[tuple[int, bool]] = field(default_factory=list)
    is_output_high: bool = False

    def set_line(self, irq: int, *, is_high: bool) -> Messages:
        self.lines.append((irq, is_high))
        self.is_output_high = is_high
        return (PicOutput(is_high),)

    def acknowledge(self) -> tuple[int, Messages]:
        self.is_output_high = False
        return 0x20, (PicOutput(is_high=False), ConsoleOutput(b"acknowledged"))


@dataclass
class Board:
    """Four enabled local APICs with flat logical IDs, an IOAPIC and a fake PIC."""

    apics: list[LocalApic]
    io_apic: IoApic
    pic: FakePic
    router: InterruptRouter

    def redirect(self, pin: int, low: int, destination: int = 0) -> None:
        self.io_apic.write(0x00, 0x11 + 2 * pin, 4)
        self.io_apic.write(0x10, destination << 24, 4)
        self.io_apic.write(0x00, 0x10 + 2 * pin, 4)
        self.io_apic.write(0x10, low, 4)

    def pending(self) -> list[int | None]:
        return [apic.pending_vector() for apic in self.apics]


def board() -> Board:
    apics = [LocalApic(core_id, is_bsp=core_id == 0) for core_id in range(4)]
    for apic in apics:
        apic.write(SVR, 0x1FF, 4)
        apic.write(LDR, 1 << 24 + apic.core_id, 4)
    io_apic, pic = IoApic(), FakePic()
    return Board(apics, io_apic, pic, InterruptRouter(apics, io_apic, pic))


def interrupt(
    destination: int,
    delivery: DeliveryMode = DeliveryMode.FIXED,
    mode: DestinationMode = DestinationMode.PHYSICAL,
    vector: int = 0x40,
) -> InterruptMessage:
    return InterruptMessage(destination, mode, delivery, vector, TriggerMode.EDGE)


@pytest.mark.parametrize(
    "message",
    [
        CoreSignal(1, CoreEvent.NMI),
        ConsoleOutput(b"x"),
        ExitRequest(3),
        A20Gate(is_enabled=True),
        SystemReset(),
    ],
)
def test_message_for_machine_is_left(message: Message) -> None:
    assert board().router.deliver((message,)) == (message,)


def test_messages_for_machine_keep_their_order() -> None:
    nmi = interrupt(2, DeliveryMode.NMI)

    left = board().router.deliver((ExitRequest(1), nmi, ExitRequest(2)))

    assert left == (ExitRequest(1), CoreSignal(2, CoreEvent.NMI), ExitRequest(2))


def test_fixed_message_is_accepted_by_its_destination() -> None:
    made = board()

    assert made.router.deliver((interrupt(2),)) == ()
    assert made.pending() == [None, None, 0x40, None]


def test_fixed_message_to_logical_group_is_accepted_by_each() -> None:
    made = board()

    made.router.deliver((interrupt(0b1010, mode=DestinationMode.LOGICAL),))

    assert made.pending() == [None, 0x40, None, 0x40]


@pytest.mark.parametrize(
    ("shorthand", "pending"),
    [
        (Shorthand.SELF, [None, 0x40, None, None]),
        (Shorthand.ALL_INCLUDING_SELF, [0x40] * 4),
        (Shorthand.ALL_EXCLUDING_SELF, [0x40, None, 0x40, 0x40]),
    ],
)
def test_shorthand_counts_from_the_sender(shorthand: int, pending: list[int | None]) -> None:
    made = board()

    made.router.deliver(made.apics[1].write(0x300, shorthand << 18 | 0x4040, 4))

    assert made.pending() == pending


def test_fixed_message_reaches_software_disabled_core_not() -> None:
    made = board()
    made.apics[2].write(SVR, 0xFF, 4)

    made.router.deliver((interrupt(2),))

    assert made.apics[2].state.irr == 0


@pytest.mark.parametrize(
    ("mode", "event", "vector"),
    [
        (DeliveryMode.NMI, CoreEvent.NMI, 0),
        (DeliveryMode.SMI, CoreEvent.SMI, 0),
        (DeliveryMode.INIT, CoreEvent.INIT, 0),
        (DeliveryMode.START_UP, CoreEvent.START_UP, 0x40),
    ],
)
def test_signal_reaches_software_disabled_core(
    mode: DeliveryMode, event: CoreEvent, vector: int
) -> None:
    made = board()
    made.apics[2].write(SVR, 0xFF, 4)

    assert made.router.deliver((interrupt(2, mode),)) == (CoreSignal(2, event, vector),)


def test_signal_broadcast_reaches_cores_in_ascending_order() -> None:
    left = board().router.deliver((interrupt(0xFF, DeliveryMode.NMI),))

    assert left == tuple(CoreSignal(core_id, CoreEvent.NMI) for core_id in range(4))


def test_init_resets_the_local_apic() -> None:
    made = board()

    made.router.deliver((interrupt(2, DeliveryMode.INIT),))

    assert [apic.is_software_enabled() for apic in made.apics] == [True, True, False, True]


def test_init_level_deassert_is_ignored() -> None:
    made = board()

    left = made.router.deliver(made.apics[0].write(0x300, 0x8_8500, 4))

    assert left == ()
    assert all(apic.is_software_enabled() for apic in made.apics)


@pytest.mark.parametrize(
    ("priorities", "chosen"),
    [((0, 0, 0, 0), 1), ((0, 0x30, 0x20, 0x30), 2), ((0, 0x30, 0x30, 0x2F), 3)],
)
def test_lowest_priority_goes_to_lowest_ppr_then_lowest_core(
    priorities: tuple[int, ...], chosen: int
) -> None:
    made = board()
    _ = [
        apic.write(TPR, priority, 4) for apic, priority in zip(made.apics, priorities, strict=True)
    ]

    made.router.deliver((interrupt(0b1110, DeliveryMode.LOWEST_PRIORITY, DestinationMode.LOGICAL),))

    assert [apic.state.irr >> 0x40 for apic in made.apics] == [
        int(core_id == chosen) for core_id in range(4)
    ]


def test_lowest_priority_skips_software_disabled_cores() -> None:
    made = board()
    made.apics[0].write(SVR, 0xFF, 4)

    made.router.deliver((interrupt(0xFF, DeliveryMode.LOWEST_PRIORITY),))

    assert made.pending() == [None, 0x40, None, None]


def test_lowest_priority_to_nobody_is_gone() -> None:
    made = board()

    assert made.router.deliver((interrupt(9, DeliveryMode.LOWEST_PRIORITY),)) == ()
    assert made.pending() == [None] * 4


@pytest.mark.parametrize(("irq", "pin"), [(0, 2), (1, 1), (3, 3), (15, 15)])
def test_isa_line_drives_pic_and_io_apic(irq: int, pin: int) -> None:
    made = board()
    made.redirect(pin, 0x50, destination=1)

    made.router.deliver((IrqLine(irq, is_high=True),))

    assert made.pic.lines == [(irq, True)]
    assert made.pending() == [None, 0x50, None, None]


def test_cascade_line_drives_no_pin() -> None:
    made = board()

    made.router.deliver((IrqLine(2, is_high=True),))

    assert not made.io_apic.state.levels[2]


def test_line_above_isa_drives_io_apic_only() -> None:
    made = board()

    made.router.deliver((IrqLine(16, is_high=True),))

    assert made.pic.lines == []
    assert made.io_apic.state.levels[16]


def test_end_of_interrupt_lets_an_asserted_level_line_repeat() -> None:
    made = board()
    made.redirect(16, LEVEL | 0x50)
    made.router.deliver((IrqLine(16, is_high=True),))
    made.apics[0].acknowledge()

    left = made.router.deliver(made.apics[0].write(EOI, 0, 4))

    assert left == ()
    assert made.pending() == [0x50, None, None, None]


def test_end_of_interrupt_of_released_line_ends_it() -> None:
    made = board()
    made.redirect(16, LEVEL | 0x50)
    made.router.deliver((IrqLine(16, is_high=True), IrqLine(16, is_high=False)))

    made.router.deliver((EndOfInterrupt(0x50),))

    assert made.io_apic.state.redirection[16] == LEVEL | 0x50


def test_pic_output_is_lint0_of_every_core() -> None:
    made = board()
    _ = [apic.write(LINT0, 0x400, 4) for apic in made.apics[1:3]]

    left = made.router.deliver((IrqLine(1, is_high=True),))

    assert left == (CoreSignal(1, CoreEvent.NMI), CoreSignal(2, CoreEvent.NMI))


def test_external_interrupt_needs_ext_int_and_pic_output() -> None:
    made = board()
    made.apics[0].write(LINT0, 0x700, 4)
    assert not made.router.has_external_interrupt(0)

    made.router.deliver((IrqLine(1, is_high=True),))

    assert [made.router.has_external_interrupt(core_id) for core_id in (0, 1)] == [True, False]


def test_external_interrupt_of_disabled_local_apic_is_taken() -> None:
    made = board()
    made.apics[1].write_base(0xFEE0_0000)

    made.router.deliver((IrqLine(1, is_high=True),))

    assert made.router.has_external_interrupt(1)


def test_acknowledge_external_returns_vector_and_delivers_the_rest() -> None:
    made = board()
    made.apics[0].write(LINT0, 0x700, 4)
    made.router.deliver((IrqLine(1, is_high=True),))

    assert made.router.acknowledge_external(0) == (0x20, (ConsoleOutput(b"acknowledged"),))
    assert not made.router.has_external_interrupt(0)
    assert not made.apics[0].state.lint_levels[0]


def test_ext_int_through_io_apic_is_acknowledged_once() -> None:
    made = board()
    made.redirect(0, 0x700, destination=2)
    made.router.deliver((IrqLine(1, is_high=True),))
    assert [made.router.has_external_interrupt(core) for core in range(4)] == [
        *(False, False, True, False)
    ]

    made.router.acknowledge_external(2)

    made.pic.is_output_high = True
    assert not made.router.has_external_interrupt(2)


def test_ext_int_messages_keep_cores_ascending() -> None:
    made = board()
    ext_int = DeliveryMode.EXT_INT

    made.router.deliver((interrupt(3, ext_int), interrupt(1, ext_int), interrupt(3, ext_int)))

    assert made.router.state == InterruptRouterState([1, 3])


def test_ext_int_is_forgotten_by_init_and_reset() -> None:
    made = board()
    made.router.deliver((interrupt(0xFF, DeliveryMode.EXT_INT),))

    made.router.deliver((interrupt(1, DeliveryMode.INIT),))
    assert made.router.state.ext_int_cores == [0, 2, 3]

    made.router.reset()
    assert made.router.state.ext_int_cores == []


def test_state_round_trip_is_a_copy() -> None:
    saved = InterruptRouterState([1, 2])
    made = board()

    router = InterruptRouter(made.apics, made.io_apic, made.pic, saved)
    assert router.state == saved
    router.acknowledge_external(1)

    assert (saved.ext_int_cores, router.state.ext_int_cores) == ([1, 2], [2])
