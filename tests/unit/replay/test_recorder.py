"""What a recorder writes, replayed: every kind of run, input and ending."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from guests import BUSY, COUNT_TO_100, PREAMBLE, TWO_CORES, machine_with, record

from uniSMP import (
    ConfigError,
    Image,
    Machine,
    Outcome,
    Recorder,
    Recording,
    Replayer,
    RoundRobin,
    RunResult,
    SeededRandom,
    assemble,
)
from uniSMP.memory.boot_information import Module

ECHO = """
_start:
    mov ecx, 40
again:
    mov al, 'a'
    out 0xE9, al
wait:
    inc dword ptr [0x2000]
    mov dx, 0x3FD
    in al, dx
    test al, 1
    jz wait
    mov dx, 0x3F8
    in al, dx
    add r9, rcx
    dec ecx
    jnz again
    finish
"""

ENDINGS = {
    Outcome.FINISHED: COUNT_TO_100,
    Outcome.GUEST_FAILED: "_start: mov al, 3\nout 0xF4, al",
    Outcome.DEADLOCK: "_start: mov ecx, 70\nagain: dec ecx\njnz again\ncli\nhlt",
    Outcome.TRIPLE_FAULT: "_start: lidt [rip + none]\nmov eax, [0x2000]\nud2\nnone: .quad 0, 0",
    Outcome.INSTRUCTION_LIMIT: "_start: inc eax\njmp _start",
}


def replay(path: Path) -> RunResult:
    with Replayer(path) as replayer:
        return replayer.run()


@pytest.mark.parametrize("outcome", ENDINGS)
@pytest.mark.parametrize("quantum", [1, 7, 1000])
def test_every_ending_is_replayed(path: Path, outcome: Outcome, quantum: int) -> None:
    source, schedule = ENDINGS[outcome], RoundRobin(quantum)
    with machine_with(source) as machine:
        plain = machine.run(schedule, max_instructions=1003)
    recorded = record(path, source, schedule=RoundRobin(quantum), limits=[1003])
    assert plain.outcome is outcome
    assert [plain] == recorded == [replay(path)]
    recording = Recording.open(path)
    assert recording.is_complete
    assert (recording.outcome, recording.digest, recording.steps) == (
        outcome,
        plain.digest,
        plain.steps,
    )


def test_end_by_the_host_is_replayed_as_such(path: Path) -> None:
    answers = iter([False, False, True])
    with machine_with(BUSY, 2) as machine, Recorder(machine, path):
        result = machine.run(RoundRobin(100), is_interrupted=lambda: next(answers))
    assert result.outcome is Outcome.HOST_TIMEOUT
    assert replay(path) == result


def test_core_that_raises_exceptions_for_ever_is_replayed(path: Path) -> None:
    source = "_start: gate 6, on_ud\nlidt [rip + idt]\non_ud: ud2"
    with machine_with(source) as machine, Recorder(machine, path):
        result = machine.run(RoundRobin(100))
    assert result.outcome is Outcome.DEADLOCK
    assert "exceptions for ever" in result.reason
    assert replay(path) == result


def test_idle_time_at_the_end_of_a_run_is_replayed(path: Path) -> None:
    source = """
    _start:
        gate 0x40, on_timer
        lidt [rip + idt]
        mov esi, APIC
        mov dword ptr [rsi + 0xF0], 0x1FF
        mov dword ptr [rsi + 0x3E0], 0xB
        mov dword ptr [rsi + 0x320], 0x20040
        mov dword ptr [rsi + 0x380], 100000
        sti
    again:
        hlt
        jmp again
    on_timer:
        mov dword ptr [rsi + 0xB0], 0
        iretq
    """
    results = record(path, source, limits=[200, 1, 2, 3, 4, 5])
    assert [result.steps for result in results[1:]] == [201, 203, 206, 210, 215]
    assert results[-1].ticks > 1_000_000
    assert replay(path) == results[-1]


@pytest.mark.parametrize("cores", [1, 2, 5])
@pytest.mark.parametrize("quantum", [1, 13, 400])
def test_busy_machine_is_replayed_over_several_runs(path: Path, cores: int, quantum: int) -> None:
    limits = [3000, 1, 2, 1777]
    with machine_with(BUSY, cores) as machine:
        schedule = SeededRandom(cores, quantum)
        plain = [machine.run(schedule, max_instructions=limit) for limit in limits]
    assert record(path, BUSY, cores, SeededRandom(cores, quantum), limits) == plain
    assert replay(path) == plain[-1]


def test_input_before_between_and_behind_runs_is_replayed(path: Path) -> None:
    with machine_with(TWO_CORES, 2) as machine:
        machine.memory.write(0x5000, b"first")
        machine.core(1).registers["r8"] = 1
        machine.receive_serial(b"abc")
        with Recorder(machine, path):
            machine.memory.write(0x5100, b"second")
            machine.run(RoundRobin(30), max_instructions=100)
            machine.memory.write(0x5200, b"third")
            machine.core(1).registers["rcx"] = 7
            machine.receive_serial(b"xyz")
            result = machine.run(RoundRobin(7))
            machine.memory.write(0x5300, b"last")
            digest = machine.digest()
    with Replayer(path) as replayer:
        assert replayer.run() == result
        assert replayer.machine.digest() == digest
        assert replayer.machine.memory.read(0x5300, 4) == b"last"


@pytest.mark.parametrize("quantum", [1, 5, 12, 1000])
def test_input_inside_a_slice_is_replayed_where_it_happened(path: Path, quantum: int) -> None:
    """`on_console` is called while a core runs."""
    with machine_with(ECHO) as machine, Recorder(machine, path):

        def answer(data: bytes) -> None:
            machine.core(0).registers["r9"] = machine.core(0).registers["r9"] * 3 & 0xFFFF_FFFF
            machine.receive_serial(data)

        result = machine.run(RoundRobin(quantum), on_console=answer)
        turns = machine.memory.read_integer(0x2000, 4)
    assert (result.outcome, turns) == (Outcome.FINISHED, 40)
    assert replay(path) == result


def test_input_inside_a_long_slice_is_replayed_where_it_happened(path: Path) -> None:
    counter = iter(range(1, 100))
    source = "_start: inc rax\nadd rbx, [0x2000]\njmp _start"
    with machine_with(source, 2) as machine, Recorder(machine, path):

        def ask() -> bool:
            number = next(counter)
            machine.memory.write_integer(0x2000, number, 4)
            machine.core(1).registers["rcx"] = number
            return number == 7

        result = machine.run(RoundRobin(2_500_000), is_interrupted=ask)
    assert replay(path) == result
    assert len(Recording.open(path).items) == 15


def test_run_of_a_guest_that_has_ended_is_replayed(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine, Recorder(machine, path):
        first = machine.run()
        machine.memory.write(0x5000, b"late")
        second = machine.run()
    assert first.steps == second.steps == 303
    assert first.digest != second.digest
    assert replay(path) == second


def test_deadlock_is_met_again(path: Path) -> None:
    results = record(path, ENDINGS[Outcome.DEADLOCK], limits=[None, None, 5])
    assert [result.outcome for result in results] == [Outcome.DEADLOCK] * 3
    assert replay(path) == results[-1]


def test_recording_without_a_run_says_so(path: Path) -> None:
    assert record(path, COUNT_TO_100, limits=[]) == []
    result = replay(path)
    assert (result.outcome, result.reason, result.steps) == (
        Outcome.HOST_TIMEOUT,
        "no run was recorded",
        0,
    )
    recording = Recording.open(path)
    assert (recording.is_complete, recording.outcome, recording.digest) == (True, None, None)


def fail_while_recording(machine: Machine, path: Path) -> None:
    with Recorder(machine, path):
        machine.run(max_instructions=33)
        machine.memory.write(0x5000, b"lost")
        raise KeyError


def test_exception_inside_leaves_an_unfinished_recording(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine, pytest.raises(KeyError):
        fail_while_recording(machine, path)
    recording = Recording.open(path)
    assert (recording.is_complete, recording.outcome, recording.steps) == (False, None, 33)
    result = replay(path)
    assert result.outcome is Outcome.HOST_TIMEOUT
    assert result.reason == "the recording was not completed: this is its last checkpoint"
    assert result.steps == 33
    assert (machine.on_input, machine.on_run_end) == (None, None)


@pytest.mark.parametrize("quantum", [5, 1000])
@pytest.mark.parametrize("goes_on", [False, True])
def test_run_that_an_exception_ended_is_recorded(
    path: Path,
    quantum: int,
    goes_on: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    """`on_console` raises inside a slice, and the caller catches it inside the block."""
    with machine_with(ECHO) as machine, Recorder(machine, path):
        machine.receive_serial(b"abcdefghijkl")
        machine.run(RoundRobin(quantum), max_instructions=30)
        answers = iter([b"", b""])
        with pytest.raises(StopIteration):
            machine.run(RoundRobin(quantum), on_console=lambda _data: next(answers))
        results = [machine.run(RoundRobin(quantum), max_instructions=15)] if goes_on else []
        digest = machine.digest()
    recording = Recording.open(path)
    assert (recording.is_complete, recording.steps) == (True, machine.steps)
    assert (recording.digest is None) is not goes_on
    with Replayer(path) as replayer:
        result = replayer.run()
        assert replayer.machine.digest() == digest
    assert [result] == results or result.reason == "no run was recorded to its end"
    assert result.digest == digest


def test_machine_is_not_recorded_behind_the_block(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine:
        with Recorder(machine, path):
            machine.run(max_instructions=10)
        written = path.read_bytes()
        machine.memory.write(0x5000, b"more")
        machine.run()
        assert path.read_bytes() == written


def test_recording_changes_nothing(path: Path) -> None:
    with machine_with(BUSY, 3) as machine:
        plain = machine.run(SeededRandom(9, 70), max_instructions=5000)
    assert record(path, BUSY, 3, SeededRandom(9, 70), [5000]) == [plain]


def test_file_is_there_and_valid_before_the_first_run(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine, Recorder(machine, path):
        recording = Recording.open(path)
        assert (recording.is_complete, recording.steps) == (False, 0)
        assert [each.name for each in path.parent.iterdir()] == ["run.rec"]


def test_file_of_before_is_replaced(path: Path) -> None:
    path.write_bytes(b"something else")
    record(path, COUNT_TO_100)
    assert Recording.open(path).steps == 303


def test_facts_and_schedule_stand_in_the_manifest(path: Path) -> None:
    with (
        machine_with(COUNT_TO_100) as machine,
        Recorder(machine, path, facts={"target": "x"}, schedule={"name": "random", "seed": 7}),
    ):
        pass
    facts = Recording.open(path).manifest["facts"]
    assert facts == {"target": "x", "schedule": {"name": "random", "seed": 7}}


@pytest.fixture
def short_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Write a checkpoint every 10 rows or 500 instructions, about."""
    monkeypatch.setattr("uniSMP.replay.recorder._ROWS_OF_A_CHUNK", 10)
    monkeypatch.setattr("uniSMP.replay.recorder._STEPS_OF_A_CHUNK", 500)
    return


