"""`unismp trace show`, `stats`, `sql` and `diff`."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[1] / "trace"))
from reading import write

Unismp = Callable[..., Any]


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """Write a trace; return its folder."""
    write(tmp_path / "t")
    return str(tmp_path / "t")


def test_show_tells_a_window(unismp: Unismp, trace: str) -> None:
    call = unismp("trace", "show", trace, "--steps", "0..3")
    assert (call.status, call.err) == (0, "")
    assert "mov ebx, 0x2000" in call.out
    assert "[0x2000] <- 0x00000001 (locked)" in call.out


def test_show_says_where_it_cut(unismp: Unismp, trace: str) -> None:
    call = unismp("trace", "show", trace, "--limit", "2")
    assert "the first 2 are shown: --limit 0 shows all" in call.err
    everything = unismp("trace", "show", trace, "--limit", "0")
    assert everything.err == ""


def test_show_json_is_one_object_per_line(unismp: Unismp, trace: str) -> None:
    call = unismp("trace", "show", trace, "--json", "--core", "1", "--steps", "..40")
    rows = [json.loads(line) for line in call.out.splitlines()]
    assert {row["core"] for row in rows} == {1}


def test_show_takes_several_cores_in_either_form(unismp: Unismp, trace: str) -> None:
    window = ("trace", "show", trace, "--json", "--steps", "..40")
    listed = unismp(*window, "--core", "0,1")
    repeated = unismp(*window, "--core", "0", "--core", "1")
    assert repeated.out == listed.out
    assert {json.loads(line)["core"] for line in listed.out.splitlines()} >= {0, 1}


def test_show_takes_any_core_of_a_trace_that_was_cut_short(unismp: Unismp, trace: str) -> None:
    path = Path(trace) / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["cores"]
    path.write_text(json.dumps(manifest))
    assert unismp("trace", "show", trace, "--core", "1", "--steps", "..40").status == 0
    assert unismp("trace", "show", trace, "--core", "7", "--events").status == 0


def test_show_says_where_nothing_matches(unismp: Unismp, trace: str) -> None:
    call = unismp("trace", "show", trace, "--address", "0x1..0x2")
    assert (call.status, call.out, call.err) == (0, "", "nothing in the trace matches\n")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--symbol", "again"), "lock inc"),
        (("--memory", "0x2040..0x2050"), "<-"),
        (("--kind", "exit"), "-- exit"),
        (("--events",), "-- slice_begin"),
        (("--columns",), "core 1"),
        (("--follow-interrupts",), ""),
    ],
)
def test_show_takes_each_option(
    unismp: Unismp, trace: str, options: tuple[str, ...], text: str
) -> None:
    call = unismp("trace", "show", trace, *options)
    assert call.status == 0
    assert text in call.out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--steps", "3"), "write A..B"),
        (("--symbol", "nowhere"), "there is no label"),
        (("--core", "x"), "is no number"),
        (("--core", "0,2"), "--core 2: this trace has cores 0 to 1"),
        (("--limit", "-1"), "choose 0"),
        (("--kind", "interupt_sent"), "there are no such events"),
        (("--kind", "ipi_snt"), "is ipi_sent meant?"),
        (("--events", "--symbol", "again"), "--events and --symbol do not go together"),
        (("--follow-interrupts", "--columns"), "do not go together"),
        (("--json", "--columns"), "--json and --columns do not go together"),
    ],
)
def test_show_refuses_what_it_cannot_do(
    unismp: Unismp, trace: str, options: tuple[str, ...], message: str
) -> None:
    call = unismp("trace", "show", trace, *options)
    assert (call.status, message in call.err, len(call.err.splitlines())) == (2, True, 1)


def test_stats_prints_tables_and_json(unismp: Unismp, trace: str) -> None:
    call = unismp("trace", "stats", trace)
    assert "Hot functions" in call.out
    assert "Cache lines" in call.out
    found = json.loads(unismp("trace", "stats", trace, "--json").out)
    assert found["sections"]["locks"][0]["locked"] == 20
    assert found["missing"] == {}


def test_stats_show_each_core_of_a_few(unismp: Unismp, trace: str) -> None:
    lines = unismp("trace", "stats", trace).out.splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("Hot functions"))
    titles = ["function", "instructions", "share", "core", "0", "core", "1"]
    assert lines[head + 1].split() == titles
    assert lines[head + 2].split()[0] == "again"
    assert [cell[-1] for cell in lines[head + 2].split()[2:]] == ["%"] * 3


def test_stats_name_the_core_that_did_most_of_many(unismp: Unismp, tmp_path: Path) -> None:
    folder = str(tmp_path / "hello")
    unismp("run", "smp_hello", "--cores", "5", "--trace", folder, "--trace-level", "blocks")
    lines = unismp("trace", "stats", folder).out.splitlines()
    head = next(at for at, line in enumerate(lines) if line.startswith("Hot functions"))
    assert lines[head + 1].split()[-3:] == ["cores", "most", "on"]
    assert max(map(len, lines)) <= 80


def test_stats_show_who_sent_ipis_to_whom(unismp: Unismp, tmp_path: Path) -> None:
    folder = str(tmp_path / "ping")
    unismp("run", "ipi_ping", "--cores", "3", "--trace", folder, "--trace-level", "events")
    lines = unismp("trace", "stats", folder).out.splitlines()
    head = lines.index("Interprocessor interrupts")
    assert lines[head + 1].split() == ["from", "mode", "to", "0", "to", "1", "to", "2"]
    assert lines[head + 4].split() == ["0", "start-up", "-", "1", "1"]
    assert max(map(len, lines)) <= 80


def test_sql_prints_in_three_forms(unismp: Unismp, trace: str) -> None:
    query = "SELECT core, count(*) AS n FROM instructions GROUP BY core ORDER BY core"
    assert unismp("trace", "sql", trace, query).out.splitlines()[0].split() == ["core", "n"]
    assert unismp("trace", "sql", trace, query, "--csv").out.splitlines()[0] == "core,n"
    rows = unismp("trace", "sql", trace, query, "--json").out.splitlines()
    assert [json.loads(row)["core"] for row in rows] == [0, 1]


def test_sql_shows_addresses_in_hexadecimal(unismp: Unismp, trace: str) -> None:
    query = "SELECT rip FROM instructions LIMIT 1"
    assert unismp("trace", "sql", trace, query, "--csv", "--hex").out == "rip\n0x100000\n"


def test_sql_reads_the_query_from_standard_input(
    unismp: Unismp, trace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 7 AS n"))
    assert unismp("trace", "sql", trace, "-", "--csv").out == "n\n7\n"


def test_sql_writes_bytes_in_hexadecimal_and_sums_as_numbers(unismp: Unismp, trace: str) -> None:
    query = "SELECT '\\xFA\\x90'::BLOB AS code, sum(instructions) AS n FROM executions"
    (row,) = unismp("trace", "sql", trace, query, "--json").out.splitlines()
    steps = json.loads((Path(trace) / "manifest.json").read_text())["steps"]
    assert json.loads(row) == {"code": "fa90", "n": steps}


def test_sql_shows_titles_of_an_empty_result(unismp: Unismp, trace: str) -> None:
    call = unismp("trace", "sql", trace, "SELECT core FROM events WHERE false")
    assert call.out.split() == ["core", "0", "rows"]


def test_sql_keeps_a_row_on_one_line_of_a_pipe(unismp: Unismp, trace: str) -> None:
    query = "SELECT repeat('x', 150) AS long, 'a b' AS words"
    assert unismp("trace", "sql", trace, query).out.splitlines()[1].split() == ["x" * 150, "a", "b"]


def test_sql_says_where_it_cut(unismp: Unismp, trace: str) -> None:
    call = unismp("trace", "sql", trace, "FROM instructions", "--limit", "2")
    assert call.out.splitlines()[-1] == "the first 2 rows are shown: --limit 0 shows all"


@pytest.mark.parametrize("query", ["", "SELEC", "DROP VIEW events", "SELECT 1; SELECT 2"])
def test_sql_refuses_in_one_line(unismp: Unismp, trace: str, query: str) -> None:
    call = unismp("trace", "sql", trace, query)
    assert (call.status, len(call.err.splitlines())) == (2, 1)


def test_diff_of_the_same_is_0_and_of_others_1(unismp: Unismp, trace: str, tmp_path: Path) -> None:
    assert unismp("trace", "diff", trace, trace).status == 0
    write(tmp_path / "other", quantum=9)
    call = unismp("trace", "diff", trace, str(tmp_path / "other"))
    assert call.status == 1
    assert "configuration.quantum: 7 and 9" in call.out
    assert "the same up to step 7" in call.out


def test_diff_says_what_each_executed(unismp: Unismp, tmp_path: Path) -> None:
    level = Level.INSTRUCTIONS
    write(tmp_path / "a", "_start: nop\nmov eax, 1\ncli\nhlt\n", level)
    write(tmp_path / "b", "_start: nop\njmp on\n.zero 3\non: cli\nhlt\n", level)
    call = unismp("trace", "diff", str(tmp_path / "a"), str(tmp_path / "b"), "--context", "1")
    assert call.status == 1
    assert call.out.splitlines()[:3] == [
        "the same up to step 1; the first difference is in executions:",
        "  A: step 1, core 0: executed mov eax, 1 at _start+0x1",
        "  B: step 1, core 0: executed jmp 0x100006 at _start+0x1",
    ]
    assert [line[:12] for line in call.out.splitlines() if "nop" in line] == ["           0"] * 2


@pytest.mark.parametrize(
    ("table", "step", "said"),
    [("memory", 1, "[0x2000] -> 0x00000063 (locked)"), ("registers", 0, "rax=0x63")],
)
def test_diff_shows_values(
    unismp: Unismp, trace: str, tmp_path: Path, table: str, step: int, said: str
) -> None:
    write(tmp_path / "other")
    path = tmp_path / "other" / table / "000000.parquet"
    rows = pq.read_table(path).to_pydict()
    rows["value"][rows["step"].index(step)] = 0x63
    pq.write_table(pa.table(rows, schema=pq.read_schema(path)), path)
    call = unismp("trace", "diff", trace, str(tmp_path / "other"))
    assert call.status == 1
    assert f"the first difference is in {table}:" in call.out
    assert f"  B: step {step}, core 0: {said}" in call.out


def test_diff_shows_events(unismp: Unismp, tmp_path: Path) -> None:
    write(tmp_path / "a", "_start: mov al, 5\nout 0xE9, al\ncli\nhlt\n", Level.EVENTS)
    write(tmp_path / "b", "_start: mov al, 6\nout 0xE9, al\ncli\nhlt\n", Level.EVENTS)
    call = unismp("trace", "diff", str(tmp_path / "a"), str(tmp_path / "b"))
    assert "  A: step 1, core 0: -- port_write at _start+0x2 address=0xe9" in call.out


def test_diff_says_that_one_ends(unismp: Unismp, tmp_path: Path) -> None:
    write(tmp_path / "a", "_start: cli\nhlt\n", Level.INSTRUCTIONS)
    write(tmp_path / "b", "_start: cli\nhlt\n", Level.INSTRUCTIONS)
    (tmp_path / "b" / "instructions" / "000000.parquet").unlink()
    call = unismp("trace", "diff", str(tmp_path / "a"), str(tmp_path / "b"))
    assert "  A: step 0, core 0: executed cli at _start" in call.out
    assert "  B: has no more rows" in call.out


@pytest.mark.parametrize("name", ["show", "stats", "sql", "diff", "export", "html"])
def test_folder_without_a_trace_is_one_line(unismp: Unismp, tmp_path: Path, name: str) -> None:
    rest = {
        "sql": ("SELECT 1",),
        "diff": (str(tmp_path),),
        "export": ("--format", "csv", "-o", str(tmp_path / "x")),
        "html": ("-o", str(tmp_path / "x")),
    }
    call = unismp("trace", name, str(tmp_path), *rest.get(name, ()))
    assert (call.status, len(call.err.splitlines())) == (2, 1)


def test_sql_turns_rows_that_are_too_wide(
    unismp: Unismp, trace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    query = "SELECT repeat('x', 30) AS long, 5 AS number, NULL AS nothing"
    assert unismp("trace", "sql", trace, query).out.split("\n")[:3] == [
        f"long     {'x' * 30}",
        "number   5",
        "",
    ]
