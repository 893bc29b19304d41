"""The local APIC behind its page, its MSRs and the bus (SDM chapter "APIC")."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.arch.apic import DeliveryMode, DestinationMode, Shorthand, TriggerMode
from uniSMP.devices.apic_mode import ApicMode
from uniSMP.devices.apic_timer import ApicTimerState
from uniSMP.devices.device import TimedDevice
from uniSMP.devices.local_apic import LocalApic
from uniSMP.devices.local_apic_state import LocalApicState
from uniSMP.devices.messages import CoreEvent, CoreSignal, EndOfInterrupt, InterruptMessage

EDGE, LEVEL = TriggerMode.EDGE, TriggerMode.LEVEL
ID, VERSION, TPR, APR, PPR, EOI, RRD, LDR, DFR, SVR = (
    *(0x20, 0x30, 0x80, 0x90, 0xA0),
    *(0xB0, 0xC0, 0xD0, 0xE0, 0xF0),
)
ESR, ICR_LOW, ICR_HIGH, LVT_TIMER, LINT0, LINT1, LVT_ERROR = (
    *(0x280, 0x300, 0x310, 0x320),
    *(0x350, 0x360, 0x370),
)
INITIAL, CURRENT, DIVIDE, SELF_IPI = 0x380, 0x390, 0x3E0, 0x3F0
MASKED = 0x1_0000
RESERVED = [0x000, 0x010, 0x040, 0x070, 0x290, 0x2F0, 0x3A0, 0x3D0, 0x3F0, 0x400, 0xFF0]


def xapic(core_id: int = 3, svr: int = 0x1EF) -> LocalApic:
    apic = LocalApic(core_id, is_bsp=False)
    apic.write(SVR, svr, 4)
    return apic


def x2apic(core_id: int = 3, svr: int = 0x1EF) -> LocalApic:
    apic = xapic(core_id, svr)
    assert apic.write_base(0xFEE0_0C00)
    return apic


def esr(apic: LocalApic) -> int:
    apic.write(ESR, 0, 4)
    return apic.read(ESR, 4)


def test_local_apic_is_a_timed_device() -> None:
    assert isinstance(LocalApic(0, is_bsp=True), TimedDevice)


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (ID, 0x0300_0000),
        (VERSION, 0x0005_0014),
        (TPR, 0),
        (APR, 0),
        (PPR, 0),
        (EOI, 0),
        (RRD, 0),
        (LDR, 0),
        (DFR, 0xFFFF_FFFF),
        (SVR, 0xFF),
        *((offset, 0) for offset in range(0x100, 0x280, 0x10)),
        (ESR, 0),
        (ICR_LOW, 0),
        (ICR_HIGH, 0),
        *((offset, MASKED) for offset in range(LVT_TIMER, INITIAL, 0x10)),
        (INITIAL, 0),
        (CURRENT, 0),
        (DIVIDE, 0),
    ],
)
def test_register_after_power_up_has_reset_value(offset: int, value: int) -> None:
    assert LocalApic(3, is_bsp=False).read(offset, 4) == value


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (ID, 0x0300_0000),
        (VERSION, 0x0005_0014),
        (TPR, 0xFF),
        (APR, 0),
        (PPR, 0),
        (RRD, 0),
        (LDR, 0xFF00_0000),
        (DFR, 0xFFFF_FFFF),
        (SVR, 0x1FF),
        *((offset, 0) for offset in range(0x100, 0x280, 0x10)),
        (ICR_HIGH, 0xFF00_0000),
        (LVT_ERROR, 0x1_00FF),
        (INITIAL, 0xFFFF_FFFF),
        (CURRENT, 0),
        (DIVIDE, 0xB),
    ],
)
def test_register_written_with_ones_keeps_its_writable_bits(offset: int, value: int) -> None:
    apic = xapic()

    apic.write(offset, 0xFFFF_FFFF, 4)

    assert apic.read(offset, 4) == value
    assert esr(apic) == 0


def test_dfr_written_with_zero_keeps_low_bits() -> None:
    apic = xapic()

    apic.write(DFR, 0, 4)

    assert apic.read(DFR, 4) == 0x0FFF_FFFF


@pytest.mark.parametrize(("offset", "bitmap"), [(0x100, "isr"), (0x180, "tmr"), (0x200, "irr")])
@pytest.mark.parametrize("vector", [0x10, 0x3F, 0x80, 0xFF])
def test_bitmap_registers_show_32_vectors_each(offset: int, bitmap: str, vector: int) -> None:
    apic = xapic()
    setattr(apic.state, bitmap, 1 << vector)

    assert apic.read(offset + vector // 32 * 0x10, 4) == 1 << vector % 32


@pytest.mark.parametrize(
    ("offset", "size", "value"), [(0x30, 1, 0x14), (0x32, 1, 5), (0x30, 2, 0x14), (0x34, 4, 0)]
)
def test_read_other_than_aligned_doubleword_shows_bytes(offset: int, size: int, value: int) -> None:
    assert xapic().read(offset, size) == value


@pytest.mark.parametrize(("offset", "size"), [(TPR, 1), (TPR, 2), (TPR + 1, 1), (TPR + 4, 4)])
def test_write_other_than_aligned_doubleword_is_dropped(offset: int, size: int) -> None:
    apic = xapic()

    assert apic.write(offset, 0xFF, size) == ()
    assert apic.tpr == 0


@pytest.mark.parametrize("offset", RESERVED)
def test_esr_after_read_of_reserved_register_is_illegal_address(offset: int) -> None:
    apic = xapic()

    assert apic.read(offset, 4) == 0
    assert esr(apic) == 0
    apic.after_read(offset, 4)
    assert esr(apic) == 0x80


@pytest.mark.parametrize("offset", RESERVED)
def test_esr_after_write_of_reserved_register_is_illegal_address(offset: int) -> None:
    apic = xapic()

    apic.write(offset, 0x40, 4)

    assert esr(apic) == 0x80


def test_after_read_of_present_register_logs_nothing() -> None:
    apic = xapic()

    assert apic.after_read(ID, 4) == ()
    assert esr(apic) == 0


def test_error_interrupt_is_requested() -> None:
    apic = xapic()
    apic.write(LVT_ERROR, 0x33, 4)

    apic.write(0x400, 0, 4)

    assert apic.pending_vector() == 0x33


@pytest.mark.parametrize("base", [0xFEE0_0000, 0xFEE0_0C00])
def test_page_outside_xapic_mode_reads_ones_and_drops_writes(base: int) -> None:
    apic = xapic()
    apic.write_base(base)

    assert not apic.is_page_enabled()
    assert (apic.read(ID, 4), apic.read(ID, 1)) == (0xFFFF_FFFF, 0xFF)
    assert apic.write(TPR, 0x20, 4) == ()
    assert apic.after_read(0x400, 4) == ()
    assert (apic.tpr, apic.state.detected_errors) == (0, 0)


def test_base_of_bsp_has_its_flag() -> None:
    apic = LocalApic(0, is_bsp=True)

    assert (apic.base_msr, apic.base_address) == (0xFEE0_0900, 0xFEE0_0000)
    assert apic.is_page_enabled()


def test_base_written_relocates_page() -> None:
    apic = xapic()

    assert apic.write_base(0x12_3456_7800)
    assert apic.base_address == 0x12_3456_7000
    assert apic.is_software_enabled()


def test_base_with_reserved_bit_is_refused_and_kept() -> None:
    apic = xapic()

    assert not apic.write_base(0xFEE0_0801)
    assert apic.base_msr == 0xFEE0_0800


def test_mode_to_x2apic_keeps_registers_and_clears_icr_high() -> None:
    apic = xapic()
    apic.write(TPR, 0x20, 4)
    apic.write(ICR_HIGH, 0x0100_0000, 4)
    apic.accept(0x55, EDGE)

    assert apic.write_base(0xFEE0_0C00)

    assert (apic.mode, apic.tpr, apic.pending_vector()) == (ApicMode.X2APIC, 0x20, 0x55)
    assert apic.read_msr(0x830) == 0


@pytest.mark.parametrize("base", [0xFEE0_0800, 0xFEE0_0C00])
def test_mode_to_disabled_resets_registers(base: int) -> None:
    apic = xapic()
    apic.write_base(base)
    apic.accept(0x55, EDGE)

    assert apic.write_base(0xFEE0_0000)

    assert apic.state == LocalApicState(0xFEE0_0000)
    assert apic.takes_external_interrupts()


def test_mode_from_disabled_resets_registers() -> None:
    apic = xapic()
    apic.write_base(0xFEE0_0000)
    apic.write_tpr(0x50)

    assert apic.write_base(0xFEE0_0800)

    assert apic.state == LocalApicState(0xFEE0_0800)


def test_interrupt_while_disabled_is_not_accepted() -> None:
    apic = xapic()
    apic.write_base(0xFEE0_0000)

    apic.accept(0x40, EDGE)

    assert apic.pending_vector() is None


@pytest.mark.parametrize("base", [0xFEE0_0800, 0xFEE0_0C00])
def test_init_keeps_mode_and_id(base: int) -> None:
    apic = xapic()
    apic.write_base(base)
    apic.accept(0x55, EDGE)
    apic.advance(77)

    apic.init_reset()

    assert apic.state == LocalApicState(base, timer=ApicTimerState(now_ticks=77))


def test_power_on_reset_restores_base() -> None:
    apic = LocalApic(0, is_bsp=True)
    apic.write_base(0xFEE1_0C00)

    apic.power_on_reset()

    assert apic.state == LocalApicState(0xFEE0_0900)


def test_tpr_and_ppr_are_bytes() -> None:
    apic = xapic()

    apic.write_tpr(0x1_45)

    assert (apic.tpr, apic.ppr, apic.read(PPR, 4)) == (0x45, 0x45, 0x45)


def test_software_disable_masks_lvt_and_holds_pending() -> None:
    apic = xapic()
    apic.write(LINT0, 0x700, 4)
    apic.accept(0x55, EDGE)

    apic.write(SVR, 0xFF, 4)
    apic.write(LINT1, 0x400, 4)
    apic.accept(0x66, EDGE)

    assert (apic.read(LINT0, 4), apic.read(LINT1, 4)) == (MASKED | 0x700, MASKED | 0x400)
    assert apic.acknowledge() == 0x55


def test_software_disable_still_sends() -> None:
    apic = xapic(svr=0xFF)

    assert len(apic.write(ICR_LOW, 0x4040, 4)) == 1


def test_eoi_of_edge_sends_nothing() -> None:
    apic = xapic()
    apic.accept(0x40, EDGE)
    apic.acknowledge()

    assert apic.write(EOI, 0, 4) == ()
    assert apic.state.isr == 0


def test_eoi_of_level_is_broadcast() -> None:
    apic = xapic()
    apic.accept(0x40, LEVEL)
    apic.acknowledge()

    assert apic.write(EOI, 0, 4) == (EndOfInterrupt(0x40),)


def test_eoi_of_lint0_level_repeats_while_asserted() -> None:
    apic = xapic()
    apic.write(LINT0, 0x8040, 4)
    apic.local_interrupt(0, is_high=True)
    apic.acknowledge()

    assert apic.write(EOI, 0, 4) == (EndOfInterrupt(0x40),)
    assert apic.pending_vector() == 0x40


def test_icr_low_write_sends_with_high_half() -> None:
    apic = xapic()
    apic.write(ICR_HIGH, 0x0700_0000, 4)

    sent = apic.write(ICR_LOW, 0x0000_4841, 4)

    assert sent == (
        InterruptMessage(
            7, DestinationMode.LOGICAL, DeliveryMode.FIXED, 0x41, EDGE, is_assert=True, source=3
        ),
    )
    assert (apic.ipis_sent, apic.read(ICR_LOW, 4)) == (1, 0x4841)


def test_icr_delivery_status_reads_idle() -> None:
    apic = xapic()

    apic.write(ICR_LOW, 0xFFF3_5041, 4)

    assert apic.read(ICR_LOW, 4) == 0x4041


@pytest.mark.parametrize("icr", [0x4003, 0x4103])
def test_icr_illegal_vector_is_logged_and_not_sent(icr: int) -> None:
    apic = xapic()

    assert apic.write(ICR_LOW, icr, 4) == ()
    assert (esr(apic), apic.ipis_sent) == (0x20, 0)


def test_icr_reserved_mode_is_not_sent_nor_counted() -> None:
    apic = xapic()

    assert apic.write(ICR_LOW, 0x4340, 4) == ()
    assert (esr(apic), apic.ipis_sent) == (0, 0)


def test_x2apic_icr_sends_with_32_bit_destination() -> None:
    apic = x2apic()

    sent = apic.write_msr(0x830, 0x1_0002 << 32 | 0x5840)

    assert sent == (
        InterruptMessage(
            0x1_0002,
            DestinationMode.LOGICAL,
            DeliveryMode.FIXED,
            0x40,
            EDGE,
            source=3,
            is_x2apic=True,
        ),
    )
    assert apic.read_msr(0x830) == 0x1_0002 << 32 | 0x4840


def test_x2apic_lowest_priority_is_a_redirectable_ipi() -> None:
    apic = x2apic()

    assert apic.write_msr(0x830, 0x4140) == ()
    apic.write_msr(0x828, 0)
    assert apic.read_msr(0x828) == 0x10


def test_x2apic_self_ipi_is_sent_to_self() -> None:
    apic = x2apic()

    sent = apic.write_msr(0x83F, 0x40)

    assert sent == (
        InterruptMessage(
            3,
            DestinationMode.PHYSICAL,
            DeliveryMode.FIXED,
            0x40,
            EDGE,
            shorthand=Shorthand.SELF,
            source=3,
            is_x2apic=True,
        ),
    )
    assert apic.ipis_sent == 1


def test_x2apic_self_ipi_of_illegal_vector_is_logged() -> None:
    apic = x2apic()

    assert apic.write_msr(0x83F, 3) == ()
    assert apic.state.detected_errors == 0x20


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (0x802, 0x25),
        (0x803, 0x0005_0014),
        (0x808, 0),
        (0x80A, 0),
        (0x80D, 0x2_0020),
        (0x80F, 0x1EF),
        (0x810, 0),
        (0x827, 0),
        (0x828, 0),
        (0x830, 0),
        (0x832, MASKED),
        (0x838, 0),
        (0x839, 0),
        (0x83E, 0),
    ],
)
def test_x2apic_msr_is_read(number: int, value: int) -> None:
    assert x2apic(0x25).read_msr(number) == value


@pytest.mark.parametrize(
    "number", [0x800, 0x801, 0x809, 0x80B, 0x80C, 0x80E, 0x82F, 0x831, 0x83A, 0x83F, 0x840, 0x8FF]
)
def test_x2apic_msr_absent_or_write_only_read_is_gp(number: int) -> None:
    assert x2apic().read_msr(number) is None


@pytest.mark.parametrize(
    "number", [0x800, 0x802, 0x803, 0x80A, 0x80D, 0x80E, 0x810, 0x82F, 0x831, 0x839, 0x840, 0x8FF]
)
def test_x2apic_msr_absent_or_read_only_write_is_gp(number: int) -> None:
    assert x2apic().write_msr(number, 0) is None


@pytest.mark.parametrize(
    ("number", "bit"),
    [
        (0x808, 8),
        (0x808, 32),
        (0x80B, 0),
        (0x80F, 9),
        (0x80F, 12),
        (0x828, 0),
        (0x830, 13),
        (0x830, 16),
        (0x830, 17),
        (0x830, 20),
        (0x832, 8),
        (0x832, 19),
        (0x833, 11),
        (0x835, 17),
        (0x837, 8),
        (0x838, 32),
        (0x83E, 2),
        (0x83E, 4),
        (0x83F, 8),
    ],
)
def test_x2apic_reserved_bit_write_is_gp(number: int, bit: int) -> None:
    assert x2apic().write_msr(number, 1 << bit) is None


@pytest.mark.parametrize(
    ("number", "value"), [(0x808, 0xFF), (0x80F, 0x1FF), (0x835, 0x1_A7FF), (0x838, 0xFFFF_FFFF)]
)
def test_x2apic_msr_is_written(number: int, value: int) -> None:
    apic = x2apic()

    assert apic.write_msr(number, value) == ()
    assert apic.read_msr(number) == value


def test_x2apic_read_only_bits_of_lvt_are_ignored() -> None:
    apic = x2apic()

    assert apic.write_msr(0x835, 0x5040) == ()
    assert apic.read_msr(0x835) == 0x40


def test_x2apic_eoi_of_level_is_broadcast() -> None:
    apic = x2apic()
    apic.accept(0x40, LEVEL)
    apic.acknowledge()

    assert apic.write_msr(0x80B, 0) == (EndOfInterrupt(0x40),)


@pytest.mark.parametrize("base", [0xFEE0_0000, 0xFEE0_0800])
def test_x2apic_msr_outside_its_mode_is_gp(base: int) -> None:
    apic = xapic()
    apic.write_base(base)

    assert apic.read_msr(0x802) is None
    assert apic.write_msr(0x808, 0) is None


@pytest.mark.parametrize(("mode", "event"), [(2, CoreEvent.SMI), (4, CoreEvent.NMI)])
def test_pin_edge_signals_core(mode: int, event: CoreEvent) -> None:
    apic = xapic()
    apic.write(LINT1, mode << 8, 4)

    assert apic.local_interrupt(1, is_high=True) == (CoreSignal(3, event),)
    assert apic.local_interrupt(1, is_high=False) == ()


def test_pin_init_resets_and_signals_core() -> None:
    apic = xapic()
    apic.write(LINT0, 0x500, 4)

    assert apic.local_interrupt(0, is_high=True) == (CoreSignal(3, CoreEvent.INIT),)
    assert not apic.is_software_enabled()


def test_external_interrupts_follow_lint0() -> None:
    apic = xapic()
    assert not apic.takes_external_interrupts()

    apic.write(LINT0, 0x700, 4)

    assert apic.takes_external_interrupts()


@pytest.mark.parametrize(
    ("destination", "mode", "expected"),
    [
        (3, DestinationMode.PHYSICAL, True),
        (2, DestinationMode.PHYSICAL, False),
        (0x08, DestinationMode.LOGICAL, True),
        (0x04, DestinationMode.LOGICAL, False),
    ],
)
def test_message_matches_xapic_ids(
    destination: int, mode: DestinationMode, *, expected: bool
) -> None:
    apic = xapic()
    apic.write(LDR, 0x0800_0000, 4)

    message = InterruptMessage(destination, mode, DeliveryMode.FIXED, 0x40, EDGE)

    assert apic.matches(message) == expected


def test_message_matches_x2apic_logical_id() -> None:
    message = InterruptMessage(
        0x2_0020, DestinationMode.LOGICAL, DeliveryMode.FIXED, 0x40, EDGE, is_x2apic=True
    )

    assert x2apic(0x25).matches(message)
    assert not x2apic(0x24).matches(message)


def test_message_never_matches_disabled_local_apic() -> None:
    apic = xapic()
    apic.write_base(0xFEE0_0000)

    message = InterruptMessage(
        0xFF, DestinationMode.PHYSICAL, DeliveryMode.NMI, 0, EDGE, source=None
    )

    assert not apic.matches(message)


def test_timer_one_shot_requests_its_vector() -> None:
    apic = xapic()
    apic.write(LVT_TIMER, 0x50, 4)
    apic.write(DIVIDE, 0xB, 4)
    apic.write(INITIAL, 100, 4)

    assert apic.deadline_ticks() == 100
    apic.advance(40)
    assert apic.read(CURRENT, 4) == 60
    assert apic.advance(100) == ()
    assert (apic.pending_vector(), apic.deadline_ticks()) == (0x50, None)


def test_timer_periodic_over_many_periods_requests_once() -> None:
    apic = xapic()
    apic.write(LVT_TIMER, 0x2_0050, 4)
    apic.write(INITIAL, 100, 4)

    apic.advance(1001)
    apic.acknowledge()

    assert (apic.state.irr, apic.deadline_ticks()) == (0, 1200)


def test_timer_masked_runs_without_interrupt() -> None:
    apic = xapic()
    apic.write(LVT_TIMER, 0x3_0050, 4)
    apic.write(INITIAL, 100, 4)
    assert apic.deadline_ticks() is None

    apic.advance(250)

    assert (apic.state.irr, apic.read(CURRENT, 4)) == (0, 75)
    apic.write(LVT_TIMER, 0x2_0050, 4)
    assert apic.deadline_ticks() == 400


def test_timer_illegal_vector_is_logged() -> None:
    apic = xapic()
    apic.write(LVT_TIMER, 0x05, 4)
    apic.write(INITIAL, 1, 4)

    apic.advance(10)

    assert esr(apic) == 0x40


def test_tsc_deadline_requests_at_the_cores_tsc() -> None:
    apic = xapic()
    apic.tsc_offset_ticks = 1000
    apic.write(LVT_TIMER, 0x4_0050, 4)
    apic.write_tsc_deadline(1500)

    assert (apic.tsc_offset_ticks, apic.tsc_deadline, apic.deadline_ticks()) == (1000, 1500, 500)
    apic.advance(500)
    assert (apic.pending_vector(), apic.tsc_deadline) == (0x50, 0)


def test_tsc_deadline_in_the_past_requests_at_once() -> None:
    apic = xapic()
    apic.advance(100)
    apic.write(LVT_TIMER, 0x4_0050, 4)

    apic.write_tsc_deadline(50)

    assert apic.pending_vector() == 0x50


def test_state_round_trip_is_a_copy() -> None:
    apic = xapic()
    apic.write(LVT_TIMER, 0x2_0050, 4)
    apic.write(INITIAL, 100, 4)
    apic.accept(0x40, LEVEL)

    restored = LocalApic(3, is_bsp=False, state=apic.state)

    assert restored.state == apic.state
    restored.advance(1000)
    assert restored.state != apic.state
    assert restored.pending_vector() == 0x50


@settings(derandomize=True, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 0xFFF), st.integers(0, 0xFFFF_FFFF), st.sampled_from([1, 2, 4]))
    )
)
def test_page_takes_any_access_and_reads_are_pure(accesses: list[tuple[int, int, int]]) -> None:
    apic = xapic()

    sent = [apic.write(*access) for access in accesses]

    before = LocalApic(3, is_bsp=False, state=apic.state).state
    values = [apic.read(offset, size) >> 8 * size for offset, _, size in accesses]
    assert apic.state == before
    assert values == [0] * len(accesses)
    assert apic.ipis_sent == sum(map(len, sent))