@pytest.mark.usefixtures("short_chunks")
def test_many_checkpoints_are_compared(path: Path) -> None:
    result = record(path, BUSY, 3, RoundRobin(40), [6000])[0]
    recording = Recording.open(path)
    rows = [point.row for point in recording.checkpoints]
    steps = [point.step for point in recording.checkpoints]
    assert len(rows) > 10
    assert (rows, steps) == (sorted(rows), sorted(steps))
    assert steps[-1] == result.steps
    assert replay(path) == result


@pytest.mark.usefixtures("short_chunks")
def test_file_during_a_run_replays_up_to_its_last_checkpoint(path: Path) -> None:
    copies: list[bytes] = []

    def ask() -> bool:
        copies.append(path.read_bytes())
        return len(copies) == 50

    with machine_with(BUSY, 2) as machine, Recorder(machine, path):
        machine.run(RoundRobin(60), is_interrupted=ask)
    path.write_bytes(copies[40])
    recording = Recording.open(path)
    assert not recording.is_complete
    assert 500 < recording.steps == replay(path).steps


def test_multiboot_machine_with_modules_and_serial_input_is_replayed(
    path: Path, program: Callable[[str], Image]
) -> None:
    settings: dict[str, Any] = {
        "modules": (Module("a file", b"content"), Module("another", b"")),
        "serial_input": b"typed",
        "command_line": "some words",
        "ticks_per_instruction": 3,
    }
    with Machine(cores=2, **settings) as machine:
        machine.load(program("smp_hello"))
        with Recorder(machine, path):
            result = machine.run(RoundRobin(500))
    recording = Recording.open(path)
    assert recording.config.modules == settings["modules"]
    assert recording.config.serial_input == b"typed"
    assert recording.config.command_line == "some words"
    assert result.outcome is Outcome.FINISHED
    assert replay(path) == result


