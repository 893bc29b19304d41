"""`unismp trace export` writes whole files, and refuses in one line."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uniSMP.cli.main import main

Unismp = Callable[..., Any]
GUEST = """
_start:
    mov esp, 0x9000
    call work
    xor eax, eax
    out 0xF4, al
work:
    ret
"""
LEVELS = ("events", "blocks", "instructions", "memory", "registers")
NEEDED = {"perfetto": 0, "drcov": 1, "execlog": 2, "csv": 2, "tenet": 4}


@pytest.fixture(scope="session")
def guest_traces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a trace of each level, named like it."""
    folder = tmp_path_factory.mktemp("guest_traces")
    path = folder / "guest.asm"
    path.write_text(GUEST)
    for level in LEVELS:
        with pytest.raises(SystemExit):
            main(["run", str(path), "--trace", str(folder / level), "--trace-level", level])
    return folder


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("chosen", list(NEEDED))
def test_each_format_needs_its_level(
    unismp: Unismp, guest_traces: Path, tmp_path: Path, chosen: str, level: str
) -> None:
    path = tmp_path / "file"
    call = unismp("trace", "export", str(guest_traces / level), "--format", chosen, "-o", str(path))
    is_enough = LEVELS.index(level) >= NEEDED[chosen]
    assert (call.status, path.exists()) == ((0, True) if is_enough else (2, False))
    assert len(call.err.splitlines()) == 1
    assert (f"was traced at level {level} and has no table" in call.err) is not is_enough


def test_file_and_standard_output_are_the_same(
    guest_traces: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "file"
    trace = str(guest_traces / "registers")
    with pytest.raises(SystemExit):
        main(["trace", "export", trace, "--format", "tenet", "-o", str(path)])
    capfdbinary.readouterr()
    with pytest.raises(SystemExit):
        main(["trace", "export", trace, "--format", "tenet", "-o", "-"])
    captured = capfdbinary.readouterr()
    assert captured.out == path.read_bytes()
    assert captured.err == b""


def test_what_was_written_is_told(unismp: Unismp, guest_traces: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    call = unismp(
        "trace", "export", str(guest_traces / "memory"), "--format", "execlog", "-o", str(path)
    )
    size = path.stat().st_size
    assert call.err == f"{path}: 5 instructions, {size} bytes\n"
    assert call.out == ""


def test_table_is_exported(unismp: Unismp, guest_traces: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    call = unismp(
        "trace", "export", str(guest_traces / "memory"),
        "--format", "csv", "--table", "symbols", "-o", str(path),
    )  # fmt: skip
    assert path.read_text() == "address,name\n0x100000,_start\n0x10000e,work\n"
    assert "2 rows" in call.err


def test_existing_file_needs_force(unismp: Unismp, guest_traces: Path, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    arguments = (
        "trace",
        "export",
        str(guest_traces / "blocks"),
        "--format",
        "drcov",
        "-o",
        str(path),
    )
    assert unismp(*arguments).status == 2
    assert path.read_text() == "old"
    assert unismp(*arguments, "--force").status == 0
    assert path.read_bytes().startswith(b"DRCOV")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--format", "elf", "-o", "x"), "'elf' is not one of"),
        (("--format", "csv"), "Missing option '-o'"),
        (("--format", "tenet", "-o", "x", "--table", "events"), "--table goes with --format csv"),
        (("--format", "drcov", "-o", "-"), "drcov is no text"),
        (("--format", "perfetto", "-o", "-"), "perfetto is no text"),
        (("--format", "csv", "-o", "-", "--table", "none"), "there is no table none"),
        (("--format", "csv", "-o", "-", "--core", "1"), "cores 0 to 0"),
        (("--format", "csv", "-o", "-", "--core", "-1"), "cores 0 to 0"),
        (("--format", "csv", "-o", "-", "--steps", "3"), "write A..B"),
        (("--format", "csv", "-o", "-", "--steps", "3..3"), "nothing lies between"),
        (("--format", "csv", "-o", "-", "--steps", f"{1 << 63}.."), "there is no step in"),
    ],
)
def test_wrong_use_is_one_line(
    unismp: Unismp, guest_traces: Path, options: tuple[str, ...], text: str
) -> None:
    call = unismp("trace", "export", str(guest_traces / "registers"), *options)
    assert call.status == 2
    assert call.err.startswith("unismp: error: ")
    assert text in call.err
    assert len(call.err.splitlines()) == 1


def test_folder_without_a_trace_is_refused(unismp: Unismp, tmp_path: Path) -> None:
    call = unismp("trace", "export", str(tmp_path), "--format", "csv", "-o", "-")
    assert (call.status, "holds no trace" in call.err) == (2, True)


def test_closed_pipe_is_quiet(guest_traces: Path) -> None:
    command = [
        sys.executable, "-c", "from uniSMP.cli.main import main; main()",
        "trace", "export", str(guest_traces / "memory"), "--format", "execlog", "-o", "-",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
