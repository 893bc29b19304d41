"""What the checks of a run look at: what every core executed, accessed and was told.

A step counts the instructions retired by all cores before. What belongs to no instruction (stack
pushes of an interrupt delivery, say) bears the step of the instruction that follows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from typing import Protocol

import numpy as np
import numpy.typing as npt

WRITE, LOCKED, DELIVERY, PAGE_WALK = 1, 2, 4, 8
"""Bits of `AccessRows.kind`."""

Signed = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


class Needs(Flag):
    """What a check looks at, beside the instructions executed."""

    NOTHING = 0
    ACCESSES = auto()
    """Accesses to memory."""
    EVENTS = auto()
    """What the interrupt hardware did."""
    FLAGS = auto()
    """RFLAGS whenever they change."""
    PAGING = auto()
    """CR3 whenever it changes."""


class AccessRows(Protocol):
    """Accesses to RAM and ROM in the order in which they happened, as columns of equal length."""

    @property
    def step(self) -> Signed:
        """Step of the instruction, or of the next one."""

    @property
    def core(self) -> Bytes:
        """Core id."""

    @property
    def rip(self) -> Signed:
        """Linear address of the instruction, or of the interrupted one."""

    @property
    def physical(self) -> Signed:
        """Physical address of the first byte."""

    @property
    def linear(self) -> Signed:
        """Its linear address, where `has_linear`."""

    @property
    def has_linear(self) -> npt.NDArray[np.bool_]:
        """Whether that is known."""

    @property
    def size(self) -> Bytes:
        """Bytes, 1 to 8."""

    @property
    def value(self) -> Signed:
        """What was read or written, the bits of an unsigned number."""

    @property
    def kind(self) -> Bytes:
        """Bits WRITE, LOCKED, PAGE_WALK, DELIVERY (of an interrupt or exception)."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened around the cores; kinds and meanings as in docs/formats.md, `events`.

    Attributes:
        step: instructions retired before it.
        core: core it concerns, or -1.
        kind: one of `trace.schema.EVENT_KINDS`.
        rip: linear address of that core's next instruction, or -1.
        vector: or -1.
        source: which chip, or None.
        targets: core ids that an interrupt is sent to.
        value: what was written or read, or -1.
        address: port, physical address or register number, CR2 of a page fault, or -1.
        detail: the mode of a core, or the control register that was written; else empty.
    """

    step: int
    core: int
    kind: str
    rip: int = -1
    vector: int = -1
    source: str | None = None
    targets: tuple[int, ...] = ()
    value: int = -1
    address: int = -1
    detail: str = ""


@dataclass(frozen=True, slots=True)
class FlagRows:
    """A register of cores: `value` holds from the instruction with this step on."""

    step: Signed
    core: Bytes
    value: Signed


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """One run, or a part of one.

    Attributes:
        cores: how many there are.
        first_step: step of the first retired instruction.
        core: core of each retired instruction; row i has the step `first_step` + i.
        rip: linear address of each retired instruction.
        accesses: in order; None where no check needs them.
        events: in order; empty where no check needs them.
        flags: RFLAGS; None where no check needs them.
        memory: returns bytes of RAM (physical address, size) as they were at the beginning.
        symbols: linear addresses by name.
        is_over: whether nothing more will happen: what is pending now stays pending.
        cr3: as `flags`, the register that holds the root of the page tables.
    """

    cores: int
    first_step: int
    core: Bytes
    rip: Signed
    accesses: AccessRows | None
    events: Sequence[Event]
    flags: FlagRows | None
    memory: Callable[[int, int], bytes]
    symbols: Mapping[str, int]
    is_over: bool = False
    cr3: FlagRows | None = None

    @property
    def end_step(self) -> int:
        """Step behind the last retired instruction."""
        return self.first_step + len(self.core)


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not happen, and did.

    Attributes:
        check: name of the check.
        summary: one line for people; addresses in it are hexadecimal.
        step: of the instruction that completes it.
        core: core of that instruction, or -1.
        key: what makes it the same violation in another schedule: no steps, no core numbers that
            a schedule could swap; the check's name and instruction addresses, as a rule.
        rips: linear addresses of the instructions that take part, to be shown with source lines.
    """

    check: str
    summary: str
    step: int
    core: int
    key: tuple[str | int, ...]
    rips: tuple[int, ...] = field(default=())


class Check(Protocol):
    """Looks for one kind of violation.

    Attributes:
        name: as on the command line.
        needs: what a history must hold.
    """

    name: str
    needs: Needs

    def examine(self, history: History) -> list[Violation]:
        """Return what is wrong, the earliest first; an empty list where nothing is.

        Raises:
            ConfigError: a symbol that the check was given is missing.
        """
