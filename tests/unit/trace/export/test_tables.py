import csv
import io
from pathlib import Path

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.export import tables
from uniSMP.trace.export.rows import Window
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import TABLES, Level
from uniSMP.trace.writer import TraceWriter

WHOLE = Window()

SEVEN_LINES = """\
step,core,cpl,rip,symbol,source,code,instruction,accesses
0,0,0,0x100000,_start,,bc00900000,"mov esp, 0x9000",
1,0,0,0x100005,_start+0x5,,e804000000,call 0x10000e,write 0x8ff8:8=0x10000a
2,0,0,0x10000e,work,,bf00800000,"mov edi, 0x8000",
3,0,0,0x100013,work+0x5,,c70744332211,"mov dword ptr [rdi], 0x11223344",write 0x8000:4=0x11223344
4,0,0,0x100019,work+0xb,,c3,ret,read 0x8ff8:8=0x10000a
5,0,0,0x10000a,_start+0xa,,31c0,"xor eax, eax",
6,0,0,0x10000c,_start+0xc,,e6f4,"out 0xf4, al",
"""


def instruction_text(folder: Path, window: Window = WHOLE) -> str:
    with Trace(folder) as trace:
        return b"".join(text for _rows, text in tables.instruction_lines(trace, window)).decode()


def table_text(folder: Path, name: str, window: Window = WHOLE) -> str:
    with Trace(folder) as trace:
        return b"".join(text for _rows, text in tables.table_lines(trace, window, name)).decode()


def test_seven_instructions_are_seven_lines(seven_trace: Path) -> None:
    assert instruction_text(seven_trace) == SEVEN_LINES


def test_several_accesses_of_an_instruction_are_separated(full_ping_trace: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(instruction_text(full_ping_trace))))
    texts = [row["accesses"] for row in rows if ";" in row["accesses"]]
    with Trace(full_ping_trace) as trace:
        expected = trace.rows(
            "SELECT count(*) AS n FROM (SELECT step FROM memory WHERE origin = 'instruction' "
            "GROUP BY step HAVING count(*) > 1)"
        )
    assert len(texts) == expected[0]["n"] > 0
    assert all(
        part.startswith(("read 0x", "write 0x")) for text in texts for part in text.split(";")
    )


@pytest.mark.parametrize("name", list(TABLES))
def test_table_has_every_row_and_column(full_ping_trace: Path, name: str) -> None:
    rows = list(csv.reader(io.StringIO(table_text(full_ping_trace, name))))
    with Trace(full_ping_trace) as trace:
        expected = trace.rows(f"SELECT count(*) AS n FROM {name}")  # noqa: S608 - names of ours
    assert rows[0] == TABLES[name].schema.names
    assert len(rows) - 1 == expected[0]["n"]
    assert {len(row) for row in rows} == {len(rows[0])}


def test_memory_table_has_the_numbers_of_the_trace(full_ping_trace: Path) -> None:
    rows = csv.DictReader(io.StringIO(table_text(full_ping_trace, "memory")))
    with Trace(full_ping_trace) as trace:
        expected = trace.rows("SELECT step, rip, physical, size, value, access FROM memory")
    assert [
        (int(row["step"]), int(row["rip"], 16), int(row["physical"], 16), int(row["size"]),
         int(row["value"], 16), row["access"])
        for row in rows
    ] == [tuple(row.values()) for row in expected]  # fmt: skip


def test_null_is_empty_and_a_list_has_spaces(full_ping_trace: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(table_text(full_ping_trace, "events"))))
    sent = [row for row in rows if row["kind"] == "ipi_sent"]
    assert {row["targets"] for row in sent} <= {"0", "1"}
    assert {row["cr2"] for row in sent} == {""}


def test_code_and_lists_are_read_back(full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        blocks = trace.rows("SELECT block, code, offsets FROM blocks")
    rows = csv.DictReader(io.StringIO(table_text(full_ping_trace, "blocks")))
    assert [
        (int(row["block"]), bytes.fromhex(row["code"]), [int(n) for n in row["offsets"].split()])
        for row in rows
    ] == [(row["block"], row["code"], row["offsets"]) for row in blocks]


def test_text_with_commas_quotes_and_newlines_is_read_back(tmp_path: Path) -> None:
    detail = 'a,"b"\nc'
    writer = TraceWriter(tmp_path / "trace", Level.EVENTS)
    writer.begin({})
    writer.add("events", {"step": [0], "ticks": [0], "kind": ["console"], "detail": [detail]})
    writer.end({})
    rows = list(csv.DictReader(io.StringIO(table_text(tmp_path / "trace", "events"), newline="")))
    assert [row["detail"] for row in rows] == [detail]


def test_window_holds_for_tables_with_steps(seven_trace: Path) -> None:
    lines = table_text(seven_trace, "instructions", Window(2, 4)).splitlines()
    assert lines[1:] == ["2,0,0x10000e,0", "3,0,0x100013,0"]


def test_empty_trace_is_a_header(empty_trace: Path) -> None:
    assert instruction_text(empty_trace) == SEVEN_LINES.splitlines(keepends=True)[0]
    assert table_text(empty_trace, "memory").count("\n") == 1


def test_level_below_is_refused(seven_traces: dict[Level, Path]) -> None:
    with pytest.raises(ConfigError, match="--trace-level instructions"):
        instruction_text(seven_traces[Level.EVENTS])
    with pytest.raises(ConfigError, match="--trace-level memory"):
        table_text(seven_traces[Level.INSTRUCTIONS], "memory")


def test_table_that_is_none_is_refused(seven_trace: Path) -> None:
    with pytest.raises(ConfigError, match="no table nothing: choose one of events"):
        table_text(seven_trace, "nothing")
