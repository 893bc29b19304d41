"""Moving to any moment of a run and back."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from guests import BUSY, COUNT_TO_100, TWO_CORES, address, machine_with, record

from uniSMP import (
    ConfigError,
    DivergenceError,
    Machine,
    Recorder,
    Recording,
    Replayer,
    RoundRobin,
    SeededRandom,
)
from uniSMP.machine.snapshot import StoreIsFullError
from uniSMP.replay.chunks import RunEnd
from uniSMP.replay.history import START, Position

STEPS = 8000
SPIN = "_start: inc rax\njmp _start"


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a recording of three cores with interrupts, NMIs, faults and input."""
    path = tmp_path_factory.mktemp("recording") / "busy.rec"
    with machine_with(BUSY, 3) as machine:
        machine.memory.write(0x5000, b"before")
        with Recorder(machine, path):
            machine.run(SeededRandom(5, 90), max_instructions=STEPS // 2)
            machine.memory.write(0x5000, b"middle")
            machine.core(1).registers["r15"] = 15
            machine.run(SeededRandom(6, 30), max_instructions=STEPS // 2)
            machine.memory.write(0x5000, b"behind")
    return path


@pytest.fixture
def line(busy: Path) -> Iterator[Replayer]:
    """Return that recording at its start, with a snapshot every 300 instructions."""
    with Replayer(busy) as replayer:
        replayer.keep_snapshots().interval = 300
        yield replayer


def look(line: Replayer) -> tuple[int, Position, str, bytes, bool]:
    """Return all that is to be seen where a line stands."""
    machine = line.machine
    return line.step, line.position, machine.digest(), machine.console, line.ending is not None


def positions_of(line: Replayer, seed: int, count: int) -> list[Position]:
    """Return moments all over a run, with those at which rows begin and end."""
    chooser, history = random.Random(seed), line.history
    rows = [chooser.randrange(len(history)) for _ in range(count)]
    return [
        *(Position(row, 0, 0) for row in rows[::3]),
        *(history.end_of(row) for row in rows[1::3]),
        *(
            Position(row, chooser.randint(0, int(history.rows.instructions[row])), 0)
            for row in rows[2::3]
        ),
        START,
        history.end,
    ]


@pytest.mark.parametrize("seed", range(3))
def test_same_moment_is_the_same_however_it_is_reached(
    busy: Path, line: Replayer, seed: int
) -> None:
    positions = positions_of(line, seed, 25)
    with Replayer(busy) as other:
        other.keep_snapshots().interval = 1 << 40
        forward = {}
        for position in sorted(positions):
            other.goto_position(position)
            forward[position] = look(other)
    random.Random(seed).shuffle(positions)
    for position in positions:
        line.goto_position(position)
        assert look(line) == forward[position]


@pytest.mark.parametrize("seed", range(2))
def test_same_step_is_the_same_however_it_is_reached(line: Replayer, seed: int) -> None:
    steps = random.Random(seed).choices(range(STEPS + 1), k=12) * 3
    random.Random(seed).shuffle(steps)
    seen: dict[int, object] = {}
    for step in steps:
        line.goto(step)
        assert line.step == step
        assert seen.setdefault(step, look(line)) == look(line)


@pytest.mark.parametrize("interval", [1, 2, 3, 7, 50, 333, 1 << 40])
def test_end_is_the_end_with_any_snapshots(busy: Path, interval: int) -> None:
    with Replayer(busy) as replayer:
        result = replayer.run()
        expected = replayer.machine.digest()
    with Replayer(busy) as line:
        line.keep_snapshots().interval = interval
        line.goto_position(line.history.end)
        first = look(line)
        line.goto(0)
        line.goto(STEPS)
        assert line.step == STEPS == result.steps
        line.goto_position(line.history.end)
        assert look(line) == first
        assert line.ending is not None
        assert line.ending.digest == result.digest
        assert line.machine.digest() == expected
        assert line.machine.memory.read(0x5000, 6) == b"behind"


def test_input_is_there_from_the_boundary_at_which_it_was_put_in(line: Replayer) -> None:
    place = line.history.items[2][0]
    end = line.history.end_of(place - 1)
    line.goto_position(Position(place - 1, end.instructions - 1, 0))
    assert line.machine.memory.read(0x5000, 6) == b"before"
    line.goto_position(end)
    assert line.machine.memory.read(0x5000, 6) == b"middle"
    assert line.machine.core(1).registers["r15"] == 15
    line.goto(10)
    assert line.machine.memory.read(0x5000, 6) == b"before"


@pytest.mark.parametrize("step", [-1, STEPS + 1])
def test_step_outside_the_run_is_refused(line: Replayer, step: int) -> None:
    with pytest.raises(ConfigError, match=f"step {step}: this run has steps 0 to {STEPS}"):
        line.goto(step)


def test_snapshots_come_before_the_machine_is_moved(busy: Path) -> None:
    with Replayer(busy) as line:
        line.advance(line.history.first_at(100))
        with pytest.raises(ConfigError, match="keep snapshots before the machine is moved"):
            line.keep_snapshots()
        with pytest.raises(ConfigError, match="keep snapshots before the machine is moved"):
            line.goto(50)


def test_snapshots_are_thinned_out(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("uniSMP.machine.snapshot._MOST_SNAPSHOTS", 16)
    with Replayer(busy) as line:
        line.keep_snapshots().interval = 10
        counts = []
        for step in range(0, STEPS, 400):
            line.goto(step)
            counts.append(len(line.keep_snapshots().kept))
        assert max(counts) == 16
        assert line.keep_snapshots().interval in {640, 1280}
        assert line.keep_snapshots().kept[0].position == START
        line.goto(STEPS)
        digest = line.machine.digest()
        line.goto(5)
        line.goto(STEPS)
        assert line.machine.digest() == digest


def test_at_most_256_snapshots_are_kept(busy: Path) -> None:
    with Replayer(busy) as line:
        line.keep_snapshots().interval = 1
        line.goto(1000)
        assert 128 <= len(line.keep_snapshots().kept) <= 256
        kept = [each.position for each in line.keep_snapshots().kept]
        assert kept == sorted(set(kept))


def test_full_store_thins_out_and_goes_on(busy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Replayer(busy) as line:
        line.keep_snapshots().interval = 100
        line.goto(3000)
        store, interval = line.keep_snapshots()._store, line.keep_snapshots().interval
        assert store is not None
        take, answers = store.take, iter([True, False, True] + [False] * 1000)

        def take_or_not() -> object:
            if next(answers):
                raise StoreIsFullError
            return take()

        monkeypatch.setattr(store, "take", take_or_not)
        line.goto(STEPS)
        assert line.keep_snapshots().interval == 4 * interval
        digest = line.machine.digest()
        line.goto(2500)
        line.goto(STEPS)
        assert line.machine.digest() == digest


def test_snapshots_of_many_moments_share_their_pages(line: Replayer) -> None:
    line.goto(STEPS)
    assert line.keep_snapshots()._store is not None
    assert len(line.keep_snapshots().kept) > 20
    assert (
        line.keep_snapshots()._store.used_bytes
        < 60 * 4096 + len(line.keep_snapshots().kept) * 8 * 4096
    )


def test_going_a_little_back_does_not_begin_at_the_start(
    line: Replayer, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.goto(STEPS)
    restored: list[int] = []
    restore = line._restore
    monkeypatch.setattr(
        line, "_restore", lambda kept: (restored.append(kept.snapshot.step), restore(kept))
    )
    line.goto(STEPS - 100)
    assert len(restored) == 1
    assert restored[0] > STEPS - 1000


def test_steps_of_one_core_go_forward_and_back(path: Path) -> None:
    record(path, TWO_CORES, 2, RoundRobin(10))
    with Replayer(path) as line:
        retired = []
        for _ in range(30):
            hit = line.step_core(1)
            assert hit is not None
            assert (hit.core_id, hit.rip) == (1, line.machine.core(1).linear_rip)
            retired.append(line.machine.core(1).instructions)
        assert retired == list(range(1, 31))
        back = []
        while line.step_back(1) is not None:
            back.append(line.machine.core(1).instructions)
        assert back == list(range(29, -1, -1))
        assert line.step_back(1) is None


def test_steps_of_any_core_go_back_one_by_one(path: Path) -> None:
    record(path, SPIN, 2, RoundRobin(3), [13])
    with Replayer(path) as line:
        line.goto(13)
        hits = [line.step_back() for _ in range(14)]
    assert [hit.step if hit else None for hit in hits] == [*range(12, -1, -1), None]
    assert [hit.core_id for hit in hits if hit] == [0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0]


def test_core_that_runs_no_more_has_no_step(path: Path) -> None:
    record(path, "_start: test edi, edi\njnz away\nspin: jmp spin\naway: cli\nhlt", 2, limits=[200])
    with Replayer(path) as line:
        assert [line.step_core(1) is None for _ in range(5)] == [False] * 4 + [True]
        before = line.position
        assert line.step_core(1) is None
        assert line.position == before


def test_next_core_is_the_one_that_retires_next(path: Path) -> None:
    record(path, SPIN, 2, RoundRobin(3), [12])
    with Replayer(path) as line:
        cores = []
        for step in range(13):
            line.goto(step)
            cores.append(line.history.core_of(line.step))
    assert cores == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1]


def test_going_forward_without_a_condition_ends_at_the_end(path: Path) -> None:
    result = record(path, COUNT_TO_100)[0]
    with Replayer(path) as line:
        assert line.forward() is None
        assert line.position == line.history.end
        assert line.ending is not None
        assert line.ending.digest == result.digest == line.machine.digest()
        assert line.forward() is None
        assert line.backward() is None
        assert (line.position, line.step, line.ending) == (START, 0, None)


def test_long_slice_has_snapshots_inside(path: Path) -> None:
    record(path, SPIN, schedule=RoundRobin(1 << 30), limits=[100_000])
    with Replayer(path) as line:
        line.keep_snapshots().interval = 10_000
        line.goto(100_000)
        assert len(line.history) == 1
        assert [each.position.instructions for each in line.keep_snapshots().kept] == list(
            range(0, 100_000, 10_000)
        )
        line.goto(54_320)
        assert line.machine.core(0).registers["rax"] == 27_160
        line.goto(54_321)
        assert line.machine.core(0).registers["rax"] == 27_161


def test_marks_are_compared_on_the_way(path: Path) -> None:
    record(path, TWO_CORES, 2, RoundRobin(5))
    with Replayer(path) as line:
        assert np.count_nonzero(line.history.rows.mark) == len(line.history) // 16


def test_hit_names_the_linear_address(path: Path) -> None:
    record(path, COUNT_TO_100)
    with Replayer(path) as line:
        line.goto(10)
        hit = line.step_back()
        assert hit is not None
        assert hit.rip == address(COUNT_TO_100, "again") + 9
        assert (hit.step, hit.core_id, hit.condition) == (9, 0, None)


def test_machine_is_closed_with_the_line(busy: Path) -> None:
    line = Replayer(busy)
    line.goto(10)
    line.close()
    assert isinstance(line.machine, Machine)
    assert line.machine.parts.ram.size_bytes == 2 << 20


def test_input_before_the_first_run_is_there_at_the_start(path: Path) -> None:
    with machine_with(COUNT_TO_100) as machine:
        machine.memory.write(0x5000, b"early")
        with Recorder(machine, path):
            machine.run()
    with Replayer(path) as line:
        line.goto(0)
        assert line.machine.memory.read(0x5000, 5) == b"early"


def test_move_after_a_divergence_begins_at_a_snapshot(busy: Path) -> None:
    recording = Recording.open(busy)
    rows = replace(recording.rows, instructions=recording.rows.instructions.copy())
    rows.instructions[40] += 1
    with Replayer(replace(recording, rows=rows)) as line:
        line.goto(20)
        digest = line.machine.digest()
        with pytest.raises(DivergenceError):
            line.goto_position(line.history.end)
        line.goto(20)
        assert (line.step, line.machine.digest()) == (20, digest)


def test_end_that_was_reached_by_going_there_is_compared(busy: Path) -> None:
    recording = Recording.open(busy)
    altered = [
        (row, replace(item, digest="0" * 64) if isinstance(item, RunEnd) else item)
        for row, item in recording.items
    ]
    with (
        Replayer(replace(recording, items=altered)) as line,
        pytest.raises(DivergenceError, match="the digest at the end"),
    ):
        line.goto_position(line.history.end)
