from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from uniSMP.devices.device import Device
from uniSMP.devices.messages import Messages, PicOutput
from uniSMP.devices.pic8259 import Pic, PicPair, PicPairState, PicPorts, PicState

RISES = (PicOutput(is_high=True),)
FALLS = (PicOutput(is_high=False),)
PULSES = FALLS + RISES
EOI = 0x20
READ_IRR, READ_ISR, POLL = 0x0A, 0x0B, 0x0C
SET_SPECIAL_MASK, CLEAR_SPECIAL_MASK = 0x68, 0x48


def initialize(pair: PicPair, icw1: int = 0x11, master_icw4: int = 1, slave_icw4: int = 1) -> None:
    """Initialize both chips: vectors 0x20 and 0x28, nothing masked."""
    write(pair.master, (0, icw1), (1, 0x20), (1, 4), (1, master_icw4))
    write(pair.slave, (0, icw1), (1, 0x28), (1, 2), (1, slave_icw4))


def write(ports: Device, *commands: tuple[int, int]) -> Messages:
    """Write command words, each (offset, value); return the messages of the last one."""
    return [ports.write(offset, value, 1) for offset, value in commands][-1]


def guest_read(ports: Device, offset: int) -> tuple[int, Messages]:
    """Read as a guest does, with the consequences."""
    return ports.read(offset, 1), ports.after_read(offset, 1)


def register(ports: Device, ocw3: int) -> int:
    """Select IRR or ISR and read it."""
    write(ports, (0, ocw3))
    return ports.read(0, 1)


def raise_lines(pair: PicPair, *irqs: int) -> None:
    """Raise lines in the given order."""
    for irq in irqs:
        pair.set_line(irq, is_high=True)


def acknowledged(pair: PicPair, count: int) -> list[int]:
    """Acknowledge `count` times; return the vectors."""
    return [pair.acknowledge()[0] for _ in range(count)]


@pytest.fixture
def pair() -> PicPair:
    result = PicPair()
    initialize(result)
    return result


def test_ports_shape_is_a_device(pair: PicPair) -> None:
    assert all(isinstance(ports, Device) for ports in (pair.master, pair.slave, pair.elcr))
    assert {ports.widest_access_bytes for ports in (pair.master, pair.slave, pair.elcr)} == {1}


def test_pair_reset_masks_all() -> None:
    pair = PicPair()

    raise_lines(pair, *range(16))

    assert not pair.is_output_high
    assert (pair.master.read(1, 1), pair.slave.read(1, 1)) == (0xFF, 0xFF)


def test_firmware_state_masks_all_but_cascade() -> None:
    pair = PicPair(PicPair.firmware_state())

    assert (pair.master.read(1, 1), pair.slave.read(1, 1)) == (0xFB, 0xFF)
    assert (pair.elcr.read(0, 1), pair.elcr.read(1, 1)) == (0, 0)


@pytest.mark.parametrize(("irq", "vector"), [(0, 0x08), (7, 0x0F), (8, 0x70), (15, 0x77)])
def test_firmware_state_unmasked_uses_bios_vectors(irq: int, vector: int) -> None:
    pair = PicPair(PicPair.firmware_state())
    pair.master.write(1, 0, 1)
    pair.slave.write(1, 0, 1)

    assert pair.set_line(irq, is_high=True) == RISES
    assert pair.acknowledge() == (vector, FALLS)


@pytest.mark.parametrize("irq", [0, 1, 3, 4, 5, 6, 7])
def test_set_line_master_sets_isr_at_acknowledge(pair: PicPair, irq: int) -> None:
    assert pair.set_line(irq, is_high=True) == RISES
    assert register(pair.master, READ_IRR) == 1 << irq
    assert pair.acknowledge() == (0x20 + irq, FALLS)
    assert register(pair.master, READ_IRR) == 0
    assert register(pair.master, READ_ISR) == 1 << irq


