import pytest

from uniSMP.trace.export.flows import MOST_ENDS, Event, Flows


def event(kind: str, core: int | None = None, **values: object) -> Event:
    nothing = dict.fromkeys(("vector", "source", "mode", "targets"))
    return Event(kind, core, **(nothing | values))  # type: ignore[arg-type]


def ipi(vector: int, targets: list[int], mode: str = "fixed") -> Event:
    return event("ipi_sent", 0, vector=vector, mode=mode, targets=targets, source="core 0")


def taken(core: int, vector: int, source: str = "apic") -> Event:
    return event("interrupt_delivered", core, vector=vector, source=source)


def test_ipi_leads_to_each_target_that_takes_it() -> None:
    flows = Flows()
    arrow, ends = flows.follow(ipi(0x41, [1, 2]))
    assert (arrow, ends) == (1, ())
    assert flows.follow(taken(1, 0x41)) == (0, [arrow])
    assert flows.follow(taken(2, 0x41)) == (0, [arrow])
    assert flows.follow(taken(2, 0x41)) == (0, [])


def test_other_vector_and_core_end_nothing() -> None:
    flows = Flows()
    flows.follow(ipi(0x41, [1]))
    assert flows.follow(taken(1, 0x42)) == (0, [])
    assert flows.follow(taken(2, 0x41)) == (0, [])


def test_merged_requests_end_in_one_handler() -> None:
    flows = Flows()
    arrows = [flows.follow(ipi(0x41, [1]))[0] for _ in range(MOST_ENDS + 2)]
    assert flows.follow(taken(1, 0x41)) == (0, arrows[2:])


@pytest.mark.parametrize(
    ("mode", "end"),
    [
        ("INIT", event("init", 1)),
        ("start-up", event("start_up", 1, vector=8)),
        ("NMI", taken(1, 2, "nmi")),
        ("ExtINT", taken(1, 0x20, "pic")),
        ("lowest priority", taken(1, 0x41)),
    ],
)
def test_modes_end_where_they_are_taken(mode: str, end: Event) -> None:
    flows = Flows()
    arrow, _ = flows.follow(ipi(0x41, [1], mode))
    assert flows.follow(end) == (0, [arrow])


def test_timer_leads_to_the_handler_of_its_vector() -> None:
    flows = Flows()
    arrow, _ = flows.follow(event("timer_fired", 1, source="apic timer"))
    flows.follow(event("interrupt_accepted", 1, vector=0x40, source="apic timer"))
    assert flows.follow(taken(1, 0x40)) == (0, [arrow])


def test_line_leads_to_the_handler_of_the_8259a() -> None:
    flows = Flows()
    arrow, _ = flows.follow(event("interrupt_raised", source="irq 0"))
    assert flows.follow(taken(0, 0x20, "pic")) == (0, [arrow])


def test_line_leads_through_the_ioapic() -> None:
    flows = Flows()
    line, _ = flows.follow(event("interrupt_raised", source="irq 2"))
    message, ends = flows.follow(
        event("interrupt_raised", source="irq 2", vector=0x42, mode="fixed", targets=[0])
    )
    assert ends == (line,)
    assert flows.follow(taken(0, 0x42)) == (0, [message])
    assert flows.follow(taken(0, 0x20, "pic")) == (0, [])
