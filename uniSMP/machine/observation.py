"""A run of a machine as a history for checks: a trace that is kept in memory.

What a log holds becomes a history without a trace in `log_history`.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from uniSMP.checks.history import LOCKED, WRITE, Event, History, Needs
from uniSMP.core.log_decoding import (
    DELIVERY,
    PAGE_WALK,
    Accesses,
    Bytes,
    Changes,
    Signed,
)
from uniSMP.machine.log_history import Memory, events_of, register_rows, stored
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import Outcome, RunResult
from uniSMP.schedule.policy import Schedule
from uniSMP.trace.schema import Level

if TYPE_CHECKING:
    from uniSMP.machine.tracer import TraceFilter

_KIND_BY_ORIGIN = {"instruction": 0, "delivery": DELIVERY, "page walk": PAGE_WALK}
_KIND_BY_ACCESS = {
    "read": 0,
    "write": WRITE,
    "locked read": LOCKED,
    "locked write": LOCKED | WRITE,
}
_GOES_ON = frozenset({Outcome.INSTRUCTION_LIMIT, Outcome.HOST_TIMEOUT})


class Limits(TypedDict, total=False):
    """What `observe` passes to `Machine.run`."""

    max_instructions: int | None
    on_console: Callable[[bytes], None] | None
    is_interrupted: Callable[[], bool] | None
    trace_filter: "TraceFilter | None"


def level_for(needs: Needs) -> Level:
    """Return how much must be traced for checks with these needs."""
    if (Needs.FLAGS | Needs.PAGING) & needs:
        return Level.REGISTERS
    return Level.MEMORY if Needs.ACCESSES in needs else Level.INSTRUCTIONS


def observe(
    machine: Machine, needs: Needs, schedule: Schedule | None = None, **limits: Unpack[Limits]
) -> tuple[RunResult, History]:
    """Run a machine and return how it ended, and what it did.

    Args:
        machine: an image is loaded; it may have run before.
        needs: of all checks.
        schedule: as for `Machine.run`.
        limits: other arguments of `Machine.run`.

    Raises:
        ConfigError: as `Machine.run` does.
    """
    sink = Observation(needs)
    memory, first = memory_now(machine), machine.steps
    result = machine.run(schedule, trace=sink, **limits)
    return result, sink.history(
        cores=machine.config.cores,
        first_step=first,
        memory=memory,
        symbols=machine.symbols,
        is_over=result.outcome not in _GOES_ON,
    )


def memory_now(machine: Machine) -> Memory:
    """Return a reader of the RAM as it is now, whatever the machine does later."""
    kept = machine.memory.read(0, machine.memory.size_bytes)

    def read(physical: int, size: int) -> bytes:
        if 0 <= physical <= physical + size <= len(kept):
            return kept[physical : physical + size]
        return machine.memory.read(physical, size)  # ROM, or an error

    return read


class Observation:
    """Keeps in memory what checks look at; the sink of a trace.

    Args:
        needs: of all checks.

    Attributes:
        level: of the trace.
    """

    def __init__(self, needs: Needs) -> None:
        self.level = level_for(needs)
        self._needs = needs
        self._retired: list[tuple[Bytes, Signed]] = []
        self._accesses: list[Accesses] = []
        self._changes: list[Changes] = []
        self._events: list[Event] = []

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        """Take rows of table `name`."""
        match name:
            case "instructions":
                self._retired.append((columns["core"], columns["rip"]))
            case "memory" if Needs.ACCESSES in self._needs:
                self._accesses.append(_accesses(columns))
            case "registers":
                self._changes.append(_changes(columns))
            case "events" if Needs.EVENTS in self._needs:
                self._events += events_of(columns)

    def history(
        self,
        *,
        cores: int,
        first_step: int,
        memory: Memory,
        symbols: Mapping[str, int],
        is_over: bool,
    ) -> History:
        """Return what was kept.

        Args:
            cores: of the machine.
            first_step: steps when the trace began.
            memory: the RAM as it was then.
            symbols: linear addresses by name.
            is_over: whether the machine cannot go on.
        """
        needs, changes = self._needs, _joined_rows(Changes, self._changes)
        return History(
            cores=cores,
            first_step=first_step,
            core=_joined([core for core, _ in self._retired], np.uint8),
            rip=_joined([rip for _, rip in self._retired], np.int64),
            accesses=stored(_joined_rows(Accesses, self._accesses))
            if Needs.ACCESSES in needs
            else None,
            events=self._events,
            flags=register_rows(changes, "rflags") if Needs.FLAGS in needs else None,
            memory=memory,
            symbols=symbols,
            is_over=is_over,
            cr3=register_rows(changes, "cr3") if Needs.PAGING in needs else None,
        )


def _accesses(columns: Mapping[str, Any]) -> Accesses:
    """Return rows of the table of accesses as the log had them."""
    linear = columns["linear"]
    kind = _numbers(columns["access"], _KIND_BY_ACCESS) | _numbers(
        columns["origin"], _KIND_BY_ORIGIN
    )
    return Accesses(
        step=columns["step"],
        core=columns["core"],
        rip=columns["rip"],
        physical=columns["physical"],
        linear=np.asarray(linear.fill_null(0)).view(np.int64),
        has_linear=np.asarray(linear.is_valid()),
        size=columns["size"],
        value=columns["value"],
        kind=kind,
    )


def _changes(columns: Mapping[str, Any]) -> Changes:
    """Return rows of the table of registers as the log had them."""
    return Changes(
        step=columns["step"],
        core=columns["core"],
        register=np.asarray(columns["register"].indices).astype(np.uint8),
        value=columns["value"],
        is_delivery=columns["is_delivery"],
    )


def _numbers(column: Any, numbers: Mapping[str, int]) -> Bytes:  # noqa: ANN401 - a column of words
    by_code = np.array([numbers[word] for word in column.dictionary.to_pylist()], dtype=np.uint8)
    found: Bytes = by_code[np.asarray(column.indices)]
    return found


def _joined(parts: Sequence[Any], dtype: type) -> Any:  # noqa: ANN401 - an array of that type
    return np.concatenate(parts) if parts else np.zeros(0, dtype=dtype)


def _joined_rows(kind: Any, parts: Sequence[Any]) -> Any:  # noqa: ANN401 - a dataclass of arrays
    """Return rows as one; `kind` is `Accesses` or `Changes`."""
    names = kind.__slots__
    if not parts:
        return kind(*(np.zeros(0, dtype=_EMPTY.get(name, np.int64)) for name in names))
    return kind(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


_EMPTY: dict[str, type] = {
    **dict.fromkeys(("core", "size", "kind", "register"), np.uint8),
    **dict.fromkeys(("has_linear", "is_delivery"), np.bool_),
}
"""Types of columns other than int64."""
