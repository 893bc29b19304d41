"""A trace in numbers, on guests whose numbers are known."""

import sys
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from uniSMP.machine.tracer import TraceFilter
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.statistics import compute

sys.path.insert(0, str(Path(__file__).parent))
from reading import read, write

INTERRUPTED = """
_start:
    test edi, edi
    jnz other
    lea rax, [rip + handler]
    mov word ptr [0x3400], ax
    mov word ptr [0x3402], 8
    mov word ptr [0x3404], 0x8E00
    shr rax, 16
    mov word ptr [0x3406], ax
    lidt [rip + idt]
    mov esi, 0xFEE00000
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x300], 0x40040
    nop
    nop
    sti
    nop
    mov dword ptr [rsi + 0x300], 0x40040
    nop
    xor eax, eax
    out 0xF4, al
handler:
    mov dword ptr [rsi + 0xB0], 0
    iretq
other:
    cli
    hlt
idt:
    .word 0x0FFF
    .quad 0x3000
"""


SHARED_LINES = """
_start:
    test edi, edi
    jnz other
    mov ecx, 9
first:
    mov eax, [0x2000]
    mov [0x2008], eax
    mov [0x207E], eax
    mov [0x2104], rax
    loop first
    cli
    hlt
other:
    mov ecx, 9
second:
    mov eax, [0x2000]
    mov ebx, [0x2080]
    mov bl, [0x2108]
    loop second
    cli
    hlt
"""
"""Each core reads 0x2000, the first writes beside it; it writes across the ends of a line and of
eight bytes, where the other reads behind the end."""


def test_functions_and_blocks_hold_every_instruction(tmp_path: Path) -> None:
    with read(tmp_path, Level.BLOCKS) as trace:
        found, _ = compute(trace, 100)
        steps = trace.manifest["steps"]
    assert sum(row["instructions"] for row in found["functions"]) == steps
    assert sum(row["instructions"] for row in found["blocks"]) == steps
    assert found["functions"][0]["function"] == "again"


@pytest.mark.parametrize("section", ["functions", "blocks"])
def test_shares_are_of_all_and_of_each_core(tmp_path: Path, section: str) -> None:
    with read(tmp_path, Level.BLOCKS) as trace:
        found, _ = compute(trace, 100)
        steps = trace.manifest["steps"]
        by_core = [core["instructions"] for core in trace.manifest["cores"]]
    both = [row for row in found[section] if row["cores"] == [0, 1]]
    assert len(both) > 1
    assert [row["share"] for row in both] == [row["instructions"] / steps for row in both]
    assert [row["share_by_core"] for row in both] == [
        [row["by_core"][0] / by_core[0], row["by_core"][1] / by_core[1]] for row in both
    ]


def test_blocks_tell_how_often_they_ran(tmp_path: Path) -> None:
    with read(tmp_path, Level.BLOCKS) as trace:
        found, _ = compute(trace, 100)
        (executed,) = trace.rows("SELECT count(*) AS runs FROM executions")
    assert sum(row["runs"] for row in found["blocks"]) == executed["runs"]


def test_latency_is_from_accepted_to_delivered(tmp_path: Path) -> None:
    with read(tmp_path, Level.EVENTS, INTERRUPTED) as trace:
        found, _ = compute(trace, 10)
    (row,) = found["interrupts"]
    assert (row["vector"], row["source"], row["delivered"]) == (0x40, "apic", 2)
    # The first waits for: the store that sends it, two NOPs, STI and the NOP in its shadow.
    assert (row["steps_min"], row["steps_max"]) == (1, 5)
    assert found["ipis"] == [{"sender": 0, "target": 0, "mode": "fixed", "sent": 2}]


def test_lock_and_its_handovers_are_found(tmp_path: Path) -> None:
    with read(tmp_path, Level.MEMORY) as trace:
        found, _ = compute(trace, 10)
    lock = found["locks"][0]
    assert (lock["physical"], lock["locked"], lock["cores"], lock["unchanged"]) == (
        0x2000,
        20,
        2,
        0,
    )
    assert lock["handovers"] > 1


