"""Recording and replaying by command: the same run, moments of it, and what departs from it."""

import json
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from uniSMP.machine.board import Board
from uniSMP.replay.chunks import decode, encode

Unismp = Callable[..., Any]
Source = Callable[[str], str]

COUNT = """
_start:
    lock inc dword ptr [total]
    call store
    cmp edi, 0
    jne park
    mov ecx, 50
again:
    dec ecx
    jnz again
    xor eax, eax
    out 0xF4, al
store:
    mov [last], edi
    ret
park:
    jmp park
.balign 8
total: .quad 0
last: .quad 0x1122334455667788
"""


@pytest.fixture
def recorded(unismp: Unismp, source: Source, tmp_path: Path) -> tuple[str, Any]:
    """Record a run on two cores; return the file and the run's result."""
    path = str(tmp_path / "run.rec")
    options = ("--cores", "2", "--quantum", "7", "--seed", "5", "--json", "--record", path)
    return path, json.loads(unismp("run", source(COUNT), *options).out)


def rewrite(path: str, change: Callable[[str, bytes], bytes]) -> None:
    """Write the recording anew with members changed."""
    with zipfile.ZipFile(path) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    with zipfile.ZipFile(path, "w") as archive:
        for entry, data in members:
            archive.writestr(entry, change(entry.filename, data))


def alter_a_row(name: str, data: bytes) -> bytes:
    """Let row 3 have retired one instruction more."""
    if name != "chunks/000001.bin":
        return data
    chunk = decode(data, 2)
    instructions = chunk.rows.instructions.copy()
    instructions[3] += 1
    rows = replace(chunk.rows, instructions=instructions)
    checkpoint = replace(chunk.checkpoint, step=chunk.checkpoint.step + 1)
    return encode(replace(chunk, rows=rows, checkpoint=checkpoint))


