"""A trace as one page for a browser that needs nothing else: markup, style, script and data.

The sources of the page lie in `page/`. Its data are packed columns (see `packing`), so nothing that
a guest printed can end the element that holds them.
"""

import html
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from uniSMP.trace.causes import find_causes
from uniSMP.trace.functions import FunctionSpans, find_functions
from uniSMP.trace.handlers import find_handlers
from uniSMP.trace.listing import Listing, make_listing, read_sources
from uniSMP.trace.packing import ColumnPacker
from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import SelectedEvents, Selection, select_events

NO_CORE = 255
"""Core of what the machine did; there are at most 255 cores."""
_NO_VECTOR = 256
_SCRIPTS = (
    *("unpack", "words", "model", "view", "paint", "lanes", "marks", "overview", "items"),
    *("tooltip", "panel", "search", "controls", "main"),
)
_HEXADECIMAL = ("address", "value", "cr2", "error_code")
_WORDS = ("kind", "source", "mode", "detail")


def make_page(trace: Trace, selection: Selection, folders: Sequence[Path] = ()) -> str:
    """Return the page.

    Args:
        trace: the trace.
        selection: what of it.
        folders: where sources may be read.

    Raises:
        ConfigError: the selection is empty.
        FormatError: the trace is damaged.
    """
    title = html.escape(f"{trace.manifest.get('target', 'trace')} - uniSMP")
    parts = {
        "title": title,
        "style": _source("page.css"),
        "script": "\n".join(_source(f"{name}.js") for name in _SCRIPTS),
        "data": pack_trace(trace, selection, folders),
    }
    return re.sub("@([a-z]+)@", lambda place: parts[place[1]], _source("page.html"))


def pack_trace(trace: Trace, selection: Selection, folders: Sequence[Path] = ()) -> str:
    """Return the data of the page: see docs/formats.md."""
    selected = select_events(trace, selection)
    packer = ColumnPacker()
    _pack_events(packer, selected.rows)
    _pack_handlers(packer, trace, selected)
    spans = find_functions(trace, selected)
    listing = make_listing(trace, selected)
    _pack_spans(packer, trace, spans)
    _pack_listing(packer, listing)
    packer.add_words("rip.symbol", _symbols(trace, selected.rows.column("rip")))
    others = {
        "manifest": _facts(trace),
        "notes": _notes(trace, selected, spans, listing),
        "functions": spans.names,
        "files": listing.names,
        "sources": read_sources(listing.names, folders),
        "symbols": {name: f"{address:#x}" for name, address in trace.symbols.items()},
    }
    return packer.pack(others)


def _pack_events(packer: ColumnPacker, events: pa.Table) -> None:
    packer.add_rising("event.step", events.column("step").to_numpy())
    packer.add_rising("event.ticks", events.column("ticks").to_numpy())
    packer.add_numbers("event.core", _filled(events, "core", NO_CORE))
    packer.add_numbers("event.vector", _filled(events, "vector", _NO_VECTOR), least="u16")
    packer.add_numbers("event.size", _filled(events, "size", 0))
    packer.add_numbers("event.cause", find_causes(events), least="i32")
    for name in _WORDS:
        packer.add_words(f"event.{name}", events.column(name).to_pylist())
    packer.add_words("event.rip", _hexadecimal(events, "rip"))
    for name in _HEXADECIMAL:
        packer.add_words(f"event.{name}", _hexadecimal(events, name))
    targets = events.column("targets").to_pylist()
    packer.add_words(
        "event.targets",
        [None if cores is None else " ".join(map(str, cores)) for cores in targets],
    )


def _pack_handlers(packer: ColumnPacker, trace: Trace, selected: SelectedEvents) -> None:
    handlers = find_handlers(trace, selected)
    packer.add_numbers("handler.event", [each.event for each in handlers], least="i32")
    packer.add_numbers("handler.depth", [each.depth for each in handlers])
    packer.add_rising("handler.end", [each.end_step for each in handlers])


def _pack_spans(packer: ColumnPacker, trace: Trace, spans: FunctionSpans) -> None:
    rows = spans.rows
    packer.add_rising("span.step", rows.column("step").to_numpy())
    for name in ("core", "function", "pieces", "length"):
        packer.add_numbers(f"span.{name}", rows.column(name).to_numpy())
    blocks = trace.rows("SELECT block, address FROM blocks") if rows.num_rows else []
    addresses = {row["block"]: f"{row['address']:#x}" for row in blocks}
    packer.add_words("span.rip", [addresses[block] for block in rows.column("block").to_pylist()])


def _pack_listing(packer: ColumnPacker, listing: Listing) -> None:
    packer.add_words("code.rip", [f"{address:#x}" for address in listing.addresses])
    packer.add_words("code.end", [f"{address:#x}" for address in listing.ends])
    packer.add_words("code.bytes", listing.codes)
    packer.add_words("code.text", listing.texts)
    packer.add_numbers("code.file", [number + 1 for number in listing.files])
    packer.add_numbers("code.line", listing.lines)


def _symbols(trace: Trace, rips: pa.ChunkedArray) -> list[str]:
    """Return the symbol of each RIP, in the order in which `event.rip` has its words."""
    distinct = pc.unique(rips.drop_null()).to_pylist()
    return [trace.names.describe(rip) for rip in distinct]


def _filled(events: pa.Table, name: str, missing: int) -> Any:  # noqa: ANN401 - an array of numpy's
    return events.column(name).cast(pa.int32()).fill_null(missing).to_numpy()


def _hexadecimal(events: pa.Table, name: str) -> list[str | None]:
    values = events.column(name).to_pylist()
    return [None if value is None else f"{value:#x}" for value in values]


def _facts(trace: Trace) -> dict[str, Any]:
    """Return of the manifest what the page shows; no paths of the machine it was made on."""
    names = ("target", "level", "outcome", "digest", "steps", "ticks", "complete")
    facts = {name: trace.manifest.get(name) for name in names}
    configuration = trace.manifest.get("configuration", {})
    for name in ("cores", "ticks_per_instruction", "schedule", "quantum", "seed"):
        facts[name] = configuration.get(name)
    return facts


def _notes(
    trace: Trace, selected: SelectedEvents, spans: FunctionSpans, listing: Listing
) -> list[str]:
    notes = [*selected.notes, *spans.notes, *listing.notes]
    if selected.first_step or selected.core_ids:
        cores = ", ".join(map(str, selected.core_ids)) or "all"
        notes.append(f"Shown: cores {cores}, from step {selected.first_step:,} on.")
    if not trace.has("executions"):
        notes.append(
            "Traced at level events: there is no code, and interrupt handlers end at their EOI."
        )
    if not trace.manifest.get("complete"):
        notes.append("The trace is incomplete: the run was killed, or still goes on.")
    return notes


def _source(name: str) -> str:
    return resources.files("uniSMP.trace").joinpath("page", name).read_text(encoding="utf-8")
