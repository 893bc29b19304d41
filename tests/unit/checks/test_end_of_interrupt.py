"""EOI: missing, twice, spurious."""

import sys
from pathlib import Path

import pytest

from uniSMP.checks.end_of_interrupt import EndOfInterrupt
from uniSMP.checks.history import Event, History

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

NOP, IRET = 0x10, 0x11
MEMORY = bytes(0x10) + bytes.fromhex("90 48cf")
EOI_REGISTER, SVR = 0xFEE000B0, 0xFEE000F0


def delivered(step: int, vector: int, source: str = "apic") -> Event:
    return Event(step, 0, "interrupt_delivered", NOP, vector, source)


def eoi(step: int, vector: int) -> tuple[Event, Event]:
    return write(step), Event(step, 0, "eoi", NOP, vector)


def write(step: int) -> Event:
    return Event(step, 0, "mmio_write", NOP, address=EOI_REGISTER)


def run_of(code: str, *events: Event) -> History:
    """Return a history of core 0: "n" is NOP, "i" is IRET."""
    run = [(0, IRET if each == "i" else NOP) for each in code]
    return history(run, cores=1, events=events, memory=MEMORY)


def keys(given: History, most: int = 100) -> list[tuple[str | int, ...]]:
    return [each.key[1:] for each in EndOfInterrupt(most).examine(given)]


MISSING = [("missing", 0x40, NOP)]


@pytest.mark.parametrize(
    ("code", "events"),
    [
        ("nnnin", [delivered(1, 0x40), *eoi(2, 0x40)]),
        ("nnnn", [delivered(1, 0x40)]),  # it has not returned yet
        ("nnnin", [delivered(1, 0x40, "pic")]),
        ("nnnin", [delivered(1, 0x40, "nmi")]),
        ("nnnin", [delivered(1, 0xFF)]),  # the spurious vector after reset
        ("nnnin", [Event(0, 0, "mmio_write", NOP, value=0x140, address=SVR), delivered(1, 0x40)]),
        ("nnnin", [Event(1, 0, "software_interrupt", NOP, 0x40)]),
        ("nnn", eoi(1, 0x40)),  # of a handler that began before the history
        (
            "nnnnii",
            [delivered(1, 0x40), delivered(2, 0x50), *eoi(3, 0x50), *eoi(5, 0x40)],
        ),
        ("nniin", [delivered(1, 0x40), *eoi(1, 0x40), delivered(3, 0x40), *eoi(3, 0x40)]),
    ],
)
def test_handlers_with_one_eoi_each_are_right(code: str, events: list[Event]) -> None:
    assert keys(run_of(code, *events)) == []


@pytest.mark.parametrize("events", [[], eoi(4, 0x40)])
def test_handler_that_returns_before_its_eoi_is_reported(events: list[Event]) -> None:
    assert keys(run_of("nnninn", delivered(1, 0x40), *events)) == MISSING


def test_missing_eoi_is_told_at_the_iret() -> None:
    (found,) = EndOfInterrupt().examine(run_of("nnnin", delivered(1, 0x40)))
    assert (found.step, found.core, found.rips) == (3, 0, (NOP,))


@pytest.mark.parametrize(("most", "expected"), [(4, []), (3, MISSING)])
def test_handler_that_goes_on_without_eoi_is_reported(
    most: int, expected: list[tuple[str | int, ...]]
) -> None:
    assert keys(run_of("nnnnnnin", delivered(1, 0x40), *eoi(5, 0x40)), most) == expected


def test_second_eoi_is_spurious_where_nothing_else_is_in_service() -> None:
    events = delivered(1, 0x40), *eoi(1, 0x40), write(2)
    assert keys(run_of("nnnin", *events)) == [("spurious", NOP)]


def test_eoi_in_x2apic_mode_is_known_too() -> None:
    assert keys(run_of("n", Event(0, 0, "msr_write", NOP, address=0x80B))) == [("spurious", NOP)]


def test_second_eoi_of_an_inner_handler_ends_the_outer_one() -> None:
    events = delivered(1, 0x40), delivered(2, 0x50), *eoi(3, 0x50), *eoi(4, 0x40)
    assert keys(run_of("nnnnnii", *events)) == [("twice", 0x50, NOP)]
