"""A trace in numbers, on guests whose numbers are known."""

import sys
from itertools import pairwise
from pathlib import Path

import pytest

from uniSMP.trace.schema import Level
from uniSMP.trace.statistics import compute

sys.path.insert(0, str(Path(__file__).parent))
from reading import read

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


def test_functions_and_blocks_hold_every_instruction(tmp_path: Path) -> None:
    with read(tmp_path, Level.BLOCKS) as trace:
        found, _ = compute(trace, 100)
        steps = trace.manifest["steps"]
    assert sum(row["instructions"] for row in found["functions"]) == steps
    assert sum(row["instructions"] for row in found["blocks"]) == steps
    assert found["functions"][0]["function"] == "again"


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


def test_line_moves_where_another_core_comes_and_one_of_both_writes(tmp_path: Path) -> None:
    with read(tmp_path, Level.MEMORY) as trace:
        found, _ = compute(trace, 10)
        rows = trace.rows(
            "SELECT core, access LIKE '%write' AS is_write FROM memory "
            "WHERE physical // 64 = 128 AND origin = 'instruction' ORDER BY step, is_write"
        )
    moves = [
        one["core"] != other["core"] and (one["is_write"] or other["is_write"])
        for one, other in pairwise(rows)
    ]
    (line,) = [row for row in found["sharing"] if row["physical"] == 0x2000]
    assert line["transfers"] == sum(moves) > 1


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
