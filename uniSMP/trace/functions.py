"""Which function each core was in, and when: executed blocks merged into spans, in DuckDB.

A function here is what lies between two labels. Where there are more spans than wanted, short ones
that follow each other become one, called by the function that had most of its instructions.
"""

from dataclasses import dataclass

import pyarrow as pa

from uniSMP.trace.reader import Trace
from uniSMP.trace.selection import SelectedEvents

_SPANS = """
    WITH chosen AS (
        SELECT step, core, block, step + instructions AS past, ($function)[block + 1] AS function
        FROM executions
        WHERE step >= $first AND step < $end
        AND (len($cores) = 0 OR list_contains($cores, core))
    ), beside AS (
        SELECT *, lag(core) OVER () AS core_before, lag(function) OVER () AS function_before,
            lag(past) OVER () AS past_before
        FROM chosen
    ), first AS (
        SELECT * FROM beside
        WHERE core_before IS NULL OR core <> core_before OR function <> function_before
            OR step <> past_before
    ), span AS (
        SELECT step, core, function, block, 1 AS pieces,
            coalesce(lead(past_before) OVER (), (SELECT max(past) FROM chosen)) - step AS length
        FROM first
    )
"""
_LENGTHS = "SELECT length, count(*) AS spans FROM span GROUP BY length ORDER BY length DESC"
_MERGED = """
    , piece AS (
        SELECT *, length >= $least AS is_long, step // $bucket AS bucket,
            lag(core) OVER () AS core_before, lag(step + length) OVER () AS past_before,
            lag(length) OVER () >= $least AS was_long, lag(step) OVER () // $bucket AS bucket_before
        FROM span
    ), numbered AS (
        SELECT *, sum(CASE WHEN is_long OR was_long OR core_before IS NULL OR core <> core_before
            OR step <> past_before OR bucket <> bucket_before THEN 1 ELSE 0 END)
            OVER (ROWS UNBOUNDED PRECEDING) AS number
        FROM piece
    ), by_function AS (
        SELECT number, core, function, min(step) AS step, arg_min(block, step) AS block,
            CAST(count(*) AS INTEGER) AS pieces, CAST(sum(length) AS BIGINT) AS length
        FROM numbered GROUP BY number, core, function
    )
    SELECT min(step) AS step, core, arg_max(function, (length, -function)) AS function,
        arg_max(block, (length, -function)) AS block, CAST(sum(pieces) AS INTEGER) AS pieces,
        CAST(sum(length) AS BIGINT) AS length
    FROM by_function GROUP BY number, core ORDER BY min(step)
"""


@dataclass(frozen=True, slots=True)
class FunctionSpans:
    """Spans in the order of their steps.

    Attributes:
        rows: `step`, `core`, `function` (place in `names`), `block` that it began with, `pieces`
            (1, or how many spans were merged), `length` in instructions.
        names: of the functions.
        notes: sentences about what was merged.
    """

    rows: pa.Table
    names: list[str]
    notes: list[str]


def find_functions(trace: Trace, selected: SelectedEvents) -> FunctionSpans:
    """Return the spans of a selection; a trace without executions has none.

    Raises:
        FormatError: the trace is damaged.
    """
    functions, names = _functions_of_blocks(trace) if trace.has("executions") else ([], [])
    if not functions:
        return FunctionSpans(_NO_SPANS, [], [])
    parameters = {
        "function": functions,
        "first": selected.first_step,
        "end": selected.end_step,
        "cores": list(selected.core_ids),
    }
    lengths = trace.rows(_SPANS + _LENGTHS, parameters)
    count = sum(row["spans"] for row in lengths)
    if count <= selected.most:
        return FunctionSpans(trace.sql(f"{_SPANS} SELECT * FROM span", parameters), names, [])  # noqa: S608 - ours
    quarter = max(1, selected.most // 4)
    least = _least_length(lengths, quarter)
    steps = sum(row["spans"] * row["length"] for row in lengths)
    bucket = max(1, steps // quarter)
    rows = trace.sql(_SPANS + _MERGED, {**parameters, "least": least, "bucket": bucket})
    note = (
        f"{count:,} stretches in functions are shown as {rows.num_rows:,}: those shorter than "
        f"{least:,} instructions are merged with their neighbours. --steps shows fewer in full."
    )
    return FunctionSpans(rows, names, [note])


def _least_length(lengths: list[dict[str, int]], most: int) -> int:
    """Return the length from which on there are at most so many spans; `lengths` descend."""
    total = 0
    for row in lengths:
        total += row["spans"]
        if total > most:
            return row["length"] + 1
    return 0


def _functions_of_blocks(trace: Trace) -> tuple[list[int], list[str]]:
    """Return the function of each block as a number, and their names."""
    rows = trace.rows("SELECT block, address FROM blocks ORDER BY block")
    functions = [0] * (max((row["block"] for row in rows), default=-1) + 1)
    numbers: dict[str, int] = {}
    for row in rows:
        name = function_name(trace, row["address"])
        functions[row["block"]] = numbers.setdefault(name, len(numbers))
    return functions, list(numbers)


def function_name(trace: Trace, address: int) -> str:
    """Return the label at or below an address, or the address where there is none near."""
    return trace.names.describe(address).partition("+0x")[0] or f"{address:#x}"


_NO_SPANS = pa.schema(
    [
        ("step", pa.int64()),
        ("core", pa.uint8()),
        ("function", pa.int32()),
        ("block", pa.int32()),
        ("pieces", pa.int32()),
        ("length", pa.int64()),
    ]
).empty_table()
