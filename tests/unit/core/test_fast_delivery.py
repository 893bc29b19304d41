"""The compiled way of delivery does exactly what the long one does, or declines."""

from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab import (
    ABSENT_CODE,
    CODE,
    CONFORMING64,
    CS32,
    CS64,
    DATA,
    DPL_3,
    DS,
    GDT,
    IDT,
    INNER_STACK,
    LAST,
    TASK,
    TRAP_32,
    WINDOW,
    Lab,
    cx,
)

from uniSMP.core import delivery, fast_delivery
from uniSMP.core import native_state as ns
from uniSMP.core.delivery import Event, Kind
from uniSMP.core.registers import architectural_state

IF = 0x200


def enter(lab: Lab, vector: int = 0x80, error_code: int = -1) -> int:
    return int(
        fast_delivery.enter(
            lab.core.memory.words,
            int(lab.engine.state[ns.ENV]),
            vector,
            2,
            CODE,
            error_code,
            lab.core.memory.accesses.head,
            0,
        )
    )


def test_fast_delivery_of_a_plain_event_returns_its_frame(long_mode: Lab) -> None:
    assert enter(long_mode) == INNER_STACK - 40
    assert enter(long_mode, 13, 0x18) == INNER_STACK - 40 - 48 - 8


def test_fast_delivery_sets_accessed_and_dirty_bits(long_mode: Lab) -> None:
    leaf = long_mode.map_page(WINDOW, DATA | 3)
    long_mode.registers["rsp"] = WINDOW + 0x800
    assert enter(long_mode) == DATA + 0x800 - 40
    assert long_mode.memory.read_integer(leaf, 8) & 0x60 == 0x60


def reload(lab: Lab, high: int) -> None:
    """Give the loaded CS and its descriptor the same high doubleword."""
    lab.double(GDT + CS64 + 4, high)
    lab.context.set_segment(cx.CS, cx.Segment(CS64, 0, cx.MASK32, high))


@pytest.mark.parametrize(
    "prepare",
    [
        lambda lab: lab.enter_user(),
        lambda lab: lab.gate(0x80, ist=1),
        lambda lab: lab.gate(0x80, access=0),
        lambda lab: lab.gate(0x80, TASK),
        lambda lab: lab.gate(0x80, selector=DS),
        lambda lab: lab.gate(0x80, selector=CS32),
        lambda lab: lab.gate(0x80, selector=CONFORMING64),
        lambda lab: lab.gate(0x80, selector=ABSENT_CODE),
        lambda lab: lab.gate(0x80, selector=LAST + 1),
        lambda lab: lab.gate(0x80, selector=CS64 | 4),
        lambda lab: lab.gate(0x80, selector=CS64 | 1),
        lambda lab: lab.gate(0x80, selector=3),
        lambda lab: lab.gate(0x80, offset=1 << 47),
        lambda lab: lab.set_idt_limit(0x80E),
        lambda lab: lab.context.set_table(cx.IDT, cx.Segment(0, IDT + 4, 0xFFF, 0)),
        lambda lab: lab.context.set_table(cx.IDT, cx.Segment(0, WINDOW, 0xFFF, 0)),
        lambda lab: lab.context.set_table(cx.IDT, cx.Segment(0, 0x4000_0000, 0xFFF, 0)),
        lambda lab: lab.context.set_table(cx.GDT, cx.Segment(0, GDT + 4, LAST, 0)),
        lambda lab: lab.context.set_table(cx.GDT, cx.Segment(0, WINDOW, LAST, 0)),
        lambda lab: lab.core.set_a20(is_enabled=False),
        lambda lab: lab.registers.__setitem__("rsp", WINDOW),
        lambda lab: lab.registers.__setitem__("rsp", (1 << 47) + 64),
        lambda lab: lab.registers.__setitem__("rsp", 0x4000_0000),
        lambda lab: lab.registers.__setitem__("rsp", 0xF_1000),
        lambda lab: lab.registers.__setitem__("rsp", 0),
        lambda lab: reload(lab, 0x00AF_9A00),
    ],
)
def test_fast_delivery_declines_what_is_not_plain(long_mode: Lab, prepare: object) -> None:
    long_mode.code("nop")
    prepare(long_mode)  # type: ignore[operator]
    before = architectural_state(long_mode.core)
    memory = long_mode.memory.read(DATA - 0x2_0000, 0x2_0000)
    assert enter(long_mode) == fast_delivery.DECLINED
    assert architectural_state(long_mode.core) == before
    assert long_mode.memory.read(DATA - 0x2_0000, 0x2_0000) == memory


def outcome(
    event: Event, flags: int, rsp: int, gate: dict[str, int], *, is_compiled: bool
) -> tuple[bytes, bytes, bool]:
    lab = Lab("long")
    lab.gate(event.vector, **gate)
    lab.context.set_flags(flags)
    lab.registers["rsp"] = rsp
    lab.registers["rip"] = CODE
    declined = patch.object(delivery, "enter", lambda *_arguments: fast_delivery.DECLINED)
    if not is_compiled:
        declined.start()
    delivered = lab.core._delivery.deliver(event)
    if not is_compiled:
        declined.stop()
    result = architectural_state(lab.core), lab.memory.read(0, 0x6_0000), delivered
    lab.machine.close()
    return result


@settings(derandomize=True, deadline=None, max_examples=80)
@given(
    event=st.one_of(
        st.builds(
            Event,
            st.integers(0, 255),
            st.sampled_from([Kind.SOFTWARE, Kind.EXTERNAL]),
            st.none(),
            st.sampled_from([None, CODE + 2]),
        ),
        st.builds(Event, st.sampled_from([0, 1, 6, 7]), st.just(Kind.EXCEPTION)),
        st.builds(
            Event,
            st.sampled_from([8, 10, 11, 12, 13, 14]),
            st.just(Kind.EXCEPTION),
            st.integers(0, 0xFFFF),
        ),
    ),
    flags=st.integers(0, 0x7_FFFF).map(lambda value: value & 0x5_7FD5 | 2),
    rsp=st.sampled_from([INNER_STACK, INNER_STACK - 3, 0x4_1010, 0x4_0020, WINDOW, 1 << 47, 8]),
    gate=st.sampled_from(
        [
            {},
            {"kind": TRAP_32},
            {"ist": 2},
            {"access": 0},
            {"access": 0x80 | DPL_3},
            {"selector": 3},
        ]
    ),
)
def test_fast_delivery_and_delivery_agree(
    event: Event, flags: int, rsp: int, gate: dict[str, int]
) -> None:
    compiled = outcome(event, flags, rsp, gate, is_compiled=True)
    assert compiled == outcome(event, flags, rsp, gate, is_compiled=False)
