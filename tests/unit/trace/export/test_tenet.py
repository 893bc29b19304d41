from pathlib import Path

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.export import tenet
from uniSMP.trace.export.rows import Window
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level

WHOLE = Window()

AFTER_THE_FIRST = """\
rsp=0x9000,rip=0x100005
rsp=0x8ff8,rip=0x10000e,mw=0x8ff8:0a00100000000000
rdi=0x8000,rip=0x100013
rip=0x100019,mw=0x8000:44332211
rsp=0x9000,rip=0x10000a,mr=0x8ff8:0a00100000000000
"""


def exported(folder: Path, window: Window = WHOLE, core: int = 0) -> list[str]:
    with Trace(folder) as trace:
        text = b"".join(text for _rows, text in tenet.lines(trace, window, core))
    return text.decode().splitlines()


def fields(line: str) -> dict[str, str]:
    return dict(field.split("=") for field in line.split(","))


def registers_after(lines: list[str]) -> dict[str, int]:
    """Replay lines; return the last value of each register."""
    values = {name: text for line in lines for name, text in fields(line).items()}
    return {name: int(text, 16) for name, text in values.items() if ":" not in text}


def test_first_line_has_every_register(seven_trace: Path) -> None:
    first = fields(exported(seven_trace)[0])
    assert set(first) == {*tenet.REGISTERS, "rip"}
    assert list(first.items())[-1] == ("rip", "0x100000")


def test_lines_have_what_the_instruction_before_did(seven_trace: Path) -> None:
    assert exported(seven_trace)[1:6] == AFTER_THE_FIRST.splitlines()


def test_each_instruction_has_a_line(full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        rows = trace.rows("SELECT rip FROM instructions WHERE core = 1 ORDER BY step")
    lines = exported(full_ping_trace, core=1)
    assert [fields(line)["rip"] for line in lines] == [f"{row['rip']:#x}" for row in rows]


@pytest.mark.parametrize("core", [0, 1])
def test_replay_ends_with_the_registers_of_the_trace(full_ping_trace: Path, core: int) -> None:
    with Trace(full_ping_trace) as trace:
        rows = trace.rows(
            "SELECT register, value FROM registers WHERE core = ? AND step < "
            "(SELECT max(step) FROM instructions WHERE core = ?)",
            [core, core],
        )
    expected = {row["register"]: row["value"] for row in rows}
    replayed = registers_after(exported(full_ping_trace, core=core))
    assert {name: replayed[name] for name in tenet.REGISTERS} == {
        name: expected[name] for name in tenet.REGISTERS
    }


def test_window_begins_with_the_registers_of_its_place(full_ping_trace: Path) -> None:
    whole = exported(full_ping_trace, core=0)
    with Trace(full_ping_trace) as trace:
        rows = trace.rows("SELECT step FROM instructions WHERE core = 0 ORDER BY step")
    step = rows[30_000]["step"]
    part = exported(full_ping_trace, Window(first_step=step), core=0)
    assert registers_after(part[:1]) == registers_after(whole[:30_001])
    assert part[1:] == whole[30_001:]


def test_handler_begins_with_the_stack_that_the_delivery_wrote(full_ping_trace: Path) -> None:
    with Trace(full_ping_trace) as trace:
        delivery = trace.rows(
            "SELECT step, rip FROM events WHERE kind = 'interrupt_delivered' AND core = 0"
        )[1]
        before = trace.rows(
            "SELECT count(*) AS n FROM instructions WHERE core = 0 AND step < ?", [delivery["step"]]
        )
    line = exported(full_ping_trace, core=0)[before[0]["n"]]
    stack = int(fields(line.partition(",mr")[0])["rsp"], 16)
    pushed = delivery["rip"].to_bytes(8, "little").hex()
    assert f"mw={stack:#x}:{pushed}" in line.split(",")


def test_empty_trace_has_no_lines(empty_trace: Path) -> None:
    assert exported(empty_trace) == []


def test_level_below_is_refused(seven_traces: dict[Level, Path]) -> None:
    with pytest.raises(ConfigError, match="--trace-level registers"):
        exported(seven_traces[Level.MEMORY])
