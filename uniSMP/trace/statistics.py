"""What a trace says in numbers: hot code, interrupts, locks, sharing, slices.

Each section is a list of rows, computed in DuckDB; a section that needs a table the trace does not
have is missing from the result and named with the level that would bring it.
"""

from collections.abc import Callable, Mapping
from typing import Any

from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import TABLES

Rows = list[dict[str, Any]]
LINE_BYTES = 64
_HOT_BLOCKS = """
    SELECT b.address, sum(e.instructions)::BIGINT AS instructions, count(*) AS runs,
        count(DISTINCT e.core) AS cores
    FROM executions e JOIN blocks b USING (block)
    GROUP BY b.address ORDER BY instructions DESC, b.address LIMIT $top
"""
_HOT_FUNCTIONS = """
    WITH label AS (SELECT address, arg_min(name, rowid) AS name FROM
        (SELECT *, row_number() OVER () AS rowid FROM symbols) GROUP BY address),
    place AS (SELECT b.block, coalesce(l.name, '?') AS name
        FROM blocks b ASOF LEFT JOIN label l ON b.address >= l.address),
    sums AS (SELECT p.name, e.core, sum(e.instructions)::BIGINT AS instructions
        FROM executions e JOIN place p USING (block) GROUP BY p.name, e.core)
    SELECT name AS function, sum(instructions)::BIGINT AS instructions,
        list(core ORDER BY core) AS cores, list(instructions ORDER BY core) AS by_core
    FROM sums GROUP BY name ORDER BY instructions DESC, name LIMIT $top
"""
_INTERRUPTS = """
    WITH turn AS (
        SELECT core, vector, source, kind, step, ticks,
            lag(kind) OVER w AS kind_before, lag(step) OVER w AS step_before,
            lag(ticks) OVER w AS ticks_before
        FROM (SELECT *, row_number() OVER () AS number FROM events)
        WHERE kind IN ('interrupt_accepted', 'interrupt_delivered') AND vector IS NOT NULL
        WINDOW w AS (PARTITION BY core, vector ORDER BY number)
    ), delivered AS (
        SELECT *, kind_before = 'interrupt_accepted' AS is_paired FROM turn
        WHERE kind = 'interrupt_delivered'
    )
    SELECT vector, source, count(*) AS delivered,
        min(step - step_before) FILTER (is_paired) AS steps_min,
        median(step - step_before) FILTER (is_paired)::BIGINT AS steps_median,
        quantile_disc(step - step_before, 0.99) FILTER (is_paired) AS steps_p99,
        max(step - step_before) FILTER (is_paired) AS steps_max,
        median(ticks - ticks_before) FILTER (is_paired)::BIGINT AS ns_median,
        quantile_disc(ticks - ticks_before, 0.99) FILTER (is_paired) AS ns_p99,
        max(ticks - ticks_before) FILTER (is_paired) AS ns_max
    FROM delivered GROUP BY vector, source ORDER BY vector, source
"""
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
        sum(ticks_after - ticks) FILTER (kind_after = 'wake')::BIGINT AS halted_ns
    FROM turn WHERE kind = 'halt' GROUP BY core ORDER BY core
"""
_INTERRUPTS_OFF = """
    WITH flag AS (
        SELECT core, step, (value & 512) = 0 AS is_off,
            lag((value & 512) = 0) OVER w AS was_off
        FROM (SELECT *, row_number() OVER () AS number FROM registers)
        WHERE register = 'rflags' WINDOW w AS (PARTITION BY core ORDER BY number)
    ), edge AS (
        SELECT core, step, is_off, lead(step) OVER (PARTITION BY core ORDER BY step) AS step_after
        FROM flag WHERE was_off IS NULL OR is_off <> was_off
    ), stretch AS (
        SELECT core, step, coalesce(step_after, $steps) AS past FROM edge WHERE is_off
    ), counted AS (
        SELECT s.core, s.step, s.past, (SELECT count(*) FROM instructions i
            WHERE i.core = s.core AND i.step > s.step AND i.step <= s.past) AS instructions
        FROM (SELECT *, row_number() OVER longest AS rank FROM stretch
            WINDOW longest AS (PARTITION BY core ORDER BY past - step DESC, step)) s
        WHERE s.rank <= 20
    )
    SELECT core, max(instructions) AS instructions,
        arg_max(step, [instructions, -step]) AS from_step
    FROM counted GROUP BY core ORDER BY core
