"""`unismp run` shows what happened, to people and to programs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Unismp = Callable[..., Any]
Source = Callable[[str], str]

FINISH = "_start: xor eax, eax\n out 0xF4, al\n"


@pytest.mark.parametrize(
    ("text", "status", "outcome"),
    [
        (FINISH, 0, "FINISHED"),
        ("_start: mov al, 7\n out 0xF4, al\n", 1, "GUEST_FAILED"),
        ("_start: cli\n hlt\n", 1, "DEADLOCK"),
        ("_start: ud2\n", 1, "TRIPLE_FAULT"),
        ("_start: jmp _start\n", 1, "INSTRUCTION_LIMIT"),
    ],
)
def test_exit_status_follows_the_outcome(
    unismp: Unismp, source: Source, text: str, status: int, outcome: str
) -> None:
    call = unismp("run", source(text), "--max-instructions", "1000", "--json")
    assert (call.status, json.loads(call.out)["outcome"]) == (status, outcome)


def test_json_has_every_documented_key(unismp: Unismp) -> None:
    call = unismp("run", "smp_hello", "--cores", "2", "--json")
    result = json.loads(call.out)
    assert list(result) == [
        "outcome", "reason", "deterministic", "exit_value", "digest", "steps", "ticks", "console",
        "cores",
    ]  # fmt: skip
    assert list(result["cores"][1]) == [
        "id", "instructions", "interrupts", "exceptions", "ipis_sent", "halted", "state", "rip",
    ]  # fmt: skip
    assert result["steps"] == sum(core["instructions"] for core in result["cores"])
    assert "hello from core 1" in result["console"]


def test_summary_shows_console_table_outcome_and_digest(unismp: Unismp) -> None:
    call = unismp("run", "hello", "--cores", "2")
    assert call.out.startswith("hello\n")
    assert "FINISHED: the guest wrote 0 to the debug-exit port" in call.out
    assert "waits for start-up (SIPI)" in call.out
    assert "digest " in call.out


def test_timeout_ends_as_host_timeout(unismp: Unismp, source: Source) -> None:
    call = unismp("run", source("_start: jmp _start\n"), "--timeout", "0.05")
    assert call.status == 1
    assert "HOST_TIMEOUT" in call.out
    assert "not deterministic" in call.out


def test_console_input_reaches_the_guest(unismp: Unismp, source: Source, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"ok")
    echo = """
    _start:
        mov edx, 0x3FD
    wait:
        in al, dx
        test al, 1
        jz wait
        mov edx, 0x3F8
        in al, dx
        out dx, al
        cmp al, 0x6B
        jne _start
        xor eax, eax
        out 0xF4, al
    """
    call = unismp("run", source(echo), "--input", str(tmp_path / "input"), "--json")
    assert json.loads(call.out)["console"] == "ok"


def test_append_and_modules_need_a_multiboot_image(unismp: Unismp, source: Source) -> None:
    call = unismp("run", source(FINISH), "--append", "text")
    assert call.status == 2
    assert "multiboot" in call.err


def test_flat_file_runs_with_boot_long(unismp: Unismp, tmp_path: Path) -> None:
    path = tmp_path / "flat.bin"
    path.write_bytes(bytes.fromhex("31C0 E6F4"))
    assert unismp("run", str(path), "--boot", "long").status == 0


def test_build_writes_the_image_that_run_takes(unismp: Unismp, tmp_path: Path) -> None:
    path = tmp_path / "hello.img"
    assert unismp("build", "hello", "-o", str(path)).status == 0
    built = json.loads(unismp("run", str(path), "--json").out)
    named = json.loads(unismp("run", "hello", "--json").out)
    assert built == named


def test_list_names_every_program(unismp: Unismp) -> None:
    out = unismp("list").out
    assert "pmm_smp" in out
    assert "smp_hello" in out


def test_disasm_shows_symbol_bytes_and_line(unismp: Unismp, source: Source) -> None:
    path = source("_start:\n    nop\nnext:\n    ret\n")
    call = unismp("disasm", path, "--symbol", "next", "--count", "1")
    assert call.out.split() == ["0000000000100001", "next", "c3", "ret", f"{path}:4"]


def test_help_and_version_are_shown(unismp: Unismp) -> None:
    assert "--cores" in unismp("run", "--help").out
    assert "0.1.0" in unismp("--version").out
