"""A replay goes as the recording says, and notices where it cannot."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from guests import BUSY, COUNT_TO_100, TWO_CORES, machine_with, record

from uniSMP import (
    ConfigError,
    DivergenceError,
    FormatError,
    Machine,
    Outcome,
    Recorder,
    Recording,
    Replayer,
    RoundRobin,
    SeededRandom,
    assemble,
)
from uniSMP.machine.host_input import MemoryInput, RegisterInput
from uniSMP.machine.slice_log import NMI, NO_VECTOR, RowEnd, Rows
from uniSMP.replay.chunks import Item, RunEnd, decode, encode
from uniSMP.replay.container import ContainerWriter, read_members
from uniSMP.replay.history import Position

Change = Callable[[Rows], None]


def altered(path: Path, change: Change) -> Replayer:
    """Return a replayer of a recording whose rows are changed."""
    recording = Recording.open(path)
    rows = replace(
        recording.rows,
        **{name: getattr(recording.rows, name).copy() for name in Rows.__slots__},
    )
    change(rows)
    return Replayer(replace(recording, rows=rows))


def with_items(path: Path, change: Callable[[tuple[int, Item]], tuple[int, Item]]) -> Replayer:
    """Return a replayer of a recording with other items."""
    recording = Recording.open(path)
    return Replayer(replace(recording, items=[change(item) for item in recording.items]))


def first(column: str, value: int) -> Callable[[Rows], int]:
    """Return what finds the first row with a value."""
    return lambda rows: int(np.argmax(getattr(rows, column) == value))


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of three cores with interrupts, NMIs and faults."""
    path = tmp_path_factory.mktemp("recording") / "busy.rec"
    record(path, BUSY, 3, SeededRandom(5, 90), [20_000])
    return path


def test_recording_has_what_the_changes_below_need(busy: Path) -> None:
    rows = Recording.open(busy).rows
    assert {0x40, 0x41, NMI, NO_VECTOR} <= set(rows.vector.tolist())
    assert set(rows.end.tolist()) == {0, 1, 2, 3}


def lengthen(rows: Rows) -> None:
    rows.instructions[40] += 1


def shorten(rows: Rows) -> None:
    rows.instructions[40] -= 1


def swap_cores(rows: Rows) -> None:
    rows.core[:] = np.array([1, 0, 2])[rows.core]


def forget_interrupt(rows: Rows) -> None:
    rows.vector[first("vector", 0x40)(rows)] = NO_VECTOR


def forget_nmi(rows: Rows) -> None:
    rows.vector[first("vector", NMI)(rows)] = NO_VECTOR


def mark_wrong(rows: Rows) -> None:
    rows.mark[31] ^= 1


@pytest.mark.parametrize(
    "change", [lengthen, shorten, swap_cores, forget_interrupt, forget_nmi, mark_wrong]
)
def test_rows_that_are_changed_are_noticed(busy: Path, change: Change) -> None:
    with altered(busy, change) as replayer, pytest.raises(DivergenceError):
        replayer.run()


def invent_interrupt(rows: Rows) -> None:
    rows.vector[2] = 0x40


def invent_nmi(rows: Rows) -> None:
    rows.vector[2] = NMI


def confuse_interrupt(rows: Rows) -> None:
    rows.vector[first("vector", 0x40)(rows)] = 0x55


def invent_fault(rows: Rows) -> None:
    rows.faults[3] = 1


def invent_many_instructions(rows: Rows) -> None:
    rows.instructions[first("end", int(RowEnd.HALT))(rows)] += 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (invent_interrupt, "took interrupt 0x40 here; none is due"),
        (invent_nmi, "took an NMI here; none is due"),
        (confuse_interrupt, "took interrupt 0x55 here; 0x40 is due"),
        (invent_fault, "raised 1 exceptions here; now it raises 0"),
        (invent_many_instructions, "it can run no more after"),
    ],
)
def test_row_that_cannot_be_done_is_named(busy: Path, change: Change, message: str) -> None:
    with altered(busy, change) as replayer, pytest.raises(DivergenceError, match=message):
        replayer.run()


def test_run_that_ends_early_is_noticed(path: Path) -> None:
    record(path, COUNT_TO_100)

    def lengthen_last(rows: Rows) -> None:
        rows.instructions[-1] += 5

    with (
        altered(path, lengthen_last) as replayer,
        pytest.raises(DivergenceError, match="the run ended early: the guest wrote 0"),
    ):
        replayer.run()


