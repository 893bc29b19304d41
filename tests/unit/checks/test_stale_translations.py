"""Translations used after another core changed them."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uniSMP.checks.history import WRITE, Event, FlagRows, Violation
from uniSMP.checks.stale_translations import StaleTranslations

sys.path.insert(0, str(Path(__file__).parent))
from histories import Access, history, rows
from page_tables import ROOT, TABLE, memory

CODE = bytes.fromhex("90 0f013b 48cf 0f22d8 0f2000")
"""NOP, INVLPG [RBX], IRETQ, MOV CR3, RAX, MOV RAX, CR0."""
INSTRUCTIONS = {"n": 0x100, "v": 0x101, "i": 0x104, "c": 0x106, "r": 0x109}
CHANGE = 4
"""Step at which core 0 changes the entry for linear 0x1000, from 0xA000 to 0xD000."""


def used(step: int, physical: int = 0xA010, core: int = 1, linear: int = 0x1010) -> tuple[int, ...]:
    return step, core, linear, physical


def found(
    code: str,
    *uses: tuple[int, ...],
    events: tuple[Event, ...] = (),
    roots: tuple[int, int] = (ROOT, ROOT),
    check: StaleTranslations | None = None,
) -> list[Violation]:
    """Judge a history in which core 0 executes "." and core 1 the letters of `INSTRUCTIONS`."""
    accesses = [(each[0], Access(each[0], each[1], 0x100, each[3], 4), each[2]) for each in uses]
    change = Access(CHANGE, 0, 0x200, TABLE + 8, 8, WRITE, 0xD003)
    accesses.append((CHANGE, change, TABLE + 8))
    accesses.sort(key=lambda each: each[0])
    run = [(0, 0x100) if each == "." else (1, INSTRUCTIONS[each]) for each in code]
    given = history(run, cores=2, events=events, memory=memory(CODE), symbols={"page": 0x1000})
    linear = np.array([each[2] for each in accesses])
    cr3 = FlagRows(np.zeros(2, np.int64), np.array([0, 1], np.uint8), np.array(roots))
    columns = replace(rows([each[1] for each in accesses]), linear=linear)
    return (check or StaleTranslations()).examine(replace(given, accesses=columns, cr3=cr3))


PLAIN = "nnnn.nnnn"


def test_access_to_the_old_place_is_told() -> None:
    (violation,) = found(PLAIN, used(6))
    assert violation.summary == (
        "core 1 at 0x100 uses the old translation to 0xa000 of linear page+0x10 (0x1010), which "
        "core 0 changed at 0x200 (now 0xd000): core 1 has not invalidated it"
    )
    assert violation.key == ("stale-translations", 0x200, 0x100)
    assert (violation.step, violation.core, violation.rips) == (6, 1, (0x200, 0x100))


def test_access_to_the_new_place_by_a_core_that_may_have_kept_the_old_one_is_told() -> None:
    (violation,) = found(PLAIN, used(2), used(6, 0xD010))
    assert "core 1 at 0x100 may still use the old translation to 0xa000" in violation.summary


@pytest.mark.parametrize(
    ("code", "uses"),
    [
        (PLAIN, [used(6, 0xD010)]),
        (PLAIN, [used(2)]),
        (PLAIN, [used(2), used(6, 0xB010, linear=0x2010)]),
        (PLAIN, [used(2, core=0), used(6, 0xD010, core=0)]),  # by whom it was changed
        ("nnnv.nnnn", [used(2), used(6, 0xD010)]),
        ("nnnn.vnnn", [used(2), used(6, 0xD010)]),
        ("nnnn.cnnn", [used(2), used(6, 0xA010)]),
    ],
)
def test_cores_that_kept_nothing_or_dropped_it_are_right(
    code: str, uses: list[tuple[int, ...]]
) -> None:
    assert found(code, *uses) == []


def test_read_of_a_control_register_drops_nothing() -> None:
    assert len(found("nnnn.rnnn", used(2), used(6, 0xD010))) == 1


def test_reset_drops_translations() -> None:
    assert found(PLAIN, used(2), used(6, 0xD010), events=(Event(5, 1, "init"),)) == []


def test_core_with_other_page_tables_is_right() -> None:
    assert found(PLAIN, used(2), used(6), roots=(ROOT, 0x8000)) == []


def told(step: int, *targets: int, core: int = 0) -> Event:
    return Event(step, core, "ipi_sent", 0x100, 0x40, targets=targets)


def taken(step: int) -> Event:
    return Event(step, 1, "interrupt_delivered", 0x100, 0x40, "apic")


SENT = "nnnn....nnninn"
"""The interrupt is sent at step 6, taken at step 9, its handler returns at step 11."""


@pytest.mark.parametrize(("step", "count"), [(5, 0), (8, 0), (10, 0), (11, 0), (12, 1)])
def test_core_that_is_told_is_excused_until_the_handler_returns(step: int, count: int) -> None:
    events = told(6, 1), taken(9)
    assert len(found(SENT, used(2), used(step, 0xD010), events=events)) == count


def test_core_that_does_not_take_the_interrupt_is_excused() -> None:
    assert found(SENT, used(2), used(12, 0xD010), events=(told(6, 1),)) == []


@pytest.mark.parametrize(
    "event",
    [told(6, 0), told(3, 1), told(6, 1, core=1)],
)
def test_other_interrupts_excuse_nobody(event: Event) -> None:
    assert len(found(SENT, used(2), used(8, 0xD010), events=(event,))) == 1


@pytest.mark.parametrize(("most", "count"), [(2, 0), (1, 1)])
def test_interrupt_that_comes_late_excuses_nobody(most: int, count: int) -> None:
    check = StaleTranslations(most)
    assert len(found(SENT, used(2), used(8, 0xD010), events=(told(6, 1),), check=check)) == count
