"""The checks of interrupts and of memory misuse, made from what a plan says of them.

Numbers are decimal or 0x...; lists have + between.
"""

from collections.abc import Callable, Mapping
from typing import Any

from uniSMP.checks.code_writes import CodeWrites
from uniSMP.checks.end_of_interrupt import EndOfInterrupt
from uniSMP.checks.freed_frames import FreedFrames
from uniSMP.checks.guard_pages import GuardPages
from uniSMP.checks.history import Check
from uniSMP.checks.interrupt_nesting import InterruptNesting
from uniSMP.checks.interrupts_off import InterruptsOff
from uniSMP.checks.lock_discipline import LockDiscipline
from uniSMP.checks.lost_interrupts import LostInterrupts
from uniSMP.checks.stale_translations import StaleTranslations
from uniSMP.errors import ConfigError

Parameters = Mapping[str, Any]


def _code_writes(parameters: Parameters) -> Check:
    return CodeWrites(**_lists(CodeWrites.name, parameters, "allowed"))


def _guard_pages(parameters: Parameters) -> Check:
    return GuardPages(**_lists(GuardPages.name, parameters, "guards", "stacks"))


def _freed_frames(parameters: Parameters) -> Check:
    _refuse_others(FreedFrames.name, parameters)
    return FreedFrames()


def _interrupt_nesting(parameters: Parameters) -> Check:
    return InterruptNesting(**_numbers(InterruptNesting.name, parameters, "most_levels"))


def _end_of_interrupt(parameters: Parameters) -> Check:
    return EndOfInterrupt(**_numbers(EndOfInterrupt.name, parameters, "most_instructions"))


def _interrupts_off(parameters: Parameters) -> Check:
    return InterruptsOff(**_numbers(InterruptsOff.name, parameters, "most_instructions"))


def _lost_interrupts(parameters: Parameters) -> Check:
    names = "most_instructions", "last_instructions"
    return LostInterrupts(**_numbers(LostInterrupts.name, parameters, *names))


def _lock_discipline(parameters: Parameters) -> Check:
    return LockDiscipline(**_lists(LockDiscipline.name, parameters, "locks"))


def _stale_translations(parameters: Parameters) -> Check:
    return StaleTranslations(
        **_numbers(StaleTranslations.name, parameters, "shootdown_instructions")
    )


def _lists(check: str, parameters: Parameters, *names: str) -> dict[str, tuple[str, ...]]:
    _refuse_others(check, parameters, *names)
    return {
        name: tuple(value.split("+") if isinstance(value, str) else value)
        for name, value in parameters.items()
    }


def _numbers(check: str, parameters: Parameters, *names: str) -> dict[str, int]:
    _refuse_others(check, parameters, *names)
    numbers = {}
    for name, value in parameters.items():
        try:
            numbers[name] = int(str(value), 0)
        except ValueError as error:
            raise ConfigError(f"check {check}: {name}={value}: give a number") from error
        if numbers[name] < 1:
            raise ConfigError(f"check {check}: {name}={value}: it must be 1 or more")
    return numbers


def _refuse_others(check: str, parameters: Parameters, *names: str) -> None:
    for name in parameters:
        if name not in names:
            has = f"has {', '.join(names)}" if names else "takes nothing"
            raise ConfigError(f"check {check} has no {name}: it {has}")


HARDWARE_CHECKS: dict[str, Callable[[Parameters], Check]] = {
    CodeWrites.name: _code_writes,
    EndOfInterrupt.name: _end_of_interrupt,
    FreedFrames.name: _freed_frames,
    GuardPages.name: _guard_pages,
    InterruptNesting.name: _interrupt_nesting,
    InterruptsOff.name: _interrupts_off,
    LockDiscipline.name: _lock_discipline,
    LostInterrupts.name: _lost_interrupts,
    StaleTranslations.name: _stale_translations,
}
"""By the name on the command line; each is given its parameters and may raise ConfigError."""
