from pathlib import Path

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.export import execlog
from uniSMP.trace.export.rows import Window
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level

WHOLE = Window()

SEVEN_LINES = """\
0, 0x100000, 0x9000bc, "mov esp, 0x9000"
0, 0x100005, 0x4e8, "call 0x10000e", store, 0x00008ff8, RAM
0, 0x10000e, 0x8000bf, "mov edi, 0x8000"
0, 0x100013, 0x334407c7, "mov dword ptr [rdi], 0x11223344", store, 0x00008000, RAM
0, 0x100019, 0xc3, "ret", load, 0x00008ff8, RAM
0, 0x10000a, 0xc031, "xor eax, eax"
0, 0x10000c, 0xf4e6, "out 0xf4, al"
"""


def exported(folder: Path, window: Window = WHOLE) -> str:
    with Trace(folder) as trace:
        return b"".join(text for _rows, text in execlog.lines(trace, window)).decode()


def test_seven_instructions_are_seven_lines(seven_trace: Path) -> None:
    assert exported(seven_trace) == SEVEN_LINES


def test_level_instructions_lacks_the_accesses_to_memory(seven_traces: dict[Level, Path]) -> None:
    expected = [line.split('"')[0] for line in SEVEN_LINES.splitlines()]
    lines = exported(seven_traces[Level.INSTRUCTIONS]).splitlines()
    assert [line.split('"')[0] for line in lines] == expected
    assert all(line.endswith('"') for line in lines)


def test_window_of_steps_is_a_part_of_the_lines(seven_trace: Path) -> None:
    assert exported(seven_trace, Window(2, 4)).splitlines() == SEVEN_LINES.splitlines()[2:4]


def test_core_has_its_lines_in_their_order(full_ping_trace: Path) -> None:
    lines = exported(full_ping_trace).splitlines()
    of_core = exported(full_ping_trace, Window(core=1)).splitlines()
    assert of_core == [line for line in lines if line.startswith("1, ")]
    assert 0 < len(of_core) < len(lines)


def test_lines_name_every_instruction_of_the_trace(full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        rows = trace.rows("SELECT core, rip FROM instructions ORDER BY step")
    lines = exported(full_ping_trace).splitlines()
    assert [line.split(", ")[:2] for line in lines] == [
        [str(row["core"]), f"{row['rip']:#x}"] for row in rows
    ]


def test_accesses_are_those_of_the_trace(full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        memory = trace.rows("SELECT count(*) AS n FROM memory WHERE origin = 'instruction'")
        devices = trace.rows("SELECT count(*) AS n FROM events WHERE kind LIKE 'mmio_%'")
    text = exported(full_ping_trace)
    assert text.count(", RAM") == memory[0]["n"]
    assert text.count(", device") == devices[0]["n"]


def test_empty_trace_has_no_lines(empty_trace: Path) -> None:
    assert exported(empty_trace) == ""


def test_level_below_is_refused(seven_traces: dict[Level, Path]) -> None:
    with pytest.raises(ConfigError, match="--trace-level instructions"):
        exported(seven_traces[Level.BLOCKS])
