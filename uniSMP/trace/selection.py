"""Which events of a trace a page shows, and what it says of those it leaves out."""

from dataclasses import dataclass, field

import pyarrow as pa

from uniSMP.errors import ConfigError
from uniSMP.trace.reader import Trace

MOST_EVENTS = 200_000
DEVICE_ACCESSES = (
    *("port_read", "port_write", "mmio_read", "mmio_write"),
    *("msr_read", "msr_write", "timer_programmed"),
)
"""What is left out first: there is much of it, and it tells least."""
_END_OF_STEPS = 1 << 62
_COUNTS = """
    SELECT count(*) AS every, count(*) FILTER (list_contains($devices, kind)) AS devices
    FROM events WHERE
"""
_CHOSEN = """
    step >= $first AND step < $end
    AND (core IS NULL OR len($cores) = 0 OR list_contains($cores, core))
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is asked for.

    Attributes:
        first_step: steps before are left out.
        end_step: and those from here on; None is no end.
        core_ids: these cores, and what no core did; empty is all.
        most_events: so many at most.
    """

    first_step: int = 0
    end_step: int | None = None
    core_ids: tuple[int, ...] = ()
    most_events: int = MOST_EVENTS

    def check(self) -> None:
        """Raise ConfigError where nothing could be shown."""
        if self.end_step is not None and self.end_step <= self.first_step:
            raise ConfigError(f"steps {self.first_step}..{self.end_step}: nothing lies between")
        if self.most_events < 1:
            raise ConfigError(f"at most {self.most_events} events: nothing would be shown")


@dataclass(frozen=True, slots=True)
class SelectedEvents:
    """What is shown.

    Attributes:
        rows: the events, with the columns of the table, in its order.
        first_step: the first step that may be shown.
        end_step: behind the last one.
        core_ids: as in the selection.
        most: as in the selection; it holds for spans too.
        notes: sentences about what is left out.
    """

    rows: pa.Table
    first_step: int
    end_step: int
    core_ids: tuple[int, ...]
    most: int
    notes: list[str] = field(default_factory=list)


def select_events(trace: Trace, selection: Selection) -> SelectedEvents:
    """Return the events of a selection; where they are too many, device accesses go, then the end.

    Raises:
        ConfigError: the selection is empty.
        FormatError: the trace is damaged.
    """
    selection.check()
    end = _END_OF_STEPS if selection.end_step is None else selection.end_step
    chosen = {"first": selection.first_step, "end": end, "cores": list(selection.core_ids)}
    devices = list(DEVICE_ACCESSES)
    (count,) = trace.rows(
        f"{_COUNTS} {_CHOSEN}",
        {**chosen, "devices": devices},
    )
    if not count["every"]:
        raise ConfigError(f"{trace.directory} has no event of these cores in these steps")
    drops_devices = count["every"] > selection.most_events
    shown = trace.sql(
        f"SELECT * FROM events WHERE {_CHOSEN} AND NOT list_contains($left_out, kind) "  # noqa: S608 - our own condition
        f"LIMIT {selection.most_events}",
        {**chosen, "left_out": devices if drops_devices else []},
    )
    notes = []
    if drops_devices and count["devices"]:
        notes.append(f"{count['devices']:,} device accesses and timer settings are left out.")
    wanted = count["every"] - (count["devices"] if drops_devices else 0)
    if wanted > shown.num_rows:
        last = shown.column("step")[shown.num_rows - 1].as_py() if shown.num_rows else 0
        end = last + 1
        notes.append(
            f"{wanted - shown.num_rows:,} events from step {last:,} on are left out: "
            "--steps or --max-events shows others."
        )
    return SelectedEvents(
        shown, selection.first_step, end, selection.core_ids, selection.most_events, notes
    )