@pytest.mark.parametrize("irq", range(8, 16))
def test_set_line_slave_sets_both_isr_at_acknowledge(pair: PicPair, irq: int) -> None:
    assert pair.set_line(irq, is_high=True) == RISES
    assert register(pair.master, READ_IRR) == 1 << 2
    assert pair.acknowledge() == (0x20 + irq, FALLS)
    assert register(pair.master, READ_ISR) == 1 << 2
    assert register(pair.slave, READ_ISR) == 1 << irq - 8


@pytest.mark.parametrize("irq", [2, 16, 23])
def test_set_line_not_connected_does_nothing(pair: PicPair, irq: int) -> None:
    before = repr(pair.state)

    assert pair.set_line(irq, is_high=True) == ()
    assert repr(pair.state) == before


def test_edge_line_held_after_eoi_requests_once(pair: PicPair) -> None:
    raise_lines(pair, 5, 5)
    pair.acknowledge()

    assert write(pair.master, (0, EOI)) == ()
    assert pair.set_line(5, is_high=True) == ()
    pair.set_line(5, is_high=False)
    assert pair.set_line(5, is_high=True) == RISES


def test_edge_new_edge_while_in_service_waits_for_eoi(pair: PicPair) -> None:
    raise_lines(pair, 5)
    pair.acknowledge()
    pair.set_line(5, is_high=False)

    assert pair.set_line(5, is_high=True) == ()
    assert register(pair.master, READ_IRR) == 1 << 5
    assert write(pair.master, (0, EOI)) == RISES


def test_edge_masked_request_is_kept(pair: PicPair) -> None:
    write(pair.master, (1, 0x20))

    assert pair.set_line(5, is_high=True) == ()
    assert register(pair.master, READ_IRR) == 1 << 5
    assert write(pair.master, (1, 0)) == RISES
    assert write(pair.master, (1, 0x20)) == FALLS


def test_edge_line_falls_early_makes_spurious_7(pair: PicPair) -> None:
    raise_lines(pair, 3)

    assert pair.set_line(3, is_high=False) == FALLS
    assert pair.acknowledge() == (0x27, ())
    assert register(pair.master, READ_ISR) == 0


def test_slave_line_falls_early_withdraws_cascade(pair: PicPair) -> None:
    raise_lines(pair, 9)

    assert pair.set_line(9, is_high=False) == FALLS
    assert register(pair.master, READ_IRR) == 0


def test_slave_addressed_without_request_makes_spurious_15(pair: PicPair) -> None:
    write(pair.master, (0, 0x11), (1, 0x20), (1, 0x14), (1, 1))
    write(pair.slave, (0, 0x11), (1, 0x28), (1, 4), (1, 1))
    raise_lines(pair, 4)

    assert pair.acknowledge() == (0x2F, FALLS)
    assert register(pair.master, READ_ISR) == 1 << 4
    assert register(pair.slave, READ_ISR) == 0


def test_slave_with_other_identity_leaves_bus_floating(pair: PicPair) -> None:
    write(pair.slave, (0, 0x11), (1, 0x28), (1, 0xF9), (1, 1))
    raise_lines(pair, 8)

    assert pair.acknowledge() == (0xFF, FALLS)
    assert register(pair.slave, READ_IRR) == 1


def test_master_single_answers_for_cascade_input(pair: PicPair) -> None:
    write(pair.master, (0, 0x13), (1, 0x20), (1, 1))
    raise_lines(pair, 8)

    assert pair.acknowledge() == (0x22, FALLS)


def test_priority_requests_are_taken_in_order(pair: PicPair) -> None:
    initialize(pair, master_icw4=3, slave_icw4=3)
    raise_lines(pair, 15, 7, 3, 8, 1, 0)

    assert acknowledged(pair, 6) == [0x20, 0x21, 0x28, 0x2F, 0x23, 0x27]
    assert not pair.is_output_high


def test_nesting_higher_priority_interrupts_lower(pair: PicPair) -> None:
    raise_lines(pair, 5)
    pair.acknowledge()

    assert pair.set_line(6, is_high=True) == ()
    assert pair.set_line(4, is_high=True) == RISES
    assert pair.acknowledge() == (0x24, FALLS)
    assert register(pair.master, READ_ISR) == 0b0011_0000


