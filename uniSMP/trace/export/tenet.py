"""The text trace that the trace explorer Tenet reads: what changed on the way to each instruction.

    rax=0x2badb002,rbx=0x98000,...,r15=0x0,rip=0x100020
    rsp=0x12bffc,rip=0x100078,mw=0x12bffc:45001000

A line stands for an instruction that is about to be executed: its address, and what the one before
did: the general registers that changed, and the memory (`mr` read, `mw` written; linear address and
bytes). The first line gives every register. Source: Tenet, "Tenet Traces", "Trace Format". One file
has one core.

What the processor reads and writes while it delivers an interrupt stands in the line of the
handler's first instruction. Left out: what the last instruction changed, registers other than the
general ones, devices, and accesses whose linear address is not known.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from uniSMP.trace.export import texts
from uniSMP.trace.export.accesses import numbers, words
from uniSMP.trace.export.rows import Rows, Window
from uniSMP.trace.reader import Trace

Words = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
REGISTERS = tuple("rax rbx rcx rdx rbp rsp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split())  # noqa: SIM905
_GENERAL = "register[1] = 'r' AND register <> 'rflags'"
"""As SQL; a list of names would become a join, which does not keep the order of rows."""
_RSP = REGISTERS.index("rsp")
_NUMBERS = pa.array(REGISTERS)
_NAMES = pa.array([f"{name}=0x".encode() for name in REGISTERS], pa.large_binary())


def lines(trace: Trace, window: Window, core: int) -> Iterator[tuple[int, memoryview]]:
    """Yield (number of instructions, text) of the lines of a core.

    Raises:
        ConfigError: the trace has no registers.
    """
    for table in ("registers", "memory", "instructions"):
        trace.require(table)
    window = replace(window, core=core)
    condition = window.condition()
    registers = _Registers(trace, window)
    memory = _Memory(trace, condition)
    for batch in trace.stream(f"SELECT step, rip FROM instructions WHERE {condition}"):  # noqa: S608 - numbers of ours
        if batch.num_rows == 0:
            continue
        step = batch.column("step").to_numpy()
        deliveries = memory.read(int(step[-1]))
        column = texts.join(
            registers.changes(step, deliveries),
            b"rip=0x",
            texts.hexadecimal(batch.column("rip").to_numpy()),
            memory.accesses(step),
            b"\n",
        )
        yield len(step), texts.contents(column)


class _Registers:
    """Changes of the general registers of one core, by line."""

    def __init__(self, trace: Trace, window: Window) -> None:
        chosen = f"FROM registers WHERE {_GENERAL} AND "
        self._rows = Rows(
            trace.stream(f"SELECT step, register, value {chosen}{window.condition()}")
        )
        self._register, self._value = _state_before(trace, window, chosen)
        self._known = np.zeros(len(REGISTERS), dtype=np.bool_)
        self._known[self._register] = True

    def changes(self, steps: Words, deliveries: Words) -> pa.LargeBinaryArray:
        """Return the text of what changed since the line before, for the lines at these steps.

        Args:
            steps: of the lines.
            deliveries: steps at whose beginning the processor delivered an event.
        """
        line = np.zeros(len(self._register), dtype=np.int64)
        register, value = self._register, self._value
        table = self._rows.before(int(steps[-1]) + 1)
        if table is not None:
            step = table.column("step").to_numpy()
            number = pc.index_in(table.column("register"), _NUMBERS)
            new = np.asarray(number).astype(np.int64)
            line = np.append(line, _lines(step, new, steps, deliveries, self._known))
            self._known[new] = True
            register = np.append(register, new)
            value = np.append(value, table.column("value").to_numpy())
        _is_first, keep = _edges_of_keys(line * len(REGISTERS) + register)
        line, register, value = line[keep], register[keep], value[keep]
        edges = np.searchsorted(line, np.arange(len(steps) + 1))
        self._register, self._value = register[edges[-1] :], value[edges[-1] :]
        size = edges[-1]
        text = texts.join(
            _NAMES.take(pa.array(register[:size])), texts.hexadecimal(value[:size]), b","
        )
        return texts.grouped(text, edges)


def _state_before(
    trace: Trace, window: Window, chosen: str
) -> tuple[Words, npt.NDArray[np.uint64]]:
    """Return number and value of each register where a window begins inside a trace."""
    before = replace(window, first_step=0, end_step=window.first_step).condition()
    state: dict[str, int] = {}
    for row in trace.rows(
        f"SELECT register, value {chosen}{before} AND (register, step) IN "
        f"(SELECT (register, max(step)) {chosen}{before} GROUP BY register)"
    ):
        state[row["register"]] = row["value"]
    known = [number for number, name in enumerate(REGISTERS) if name in state]
    values = [state[REGISTERS[number]] for number in known]
    return np.array(known, dtype=np.int64), np.array(values, dtype=np.uint64)


def _lines(
    step: Words,
    register: Words,
    steps: Words,
    deliveries: Words,
    known: Mask,
) -> Words:
    """Return the line in which each change of a register stands.

    What the instruction of a line changes stands in the next line. What came before the instruction
    at the same step stands in its own line: the first look at a register (that is not `known` yet),
    the former of two changes, and RSP where an event was delivered.
    """
    line = np.searchsorted(steps, step, side="left")
    is_own = steps[np.minimum(line, len(steps) - 1)] == step
    is_first, is_last = _edges_of_keys(step * len(REGISTERS) + register)
    is_look = np.zeros(len(step), dtype=np.bool_)
    for number in np.flatnonzero(~known):
        is_look[np.flatnonzero(register == number)[:1]] = True
    is_stack = (register == _RSP) & np.isin(step, deliveries)
    is_early = is_look | is_first & (~is_last | is_stack)
    result: Words = line + (is_own & ~is_early)
    return result


def _edges_of_keys(keys: Words) -> tuple[Mask, Mask]:
    """Return which rows are the first of their key, and which the last."""
    order = np.argsort(keys, kind="stable")  # fast: the keys are nearly in order
    differs = np.ones(len(keys) + 1, dtype=np.bool_)
    differs[1:-1] = keys[order][1:] != keys[order][:-1]
    is_first, is_last = np.empty(len(keys), np.bool_), np.empty(len(keys), np.bool_)
    is_first[order], is_last[order] = differs[:-1], differs[1:]
    return is_first, is_last


class _Memory:
    """Accesses to memory of one core, by line."""

    def __init__(self, trace: Trace, condition: str) -> None:
        query = (
            "SELECT step, linear, size, value, access[-5:] = 'write' AS is_write, "  # noqa: S608 - numbers of ours
            f"origin = 'delivery' AS is_delivery FROM memory WHERE {condition} "
            "AND origin <> 'page walk' AND linear IS NOT NULL"
        )
        self._rows = Rows(trace.stream(query))
        self._table: pa.Table | None = None

    def read(self, step: int) -> Words:
        """Read up to a step; return the steps at which the processor delivered an event."""
        more = self._rows.before(step + 1)
        parts = [part for part in (self._table, more) if part is not None]
        self._table = pa.concat_tables(parts).combine_chunks() if parts else None
        if more is None:
            return np.empty(0, dtype=np.int64)
        steps: Words = more.filter(more.column("is_delivery")).column("step").to_numpy()
        return np.unique(steps)

    def accesses(self, steps: Words) -> pa.LargeBinaryArray:
        """Return the text of the accesses of the lines at these steps."""
        if self._table is None:
            return texts.from_bytes(np.empty(0, np.uint8), np.zeros(len(steps), np.int64))
        table = self._table
        step = table.column("step").to_numpy()
        line = np.searchsorted(steps, step, side="left")
        is_own = steps[np.minimum(line, len(steps) - 1)] == step
        line += is_own & ~np.asarray(table.column("is_delivery"))
        edges = np.searchsorted(line, np.arange(len(steps) + 1))
        self._table = table.slice(edges[-1])
        return texts.grouped(_describe(table.slice(0, edges[-1])), edges)


def _describe(table: pa.Table) -> pa.LargeBinaryArray:
    return texts.join(
        words(np.asarray(table.column("is_write")), b",mr=0x", b",mw=0x"),
        texts.hexadecimal(numbers(table, "linear")),
        b":",
        texts.memory_bytes(numbers(table, "value"), numbers(table, "size")),
    )