def test_run_that_goes_on_is_noticed(path: Path) -> None:
    record(path, COUNT_TO_100)

    def shorten_last(rows: Rows) -> None:
        rows.instructions[-1] -= 1

    with (
        altered(path, shorten_last) as replayer,
        pytest.raises(DivergenceError, match=r"the run ended as FINISHED .*; now it goes on"),
    ):
        replayer.run()


def test_machine_that_stops_for_ever_where_it_went_on_is_noticed(path: Path) -> None:
    record(path, "_start: cli\nhlt")
    recording = Recording.open(path)
    twice = Rows(*(np.tile(getattr(recording.rows, name), 2) for name in Rows.__slots__))
    start, end = recording.checkpoints
    longer = replace(
        recording,
        rows=twice,
        items=[(2, recording.items[0][1])],
        checkpoints=[start, replace(end, row=2)],
    )
    with (
        Replayer(longer) as replayer,
        pytest.raises(DivergenceError, match=r"no core can ever run again.*; it went on when"),
    ):
        replayer.run()


def test_changed_checkpoint_is_noticed_and_called_memory(busy: Path) -> None:
    recording = Recording.open(busy)
    points = [replace(each, state_hash=bytes(16)) for each in recording.checkpoints]
    with Replayer(replace(recording, checkpoints=points)) as replayer:
        with pytest.raises(DivergenceError, match="not that of the checkpoint at row 0"):
            replayer.run()
        assert replayer.differs_in_memory


@pytest.mark.parametrize(
    "field",
    [
        {"digest": "ab"},
        {"steps": 5},
        {"ticks": 5},
        {"console_bytes": 5},
        {"console_sha256": "ab"},
        {"instructions": [1, 2, 3]},
    ],
)
def test_end_that_is_changed_is_noticed_by_name(busy: Path, field: dict[str, object]) -> None:
    def change(item: tuple[int, Item]) -> tuple[int, Item]:
        assert isinstance(item[1], RunEnd)
        return item[0], replace(item[1], **field)  # type: ignore[arg-type]

    with (
        with_items(busy, change) as replayer,
        pytest.raises(DivergenceError, match=f"not that of the recorded run: {next(iter(field))}$"),
    ):
        replayer.run()


@pytest.mark.parametrize(
    "field", [{"outcome": "FINISHED"}, {"outcome": "DEADLOCK"}, {"outcome": "TRIPLE_FAULT"}]
)
def test_other_ending_is_noticed(busy: Path, field: dict[str, str]) -> None:
    def change(item: tuple[int, Item]) -> tuple[int, Item]:
        assert isinstance(item[1], RunEnd)
        return item[0], replace(item[1], **field)  # type: ignore[arg-type]

    with (
        with_items(busy, change) as replayer,
        pytest.raises(DivergenceError, match=f"the run ended as {field['outcome']}"),
    ):
        replayer.run()


