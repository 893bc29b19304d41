"""The checks that a plan can name, made from what it says of them."""

from collections.abc import Callable, Mapping
from typing import Any

from uniSMP.checks.exclusion import Exclusion, parse_region
from uniSMP.checks.history import Check
from uniSMP.checks.invariants import Invariants, pmm_invariant
from uniSMP.checks.races import Atomic, Races
from uniSMP.errors import ConfigError
from uniSMP.explore.hardware_checks import HARDWARE_CHECKS
from uniSMP.explore.job import CheckChoice

_PMM_REGION = "pmm_enter..pmm_exit"


def _exclusion(parameters: Mapping[str, Any]) -> Check:
    _refuse_others(parameters, "exclusion", "regions")
    regions = parameters.get("regions", ())
    texts = [regions] if isinstance(regions, str) else regions
    if not texts:
        raise ConfigError("check exclusion needs a region: give --exclusive ENTER..EXIT")
    return Exclusion(*(parse_region(text) for text in texts))


def _races(parameters: Mapping[str, Any]) -> Check:
    _refuse_others(parameters, "races", "atomic", "others")
    atomic = parameters.get("atomic", ())
    words = atomic.split("+") if isinstance(atomic, str) else atomic
    others = parameters.get("others", Atomic.DECLARED)
    if others not in set(Atomic):
        raise ConfigError(f"check races: others={others}: choose one of {', '.join(Atomic)}")
    if not all(words):
        raise ConfigError("check races: write atomic=PLACE+PLACE, symbols or FIRST..BEHIND")
    return Races(words, Atomic(others))


def _pmm(parameters: Mapping[str, Any]) -> Check:
    _refuse_others(parameters, "pmm", "region")
    return Invariants(pmm_invariant(parse_region(parameters.get("region", _PMM_REGION))))


def _refuse_others(parameters: Mapping[str, Any], check: str, *names: str) -> None:
    for name in parameters:
        if name not in names:
            raise ConfigError(f"check {check} has no {name}: it has {', '.join(names)}")


CHECKS: dict[str, Callable[[Mapping[str, Any]], Check]] = {
    "exclusion": _exclusion,
    "pmm": _pmm,
    "races": _races,
    **HARDWARE_CHECKS,
}
"""By the name on the command line; each is given its parameters and may raise ConfigError."""


def make_checks(choices: tuple[CheckChoice, ...]) -> list[Check]:
    """Return the checks of a plan.

    Raises:
        ConfigError: there is no such check, or its parameters are wrong.
    """
    checks = []
    for choice in choices:
        if choice.name not in CHECKS:
            names = ", ".join(sorted(CHECKS))
            raise ConfigError(f"no check is called {choice.name}: choose one of {names}")
        checks.append(CHECKS[choice.name](choice.parameters))
    return checks
