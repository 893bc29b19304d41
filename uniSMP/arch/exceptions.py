"""Exception vectors and their classes.

Source: Intel SDM volume 3A, chapter "Interrupt and Exception Handling", tables "Protected-Mode
Exceptions and Interrupts" and "Conditions for Generating a Double Fault".
"""

from enum import IntEnum


class Vector(IntEnum):
    """Vectors the processor raises by itself."""

    DE = 0
    DB = 1
    NMI = 2
    BP = 3
    OF = 4
    BR = 5
    UD = 6
    NM = 7
    DF = 8
    TS = 10
    NP = 11
    SS = 12
    GP = 13
    PF = 14
    MF = 16
    AC = 17
    MC = 18
    XM = 19


WITH_ERROR_CODE = frozenset(
    {Vector.DF, Vector.TS, Vector.NP, Vector.SS, Vector.GP, Vector.PF, Vector.AC}
)
CONTRIBUTORY = frozenset({Vector.DE, Vector.TS, Vector.NP, Vector.SS, Vector.GP})
TRAPS = frozenset({Vector.DB, Vector.BP, Vector.OF})
"""Vectors whose frame shows the next instruction and does not set RF (#DB may be either)."""

ERROR_EXT = 1
"""Error code bit: the event was external to the program."""
ERROR_IDT = 2
"""Error code bit: the index is that of an IDT gate."""


def makes_double_fault(first: int, second: int) -> bool:
    """Return whether fault `second` while delivering `first` becomes #DF (SDM, same section)."""
    if first == Vector.PF:
        return second == Vector.PF or second in CONTRIBUTORY
    return first in CONTRIBUTORY and second in CONTRIBUTORY


class Fault(Exception):  # noqa: N818 - the manual's word; it is an event of the guest, no error
    """A guest fault met while the harness acts for the guest; never leaves `uniSMP.core`.

    Attributes:
        vector: exception vector.
        error_code: error code to push, or None.
        cr2: new value of CR2, or None to leave it.
    """

    def __init__(self, vector: int, error_code: int | None = None, cr2: int | None = None) -> None:
        super().__init__(vector, error_code, cr2)
        self.vector = vector
        self.error_code = error_code
        self.cr2 = cr2