"""
_LOCKS = """
    WITH locked AS (
        SELECT physical, core, rip, value,
            lag(value) OVER w AS value_before, step, access = 'locked write' AS is_write
        FROM memory WHERE access IN ('locked read', 'locked write')
        WINDOW w AS (PARTITION BY physical ORDER BY step, access)
    ), owned AS (
        SELECT *, lag(core) OVER (PARTITION BY physical ORDER BY step) AS core_before
        FROM locked WHERE is_write
    )
    SELECT physical, count(*) AS locked, count(DISTINCT core) AS cores,
        count(*) FILTER (core_before <> core) AS handovers,
        count(*) FILTER (value = value_before) AS unchanged,
        count(DISTINCT rip) AS places
    FROM owned GROUP BY physical
    ORDER BY handovers DESC, locked DESC, physical LIMIT $top
"""
_SHARING = """
    WITH line AS (
        SELECT physical // 64 AS line FROM memory WHERE origin = 'instruction'
        GROUP BY line
        HAVING count(DISTINCT core) > 1 AND bool_or(access IN ('write', 'locked write'))
    ), touch AS (
        SELECT m.physical // 64 AS line, m.physical // 8 AS word, m.core, m.step,
            m.access IN ('write', 'locked write') AS is_write
        FROM memory m JOIN line l ON m.physical // 64 = l.line WHERE m.origin = 'instruction'
    ), beside AS (
        SELECT *, lag(core) OVER w AS core_before, lag(is_write) OVER w AS was_write
        FROM touch WINDOW w AS (PARTITION BY line ORDER BY step, is_write)
    ), words AS (
        SELECT line, max(cores) AS cores_at_a_word FROM
            (SELECT line, word, count(DISTINCT core) AS cores FROM touch GROUP BY line, word)
        GROUP BY line
    )
    SELECT line * 64 AS physical, count(DISTINCT core) AS cores,
        count(DISTINCT core) FILTER (is_write) AS writers,
        count(*) FILTER (is_write) AS writes, count(*) FILTER (NOT is_write) AS reads,
        count(*) FILTER (core_before <> core AND (is_write OR was_write)) AS transfers,
        CASE WHEN any_value(cores_at_a_word) > 1 THEN 'true' ELSE 'false' END AS sharing
    FROM beside JOIN words USING (line) GROUP BY line
    ORDER BY transfers DESC, physical LIMIT $top
"""
_SECTIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "functions": (_HOT_FUNCTIONS, ("executions",)),
    "blocks": (_HOT_BLOCKS, ("executions",)),
    "interrupts": (_INTERRUPTS, ()),
    "exceptions": (_EXCEPTIONS, ()),
    "ipis": (_IPIS, ()),
    "slices": (_SLICES, ()),
    "halts": (_HALTS, ()),
    "interrupts_off": (_INTERRUPTS_OFF, ("registers", "instructions")),
    "locks": (_LOCKS, ("memory",)),
    "sharing": (_SHARING, ("memory",)),
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
    steps = trace.manifest.get("steps", 1 << 62)
    for name, (query, tables) in _SECTIONS.items():
        lacking = [table for table in tables if not trace.has(table)]
        if lacking:
            missing[name] = max(TABLES[table].level for table in lacking).word
            continue
        on_section(name)
        wanted = {"top": top, "steps": steps}
        used = {key: value for key, value in wanted.items() if f"${key}" in query}
        found[name] = [_named(trace, row) for row in trace.rows(query, used)]
    return found, missing


def _named(trace: Trace, row: dict[str, Any]) -> dict[str, Any]:
    """Add the symbol of a row's address."""
    for key in ("address", "physical"):
        if key in row:
            return {**row, "symbol": trace.names.describe(row[key])}
    return row
