"""Histories by hand, for tests of checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from uniSMP.checks.history import Event, FlagRows, History

_TYPES = {"core": np.uint8, "size": np.uint8, "kind": np.uint8, "has_linear": np.bool_}
_COLUMNS = ("step", "core", "rip", "physical", "linear", "has_linear", "size", "value", "kind")


@dataclass(frozen=True, slots=True)
class Access:
    """One access; linear and physical address are the same."""

    step: int
    core: int
    rip: int
    physical: int
    size: int = 4
    kind: int = 0
    value: int = 0
    has_linear: bool = True

    @property
    def linear(self) -> int:
        return self.physical


@dataclass(frozen=True, slots=True)
class Rows:
    step: npt.NDArray[np.int64]
    core: npt.NDArray[np.uint8]
    rip: npt.NDArray[np.int64]
    physical: npt.NDArray[np.int64]
    linear: npt.NDArray[np.int64]
    has_linear: npt.NDArray[np.bool_]
    size: npt.NDArray[np.uint8]
    value: npt.NDArray[np.int64]
    kind: npt.NDArray[np.uint8]


def rows(accesses: Sequence[Access]) -> Rows:
    columns: dict[str, Any] = {
        name: np.array([getattr(each, name) for each in accesses], _TYPES.get(name, np.int64))
        for name in _COLUMNS
    }
    return Rows(**columns)


def history(  # noqa: PLR0913 - what a history has
    run: Sequence[tuple[int, int]],
    *,
    cores: int,
    symbols: Mapping[str, int] | None = None,
    first_step: int = 0,
    accesses: Sequence[Access] | None = None,
    events: Sequence[Event] = (),
    flags: FlagRows | None = None,
    memory: bytes = b"",
    is_over: bool = True,
) -> History:
    """Return a history of instructions (core, rip)."""
    return History(
        cores=cores,
        first_step=first_step,
        core=np.array([core for core, _ in run], np.uint8),
        rip=np.array([rip for _, rip in run], np.int64),
        accesses=None if accesses is None else rows(accesses),
        events=events,
        flags=flags,
        memory=lambda physical, size: memory.ljust(1 << 16, b"\0")[physical : physical + size],
        symbols=symbols or {},
        is_over=is_over,
    )