def test_input_that_is_changed_is_noticed(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine, Recorder(machine, path):
        machine.run(max_instructions=50)
        machine.memory.write(0x2000, b"\7")
        machine.run()

    def change(item: tuple[int, Item]) -> tuple[int, Item]:
        is_input = isinstance(item[1], MemoryInput)
        return item[0], MemoryInput(0x2000, b"\6") if is_input else item[1]

    with with_items(path, change) as replayer, pytest.raises(DivergenceError, match="digest"):
        replayer.run()


@pytest.mark.parametrize(
    "given", [MemoryInput(1 << 40, b"x"), RegisterInput(7, "rax", 1), RegisterInput(0, "cr3", 1)]
)
def test_input_that_the_machine_refuses_is_an_error_of_one_line(path: Path, given: Item) -> None:
    record(path, COUNT_TO_100)
    recording = Recording.open(path)
    items = [(0, given), *recording.items]
    counts = [count + 1 for count in recording.items_before]
    with (
        Replayer(replace(recording, items=items, items_before=counts)) as replayer,
        pytest.raises((ConfigError, DivergenceError)),
    ):
        replayer.run()


def rewrite(path: Path, **changes: bytes) -> None:
    members, _is_whole = read_members(path)
    writer = ContainerWriter(path)
    for name, data in members.items():
        writer.add(name, changes.get(name, data))
    writer.begin()
    writer.finish()


def test_image_that_is_changed_together_with_its_hash_is_noticed(path: Path) -> None:
    record(path, COUNT_TO_100)
    members, _is_whole = read_members(path)
    changed = members["image.bin"].replace(b"\xb9\x64\0\0\0", b"\xb9\x65\0\0\0")
    assert changed != members["image.bin"]
    rewrite(path, **{"image.bin": changed})
    with pytest.raises(FormatError, match=r"image\.bin is not what was recorded"):
        Recording.open(path)
    manifest = json.loads(members["manifest.json"])
    rewrite(path, **{"image.bin": members["image.bin"]})
    manifest["image"]["sha256"] = hashlib.sha256(changed).hexdigest()
    rewrite(path, **{"image.bin": changed, "manifest.json": json.dumps(manifest).encode()})
    with Replayer(path) as replayer, pytest.raises(DivergenceError, match="checkpoint at row 0"):
        replayer.run()


def test_rows_that_are_changed_in_the_file_are_noticed(path: Path) -> None:
    record(path, TWO_CORES, 2, RoundRobin(20))
    name = "chunks/000001.bin"
    chunk = decode(read_members(path)[0][name], 2)
    chunk.rows.core[7] ^= 1
    rewrite(path, **{name: encode(chunk)})
    with Replayer(path) as replayer, pytest.raises(DivergenceError):
        replayer.run()


def test_replay_begins_at_the_start_and_once(busy: Path) -> None:
    with Replayer(busy) as replayer:
        replayer.run()
        with pytest.raises(ConfigError, match="a replay begins at the start"):
            replayer.run()
    with Replayer(busy) as replayer:
        replayer.goto(100)
        with pytest.raises(ConfigError, match="a replay begins at the start"):
            replayer.run()


def test_machine_of_a_recording_cannot_be_changed(busy: Path) -> None:
    with Replayer(busy) as replayer:
        memory, registers = replayer.machine.memory, replayer.machine.core(0).registers
        with pytest.raises(ConfigError, match="cannot be changed"):
            memory.write(0x5000, b"x")
        with pytest.raises(ConfigError, match="cannot be changed"):
            registers["rax"] = 1
        with pytest.raises(ConfigError, match="cannot be changed"):
            replayer.machine.receive_serial(b"x")
        with pytest.raises(ConfigError, match="cannot hold other cores"):
            replayer.only = 1
        replayer.only = None
        assert replayer.only is None
        assert memory.read(0x5000, 1) == b"\0"


def test_interrupted_replay_ends_where_it_is(busy: Path) -> None:
    answers = iter([False, False, True])
    with Replayer(busy) as replayer:
        result = replayer.run(is_interrupted=lambda: next(answers))
        assert (result.outcome, result.reason) == (
            Outcome.HOST_TIMEOUT,
            "the host stopped the replay",
        )
        assert replayer.position == replayer.history.end_of(replayer.position.slice)
        assert 0 < result.steps == replayer.step < 20_000


def test_interrupted_replay_ends_inside_a_long_slice(path: Path) -> None:
    machine = Machine(cores=1, boot="long", memory_bytes=2 << 20)
    machine.load(assemble("_start: jmp _start"))
    with Recorder(machine, path):
        machine.run(RoundRobin(1 << 32), max_instructions=5_000_000)
    answers = iter([False, False, True])
    with Replayer(path) as replayer:
        result = replayer.run(is_interrupted=lambda: next(answers))
        assert result.steps == 3_000_000
        assert replayer.position == Position(0, 3_000_000, 0)


def test_console_is_told_as_it_appears(path: Path) -> None:
    source = "_start: mov al, 'a'\nout 0xE9, al\nmov al, 'b'\nout 0xE9, al\nfinish"
    record(path, source)
    told: list[bytes] = []
    with Replayer(path) as replayer:
        assert replayer.run(on_console=told.append).console == b"ab"
    assert told == [b"a", b"b"]


def test_several_runs_give_the_result_of_the_last(path: Path) -> None:
    results = record(path, BUSY, 2, RoundRobin(30), [500, 600, 700])
    assert len({result.digest for result in results}) == 3
    with Replayer(path) as replayer:
        assert replayer.run() == results[2]
        assert replayer.ending is not None
        assert replayer.ending.digest == results[2].digest


def test_snapshots_may_be_kept_during_a_replay(busy: Path) -> None:
    with Replayer(busy) as plain:
        result = plain.run()
    with Replayer(busy) as replayer:
        replayer.keep_snapshots().interval = 500
        replayer.keep_snapshots()
        assert replayer.run() == result
        replayer.goto(5000)
        middle = replayer.machine.digest()
        replayer.goto_position(replayer.history.end)
        assert replayer.machine.digest() == result.digest
        assert len(replayer.keep_snapshots().kept) > 20
    with Replayer(busy) as other:
        other.goto(5000)
        assert other.machine.digest() == middle