def test_acknowledge_with_auto_eoi_pulses_output(pair: PicPair) -> None:
    initialize(pair, master_icw4=3)
    raise_lines(pair, 1, 4)

    assert pair.acknowledge() == (0x21, PULSES)
    assert pair.acknowledge() == (0x24, FALLS)
    assert register(pair.master, READ_ISR) == 0


def test_non_specific_eoi_clears_highest_in_service(pair: PicPair) -> None:
    raise_lines(pair, 5)
    pair.acknowledge()
    raise_lines(pair, 3)
    pair.acknowledge()

    write(pair.master, (0, EOI))

    assert register(pair.master, READ_ISR) == 1 << 5


def test_non_specific_eoi_with_nothing_in_service_does_nothing(pair: PicPair) -> None:
    assert write(pair.master, (0, 0xA0)) == ()
    assert pair.state.master.lowest == 7


def test_specific_eoi_clears_named_level(pair: PicPair) -> None:
    raise_lines(pair, 5)
    pair.acknowledge()
    raise_lines(pair, 3)
    pair.acknowledge()

    write(pair.master, (0, 0x65))

    assert register(pair.master, READ_ISR) == 1 << 3


@pytest.mark.parametrize(("command", "lowest"), [(0xA0, 3), (0xE3, 3), (0xC5, 5)])
def test_rotation_command_sets_lowest_priority(pair: PicPair, command: int, lowest: int) -> None:
    raise_lines(pair, 3)
    pair.acknowledge()
    write(pair.master, (0, command))
    write(pair.master, (0, 0x63))
    raise_lines(pair, *(irq for irq in range(8) if irq != 3))
    raise_lines(pair, 8)

    first = pair.acknowledge()[0]

    assert pair.state.master.lowest == lowest
    assert first == 0x20 + lowest + 1


@pytest.mark.parametrize("command", [0x40, 0x45])
def test_ocw2_no_operation_changes_nothing(pair: PicPair, command: int) -> None:
    raise_lines(pair, 3)
    pair.acknowledge()
    before = replace(pair.state.master)

    write(pair.master, (0, command))

    assert pair.state.master == before


def test_rotation_in_auto_eoi_serves_in_turn(pair: PicPair) -> None:
    initialize(pair, master_icw4=3)
    write(pair.master, (0, 0x80))
    raise_lines(pair, 0, 1)
    first = pair.acknowledge()[0]
    pair.set_line(0, is_high=False)
    raise_lines(pair, 0)

    assert [first, *acknowledged(pair, 2)] == [0x20, 0x21, 0x20]
    assert pair.state.master.lowest == 0


def test_rotation_in_auto_eoi_cleared_keeps_priority(pair: PicPair) -> None:
    initialize(pair, master_icw4=3)
    write(pair.master, (0, 0x80), (0, 0x00))
    raise_lines(pair, 0)

    pair.acknowledge()

    assert pair.state.master.lowest == 7


def test_rotated_priority_decides_nesting(pair: PicPair) -> None:
    write(pair.master, (0, 0xC3))
    raise_lines(pair, 5)
    pair.acknowledge()

    assert pair.set_line(1, is_high=True) == ()
    assert pair.set_line(4, is_high=True) == RISES


def test_special_mask_lets_lower_priority_through(pair: PicPair) -> None:
    raise_lines(pair, 3)
    pair.acknowledge()
    raise_lines(pair, 6)
    write(pair.master, (1, 1 << 3))

    assert write(pair.master, (0, SET_SPECIAL_MASK)) == RISES
    assert write(pair.master, (0, CLEAR_SPECIAL_MASK)) == FALLS


def test_special_mask_without_enable_bit_is_ignored(pair: PicPair) -> None:
    write(pair.master, (0, 0x28))

    assert not pair.state.master.is_special_mask


