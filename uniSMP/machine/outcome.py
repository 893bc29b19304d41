"""How a run ended, as a value."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a run ended."""

    FINISHED = "FINISHED"
    """The guest wrote 0 to the debug-exit port."""
    GUEST_FAILED = "GUEST_FAILED"
    """The guest wrote another value there, or asked for a reset of the machine."""
    DEADLOCK = "DEADLOCK"
    """No core can ever run again."""
    TRIPLE_FAULT = "TRIPLE_FAULT"
    """A core met a fault while the delivery of a double fault failed."""
    INSTRUCTION_LIMIT = "INSTRUCTION_LIMIT"
    """The limit of retired instructions was reached."""
    HOST_TIMEOUT = "HOST_TIMEOUT"
    """The host stopped the run. The only outcome that is not deterministic."""


@dataclass(frozen=True, slots=True)
class CoreSummary:
    """What one core did.

    Attributes:
        id: core id, the initial APIC ID.
        instructions: retired since power-on.
        interrupts: external interrupts and NMIs taken, count by vector.
        exceptions: exceptions and software interrupts delivered, count by vector.
        ipis_sent: interrupt commands issued through its local APIC.
        halted: whether it executes nothing at the end (HLT, waiting for SIPI, or shut down).
        state: one line for people: why it stands where it stands.
        rip: instruction pointer at the end.
    """

    id: int
    instructions: int
    interrupts: Mapping[int, int]
    exceptions: Mapping[int, int]
    ipis_sent: int
    halted: bool
    state: str
    rip: int


@dataclass(frozen=True, slots=True)
class RunResult:
    """The end of a run.

    Attributes:
        outcome: how it ended.
        reason: one line for people.
        exit_value: what the guest wrote to the debug-exit port, or None.
        digest: SHA-256 (hex) over RAM, architectural state of each core, and device states.
        steps: instructions retired by all cores since power-on.
        ticks: virtual time since power-on, in nanoseconds.
        console: everything the guest printed (COM1 and port 0xE9) since power-on.
        cores: one summary per core.
    """

    outcome: Outcome
    reason: str
    exit_value: int | None
    digest: str
    steps: int
    ticks: int
    console: bytes
    cores: tuple[CoreSummary, ...]

    @property
    def is_deterministic(self) -> bool:
        """Whether the same machine ends in the same way every time."""
        return self.outcome is not Outcome.HOST_TIMEOUT


@dataclass(frozen=True, slots=True)
class Ending:
    """Why the run loop ends."""

    outcome: Outcome
    reason: str
    exit_value: int | None = None