def test_true_and_false_sharing_are_told_apart(tmp_path: Path) -> None:
    with read(tmp_path, Level.MEMORY) as trace:
        found, _ = compute(trace, 10)
    lines = {row["physical"]: row for row in found["sharing"]}
    assert lines[0x2000]["sharing"] == "true"
    assert lines[0x2040]["sharing"] == "false"
    assert (lines[0x2040]["writers"], lines[0x2040]["reads"]) == (2, 0)


def test_word_that_is_only_read_is_no_true_sharing(tmp_path: Path) -> None:
    with read(tmp_path, Level.MEMORY, SHARED_LINES) as trace:
        found, _ = compute(trace, 10)
    lines = {row["physical"]: row for row in found["sharing"]}
    assert (lines[0x2000]["sharing"], lines[0x2000]["cores"]) == ("false", 2)


def test_access_across_an_end_counts_on_both_sides(tmp_path: Path) -> None:
    with read(tmp_path, Level.MEMORY, SHARED_LINES) as trace:
        found, _ = compute(trace, 10)
    lines = {row["physical"]: row for row in found["sharing"]}
    assert set(lines) == {0x2000, 0x2080, 0x2100}
    assert (lines[0x2080]["writes"], lines[0x2080]["reads"]) == (9, 9)
    assert (lines[0x2080]["sharing"], lines[0x2100]["sharing"]) == ("true", "true")


def test_line_moves_to_who_writes_and_to_who_missed_a_write(tmp_path: Path) -> None:
    with read(tmp_path, Level.MEMORY) as trace:
        found, _ = compute(trace, 10)
        rows = trace.rows(
            "SELECT core, access LIKE '%write' AS is_write FROM memory "
            "WHERE physical // 64 = 128 AND origin = 'instruction' ORDER BY step, is_write"
        )
    visits = [list(visit) for _, visit in groupby(rows, lambda row: row["core"])]
    writes = [any(row["is_write"] for row in visit) for visit in visits]
    # Of two cores one always follows the other: it misses what that wrote in the visit before.
    moves = [mine or others for others, mine in pairwise(writes)]
    (line,) = [row for row in found["sharing"] if row["physical"] == 0x2000]
    assert line["transfers"] == sum(moves) > 1


def test_line_moves_once_to_each_core_that_reads_it(tmp_path: Path) -> None:
    source = "_start: cmp edi, 2\njne read\nmov [0x2000], edi\nread: mov eax, [0x2000]\ncli\nhlt\n"
    with read(tmp_path, Level.MEMORY, source, cores=4) as trace:
        found, _ = compute(trace, 10)
    ((line),) = found["sharing"]
    assert (line["writers"], line["writes"], line["reads"], line["transfers"]) == (1, 1, 4, 2)


def test_slices_end_for_a_reason_that_is_counted(tmp_path: Path) -> None:
    with read(tmp_path, Level.EVENTS) as trace:
        found, _ = compute(trace, 10)
    ended = [
        sum(row[why] for why in ("whole", "pause", "halt", "other")) for row in found["slices"]
    ]
    assert ended == [row["slices"] for row in found["slices"]]
    assert min(ended) > 1


def test_stretch_with_interrupts_off_ends_with_sti(tmp_path: Path) -> None:
    source = "_start: sti\nnop\ncli\nnop\nnop\nnop\nsti\nnop\ncli\nhlt\n"
    with read(tmp_path, source=source) as trace:
        found, _ = compute(trace, 10)
    assert [(row["core"], row["instructions"]) for row in found["interrupts_off"]] == [
        (0, 4),
        (1, 4),
    ]


def test_stretch_with_interrupts_off_counts_the_whole_handler(tmp_path: Path) -> None:
    behind_sti = TraceFilter(first_step=22)
    with read(tmp_path, source=INTERRUPTED, chosen=behind_sti) as trace:
        found, _ = compute(trace, 10)
        (sent,) = trace.rows("SELECT step FROM events WHERE kind = 'interrupt_delivered'")
    (row,) = [row for row in found["interrupts_off"] if row["core"] == 0]
    assert (row["instructions"], row["from_step"]) == (2, sent["step"])


