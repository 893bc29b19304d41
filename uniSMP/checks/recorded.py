"""What a check needs of a history, or an error: who saw nothing must not say that all is well."""

from uniSMP.checks.history import AccessRows, FlagRows, History
from uniSMP.errors import ConfigError


def accesses_of(history: History, check: str) -> AccessRows:
    """Return the accesses.

    Raises:
        ConfigError: the history has none.
    """
    if history.accesses is None:
        raise _missing(check, "accesses to memory")
    return history.accesses


def flags_of(history: History, check: str) -> FlagRows:
    """Return RFLAGS.

    Raises:
        ConfigError: the history has none.
    """
    if history.flags is None:
        raise _missing(check, "RFLAGS")
    return history.flags


def paging_of(history: History, check: str) -> FlagRows:
    """Return CR3.

    Raises:
        ConfigError: the history has none.
    """
    if history.cr3 is None:
        raise _missing(check, "CR3")
    return history.cr3


def _missing(check: str, what: str) -> ConfigError:
    return ConfigError(f"check {check}: no {what} recorded; record what its `needs` say")
