"""Queries about memory that cores share: locked accesses, and cache lines that move between cores.

A line is 64 bytes at a physical address; an access that crosses the end of one counts in both. A
visit is a stretch of accesses of one core to a line between which no other core accesses it. The
line is transferred for a visit, other than its first, that writes it, or that finds it written by
another core since this core's last visit: what a protocol such as MESI has to do, if no cache
evicts a line. Accesses of the processor itself (deliveries, page walks) are left out.
"""

LOCKS = """
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
SHARING = """
    WITH access AS NOT MATERIALIZED (
        SELECT physical, physical + size - 1 AS last, core,
            access IN ('write', 'locked write') AS is_write
        FROM memory WHERE origin = 'instruction'
    ), used AS (
        SELECT word, core, sum(writes) > 0 AS is_writer FROM (
            SELECT physical // 8 AS word, core, count(*) FILTER (is_write) AS writes
            FROM access GROUP BY ALL
            UNION ALL
            SELECT last // 8, core, count(*) FILTER (is_write)
            FROM access WHERE last // 8 <> physical // 8 GROUP BY ALL
        ) GROUP BY word, core
    ), line AS (
        SELECT word // 8 AS line, count(DISTINCT core) AS cores,
            count(DISTINCT core) FILTER (is_writer) AS writers
        FROM used GROUP BY line HAVING min(core) <> max(core) AND bool_or(is_writer)
    ), shared_word AS (
        SELECT word // 8 AS line FROM used
        GROUP BY word HAVING min(core) <> max(core) AND bool_or(is_writer)
    ), turned AS NOT MATERIALIZED (
        SELECT *, sum((core IS DISTINCT FROM core_before)::INT)
            OVER (ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS turn
        FROM (SELECT *, lag(core) OVER () AS core_before FROM access)
    ), part AS (
        SELECT physical // 64 AS line, turn, core, count(*) AS accesses,
            count(*) FILTER (is_write) AS writes
        FROM turned GROUP BY ALL
        UNION ALL
        SELECT last // 64, turn, core, count(*), count(*) FILTER (is_write)
        FROM turned WHERE last // 64 <> physical // 64 GROUP BY ALL
    ), begun AS (
        SELECT part.*, lag(core) OVER w IS DISTINCT FROM core AS is_first
        FROM part JOIN line USING (line) WINDOW w AS (PARTITION BY line ORDER BY turn)
    ), visit AS (
        SELECT line, core, visit, sum(writes) AS writes, sum(accesses) AS accesses
        FROM (SELECT *, sum(is_first::INT) OVER (PARTITION BY line ORDER BY turn
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS visit FROM begun)
        GROUP BY line, core, visit
    ), beside AS (
        SELECT *,
            coalesce(lag(visit) OVER (PARTITION BY line, core ORDER BY visit), 0) AS own_visit,
            max(visit) FILTER (writes > 0) OVER (PARTITION BY line ORDER BY visit
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS written
        FROM visit
    ), moved AS (
        SELECT line, sum(writes)::BIGINT AS writes, sum(accesses - writes)::BIGINT AS reads,
            count(*) FILTER (visit > 1 AND (writes > 0 OR written > own_visit)) AS transfers
        FROM beside GROUP BY line
    )
    SELECT line * 64 AS physical, cores, writers, writes, reads, transfers,
        CASE WHEN line IN (FROM shared_word) THEN 'true' ELSE 'false' END AS sharing
    FROM moved JOIN line USING (line) ORDER BY transfers DESC, physical LIMIT $top
"""
"""A turn is a stretch of accesses of one core to any line; rows lie in the order of the run."""
