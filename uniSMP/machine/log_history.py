"""What an execution log holds as a history for checks, without a trace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uniSMP.checks.history import WRITE, Event, FlagRows, History
from uniSMP.core import register_watch
from uniSMP.core.log_decoding import Accesses, Changes, Executed
from uniSMP.machine import firmware

_RFLAGS = register_watch.NAMES.index("rflags")
Memory = Callable[[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a log does not tell.

    Attributes:
        cores: of the machine.
        memory: the RAM as it was where the log begins.
        symbols: linear addresses by name.
        events: what happened around the cores.
        is_over: whether the machine cannot go on.
    """

    cores: int
    memory: Memory
    symbols: Mapping[str, int]
    events: Sequence[Event] = ()
    is_over: bool = False


def history_of(executed: Executed, around: Surroundings) -> History:
    """Return what a log holds as a history.

    Args:
        executed: decoded with one row per instruction. What was not logged is missing: accesses
            below level memory, flags below level registers.
        around: the rest.
    """
    retired = executed.retired
    has_flags = bool(np.any(executed.changes.register == _RFLAGS))
    return History(
        cores=around.cores,
        first_step=retired.first_step,
        core=retired.core,
        rip=retired.rip,
        accesses=stored(executed.accesses),
        events=around.events,
        flags=flags_of(executed.changes) if has_flags else None,
        memory=around.memory,
        symbols=around.symbols,
        is_over=around.is_over,
    )


def flags_of(changes: Changes) -> FlagRows:
    """Return RFLAGS out of register changes."""
    rows = np.nonzero(changes.register == _RFLAGS)[0]
    by_instruction = ~changes.is_delivery[rows]
    return FlagRows(changes.step[rows] + by_instruction, changes.core[rows], changes.value[rows])


def stored(rows: Accesses) -> Accesses:
    """Return the rows without stores to ROM, which drops them."""
    end = firmware.ROM_LOW + firmware.ROM_BYTES
    is_rom = (rows.physical >= firmware.ROM_LOW) & (rows.physical < end)
    is_rom &= (rows.kind & WRITE) != 0
    if not is_rom.any():
        return rows
    return Accesses(*(getattr(rows, name)[~is_rom] for name in Accesses.__slots__))
