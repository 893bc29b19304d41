"""What the host puts into a machine between slices: the only input a run does not make itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryInput:
    """`data` was written to RAM at `physical`."""

    physical: int
    data: bytes


@dataclass(frozen=True, slots=True)
class RegisterInput:
    """Register `name` of a core was set."""

    core_id: int
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class SerialInput:
    """Bytes arrived at COM1."""

    data: bytes


HostInput = MemoryInput | RegisterInput | SerialInput
