"""Coverage by basic blocks, as DynamoRIO's tool drcov writes it: version 2, module table version 2.

A text header and a table of modules, then for each stretch of executed code 8 bytes, little-endian:
offset in the module (4), bytes (2), module (2). Source: DynamoRIO 7.0, `ext/drcovlib`, whose code
is the only documentation.

The image is module 0, from its first label (0x100000 where it has none). What was executed outside,
such as code that was copied to low memory, makes further modules named `memory at 0x...`.
Checksums, times and entry points are 0.
"""

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from uniSMP.trace.export.listing import Listing
from uniSMP.trace.export.rows import Window
from uniSMP.trace.reader import Trace

_FLAT_IMAGE = 0x10_0000
_PAGE = 0x1000
_FARTHEST = 1 << 20
"""Code farther than this from other code outside the image is a module of its own."""
_MOST_BYTES = 0xFFFF
_ENTRY = struct.Struct("<IHH")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Module:
    """A stretch of memory with code: `base` to before `end`, linear addresses."""

    base: int
    end: int
    path: str


def coverage(trace: Trace, window: Window) -> bytes:
    """Return the file for what was executed.

    Raises:
        ConfigError: the trace has no blocks.
    """
    trace.require("executions")
    spans = sorted(_executed(trace, window))
    modules = _modules(trace, spans)
    entries = [entry for span in spans for entry in _entries(span, modules)]
    lines = [
        "DRCOV VERSION: 2",
        "DRCOV FLAVOR: drcov",
        f"Module Table: version 2, count {len(modules)}",
        "Columns: id, base, end, entry, checksum, timestamp, path",
    ]
    lines += [
        f" {number}, {module.base:#018x}, {module.end:#018x}, {0:#018x}, {0:#010x}, {0:#010x}, "
        f"{module.path}"
        for number, module in enumerate(modules)
    ]
    lines.append(f"BB Table: {len(entries)} bbs\n")
    return "\n".join(lines).encode() + b"".join(_ENTRY.pack(*entry) for entry in entries)


def _executed(trace: Trace, window: Window) -> set[Span]:
    """Return (first address, behind the last) of each stretch of executed code."""
    chosen = trace.manifest.get("filter", {})
    if trace.has("instructions") and (chosen.get("addresses") or chosen.get("symbols")):
        return _executed_instructions(trace, window)
    of_core = "" if window.core is None else f"AND e.core = {window.core}"
    rows = trace.rows(
        "SELECT any_value(b.address) AS address, any_value(b.offsets) AS offsets, "  # noqa: S608 - numbers of ours
        "any_value(octet_length(b.code)) AS size, begin, max(behind) AS behind FROM "
        f"(SELECT block, greatest({window.first_step} - step, 0) AS begin, "
        f"least(instructions, {window.end_step} - step) AS behind FROM executions e "
        f"WHERE step + instructions > {window.first_step} AND step < {window.end_step} {of_core}) "
        "JOIN blocks b USING (block) GROUP BY block, begin"
    )
    spans: set[Span] = set()
    for row in rows:
        edges = [*row["offsets"], row["size"]]
        spans.add((row["address"] + edges[row["begin"]], row["address"] + edges[row["behind"]]))
    return spans


def _executed_instructions(trace: Trace, window: Window) -> set[Span]:
    """Return the same by instruction, where a filter kept parts of blocks."""
    listing = Listing(trace)
    table = trace.sql(f"SELECT DISTINCT rip FROM instructions WHERE {window.condition()}")  # noqa: S608 - numbers of ours
    addresses = table.column("rip").to_numpy()
    places = listing.find(addresses)
    return {
        (int(address), int(address) + len(listing.code[place]))
        for address, place in zip(addresses, places, strict=True)
    }


def _modules(trace: Trace, spans: Sequence[Span]) -> list[Module]:
    labels = sorted(trace.symbols.values())
    base = labels[0] if labels else _FLAT_IMAGE
    end = _page_end(max([base, *labels[-1:]]))
    for first, behind in spans:
        if base <= first <= end + _FARTHEST:
            end = max(end, _page_end(behind))
    modules = [Module(base, end, str(trace.manifest.get("target", "image")))]
    modules += [
        Module(first, behind, f"memory at {first:#x}")
        for first, behind in _stretches(span for span in spans if not base <= span[0] < end)
    ]
    return modules


def _stretches(spans: Iterable[Span]) -> list[Span]:
    """Return the stretches that sorted spans make, rounded to pages."""
    stretches: list[Span] = []
    for first, behind in spans:
        if stretches and first - stretches[-1][1] <= _FARTHEST:
            stretches[-1] = (stretches[-1][0], max(stretches[-1][1], _page_end(behind)))
        else:
            stretches.append((first & -_PAGE, _page_end(behind)))
    return stretches


def _page_end(address: int) -> int:
    return (address | _PAGE - 1) + 1


def _entries(span: Span, modules: Sequence[Module]) -> Iterable[tuple[int, int, int]]:
    first, behind = span
    number = next(n for n, module in enumerate(modules) if module.base <= first < module.end)
    while first < behind:
        size = min(behind - first, _MOST_BYTES)
        yield first - modules[number].base, size, number
        first += size
