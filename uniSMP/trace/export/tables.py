"""Comma-separated values: one table as it is, or the instructions with what they did."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from uniSMP.errors import ConfigError
from uniSMP.trace.export import texts
from uniSMP.trace.export.accesses import Accesses, numbers, words
from uniSMP.trace.export.listing import Listing
from uniSMP.trace.export.rows import Window, instructions
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import TABLES

_HEXADECIMAL = frozenset(["address", "cr2", "linear", "physical", "rip", "value"])
_INSTRUCTION_HEADER = b"step,core,cpl,rip,symbol,source,code,instruction,accesses\n"
_FREE_TEXTS = frozenset(["detail", "file", "name", "source"])


def table_lines(trace: Trace, window: Window, name: str) -> Iterator[tuple[int, memoryview]]:
    """Yield (number of rows, text) of a table, the header first.

    Numbers that are addresses or contents are hexadecimal, with 0x; bytes are hexadecimal digits;
    lists are separated by spaces; what is null is empty.

    Raises:
        ConfigError: the trace has no such table.
    """
    if name not in TABLES:
        raise ConfigError(f"there is no table {name}: choose one of {', '.join(TABLES)}")
    trace.require(name)
    schema = TABLES[name].schema
    yield 0, memoryview((",".join(schema.names) + "\n").encode())
    fields = ", ',', ".join(_expression(field) for field in schema)
    query = (
        f"SELECT concat({fields}, chr(10)) AS line FROM {name} WHERE {_condition(schema, window)}"  # noqa: S608 - names of ours
    )
    for batch in trace.stream(query):
        yield batch.num_rows, texts.contents(batch.column("line").cast(pa.large_binary()))


def _condition(schema: pa.Schema, window: Window) -> str:
    if "step" not in schema.names:
        return "true"
    return window.condition()


def _expression(field: pa.Field) -> str:
    if pa.types.is_binary(field.type):
        return f"lower(hex({field.name}))"
    if pa.types.is_list(field.type):
        return f"array_to_string({field.name}, ' ')"
    if field.name in _HEXADECIMAL:
        return f"'0x' || lower(to_hex({field.name}))"
    if field.name in _FREE_TEXTS:
        quoted = f"'\"' || replace({field.name}, '\"', '\"\"') || '\"'"
        needs = f"regexp_matches({field.name}, '[,\"\\r\\n]')"
        return f"CASE WHEN {needs} THEN {quoted} ELSE {field.name} END"
    return str(field.name)


def instruction_lines(trace: Trace, window: Window) -> Iterator[tuple[int, memoryview]]:
    """Yield (number of instructions, text) of the list of instructions, the header first.

    The last column has the accesses to memory and devices, separated by semicolons: `read` or
    `write`, the physical address, `:` and the size in bytes, `=` and the value.

    Raises:
        ConfigError: the trace has no instructions.
    """
    trace.require("instructions")
    listing = Listing(trace)
    yield 0, memoryview(_INSTRUCTION_HEADER)
    fixed = texts.from_strings([_fields(trace, listing, row) for row in range(len(listing.text))])
    accesses = Accesses(trace, window, _describe)
    for batch in instructions(trace, window, listing):
        column = texts.join(
            texts.decimal(batch.step),
            b",",
            texts.decimal(batch.core),
            b",",
            texts.decimal(batch.cpl),
            fixed.take(batch.entry),
            accesses.of(batch.step),
            b"\n",
        )
        yield len(batch.step), texts.contents(column)


def _fields(trace: Trace, listing: Listing, row: int) -> str:
    address = int(listing.address[row])
    name, source = trace.names.describe(address), trace.source_line(address)
    fields = (f"{address:#x}", name, source, listing.code[row].hex(), listing.text[row])
    return "".join("," + _quoted(field) for field in fields) + ","


def _quoted(text: str) -> str:
    if any(character in text for character in ',"\r\n'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _describe(table: pa.Table) -> pa.LargeBinaryArray:
    step = np.asarray(table.column("step"))
    is_next = np.zeros(len(step), dtype=np.bool_)
    is_next[1:] = step[1:] == step[:-1]
    return texts.join(
        words(is_next, b"", b";"),
        words(np.asarray(table.column("is_write")), b"read 0x", b"write 0x"),
        texts.hexadecimal(numbers(table, "physical")),
        b":",
        texts.decimal(numbers(table, "size")),
        b"=0x",
        texts.hexadecimal(numbers(table, "value")),
    )
