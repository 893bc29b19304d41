from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from uniSMP.errors import FormatError
from uniSMP.trace.export.listing import Listing
from uniSMP.trace.export.rows import Rows, Window, instructions
from uniSMP.trace.reader import Trace


def batches(*groups: list[int]) -> Iterator[pa.RecordBatch]:
    return (pa.RecordBatch.from_pydict({"step": pa.array(group, pa.int64())}) for group in groups)


def steps(table: pa.Table | None) -> list[int] | None:
    return None if table is None else table.column("step").to_pylist()


def test_rows_are_taken_up_to_a_step() -> None:
    rows = Rows(batches([1, 2, 2], [], [2, 3], [7]))
    assert steps(rows.before(1)) is None
    assert steps(rows.before(3)) == [1, 2, 2, 2]
    assert steps(rows.before(3)) is None
    assert steps(rows.before(100)) == [3, 7]
    assert steps(rows.before(100)) is None


def test_rest_keeps_the_rows_of_a_step_together() -> None:
    rows = Rows(batches([1, 2], [2, 2], [], [3]))
    assert [steps(table) for table in rows.rest()] == [[1, 2, 2, 2], [3]]


@pytest.mark.parametrize("groups", [([2, 1],), ([2], [1])])
def test_rows_out_of_order_are_damage(groups: tuple[list[int], ...]) -> None:
    rows = Rows(batches(*groups))
    with pytest.raises(FormatError, match="order of steps"):
        rows.before(100)


def test_instructions_have_the_code_of_their_block(full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        listing = Listing(trace)
        parts = list(instructions(trace, Window(), listing))
        expected = trace.rows("SELECT step, rip FROM instructions ORDER BY step")
    assert [int(step) for part in parts for step in part.step] == [row["step"] for row in expected]
    assert [int(listing.address[entry]) for part in parts for entry in part.entry] == [
        row["rip"] for row in expected
    ]


def test_instruction_without_its_block_is_found_by_address(full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        listing = Listing(trace)
        trace.sql("CREATE OR REPLACE VIEW executions AS SELECT 0::BIGINT AS step, 0::INT AS block, "
                  "0 AS instructions WHERE false")  # fmt: skip
        part = next(instructions(trace, Window(5000, 5001), listing))
        assert listing.address[part.entry[0]] == part.rip[0]