def test_special_mask_hides_masked_level_from_non_specific_eoi(pair: PicPair) -> None:
    raise_lines(pair, 3)
    pair.acknowledge()
    write(pair.master, (1, 1 << 3), (0, SET_SPECIAL_MASK), (0, EOI))
    assert register(pair.master, READ_ISR) == 1 << 3

    write(pair.master, (0, 0x63))
    assert register(pair.master, READ_ISR) == 0


@pytest.mark.parametrize(("icw4", "vectors"), [(0x11, [0x2B, 0x29]), (0x01, [0x2B, 0x27])])
def test_special_fully_nested_mode_nests_within_slave(
    pair: PicPair, icw4: int, vectors: list[int]
) -> None:
    initialize(pair, master_icw4=icw4)
    raise_lines(pair, 11)
    first = pair.acknowledge()[0]
    raise_lines(pair, 3, 9)

    assert [first, pair.acknowledge()[0]] == vectors


@pytest.mark.parametrize("irq", [3, 7])
def test_special_fully_nested_mode_blocks_lower_master_inputs(pair: PicPair, irq: int) -> None:
    initialize(pair, master_icw4=0x11)
    raise_lines(pair, 11)
    pair.acknowledge()

    assert pair.set_line(irq, is_high=True) == ()


def test_special_fully_nested_mode_does_not_nest_plain_input(pair: PicPair) -> None:
    initialize(pair, master_icw4=0x11)
    raise_lines(pair, 5)
    pair.acknowledge()
    pair.set_line(5, is_high=False)

    assert pair.set_line(5, is_high=True) == ()


def test_cascade_second_slave_request_reaches_master_after_its_eoi(pair: PicPair) -> None:
    raise_lines(pair, 11)
    pair.acknowledge()
    assert pair.set_line(9, is_high=True) == ()

    assert write(pair.master, (0, EOI)) == RISES
    assert pair.acknowledge() == (0x29, FALLS)


def test_cascade_lower_slave_request_waits_for_both_eois(pair: PicPair) -> None:
    raise_lines(pair, 9, 11)
    pair.acknowledge()

    assert write(pair.master, (0, EOI)) == ()
    assert write(pair.slave, (0, EOI)) == RISES
    assert pair.acknowledge() == (0x2B, FALLS)


def test_ocw3_selection_is_kept_without_rr(pair: PicPair) -> None:
    raise_lines(pair, 3)
    pair.acknowledge()
    write(pair.master, (0, READ_ISR), (0, 0x08))

    assert pair.master.read(0, 1) == 1 << 3


def test_poll_read_acknowledges_once(pair: PicPair) -> None:
    raise_lines(pair, 5)
    write(pair.master, (0, POLL))

    assert pair.master.read(0, 1) == 0x85
    assert pair.state.master.isr == 0
    assert guest_read(pair.master, 0) == (0x85, FALLS)
    assert register(pair.master, READ_ISR) == 1 << 5
    assert guest_read(pair.master, 0) == (1 << 5, ())


def test_poll_at_offset_one_acknowledges(pair: PicPair) -> None:
    raise_lines(pair, 1)
    write(pair.master, (0, POLL))

    assert guest_read(pair.master, 1) == (0x81, FALLS)
    assert guest_read(pair.master, 1) == (0, ())


def test_poll_without_request_reads_zero(pair: PicPair) -> None:
    write(pair.master, (0, POLL))

    assert guest_read(pair.master, 0) == (0, ())
    assert not pair.state.master.is_polled


def test_poll_overrides_register_selection(pair: PicPair) -> None:
    write(pair.master, (0, POLL | READ_ISR))

    assert not pair.state.master.reads_isr


def test_poll_withdrawn_by_next_ocw3(pair: PicPair) -> None:
    raise_lines(pair, 5)
    write(pair.master, (0, POLL), (0, READ_IRR))

    assert guest_read(pair.master, 0) == (1 << 5, ())


def test_poll_of_slave_lowers_cascade(pair: PicPair) -> None:
    raise_lines(pair, 10)
    write(pair.slave, (0, POLL))

    assert guest_read(pair.slave, 0) == (0x82, FALLS)
    assert register(pair.slave, READ_ISR) == 1 << 2
    assert register(pair.master, READ_ISR) == 0


