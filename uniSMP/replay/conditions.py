"""What a search through a run looks for."""

from collections.abc import Callable
from dataclasses import dataclass

from uniSMP.errors import ConfigError
from uniSMP.machine.machine import Machine

_KINDS = frozenset({"r", "w", "rw"})
_VECTORS = 256
_END = 1 << 64


def _check_address(start: int, size_bytes: int) -> None:
    if not 0 <= start <= _END - size_bytes:
        raise ConfigError(f"{size_bytes} bytes at {start:#x} lie outside 64 bits")


@dataclass(frozen=True, slots=True)
class AtAddress:
    """The instruction at a linear address is about to be executed, by any core or by one."""

    linear: int
    core_id: int | None = None

    def __post_init__(self) -> None:
        _check_address(self.linear, 1)


@dataclass(frozen=True, slots=True)
class _Access:
    """An access to bytes `start` to `start` + `size_bytes` - 1; kinds "r", "w" or "rw"."""

    start: int
    size_bytes: int
    kinds: str = "w"
    core_id: int | None = None

    def __post_init__(self) -> None:
        if self.kinds not in _KINDS:
            raise ConfigError(f"kinds of access {self.kinds!r}: choose r, w or rw")
        if self.size_bytes < 1:
            raise ConfigError(f"{self.size_bytes} bytes: choose 1 or more")
        _check_address(self.start, self.size_bytes)


@dataclass(frozen=True, slots=True)
class Accessed(_Access):
    """Bytes at a linear address were read or written; forward, the search stops behind it."""


@dataclass(frozen=True, slots=True)
class AccessedPhysical(_Access):
    """The same by physical address, whatever linear address was used."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """An interrupt or exception of that vector was just delivered, to any core or to one."""

    vector: int
    core_id: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.vector < _VECTORS:
            raise ConfigError(f"vector {self.vector}: choose 0 to {_VECTORS - 1}")


@dataclass(frozen=True, slots=True)
class Predicate:
    """`function` of the machine is true; asked before each instruction, which is slow."""

    function: Callable[[Machine], bool]


Condition = AtAddress | Accessed | AccessedPhysical | Delivered | Predicate


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a search stopped.

    Attributes:
        condition: which one was met.
        core_id: the core that met it.
        step: instructions retired by all cores before the instruction that met it.
        rip: linear address of that instruction.
    """

    condition: Condition | None
    core_id: int
    step: int
    rip: int