def test_image_of_bytes_is_replayed(path: Path) -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.load(assemble(PREAMBLE + COUNT_TO_100).data)
        with Recorder(machine, path):
            result = machine.run()
    assert Recording.open(path).image == assemble(PREAMBLE + COUNT_TO_100).data
    assert replay(path) == result


def test_machine_without_an_image_is_refused(path: Path) -> None:
    with Machine(cores=1) as machine, pytest.raises(ConfigError, match="no image"):
        Recorder(machine, path)


@pytest.mark.parametrize("limit", [1, 1000])
def test_machine_that_has_run_is_refused(path: Path, limit: int) -> None:
    with machine_with(COUNT_TO_100) as machine:
        machine.run(max_instructions=limit)
        with pytest.raises(ConfigError, match="has run already"):
            Recorder(machine, path)
    assert not path.exists()


def test_machine_that_is_recorded_is_refused(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine, Recorder(machine, path):
        with pytest.raises(ConfigError, match="recorded, or followed by a time line, already"):
            Recorder(machine, path.with_name("second.rec"))
        machine.run()
    assert Recording.open(path).steps == 303


def test_folder_that_is_missing_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "none" / "run.rec"
    with (
        machine_with(COUNT_TO_100) as machine,
        pytest.raises(ConfigError, match=r"cannot write .*run\.rec: No such file"),
    ):
        Recorder(machine, path)


def test_path_of_a_folder_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with machine_with(COUNT_TO_100) as machine:
        with pytest.raises(ConfigError, match=r"cannot write .*folder: it is no regular file"):
            Recorder(machine, tmp_path / "folder")
        assert [each.name for each in tmp_path.iterdir()] == ["folder"]
        with Recorder(machine, tmp_path / "run.rec"):
            machine.run()
    assert Recording.open(tmp_path / "run.rec").steps == 303


def test_facts_that_are_no_json_leave_nothing(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine, pytest.raises(TypeError):
        Recorder(machine, path, facts={"what": object()})
    assert list(path.parent.iterdir()) == []


def test_same_run_is_recorded_byte_for_byte(path: Path) -> None:
    second = path.with_name("second.rec")
    record(path, BUSY, 3, SeededRandom(1, 50), [4000])
    record(second, BUSY, 3, SeededRandom(1, 50), [4000])
    assert path.read_bytes() == second.read_bytes()
    assert json.loads(json.dumps(Recording.open(path).manifest)) == Recording.open(second).manifest


def test_run_that_is_broken_off_is_recorded_no_further(path: Path) -> None:
    def fail(_data: bytes) -> None:
        raise KeyboardInterrupt

    source = "_start: mov al, 'a'\nout 0xE9, al\nnop\nfinish"
    with machine_with(source) as machine, Recorder(machine, path) as recorder:
        with pytest.raises(KeyboardInterrupt):
            machine.run(on_console=fail)
        machine.run()
        recorder.finish()
    recording = Recording.open(path)
    assert (recording.is_complete, recording.steps) == (False, 0)
    with Replayer(path) as replayer:
        assert replayer.run().steps == 0


def test_input_while_all_cores_idle_is_replayed_when_it_came(path: Path) -> None:
    source = """
    _start:
        mov dx, 0x3F9
        mov al, 1                   ; COM1 interrupts when a byte arrives
        out dx, al
        mov dx, 0x3FC
        mov al, 8
        out dx, al
        mov al, 0x36                ; the 8254 ticks on IRQ 0, which the 8259A lets through
        out 0x43, al
        mov al, 0
        out 0x40, al
        out 0x40, al
        mov al, 0xEE
        out 0x21, al
        cli
        hlt
    """
    with machine_with(source) as machine:
        count = iter(range(10_000))

        def send_later() -> bool:
            number = next(count)
            if number == 8:
                machine.receive_serial(b"x")
            return number == 12

        with Recorder(machine, path):
            result = machine.run(is_interrupted=send_later)
    with Replayer(path) as replayer:
        assert replayer.run() == result
