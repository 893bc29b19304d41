"""Acceptance and priority (SDM "Interrupt, Task, and Processor Priority", "Error Handling")."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from uniSMP.arch.apic import TriggerMode
from uniSMP.devices.interrupt_acceptance import InterruptAcceptance
from uniSMP.devices.local_apic_state import LocalApicState

EDGE, LEVEL = TriggerMode.EDGE, TriggerMode.LEVEL
RECEIVE_ILLEGAL, SEND_ILLEGAL = 0x40, 0x20
LVT_ERROR = 0x370


def enabled() -> InterruptAcceptance:
    return InterruptAcceptance(LocalApicState(0xFEE0_0800, svr=0x1EF))


@pytest.mark.parametrize(
    ("tpr", "in_service", "ppr"),
    [
        (0, 0, 0),
        (0x35, 0, 0x35),
        (0x35, 1 << 0x47, 0x40),
        (0x45, 1 << 0x47, 0x45),
        (0x55, 1 << 0x47, 0x55),
        (0x0F, 1 << 0x10 | 1 << 0xFF, 0xF0),
    ],
)
def test_ppr_is_the_higher_of_tpr_and_isr_class(tpr: int, in_service: int, ppr: int) -> None:
    acceptance = enabled()
    acceptance.state.tpr, acceptance.state.isr = tpr, in_service

    assert acceptance.ppr == ppr


@pytest.mark.parametrize(
    ("tpr", "vector"), [(0x3F, 0x40), (0x40, None), (0x4F, None), (0x50, None), (0, 0x40)]
)
def test_pending_vector_needs_a_class_above_ppr(tpr: int, vector: int | None) -> None:
    acceptance = enabled()
    acceptance.accept(0x40, EDGE)
    acceptance.state.tpr = tpr

    assert acceptance.pending_vector() == vector


def test_pending_vector_is_the_highest_and_a_query() -> None:
    acceptance = enabled()
    acceptance.accept(0x40, EDGE)
    acceptance.accept(0x41, EDGE)

    assert [acceptance.pending_vector(), acceptance.pending_vector()] == [0x41, 0x41]


def test_pending_vector_of_nothing_is_none() -> None:
    assert enabled().pending_vector() is None


def test_acknowledge_moves_irr_to_isr() -> None:
    acceptance = enabled()
    acceptance.accept(0x40, EDGE)

    assert acceptance.acknowledge() == 0x40
    assert (acceptance.state.irr, acceptance.state.isr) == (0, 1 << 0x40)


def test_acknowledge_of_interrupt_masked_meanwhile_is_spurious() -> None:
    acceptance = enabled()
    acceptance.accept(0x40, EDGE)
    acceptance.state.tpr = 0x40

    assert acceptance.acknowledge() == 0xEF
    assert (acceptance.state.irr, acceptance.state.isr) == (1 << 0x40, 0)


def test_same_class_does_not_nest_and_higher_class_does() -> None:
    acceptance = enabled()
    acceptance.accept(0x40, EDGE)
    acceptance.acknowledge()
    acceptance.accept(0x4F, EDGE)

    assert acceptance.pending_vector() is None
    acceptance.accept(0x50, EDGE)
    assert acceptance.pending_vector() == 0x50


def test_accept_same_vector_in_service_waits_for_eoi() -> None:
    acceptance = enabled()
    acceptance.accept(0x40, EDGE)
    acceptance.acknowledge()
    acceptance.accept(0x40, EDGE)
    acceptance.accept(0x40, EDGE)

    assert acceptance.pending_vector() is None
    assert acceptance.end_of_interrupt() is None
    assert acceptance.acknowledge() == 0x40
    assert acceptance.state.irr == 0


def test_accept_while_software_disabled_is_ignored() -> None:
    acceptance = InterruptAcceptance(LocalApicState(0xFEE0_0800))

    acceptance.accept(0x40, EDGE)
    acceptance.accept(3, EDGE)

    assert (acceptance.state.irr, acceptance.state.detected_errors) == (0, 0)


def test_pending_while_software_disabled_is_held() -> None:
    acceptance = enabled()
    acceptance.accept(0x40, EDGE)
    acceptance.state.svr = 0xFF

    assert acceptance.acknowledge() == 0x40


@pytest.mark.parametrize("vector", [0, 15])
def test_accept_illegal_vector_is_logged(vector: int) -> None:
    acceptance = enabled()

    acceptance.accept(vector, EDGE)

    assert (acceptance.state.irr, acceptance.state.detected_errors) == (0, RECEIVE_ILLEGAL)


@pytest.mark.parametrize(("first", "second", "tmr"), [(EDGE, LEVEL, 1), (LEVEL, EDGE, 0)])
def test_tmr_follows_the_last_acceptance(first: TriggerMode, second: TriggerMode, tmr: int) -> None:
    acceptance = enabled()

    acceptance.accept(0x40, first)
    acceptance.accept(0x40, second)

    assert acceptance.state.tmr == tmr << 0x40


def test_end_of_interrupt_clears_highest_in_service() -> None:
    acceptance = enabled()
    acceptance.state.isr = 1 << 0x30 | 1 << 0x50

    assert acceptance.end_of_interrupt() is None
    assert acceptance.state.isr == 1 << 0x30


def test_end_of_interrupt_of_level_returns_vector() -> None:
    acceptance = enabled()
    acceptance.accept(0x40, LEVEL)
    acceptance.acknowledge()

    assert acceptance.end_of_interrupt() == 0x40


def test_end_of_interrupt_with_nothing_in_service_does_nothing() -> None:
    acceptance = enabled()
    acceptance.state.tmr = 1

    assert acceptance.end_of_interrupt() is None


def test_accept_local_masked_is_ignored() -> None:
    acceptance = enabled()

    acceptance.accept_local(0x320)

    assert acceptance.state.irr == 0


def test_esr_shows_errors_since_the_write_before() -> None:
    acceptance = enabled()
    acceptance.detect(SEND_ILLEGAL)
    assert acceptance.state.esr == 0

    acceptance.write_esr()
    acceptance.detect(RECEIVE_ILLEGAL)
    assert acceptance.state.esr == SEND_ILLEGAL

    acceptance.write_esr()
    assert acceptance.state.esr == RECEIVE_ILLEGAL

    acceptance.write_esr()
    assert acceptance.state.esr == 0


def test_error_interrupt_fires_once_until_esr_is_written() -> None:
    acceptance = enabled()
    acceptance.state.lvt[LVT_ERROR] = 0x33
    acceptance.detect(SEND_ILLEGAL)
    assert acceptance.acknowledge() == 0x33

    acceptance.detect(SEND_ILLEGAL)
    assert acceptance.state.irr == 0

    acceptance.write_esr()
    acceptance.detect(SEND_ILLEGAL)
    assert acceptance.state.irr == 1 << 0x33


def test_error_while_masked_is_logged_and_keeps_interrupt_armed() -> None:
    acceptance = enabled()
    acceptance.detect(SEND_ILLEGAL)
    acceptance.state.lvt[LVT_ERROR] = 0x33

    acceptance.detect(SEND_ILLEGAL)

    assert acceptance.state.irr == 1 << 0x33


def test_error_interrupt_with_illegal_vector_is_an_error_itself() -> None:
    acceptance = enabled()
    acceptance.state.lvt[LVT_ERROR] = 0x03

    acceptance.detect(SEND_ILLEGAL)

    assert acceptance.state.irr == 0
    assert acceptance.state.detected_errors == SEND_ILLEGAL | RECEIVE_ILLEGAL


class PriorityMachine(RuleBasedStateMachine):
    """Interrupts nest by class; ISR is a stack that the model keeps as a list."""

    def __init__(self) -> None:
        super().__init__()
        self.acceptance = enabled()
        self.requested: set[int] = set()
        self.level: set[int] = set()
        self.in_service: list[int] = []

    @rule(vector=st.integers(16, 255))
    def accept_edge(self, vector: int) -> None:
        self.acceptance.accept(vector, EDGE)
        self.requested.add(vector)
        self.level.discard(vector)

    @rule(vector=st.integers(16, 255))
    def accept_level(self, vector: int) -> None:
        self.acceptance.accept(vector, LEVEL)
        self.requested.add(vector)
        self.level.add(vector)

    @rule(vector=st.integers(0, 15), trigger=st.sampled_from(list(TriggerMode)))
    def accept_illegal(self, vector: int, trigger: TriggerMode) -> None:
        self.acceptance.accept(vector, trigger)

    @rule(tpr=st.integers(0, 255))
    def write_tpr(self, tpr: int) -> None:
        self.acceptance.state.tpr = tpr

    @precondition(lambda self: self.acceptance.pending_vector() is None)
    @rule()
    def acknowledge_nothing(self) -> None:
        assert self.acceptance.acknowledge() == 0xEF

    @precondition(lambda self: self.acceptance.pending_vector() is not None)
    @rule()
    def acknowledge_pending(self) -> None:
        vector = self.acceptance.acknowledge()
        assert vector == max(self.requested)
        assert vector >> 4 > max([self.acceptance.state.tpr, *self.in_service]) >> 4
        self.requested.remove(vector)
        self.in_service.append(vector)

    @precondition(lambda self: not self.in_service)
    @rule()
    def end_of_nothing(self) -> None:
        assert self.acceptance.end_of_interrupt() is None

    @precondition(lambda self: self.in_service)
    @rule()
    def end_of_interrupt(self) -> None:
        finished = self.in_service.pop()
        assert self.acceptance.end_of_interrupt() == (finished if finished in self.level else None)

    @invariant()
    def bitmaps_are_those_of_the_model(self) -> None:
        state = self.acceptance.state
        assert state.irr == sum(1 << vector for vector in self.requested)
        assert state.isr == sum(1 << vector for vector in self.in_service)
        assert state.tmr == sum(1 << vector for vector in self.level)

    @invariant()
    def ppr_class_is_the_highest(self) -> None:
        highest = max([self.acceptance.state.tpr, *self.in_service])
        assert self.acceptance.ppr >> 4 == highest >> 4

    @invariant()
    def service_nests_by_rising_class(self) -> None:
        classes = [vector >> 4 for vector in self.in_service]
        assert classes == sorted(set(classes))


TestPriority = PriorityMachine.TestCase
TestPriority.settings = settings(derandomize=True, deadline=None, max_examples=60)
