"""A check whose history lacks what it needs says so."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from uniSMP.checks.code_writes import CodeWrites
from uniSMP.checks.freed_frames import FreedFrames
from uniSMP.checks.guard_pages import GuardPages
from uniSMP.checks.history import Check
from uniSMP.checks.interrupts_off import InterruptsOff
from uniSMP.checks.lock_discipline import LockDiscipline
from uniSMP.checks.lost_interrupts import LostInterrupts
from uniSMP.checks.stale_translations import StaleTranslations
from uniSMP.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parent))
from histories import history

NOTHING = history([(0, 0x100)], cores=1)
ACCESSES = history([(0, 0x100)], cores=1, accesses=[])


@pytest.mark.parametrize(
    "check", [CodeWrites(), FreedFrames(), GuardPages(), LockDiscipline(), StaleTranslations()]
)
def test_missing_accesses_are_an_error(check: Check) -> None:
    message = f"check {check.name}: no accesses to memory recorded"
    with pytest.raises(ConfigError, match=message):
        check.examine(NOTHING)


@pytest.mark.parametrize("check", [InterruptsOff(), LockDiscipline(), LostInterrupts()])
def test_missing_flags_are_an_error(check: Check) -> None:
    with pytest.raises(ConfigError, match=f"check {check.name}: no RFLAGS recorded"):
        check.examine(replace(ACCESSES, flags=None))


def test_missing_paging_is_an_error() -> None:
    with pytest.raises(ConfigError, match="check stale-translations: no CR3 recorded"):
        StaleTranslations().examine(ACCESSES)
