"""Queries about interrupts: how long they wait, and how long cores do not take any.

A core's instructions between two steps are counted by its slices, of which only one core's runs at
a time; so neither a filter of addresses nor what other cores do changes the numbers. A trace that
was cut short may lack events of its last part, so there executed blocks stand in for slices.
"""

LATENCIES = """
    WITH turn AS (
        SELECT core, vector, source, kind, step, ticks,
            lag(kind) OVER w AS kind_before, lag(step) OVER w AS step_before,
            lag(ticks) OVER w AS ticks_before
        FROM (SELECT *, row_number() OVER () AS number FROM events)
        WHERE kind IN ('interrupt_accepted', 'interrupt_delivered') AND vector IS NOT NULL
        WINDOW w AS (PARTITION BY core, vector ORDER BY number)
    ), delivered AS (
        SELECT *, source = 'apic' AND kind_before = 'interrupt_accepted' AS is_paired FROM turn
        WHERE kind = 'interrupt_delivered'
    )
    SELECT vector, source, count(*) AS delivered,
        min(step - step_before) FILTER (is_paired) AS steps_min,
        median(step - step_before) FILTER (is_paired)::BIGINT AS steps_median,
        quantile_disc(step - step_before, 0.99) FILTER (is_paired) AS steps_p99,
        max(step - step_before) FILTER (is_paired) AS steps_max,
        min(ticks - ticks_before) FILTER (is_paired) AS ns_min,
        median(ticks - ticks_before) FILTER (is_paired)::BIGINT AS ns_median,
        quantile_disc(ticks - ticks_before, 0.99) FILTER (is_paired) AS ns_p99,
        max(ticks - ticks_before) FILTER (is_paired) AS ns_max
    FROM delivered GROUP BY vector, source ORDER BY vector, source
"""
_SLICES = """
        SELECT core, step - value AS first, value AS length, number FROM event
        WHERE kind = 'slice_end'
        UNION ALL
        SELECT core, step, (SELECT max(step) + 1 FROM instructions) - step, number FROM event
        WHERE kind = 'slice_begin' QUALIFY number = max(number) OVER () AND number >
            coalesce((SELECT max(number) FROM event WHERE kind = 'slice_end'), 0)
"""
_TURNS = """
        SELECT any_value(core) AS core, min(step) AS first, sum(instructions)::BIGINT AS length,
            turn AS number
        FROM (
            SELECT *, sum((core IS DISTINCT FROM core_before OR step <> past)::INT)
                OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS turn
            FROM (
                SELECT *, lag(core) OVER () AS core_before, lag(step + instructions) OVER () AS past
                FROM executions
            )
        ) GROUP BY turn
"""
_INTERRUPTS_OFF = """
    WITH event AS (
        SELECT core, kind, step, value::BIGINT AS value, row_number() OVER () AS number FROM events
    ), slice AS (
        {slices}
    ), slices AS (
        SELECT core, first, length,
            sum(length) OVER (PARTITION BY core ORDER BY number)::BIGINT - length AS before
        FROM slice
    ), flag AS (
        SELECT core, step, number, (value & 512) = 0 AS is_off,
            lag((value & 512) = 0) OVER w AS was_off
        FROM (SELECT *, row_number() OVER () AS number FROM registers)
        WHERE register = 'rflags' WINDOW w AS (PARTITION BY core ORDER BY number)
    ), delivered AS (
        SELECT DISTINCT core, step, true AS is_delivered FROM event
        WHERE kind IN ('interrupt_delivered', 'exception', 'nmi', 'software_interrupt')
    ), edge AS (
        SELECT core, step, is_off, was_off, is_delivered,
            lead(step) OVER (PARTITION BY core ORDER BY number) AS step_after
        FROM flag LEFT JOIN delivered USING (core, step) WHERE was_off IS DISTINCT FROM is_off
    ), stretch AS (
        SELECT core, coalesce(step_after + 1, 1::BIGINT << 62) AS past,
            step + (was_off IS NOT NULL AND is_delivered IS NULL)::INT AS first
        FROM edge WHERE is_off
    ), counted AS (
        SELECT t.core, t.first,
            coalesce(past.before + least(t.past - past.first, past.length), 0)
            - coalesce(begun.before + least(t.first - begun.first, begun.length), 0)
                AS instructions
        FROM stretch t
        ASOF LEFT JOIN slices past ON t.core = past.core AND t.past >= past.first
        ASOF LEFT JOIN slices begun ON t.core = begun.core AND t.first >= begun.first
    )
    SELECT core, max(instructions) AS instructions,
        arg_max(first, [instructions, -first]) AS from_step
    FROM counted GROUP BY core ORDER BY core
"""


def interrupts_off(*, is_complete: bool) -> str:
    """Return the query for the longest stretch of each core with IF = 0.

    Args:
        is_complete: whether the trace has all events.
    """
    return _INTERRUPTS_OFF.format(slices=_SLICES if is_complete else _TURNS)