def test_stretch_with_interrupts_off_counts_the_whole_handler_of_a_software_interrupt(
    tmp_path: Path,
) -> None:
    no_ipi = INTERRUPTED.replace("[rsi + 0x300]", "[0x2000]")
    source = no_ipi.replace("sti", "sti\n    int 0x40", 1)
    with read(tmp_path, source=source, chosen=TraceFilter(first_step=19)) as trace:
        found, _ = compute(trace, 10)
        (entered,) = trace.rows("SELECT step FROM events WHERE kind = 'software_interrupt'")
    (row,) = [row for row in found["interrupts_off"] if row["core"] == 0]
    assert (row["instructions"], row["from_step"]) == (2, entered["step"])


def test_stretch_with_interrupts_off_is_longest_by_own_instructions(tmp_path: Path) -> None:
    off = "cli\nhlt\n"
    many = "cli\npause\nsti\nnop\n" * 25 + "cli\n" + "nop\n" * 6 + "sti\n"
    source = (
        f"_start: test edi, edi\njnz other\n{many}{off}other: mov ecx, 9000\non: loop on\n{off}"
    )
    write(tmp_path, source, quantum=50)
    with Trace(tmp_path) as trace:
        found, _ = compute(trace, 10)
    first, *_ = found["interrupts_off"]
    assert (first["core"], first["instructions"]) == (0, 7)


def test_stretch_with_interrupts_off_needs_no_instructions_that_a_filter_keeps(
    tmp_path: Path,
) -> None:
    source = "_start: nop\nsti\nnop\ncli\nnop\nnop\nnop\nsti\ncli\nhlt\n"
    chosen = TraceFilter(addresses=((0x100002, 0x100003),))
    with read(tmp_path, source=source, chosen=chosen) as trace:
        found, _ = compute(trace, 10)
    assert [row["instructions"] for row in found["interrupts_off"]] == [4, 4]


def test_stretch_with_interrupts_off_is_found_where_events_are_lost(tmp_path: Path) -> None:
    source = "_start: sti\nnop\ncli\nnop\nnop\nnop\nsti\nnop\ncli\nhlt\n"
    write(tmp_path, source, quantum=3)
    (tmp_path / "events" / "000000.parquet").unlink()
    path = tmp_path / "manifest.json"
    path.write_text(path.read_text().replace('"complete": true', '"complete": false'))
    with Trace(tmp_path) as trace:
        found, _ = compute(trace, 10)
    assert [row["instructions"] for row in found["interrupts_off"]] == [4, 4]
    assert not trace.manifest["complete"]


def test_core_that_nothing_wakes_is_halted_to_the_end(tmp_path: Path) -> None:
    source = "_start: test edi, edi\njnz park\nmov ecx, 100\non: loop on\npark: cli\nhlt\n"
    with read(tmp_path, Level.EVENTS, source) as trace:
        found, _ = compute(trace, 10)
        (last,) = trace.rows("SELECT max(ticks) AS ticks FROM events")
        halts = trace.rows("SELECT core, ticks FROM events WHERE kind = 'halt' ORDER BY core")
    assert found["halts"] == [
        {"core": row["core"], "halts": 1, "woken": 0, "halted_ns": last["ticks"] - row["ticks"]}
        for row in halts
    ]
    assert found["halts"][1]["halted_ns"] > 90


@pytest.mark.parametrize(
    ("level", "names"),
    [
        (Level.EVENTS, {"functions", "blocks", "interrupts_off", "locks", "sharing"}),
        (Level.INSTRUCTIONS, {"interrupts_off", "locks", "sharing"}),
        (Level.MEMORY, {"interrupts_off"}),
        (Level.REGISTERS, set()),
    ],
)
def test_missing_sections_name_their_level(tmp_path: Path, level: Level, names: set[str]) -> None:
    with read(tmp_path, level) as trace:
        found, missing = compute(trace, 10)
    assert set(missing) == names
    assert set(found).isdisjoint(missing)
