"""Causes of events, on short hand-written sequences."""

from typing import Any

import pyarrow as pa
import pytest

from uniSMP.trace.causes import find_causes
from uniSMP.trace.schema import EVENTS

IPI = {"kind": "ipi_sent", "core": 0, "vector": 80, "source": "core 0", "targets": [1, 2]}


def causes(*events: dict[str, Any]) -> list[int]:
    return find_causes(pa.Table.from_pylist(list(events), schema=EVENTS.schema))


def on(
    core: int, kind: str, vector: int | None = None, source: str | None = None
) -> dict[str, Any]:
    return {"kind": kind, "core": core, "vector": vector, "source": source}


def test_ipi_is_accepted_delivered_and_ended_on_each_target() -> None:
    found = causes(
        IPI,
        on(1, "interrupt_accepted", 80, "core 0"),
        on(2, "interrupt_accepted", 80, "core 0"),
        on(2, "interrupt_delivered", 80, "apic"),
        on(1, "interrupt_delivered", 80, "apic"),
        on(2, "eoi", 80),
        on(1, "eoi", 80),
    )
    assert found == [-1, 0, 0, 2, 1, 3, 4]


def test_merged_interrupt_is_delivered_once() -> None:
    found = causes(
        IPI,
        on(1, "interrupt_accepted", 80, "core 0"),
        IPI,
        on(1, "interrupt_merged", 80, "core 0"),
        on(1, "interrupt_delivered", 80, "apic"),
    )
    assert found == [-1, 0, -1, 2, 1]


def test_line_raises_the_message_of_the_io_apic() -> None:
    found = causes(
        {"kind": "interrupt_raised", "source": "irq 0"},
        {"kind": "interrupt_raised", "source": "irq 0", "vector": 66, "targets": [0]},
        on(0, "interrupt_accepted", 66, "irq 0"),
        on(0, "interrupt_delivered", 66, "apic"),
        on(0, "eoi", 66),
        {"kind": "eoi_broadcast", "vector": 66},
    )
    assert found == [-1, 0, 1, 2, 3, 4]


def test_interrupt_of_the_8259_comes_from_a_line() -> None:
    found = causes(
        {"kind": "interrupt_raised", "source": "irq 0"}, on(0, "interrupt_delivered", 32, "pic")
    )
    assert found == [-1, 0]


def test_timer_of_the_core_is_the_cause() -> None:
    found = causes(
        on(0, "timer_fired", None, "apic timer"),
        on(1, "timer_fired", None, "apic timer"),
        on(0, "interrupt_accepted", 64, "apic timer"),
    )
    assert found == [-1, -1, 0]


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("INIT", "init"), ("start-up", "start_up"), ("NMI", "nmi"), ("SMI", "smi")],
)
def test_message_to_a_core_has_its_sender(mode: str, kind: str) -> None:
    assert causes({**IPI, "mode": mode}, on(2, kind), on(3, kind)) == [-1, 0, -1]


def test_nmi_is_delivered_after_it_arrived() -> None:
    found = causes({**IPI, "mode": "NMI"}, on(1, "nmi"), on(1, "interrupt_delivered", 2, "nmi"))
    assert found == [-1, 0, 1]


def test_ends_of_slices_and_halts_have_their_beginnings() -> None:
    found = causes(
        on(0, "slice_begin"), on(1, "slice_begin"), on(0, "halt"), on(0, "slice_end"), on(0, "wake")
    )
    assert found == [-1, -1, -1, 0, 2]


def test_what_began_outside_has_no_cause() -> None:
    assert causes(on(0, "eoi", 80), on(0, "wake"), on(0, "slice_end")) == [-1, -1, -1]
