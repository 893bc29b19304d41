"""What an execution log holds as a history for checks, without a trace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from uniSMP.checks.history import WRITE, Event, FlagRows, History
from uniSMP.core import register_watch
from uniSMP.core.log_decoding import Accesses, Changes, Executed
from uniSMP.machine import firmware

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
    return History(
        cores=around.cores,
        first_step=retired.first_step,
        core=retired.core,
        rip=retired.rip,
        accesses=stored(executed.accesses),
        events=around.events,
        flags=_logged(executed.changes, "rflags"),
        memory=around.memory,
        symbols=around.symbols,
        is_over=around.is_over,
        cr3=_logged(executed.changes, "cr3"),
    )


def _logged(changes: Changes, name: str) -> FlagRows | None:
    """Return one register, or None where its changes were not logged."""
    rows = register_rows(changes, name)
    return rows if len(rows.step) else None


def register_rows(changes: Changes, name: str) -> FlagRows:
    """Return one register out of all changes; `name` as in `register_watch.NAMES`."""
    rows = np.nonzero(changes.register == register_watch.NAMES.index(name))[0]
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