def test_poll_of_slave_with_auto_eoi_pulses_cascade(pair: PicPair) -> None:
    initialize(pair, slave_icw4=3)
    raise_lines(pair, 10, 11)
    write(pair.slave, (0, POLL))

    assert guest_read(pair.slave, 0) == (0x82, PULSES)


def test_level_line_requests_until_lowered(pair: PicPair) -> None:
    pair.elcr.write(0, 1 << 5, 1)
    raise_lines(pair, 5)
    pair.acknowledge()
    assert register(pair.master, READ_IRR) == 1 << 5

    assert write(pair.master, (0, EOI)) == RISES
    assert pair.set_line(5, is_high=False) == FALLS


def test_level_by_icw1_applies_to_all_inputs(pair: PicPair) -> None:
    initialize(pair, icw1=0x19)
    raise_lines(pair, 0)
    pair.acknowledge()

    assert write(pair.master, (0, EOI)) == RISES


def test_level_cascade_serves_slave_again(pair: PicPair) -> None:
    initialize(pair, icw1=0x19)
    raise_lines(pair, 12)
    vectors = acknowledged(pair, 1)
    write(pair.slave, (0, EOI))
    write(pair.master, (0, EOI))

    assert vectors + acknowledged(pair, 1) == [0x2C, 0x2C]


@pytest.mark.parametrize(("offset", "settable"), [(0, 0xF8), (1, 0xDE)])
def test_elcr_fixed_edge_bits_read_zero(pair: PicPair, offset: int, settable: int) -> None:
    pair.elcr.write(offset, 0xFF, 1)

    assert guest_read(pair.elcr, offset) == (settable, ())
    assert pair.elcr.read(1 - offset, 1) == 0


def test_elcr_change_to_level_shows_the_line(pair: PicPair) -> None:
    raise_lines(pair, 10)
    pair.acknowledge()
    write(pair.master, (0, EOI))
    write(pair.slave, (0, EOI))

    assert pair.elcr.write(1, 1 << 2, 1) == RISES


def test_icw1_clears_what_the_data_sheet_names(pair: PicPair) -> None:
    raise_lines(pair, 3, 4)
    pair.acknowledge()
    write(pair.master, (1, 0x55), (0, 0xC2), (0, SET_SPECIAL_MASK), (0, READ_ISR), (0, 0x80))

    write(pair.master, (0, 0x11), (1, 0x20), (1, 4), (1, 1))

    assert pair.state.master == PicState(
        lines=0x18, imr=0, icw1=0x11, icw2=0x20, icw3=4, icw4=1, lowest=7
    )
    assert not pair.is_output_high


def test_icw1_alone_holds_output_low(pair: PicPair) -> None:
    write(pair.master, (0, 0x11), (1, 0x20), (1, 4))

    assert pair.set_line(3, is_high=True) == ()
    assert write(pair.master, (1, 1)) == RISES


def test_icw1_keeps_elcr(pair: PicPair) -> None:
    pair.elcr.write(0, 0x80, 1)

    initialize(pair)

    assert pair.elcr.read(0, 1) == 0x80


@pytest.mark.parametrize(
    ("icw1", "words", "imr"),
    [
        (0x11, [0x40, 4, 1], 0xA5),
        (0x10, [0x40, 4], 0xA5),
        (0x13, [0x40, 1], 0xA5),
        (0x12, [0x40], 0xA5),
    ],
)
def test_initialization_takes_as_many_words_as_icw1_says(
    pair: PicPair, icw1: int, words: list[int], imr: int
) -> None:
    write(pair.master, (0, icw1), *((1, word) for word in words), (1, imr))

    assert pair.master.read(1, 1) == imr
    assert pair.state.master.icw2 == 0x40


