"""What an execution log holds as a history for checks, without a trace."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from uniSMP.checks.history import WRITE, Event, FlagRows, History
from uniSMP.core import register_watch
from uniSMP.core.log_decoding import Accesses, Changes, Executed
from uniSMP.machine import firmware

_SCHEDULING = frozenset({"slice_begin", "slice_end"})
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


def events_of(columns: Mapping[str, Any]) -> Iterable[Event]:
    """Return rows of the table of events, but for the beginnings and ends of slices."""
    names = (
        "step",
        "core",
        "kind",
        "rip",
        "vector",
        "source",
        "targets",
        "value",
        "address",
        "cr2",
    )
    details = _details(columns)
    for step, core, kind, rip, vector, source, targets, value, address, cr2, detail in zip(
        *(columns[name] for name in names), details, strict=True
    ):
        if kind not in _SCHEDULING:
            yield Event(
                step=step,
                core=_or_none(core),
                kind=kind,
                rip=_signed(_or_none(rip)),
                vector=_or_none(vector),
                source=source,
                targets=tuple(targets or ()),
                value=_or_none(value),
                address=_or_none(address if cr2 is None else cr2),
                detail=detail,
            )


def _details(columns: Mapping[str, Any]) -> Iterable[str]:
    """Return the mode of a core, or the control register that was written."""
    for kind, mode, detail in zip(columns["kind"], columns["mode"], columns["detail"], strict=True):
        if kind == "mode":
            yield mode
        else:
            yield detail if kind == "control_register_write" else ""


def _or_none(value: int | None) -> int:
    return -1 if value is None else value


def _signed(value: int) -> int:
    return value if value < 1 << 63 else value - (1 << 64)


def stored(rows: Accesses) -> Accesses:
    """Return the rows without stores to ROM, which drops them."""
    end = firmware.ROM_LOW + firmware.ROM_BYTES
    is_rom = (rows.physical >= firmware.ROM_LOW) & (rows.physical < end)
    is_rom &= (rows.kind & WRITE) != 0
    if not is_rom.any():
        return rows
    return Accesses(*(getattr(rows, name)[~is_rom] for name in Accesses.__slots__))
