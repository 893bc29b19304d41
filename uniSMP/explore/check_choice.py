"""The checks that a plan can name, made from what it says of them."""

from collections.abc import Callable, Mapping
from typing import Any

from uniSMP.checks.exclusion import Exclusion, parse_region
from uniSMP.checks.history import Check
from uniSMP.errors import ConfigError
from uniSMP.explore.job import CheckChoice


def _exclusion(parameters: Mapping[str, Any]) -> Check:
    regions = parameters.get("regions", ())
    texts = [regions] if isinstance(regions, str) else regions
    return Exclusion(*(parse_region(text) for text in texts))


CHECKS: dict[str, Callable[[Mapping[str, Any]], Check]] = {"exclusion": _exclusion}
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
