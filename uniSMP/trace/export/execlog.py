"""The text that QEMU's plugin `execlog` writes: a line for each instruction and its accesses.

    0, 0x100020, 0xfa, "cli"
    0, 0x10002f, 0x1234b8, "mov dword ptr [0x120000], eax", store, 0x00120000, RAM

Core, linear address, the first four bytes as a little-endian number, the instruction; then for each
access `load` or `store`, the physical address, and what answers there. Source: QEMU documentation,
"TCG Plugins", "Execlog"; the plugin's own options and its register output are left out.

Differs: the disassembly is Capstone's in Intel syntax; all devices are called `device`; accesses
to ROM say RAM; a 16-byte access is two.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from uniSMP.trace.export import texts
from uniSMP.trace.export.accesses import Accesses, numbers, words
from uniSMP.trace.export.listing import Listing
from uniSMP.trace.export.rows import Window, instructions
from uniSMP.trace.reader import Trace


def lines(trace: Trace, window: Window) -> Iterator[tuple[int, memoryview]]:
    """Yield (number of instructions, text) of the lines, in the order of the run.

    Raises:
        ConfigError: the trace has no instructions.
    """
    trace.require("instructions")
    listing = Listing(trace)
    fixed = texts.from_strings([_line(listing, row) for row in range(len(listing.text))])
    accesses = Accesses(trace, window, _describe)
    for batch in instructions(trace, window, listing):
        column = texts.join(
            texts.decimal(batch.core), fixed.take(batch.entry), accesses.of(batch.step), b"\n"
        )
        yield len(batch.step), texts.contents(column)


def _line(listing: Listing, row: int) -> str:
    opcode = int.from_bytes(listing.code[row][:4], "little")
    return f', {int(listing.address[row]):#x}, {opcode:#x}, "{listing.text[row]}"'


def _describe(table: pa.Table) -> pa.LargeBinaryArray:
    physical = texts.hexadecimal(numbers(table, "physical"), digits=8)
    is_device = np.asarray(table.column("is_device"))
    return texts.join(
        words(np.asarray(table.column("is_write")), b", load, 0x", b", store, 0x"),
        physical,
        words(is_device, b", RAM", b", device"),
    )
