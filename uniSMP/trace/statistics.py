"""What a trace says in numbers: hot code, interrupts, locks, sharing, slices.

Each section is a list of rows, computed in DuckDB; a section that needs a table the trace does not
have is missing from the result and named with the level that would bring it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from uniSMP.trace.contention import LOCKS, SHARING
from uniSMP.trace.interrupt_statistics import LATENCIES, interrupts_off
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import TABLES

Rows = list[dict[str, Any]]
_BY_PLACE = """
    , sums AS (
        SELECT place, core, sum(instructions)::BIGINT AS instructions, sum(runs)::BIGINT AS runs
        FROM place JOIN (SELECT block, core, sum(instructions) AS instructions, count(*) AS runs
            FROM executions GROUP BY block, core) USING (block)
        GROUP BY place, core
    ), shares AS (
        SELECT *, instructions / sum(instructions) OVER (PARTITION BY core) AS of_core FROM sums
    )
    SELECT place AS {place}, sum(instructions)::BIGINT AS instructions, sum(runs)::BIGINT AS runs,
        sum(instructions) / sum(sum(instructions)) OVER () AS share,
        list(core ORDER BY core) AS cores, list(instructions ORDER BY core) AS by_core,
        list(of_core ORDER BY core) AS share_by_core
    FROM shares GROUP BY place ORDER BY instructions DESC, place LIMIT $top
"""
_BLOCKS = "WITH place AS (SELECT block, address AS place FROM blocks)"
_HOT_BLOCKS = _BLOCKS + _BY_PLACE.format(place="address")
_FUNCTIONS = """
    WITH label AS (SELECT address, arg_min(name, rowid) AS name FROM
        (SELECT *, row_number() OVER () AS rowid FROM symbols) GROUP BY address),
    place AS (SELECT b.block, coalesce(l.name, '?') AS place
        FROM blocks b ASOF LEFT JOIN label l ON b.address >= l.address)
"""
_HOT_FUNCTIONS = _FUNCTIONS + _BY_PLACE.format(place="function")
_EXCEPTIONS = """
    SELECT kind, vector, count(*) AS count, count(DISTINCT core) AS cores,
        count(DISTINCT rip) AS places
    FROM events WHERE kind IN ('exception', 'software_interrupt')
    GROUP BY kind, vector ORDER BY kind, vector
"""
_IPIS = """
    SELECT core AS sender, target, mode, count(*) AS sent
    FROM (SELECT core, mode, unnest(targets) AS target FROM events WHERE kind = 'ipi_sent')
    GROUP BY core, target, mode ORDER BY core, target, mode
"""
_SLICES = """
    SELECT core, count(*) AS slices, median(value)::BIGINT AS instructions_median,
        count(*) FILTER (detail = 'budget') AS whole, count(*) FILTER (detail = 'pause') AS pause,
        count(*) FILTER (detail = 'halt') AS halt,
        count(*) FILTER (detail NOT IN ('budget', 'pause', 'halt')) AS other
    FROM events WHERE kind = 'slice_end' GROUP BY core ORDER BY core
"""
_HALTS = """
    WITH turn AS (
        SELECT core, kind, ticks, lead(kind) OVER w AS kind_after, lead(ticks) OVER w AS ticks_after
        FROM (SELECT *, row_number() OVER () AS number FROM events)
        WHERE kind IN ('halt', 'wake')
        WINDOW w AS (PARTITION BY core ORDER BY number)
    )
    SELECT core, count(*) AS halts, count(*) FILTER (kind_after = 'wake') AS woken,
        sum(coalesce(ticks_after, (SELECT max(ticks) FROM events)) - ticks)::BIGINT AS halted_ns
    FROM turn WHERE kind = 'halt' GROUP BY core ORDER BY core
"""
_SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "functions": (_HOT_FUNCTIONS, ("executions",)),
    "blocks": (_HOT_BLOCKS, ("executions",)),
    "interrupts": (LATENCIES, ()),
    "exceptions": (_EXCEPTIONS, ()),
    "ipis": (_IPIS, ()),
    "slices": (_SLICES, ()),
    "halts": (_HALTS, ()),
    "interrupts_off": (interrupts_off(is_complete=True), ("registers", "instructions")),
    "locks": (LOCKS, ("memory",)),
    "sharing": (SHARING, ("memory",)),
}


def compute(
    trace: Trace, top: int, on_section: Callable[[str], object] = lambda _name: None
) -> tuple[dict[str, Rows], dict[str, str]]:
    """Return the sections by name, and for each missing one the level that would bring it.

    Args:
        trace: the trace.
        top: most rows of a section that ranks.
        on_section: told each section before it is computed.

    Raises:
        FormatError: a segment is damaged.
    """
    found: dict[str, Rows] = {}
    missing: dict[str, str] = {}
    sections = dict(_SECTIONS)
    if not trace.manifest.get("complete"):
        sections["interrupts_off"] = (
            interrupts_off(is_complete=False),
            *sections["interrupts_off"][1:],
        )
    for name, (query, tables) in sections.items():
        lacking = [table for table in tables if not trace.has(table)]
        if lacking:
            missing[name] = max(TABLES[table].level for table in lacking).word
            continue
        on_section(name)
        used = {"top": top} if "$top" in query else {}
        found[name] = [_named(trace, row) for row in trace.rows(query, used)]
    return found, missing


def _named(trace: Trace, row: dict[str, Any]) -> dict[str, Any]:
    """Add the symbol of a row's address."""
    for key in ("address", "physical"):
        if key in row:
            return {**row, "symbol": trace.names.describe(row[key])}
    return row
