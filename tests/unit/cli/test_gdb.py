"""`unismp gdb` before a debugger comes; sessions are in tests/gdb."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from uniSMP.cli.gdb import is_recording

Unismp = Callable[..., Any]
TRACES = Path(__file__).parents[3] / "traces"


def test_recording_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.rec", "w") as archive:
        archive.writestr("manifest.json", "{}")
    (tmp_path / "a.asm").write_text("_start: hlt")
    assert is_recording(tmp_path / "a.rec")
    assert not is_recording(tmp_path / "a.asm")
    assert not is_recording(tmp_path / "none")
    assert not is_recording(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("no_such_program",), "no program and no file is called no_such_program"),
        (("hello", "--port", "70000"), "port 70000: choose 0 to 65535"),
        (("hello", "--host", "256.1.1.1"), "cannot listen on 256.1.1.1:1234"),
        (("hello", "--cores", "0"), "cores = 0: choose 1 to 255"),
        (("hello", "--ticks-per-instruction", "0"), "ticks per instruction = 0: choose 1 to"),
        (("hello", "--input", "-"), "--input -: standard input is not read here; give a file"),
    ],
)
def test_error_of_use_is_one_line(unismp: Unismp, arguments: tuple[str, ...], text: str) -> None:
    call = unismp("gdb", *arguments)
    assert call.status == 2
    assert call.err.startswith(f"unismp: error: {text}")
    assert call.err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--cores", "1"),
        ("--memory", "64M"),
        ("--quantum", "10"),
        ("--seed", "1"),
        ("--ticks-per-instruction", "1"),
        ("--append", "text"),
        ("--module", "file"),
        ("--boot", "long"),
        ("--input", "file"),
    ],
)
def test_recording_takes_no_option_of_the_machine(unismp: Unismp, option: str, value: str) -> None:
    call = unismp("gdb", str(TRACES / "hello-1.rec"), option, value)
    why = "the recording says what the machine is; leave it out"
    assert (call.status, call.err) == (2, f"unismp: error: {option}: {why}\n")


def test_file_that_only_looks_like_a_recording_is_one_line(unismp: Unismp, tmp_path: Path) -> None:
    path = tmp_path / "a.rec"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", "")
    call = unismp("gdb", str(path))
    assert (call.status, call.err.count("\n")) == (2, 1)
    assert "damaged" in call.err
