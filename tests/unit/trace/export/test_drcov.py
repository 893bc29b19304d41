import re
import struct
from dataclasses import dataclass
from pathlib import Path

import pytest

from uniSMP.errors import ConfigError
from uniSMP.trace.export import drcov
from uniSMP.trace.export.rows import Window
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.writer import TraceWriter

WHOLE = Window()

SEVEN_FILE = (
    b"DRCOV VERSION: 2\n"
    b"DRCOV FLAVOR: drcov\n"
    b"Module Table: version 2, count 1\n"
    b"Columns: id, base, end, entry, checksum, timestamp, path\n"
    b" 0, 0x0000000000100000, 0x0000000000101000, 0x0000000000000000, "
    b"0x00000000, 0x00000000, guest\n"
    b"BB Table: 4 bbs\n"
    + bytes.fromhex("00000000 0A00 0000")  # mov, call
    + bytes.fromhex("0A000000 0200 0000")  # xor
    + bytes.fromhex("0C000000 0200 0000")  # out
    + bytes.fromhex("0E000000 0C00 0000")  # mov, mov, ret
)


@dataclass(frozen=True)
class Coverage:
    """A file, read as the tools that take it do."""

    modules: dict[int, tuple[int, int, str]]
    entries: list[tuple[int, int, int]]

    @classmethod
    def of(cls, data: bytes) -> "Coverage":
        head, _, table = data.partition(b" bbs\n")
        lines = head.decode().splitlines()
        rows = [line.split(", ") for line in lines[4:-1]]
        count = int(lines[-1].removeprefix("BB Table: "))
        assert lines[2] == f"Module Table: version 2, count {len(rows)}"
        assert len(table) == 8 * count
        modules = {int(row[0]): (int(row[1], 16), int(row[2], 16), row[6]) for row in rows}
        return cls(modules, list(struct.iter_unpack("<IHH", table)))

    def addresses(self) -> set[int]:
        """Return the linear address of each covered byte."""
        return {
            self.modules[module][0] + start + place
            for start, size, module in self.entries
            for place in range(size)
        }


def coverage(folder: Path, window: Window = WHOLE) -> Coverage:
    with Trace(folder) as trace:
        return Coverage.of(drcov.coverage(trace, window))


def executed(folder: Path, condition: str = "true") -> set[int]:
    """Return the address of each byte of the instructions of a trace, by the instructions alone."""
    with Trace(folder) as trace:
        rows = trace.rows(f"SELECT DISTINCT rip FROM instructions WHERE {condition}")  # noqa: S608 - a test's own
        blocks = trace.rows("SELECT address, code, offsets FROM blocks")
    ends = {
        block["address"] + begin: block["address"] + end
        for block in blocks
        for begin, end in zip(
            block["offsets"], [*block["offsets"][1:], len(block["code"])], strict=True
        )
    }
    return {place for row in rows for place in range(row["rip"], ends[row["rip"]])}


def test_seven_instructions_are_four_stretches(seven_trace: Path) -> None:
    with Trace(seven_trace) as trace:
        assert drcov.coverage(trace, Window()) == SEVEN_FILE


def test_level_blocks_covers_the_same(seven_traces: dict[Level, Path]) -> None:
    with Trace(seven_traces[Level.BLOCKS]) as trace:
        assert drcov.coverage(trace, Window()) == SEVEN_FILE


def test_covered_bytes_are_those_of_the_instructions(full_ping_trace: Path) -> None:
    assert coverage(full_ping_trace).addresses() == executed(full_ping_trace)


@pytest.mark.parametrize(("first", "end"), [(0, 1), (1003, 1004), (1003, 24_500), (24_001, 50_000)])
def test_window_covers_the_instructions_of_its_steps(
    full_ping_trace: Path, first: int, end: int
) -> None:
    covered = coverage(full_ping_trace, Window(first, end)).addresses()
    assert covered == executed(full_ping_trace, f"step >= {first} AND step < {end}")


def test_core_covers_its_instructions(full_ping_trace: Path) -> None:
    covered = coverage(full_ping_trace, Window(core=1)).addresses()
    assert covered == executed(full_ping_trace, "core = 1")


def test_code_outside_the_image_is_a_module_of_its_own(full_ping_trace: Path) -> None:
    modules = coverage(full_ping_trace).modules
    assert [path for _base, _end, path in modules.values()] == ["guest", "memory at 0x8000"]
    assert modules[1][:2] == (0x8000, 0x9000)


def test_filter_of_addresses_covers_what_passed_it(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "trace", Level.INSTRUCTIONS)
    writer.begin({"target": "guest", "filter": {"addresses": ["0x100001..0x100002"]}})
    writer.add(
        "blocks",
        {"block": [0], "address": [0x100000], "bits": [64], "code": [b"\x90\x90\x90"],
         "instructions": [3], "offsets": [[0, 1, 2]]},
    )  # fmt: skip
    writer.add("instructions", {"step": [1], "core": [0], "rip": [0x100001], "cpl": [0]})
    writer.end({})
    assert coverage(tmp_path / "trace").addresses() == {0x100001}


def test_stretch_above_16_bits_becomes_several(tmp_path: Path) -> None:
    writer = TraceWriter(tmp_path / "trace", Level.BLOCKS)
    writer.begin({"target": "guest"})
    code = b"\x90" * 0x1_0001
    writer.add(
        "blocks",
        {"block": [0], "address": [0x100000], "bits": [64], "code": [code],
         "instructions": [1], "offsets": [[0]]},
    )  # fmt: skip
    writer.add("executions", {"step": [0], "core": [0], "block": [0], "instructions": [1]})
    writer.end({})
    assert coverage(tmp_path / "trace").entries == [(0, 0xFFFF, 0), (0xFFFF, 2, 0)]


def test_empty_trace_covers_nothing(empty_trace: Path) -> None:
    assert coverage(empty_trace).entries == []


def test_level_below_is_refused(seven_traces: dict[Level, Path]) -> None:
    with pytest.raises(ConfigError, match="--trace-level blocks"):
        coverage(seven_traces[Level.EVENTS])


def test_module_line_is_what_readers_split(seven_trace: Path) -> None:
    with Trace(seven_trace) as trace:
        line = drcov.coverage(trace, Window()).splitlines()[4].decode()
    assert re.fullmatch(r" 0(, 0x[0-9a-f]{16}){3}(, 0x[0-9a-f]{8}){2}, guest", line)