def test_replay_is_the_recorded_run(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    path, result = recorded
    call = unismp("replay", path, "--json")
    assert (call.status, json.loads(call.out)) == (0, result)


def test_replay_says_that_it_agrees(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    call = unismp("replay", recorded[0])
    assert call.status == 0
    assert "the same run as recorded" in call.out


def test_replay_of_a_run_that_failed_is_a_success(
    unismp: Unismp, source: Source, tmp_path: Path
) -> None:
    path = str(tmp_path / "x.rec")
    assert unismp("run", source("_start: ud2\n"), "--record", path).status == 1
    call = unismp("replay", path)
    assert call.status == 0
    assert "TRIPLE_FAULT" in call.out


@pytest.mark.parametrize("option", ["--cores", "--quantum", "--seed"])
def test_replay_takes_no_option_of_the_machine(
    unismp: Unismp, recorded: tuple[str, Any], option: str
) -> None:
    call = unismp("replay", recorded[0], option, "2")
    assert call.status == 2
    assert "No such option" in call.err


def test_moment_shows_registers_code_and_chips(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    call = unismp("replay", recorded[0], "--at", "20", "--core", "0")
    assert call.status == 0
    assert call.out.startswith("step 20 of ")
    assert "dec ecx" in call.out
    assert "guest.asm:9)" in call.out
    assert "local APIC of core 0" in call.out
    assert "8259A master" in call.out
    assert "core 1:" not in call.out.partition("local APIC")[0]


def test_last_write_names_core_step_and_values(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    call = unismp("replay", recorded[0], "--last-write", "last:4")
    assert call.status == 0
    assert "wrote the 4 bytes at last" in call.out
    assert "mov dword ptr" in call.out
    assert "called from" in call.out


def test_last_write_before_any_says_so(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    call = unismp("replay", recorded[0], "--last-write", "last", "--at", "1")
    assert call.status == 0
    assert call.out.startswith("nobody wrote the 8 bytes at last")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--at", "100000"), "step 100000: this run has steps 0 to"),
        (("--at", "1", "--core", "2"), "core 2: this machine has cores 0 to 1"),
        (("--last-write", "nowhere"), "there is no label 'nowhere'"),
        (("--last-write", "last:0"), "choose 1 to"),
        (("--core", "1"), "--core goes with --at"),
        (("--at", "1", "--json"), "go with neither"),
        (("--trace", ""), "the name of the folder is empty"),
    ],
)
def test_bad_use_is_one_line(
    unismp: Unismp, recorded: tuple[str, Any], arguments: tuple[str, ...], words: str
) -> None:
    call = unismp("replay", recorded[0], *arguments)
    assert call.status == 2
    assert words in call.err
    assert call.err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "name"), [("--input", "x"), ("--module", "x"), ("--trace", "y")]
)
def test_recording_is_not_written_over_what_the_run_reads_or_traces(
    unismp: Unismp, tmp_path: Path, option: str, name: str
) -> None:
    (tmp_path / "x").write_bytes(b"input")
    path = str(tmp_path / name)
    call = unismp("run", "hello", option, path, "--record", path)
    assert call.status == 2
    assert f"--record {path}: this" in call.err
    assert [each.name for each in tmp_path.iterdir()] == ["x"]
    assert (tmp_path / "x").read_bytes() == b"input"


def test_recording_is_not_written_over_the_guest(unismp: Unismp, source: Source) -> None:
    path = source(COUNT)
    assert unismp("run", path, "--record", path).status == 2
    assert Path(path).read_text() == COUNT


def test_error_of_use_leaves_an_older_recording(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    before = Path(recorded[0]).read_bytes()
    call = unismp("run", "hello", "--record", recorded[0], "--max-instructions", "0")
    assert call.status == 2
    assert Path(recorded[0]).read_bytes() == before


def test_special_file_is_not_replaced(unismp: Unismp, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    call = unismp("run", "hello", "--record", str(path))
    assert call.status == 2
    assert "it is no regular file" in call.err
    assert path.is_fifo()


def test_symbolic_link_is_written_through(unismp: Unismp, tmp_path: Path) -> None:
    path, link = tmp_path / "real.rec", tmp_path / "link.rec"
    link.symlink_to(path)
    assert unismp("run", "hello", "--record", str(link)).status == 0
    assert link.is_symlink()
    assert unismp("replay", str(path)).status == 0


@pytest.mark.parametrize("command", [("replay",), ("verify",), ("record", "info")])
def test_file_that_is_no_recording_is_one_line(
    unismp: Unismp, tmp_path: Path, command: tuple[str, ...]
) -> None:
    path = tmp_path / "x.rec"
    path.write_bytes(b"nothing")
    call = unismp(*command, str(path))
    assert call.status == 2
    assert "is no recording" in call.err
    assert call.err.count("\n") == 1


def test_other_image_is_named(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    rewrite(recorded[0], lambda name, data: data + b"x" if name == "image.bin" else data)
    call = unismp("replay", recorded[0])
    assert call.status == 2
    assert "image.bin is not what was recorded: its SHA-256 is" in call.err


def test_other_version_is_named(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    rewrite(recorded[0], lambda _name, data: data.replace(b'"version": 1', b'"version": 9'))
    call = unismp("replay", recorded[0])
    assert call.status == 2
    assert "format version 9" in call.err


def test_altered_row_is_a_divergence_with_report(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    rewrite(recorded[0], alter_a_row)
    call = unismp("replay", recorded[0])
    assert call.status == 1
    assert "the replay departs from the recording" in call.err
    assert "everything that is compared agrees" in call.err
    assert "replayed twice more it does the same each time" in call.err
    assert "core 1:\n  rip " in call.err
    assert "last instructions:" in call.err


def test_machine_that_is_not_deterministic_is_found_at_its_instruction(
    unismp: Unismp, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "x.rec")
    text = "_start: nop\n nop\nbad: in al, 0x70\n mov [0x3000], al\n xor eax, eax\n out 0xF4, al\n"
    answers = iter(range(256))
    read = Board.read_port

    def answer(self: Board, port: int, size: int, now: int) -> Any:
        value, messages = read(self, port, size, now)
        return (next(answers) if port == 0x70 else value), messages

    monkeypatch.setattr(Board, "read_port", answer)
    assert unismp("run", source(text), "--record", path).status == 0
    call = unismp("replay", path)
    assert call.status == 1
    assert "two more replays differ from each other: first after step 2, core 0" in call.err
    assert "in al, 0x70 bad" in call.err


def test_verify_replays_in_processes_of_their_own(
    unismp: Unismp, recorded: tuple[str, Any]
) -> None:
    call = unismp("verify", recorded[0], "--runs", "2")
    assert call.status == 0
    assert call.out.startswith("2 of 2 replays are the recorded run")
    assert recorded[1]["digest"] in call.out


def test_verify_tells_of_a_departure(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    rewrite(recorded[0], alter_a_row)
    call = unismp("verify", recorded[0])
    assert call.status == 1
    assert "replay 1 of 2 departs" in call.err


def test_info_describes_the_recording(unismp: Unismp, recorded: tuple[str, Any]) -> None:
    path, result = recorded
    facts = json.loads(unismp("record", "info", path, "--json").out)
    assert facts["complete"] is True
    assert facts["schedule"] == {"name": "random", "quantum": 7, "seed": 5}
    assert facts["machine"]["cores"] == 2
    assert facts["instructions"] == result["steps"]
    assert facts["instructions_by_core"] == [core["instructions"] for core in result["cores"]]
    assert facts["digest"] == result["digest"]
    assert "FINISHED: the guest wrote 0" in unismp("record", "info", path).out


def test_trace_of_a_replay_is_the_trace_of_the_run(
    unismp: Unismp, source: Source, tmp_path: Path
) -> None:
    path, options = str(tmp_path / "x.rec"), ("--trace-level", "registers")
    one, other = str(tmp_path / "one"), str(tmp_path / "other")
    run = ("run", source(COUNT), "--cores", "2", "--quantum", "7", "--record", path)
    assert unismp(*run, "--trace", one, *options).status == 0
    assert unismp("replay", path, "--trace", other, *options).status == 0
    call = unismp("trace", "diff", one, other)
    assert call.status == 0
    query = "SELECT count(*), sum(step), sum(value) FROM events"
    assert unismp("trace", "sql", one, query).out == unismp("trace", "sql", other, query).out
