"""The tables of a trace: their columns, and how these are stored.

`step` counts the instructions retired by all cores before; docs/formats.md says what each column
means. A change of a column is a new FORMAT_VERSION.
"""

from dataclasses import dataclass
from enum import IntEnum

import pyarrow as pa

FORMAT_VERSION = 1


class Level(IntEnum):
    """How much is traced; each level has all that the one before it has."""

    EVENTS = 0
    """Interrupts, exceptions, device accesses, slices."""
    BLOCKS = 1
    """And which stretch of straight-line code was executed, when and where."""
    INSTRUCTIONS = 2
    """And a row for each retired instruction."""
    MEMORY = 3
    """And a row for each access to memory."""
    REGISTERS = 4
    """And a row for each change of a register."""

    @property
    def word(self) -> str:
        """The name as on the command line."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: also of its folder.
        level: the lowest level at which it is written.
        schema: its columns.
        packed: columns stored as differences.
        split: columns of which the first bytes of all rows are stored, then the second, and so on.
            The others are stored in a dictionary.
    """

    name: str
    level: Level
    schema: pa.Schema
    packed: tuple[str, ...] = ()
    split: tuple[str, ...] = ()

    def encodings(self) -> dict[str, str]:
        """Return the Parquet encoding of each column that is not stored in a dictionary."""
        packed = dict.fromkeys(self.packed, "DELTA_BINARY_PACKED")
        return packed | dict.fromkeys(self.split, "BYTE_STREAM_SPLIT")

    def dictionary(self) -> list[str]:
        """Return the names of the columns stored in a dictionary."""
        others = {*self.packed, *self.split}
        return [name for name in self.schema.names if name not in others]


_WORD = pa.dictionary(pa.int8(), pa.string())
"""One of a few words."""


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


EVENTS = Table(
    "events",
    Level.EVENTS,
    _schema(
        step=pa.int64(),
        ticks=pa.int64(),
        core=pa.uint8(),
        kind=pa.string(),
        rip=pa.uint64(),
        vector=pa.uint8(),
        source=pa.string(),
        mode=pa.string(),
        targets=pa.list_(pa.uint8()),
        address=pa.uint64(),
        size=pa.uint8(),
        value=pa.uint64(),
        error_code=pa.uint32(),
        cr2=pa.uint64(),
        detail=pa.string(),
    ),
    packed=("step", "ticks"),
)
EXECUTIONS = Table(
    "executions",
    Level.BLOCKS,
    _schema(step=pa.int64(), core=pa.uint8(), block=pa.int32(), instructions=pa.int32()),
    packed=("step",),
)
INSTRUCTIONS = Table(
    "instructions",
    Level.INSTRUCTIONS,
    _schema(step=pa.int64(), core=pa.uint8(), rip=pa.uint64(), cpl=pa.uint8()),
    packed=("step",),
)
MEMORY = Table(
    "memory",
    Level.MEMORY,
    _schema(
        step=pa.int64(),
        core=pa.uint8(),
        rip=pa.uint64(),
        physical=pa.uint64(),
        linear=pa.uint64(),
        size=pa.uint8(),
        value=pa.uint64(),
        access=_WORD,
        origin=_WORD,
    ),
    packed=("step",),
    split=("physical", "linear", "value"),
)
REGISTERS = Table(
    "registers",
    Level.REGISTERS,
    _schema(step=pa.int64(), core=pa.uint8(), register=_WORD, value=pa.uint64()),
    packed=("step",),
    split=("value",),
)
BLOCKS = Table(
    "blocks",
    Level.BLOCKS,
    _schema(
        block=pa.int32(),
        address=pa.uint64(),
        bits=pa.uint8(),
        code=pa.binary(),
        instructions=pa.int32(),
        offsets=pa.list_(pa.uint16()),
    ),
)
SYMBOLS = Table("symbols", Level.EVENTS, _schema(address=pa.uint64(), name=pa.string()))
LINES = Table(
    "lines", Level.EVENTS, _schema(address=pa.uint64(), file=pa.string(), line=pa.int32())
)
TABLES = {
    table.name: table
    for table in (EVENTS, EXECUTIONS, INSTRUCTIONS, MEMORY, REGISTERS, BLOCKS, SYMBOLS, LINES)
}
EVENT_KINDS = (
    *("slice_begin", "slice_end", "interrupt_raised", "ipi_sent", "interrupt_accepted"),
    *("interrupt_merged", "interrupt_delivered", "eoi", "eoi_broadcast", "exception"),
    *("software_interrupt", "init", "start_up", "nmi", "smi", "halt", "wake", "port_read"),
    *("port_write", "mmio_read", "mmio_write", "msr_read", "msr_write", "control_register_write"),
    *("timer_programmed", "timer_fired", "mode", "code_invalidated", "console", "exit", "reset"),
    "a20",
)
"""What the column `kind` of `events` can be."""