def test_initialization_without_icw4_clears_its_functions(pair: PicPair) -> None:
    initialize(pair, master_icw4=0x13)

    write(pair.master, (0, 0x10), (1, 0x20), (1, 4))

    assert pair.state.master.icw4 == 0


def test_initialization_ignores_low_bits_of_icw2(pair: PicPair) -> None:
    write(pair.master, (0, 0x11), (1, 0x47), (1, 4), (1, 1))
    raise_lines(pair, 1)

    assert pair.acknowledge()[0] == 0x41


def test_state_saved_continues_alike(pair: PicPair) -> None:
    raise_lines(pair, 4, 9)
    pair.acknowledge()
    saved = pair.state

    assert PicPair(saved).state == saved
    assert Pic(saved.master).state == saved.master
    assert Pic().state == PicState()
    assert PicPair().state == PicPairState()


class PicPairMachine(RuleBasedStateMachine):
    """A guest and a board that do anything; checks what must hold whatever they do."""

    def __init__(self) -> None:
        super().__init__()
        self.pair = PicPair(PicPair.firmware_state())
        self.is_high = False

    def follow(self, messages: Messages) -> None:
        levels = [message.is_high for message in messages if isinstance(message, PicOutput)]
        assert len(levels) == len(messages)
        assert levels == [self.is_high ^ (index % 2 == 0) for index in range(len(levels))]
        self.is_high ^= len(levels) % 2 == 1

    def ports(self, index: int) -> PicPorts:
        return (self.pair.master, self.pair.slave)[index]

    @rule(irq=st.integers(0, 23), is_high=st.booleans())
    def drive(self, irq: int, *, is_high: bool) -> None:
        self.follow(self.pair.set_line(irq, is_high=is_high))

    @rule(chip=st.integers(0, 1), offset=st.integers(0, 1), value=st.integers(0, 255))
    def command(self, chip: int, offset: int, value: int) -> None:
        self.follow(self.ports(chip).write(offset, value, 1))

    @rule(chip=st.integers(0, 1), offset=st.integers(0, 1))
    def read(self, chip: int, offset: int) -> None:
        value, messages = guest_read(self.ports(chip), offset)
        assert 0 <= value <= 0xFF
        self.follow(messages)

    @rule(offset=st.integers(0, 1), value=st.integers(0, 255))
    def choose_trigger(self, offset: int, value: int) -> None:
        self.follow(self.pair.elcr.write(offset, value, 1))

    @rule()
    def initialize_both(self) -> None:
        for word in ((0, 0x11), (1, 0x20), (1, 4), (1, 1)):
            self.follow(self.pair.master.write(*word, 1))
        for word in ((0, 0x11), (1, 0x28), (1, 2), (1, 1)):
            self.follow(self.pair.slave.write(*word, 1))

    @rule()
    @precondition(lambda self: self.is_high)
    def acknowledge(self) -> None:
        vector, messages = self.pair.acknowledge()
        assert 0 <= vector <= 0xFF
        assert messages[:1] == FALLS
        self.follow(messages)

    @rule()
    @precondition(lambda self: not self.is_high)
    def acknowledge_spuriously(self) -> None:
        isr = self.pair.state.master.isr
        _, messages = self.pair.acknowledge()
        self.follow(messages)
        assert self.pair.state.master.isr == isr

    @invariant()
    def output_matches_messages(self) -> None:
        assert self.pair.is_output_high == self.is_high

    @invariant()
    def cascade_wire_matches_slave(self) -> None:
        slave = Pic(self.pair.state.slave, is_master=False)
        assert bool(self.pair.state.master.lines & 4) == slave.is_output_high

    @invariant()
    def state_round_trips(self) -> None:
        assert PicPair(self.pair.state).state == self.pair.state

    @invariant()
    def latches_need_high_lines(self) -> None:
        state = self.pair.state
        assert not state.master.latches & ~state.master.lines
        assert not state.slave.latches & ~state.slave.lines


PicPairMachine.TestCase.settings = settings(
    derandomize=True, deadline=None, max_examples=100, stateful_step_count=40
)
TestPicPair = PicPairMachine.TestCase
