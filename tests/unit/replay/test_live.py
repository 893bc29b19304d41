"""A live machine as a time line: it grows, goes back, and goes on in another way."""

import random
from pathlib import Path

import pytest
from guests import BUSY, COUNT_TO_100, TWO_CORES, address, machine_with

from uniSMP import (
    Accessed,
    AtAddress,
    ConfigError,
    LiveTimeline,
    Outcome,
    Recorder,
    RoundRobin,
    RunResult,
    Schedule,
    SeededRandom,
)
from uniSMP.replay.chunks import RunEnd
from uniSMP.replay.history import START

ADD = """
_start:
    mov ecx, 1000
again:
    add eax, [0x2000]
    dec ecx
    jnz again
    mov [0x2008], eax
    xor eax, eax
    out 0xF4, al
"""
SPIN = "_start: inc rax\njmp _start"


def live(source: str, cores: int = 1, schedule: Schedule | None = None) -> LiveTimeline:
    """Return a live time line with a snapshot every 100 instructions."""
    line = LiveTimeline(machine_with(source, cores), schedule or RoundRobin(50))
    line.keep_snapshots().interval = 100
    return line


def plain(source: str, cores: int, schedule: Schedule) -> RunResult:
    with machine_with(source, cores) as machine:
        return machine.run(schedule)


def finish(line: LiveTimeline) -> RunEnd:
    """Go to the end and return how the run ended."""
    assert line.forward() is None
    assert line.ending is not None
    return line.ending


def test_nothing_is_known_at_first() -> None:
    with live(COUNT_TO_100) as line:
        assert (line.position, line.step, len(line.history), line.ending) == (START, 0, 0, None)
        assert line.is_live
        assert line.knows_more()
        assert line.backward([AtAddress(0)]) is None
        assert line.step_back() is None
        assert line.position == START


@pytest.mark.parametrize("quantum", [7, 20, 50, 60, 333])
@pytest.mark.parametrize("seed", [None, 1])
def test_run_is_that_of_a_plain_machine_wherever_one_goes(quantum: int, seed: int | None) -> None:
    def schedule() -> Schedule:
        return RoundRobin(quantum) if seed is None else SeededRandom(seed, quantum)

    result = plain(TWO_CORES, 2, schedule())
    chooser = random.Random(quantum)
    with live(TWO_CORES, 2, schedule()) as line:
        for top in range(100, 1200, 150):
            line.goto(top)
            line.goto(chooser.randrange(top))
            line.step_core(1)
            line.step_back()
        end = finish(line)
        assert (end.outcome, end.steps, end.ticks) == (result.outcome, result.steps, result.ticks)
        assert line.machine.digest() == result.digest
        assert line.step == result.steps


@pytest.mark.parametrize("seed", range(2))
def test_known_moments_stay_the_same(seed: int) -> None:
    steps = random.Random(seed).choices(range(3000), k=15)
    seen: dict[int, str] = {}
    with live(BUSY, 3, SeededRandom(seed, 60)) as line:
        for step in steps + steps[::-1] + sorted(steps):
            line.goto(step)
            assert line.step == step
            assert seen.setdefault(step, line.machine.digest()) == line.machine.digest()


def test_end_is_known_once_it_was_reached() -> None:
    with live(COUNT_TO_100) as line:
        assert finish(line).outcome == Outcome.FINISHED
        assert not line.knows_more()
        digest = line.machine.digest()
        line.goto(100)
        assert line.ending is None
        assert line.knows_more()
        assert finish(line).outcome == Outcome.FINISHED
        assert line.machine.digest() == digest
        assert len(line.history.items) == 1


def test_step_behind_the_end_is_refused() -> None:
    with live(COUNT_TO_100) as line:
        with pytest.raises(ConfigError, match="step 400: this run has steps 0 to 303"):
            line.goto(400)
        line.goto(303)
        assert line.step == 303


def test_search_lets_the_run_grow() -> None:
    with live(COUNT_TO_100) as line:
        last = address(COUNT_TO_100, "again") + 11
        hit = line.forward([AtAddress(last)])
        assert hit is not None
        assert (hit.step, line.step) == (301, 301)
        back = line.backward([Accessed(0x2000, 4)])
        assert back is not None
        assert back.step == 298
        assert line.machine.memory.read_integer(0x2000, 4) == 99


@pytest.mark.parametrize("step", [1, 149, 150, 151, 200, 777, 2999])
def test_memory_written_in_the_past_forgets_what_came_after(step: int) -> None:
    """What is added from then on is 3 instead of 0."""
    with live(ADD) as line:
        finish(line)
        line.goto(step)
        line.machine.memory.write_integer(0x2000, 3, 4)
        assert line.history.steps == step
        assert line.knows_more()
        assert line.ending is None
        end = finish(line)
        turns = 1000 - (step - 1 + 2) // 3
        assert line.machine.memory.read_integer(0x2008, 4) == 3 * turns
        assert (end.outcome, end.steps) == (Outcome.FINISHED, 3004)
        digest = line.machine.digest()
        line.goto(step // 2)
        assert line.machine.memory.read_integer(0x2000, 4) == 0
        finish(line)
        assert line.machine.digest() == digest
        line.goto(step + 1)
        assert line.machine.memory.read_integer(0x2000, 4) == 3


def test_register_written_in_the_past_forgets_what_came_after() -> None:
    with live(COUNT_TO_100) as line:
        finish(line)
        line.goto(31)
        line.machine.core(0).registers["rcx"] = 1
        assert finish(line).steps == 36
        assert line.machine.memory.read_integer(0x2000, 4) == 11
        line.goto(10)
        assert finish(line).steps == 36


def test_serial_input_in_the_past_forgets_what_came_after() -> None:
    source = """
    _start:
        mov dx, 0x3FD
    wait:
        in al, dx
        test al, 1
        jz wait
        mov dx, 0x3F8
        in al, dx
        mov [0x2000], al
        finish
    """
    with live(source) as line:
        line.goto(500)
        line.goto(250)
        line.machine.receive_serial(b"Q")
        assert finish(line).steps < 260
        assert line.machine.memory.read(0x2000, 1) == b"Q"
        line.goto(20)
        finish(line)
        assert line.machine.memory.read(0x2000, 1) == b"Q"


def test_several_changes_of_the_past_stay_in_order() -> None:
    with live(ADD) as line:
        for step, value in ((1500, 1), (901, 2), (301, 3)):
            line.goto(step)
            line.machine.memory.write_integer(0x2000, value, 4)
        line.goto(601)
        line.machine.memory.write_integer(0x2000, 5, 4)
        finish(line)
        assert line.machine.memory.read_integer(0x2008, 4) == 3 * 100 + 5 * 800
        assert [row for row, item in line.history.items if not isinstance(item, RunEnd)] == [7, 13]


def test_looking_at_the_past_forgets_nothing() -> None:
    with live(ADD) as line:
        line.goto(1000)
        line.goto(10)
        assert line.history.steps >= 1000
        line.only = None
        assert line.history.steps >= 1000


def test_input_before_the_first_step_is_there_at_every_moment() -> None:
    machine = machine_with(ADD)
    machine.memory.write_integer(0x2000, 2, 4)
    with LiveTimeline(machine, RoundRobin(50)) as line:
        finish(line)
        assert line.machine.memory.read_integer(0x2008, 4) == 2000
        line.goto(0)
        assert line.machine.memory.read_integer(0x2000, 4) == 2


def test_guest_that_has_ended_stays_so() -> None:
    with live(COUNT_TO_100) as line:
        finish(line)
        line.machine.memory.write_integer(0x2000, 7, 4)
        assert finish(line).steps == 303
        assert line.machine.memory.read_integer(0x2000, 4) == 7


def test_only_one_core_runs_where_nothing_is_known() -> None:
    with live(SPIN, 3) as line:
        line.goto(300)
        before = [core.instructions for core in line.machine.cores]
        assert before == [100, 100, 100]
        line.only = 1
        assert line.only == 1
        line.goto(500)
        assert [core.instructions for core in line.machine.cores] == [100, 300, 100]
        line.only = None
        line.goto(50)
        line.goto(800)
        assert [core.instructions for core in line.machine.cores][1] >= 300
        assert sum(core.instructions for core in line.machine.cores) == 800


def test_core_that_runs_alone_is_stepped_exactly() -> None:
    with live(SPIN, 2) as line:
        line.goto(120)
        line.only = 0
        start = line.machine.core(0).instructions
        for count in range(1, 6):
            hit = line.step_core(0)
            assert hit is not None
            assert line.machine.core(0).instructions == start + count
        assert line.step == 125
        assert line.machine.core(1).instructions == 50


def test_other_core_than_the_only_one_is_never_stepped() -> None:
    asked = iter([False] * 5 + [True])
    with live(SPIN, 2) as line:
        line.only = 0
        assert line.step_core(1, is_interrupted=lambda: next(asked)) is None
        assert line.machine.core(1).instructions == 0


def test_only_core_that_cannot_run_is_an_error() -> None:
    with live("_start: test edi, edi\njnz away\nspin: jmp spin\naway: cli\nhlt", 2) as line:
        line.goto(200)
        line.only = 1
        with pytest.raises(ConfigError, match="core 1 cannot run: it waits or is shut down"):
            line.goto(300)
        line.only = None
        line.goto(300)
        assert line.step == 300


def test_only_core_must_exist() -> None:
    with live(SPIN, 2) as line, pytest.raises(ConfigError, match="core 2: this machine has 2"):
        line.only = 2


def test_choosing_a_core_in_the_past_forgets_what_came_after() -> None:
    with live(SPIN, 2) as line:
        line.goto(500)
        line.goto(75)
        line.only = 0
        assert line.history.steps == 75
        line.goto(175)
        assert [core.instructions for core in line.machine.cores] == [150, 25]


def test_steps_grow_the_run_one_by_one() -> None:
    with live(TWO_CORES, 2) as line:
        counts = []
        for _ in range(60):
            line.step_core(1)
            counts.append(line.machine.core(1).instructions)
    assert counts == list(range(1, 61))


@pytest.mark.parametrize("cores", [1, 3])
def test_marks_hold_over_changes_of_the_past(cores: int) -> None:
    """Rows are compared with their marks each time they are gone through."""
    chooser = random.Random(cores)
    with live(BUSY, cores, RoundRobin(20)) as line:
        for _ in range(12):
            line.goto(chooser.randrange(4000))
            line.machine.memory.write_integer(0x6000, chooser.randrange(100), 4)
            line.goto(line.step + chooser.randrange(900))
        steps = line.history.steps
        line.goto(steps)
        digest = line.machine.digest()
        line.goto(0)
        line.goto(steps)
        assert line.machine.digest() == digest


def test_machine_that_is_recorded_is_refused(path: Path) -> None:
    with (
        machine_with(COUNT_TO_100) as machine,
        Recorder(machine, path),
        pytest.raises(ConfigError, match="recorded, or followed by a time line, already"),
    ):
        LiveTimeline(machine, RoundRobin(50))


def test_machine_that_has_run_is_refused() -> None:
    with machine_with(COUNT_TO_100) as machine:
        machine.run(max_instructions=1)
        with pytest.raises(ConfigError, match="has run already"):
            LiveTimeline(machine, RoundRobin(50))


def test_write_before_a_moment_stays_when_another_follows_it() -> None:
    with live(COUNT_TO_100) as line:
        line.machine.memory.write(0x5000, b"x")
        line.step_core(0)
        line.step_back()
        assert line.machine.memory.read(0x5000, 1) == b"x"
        line.machine.memory.write(0x5001, b"y")
        line.forward()
        assert line.machine.memory.read(0x5000, 2) == b"xy"


def test_exception_while_history_is_made_leaves_what_was_known() -> None:
    def fail(_data: bytes) -> None:
        raise KeyError

    source = "_start: mov ecx, 200\nagain: loop again\nmov al, 'a'\nout 0xE9, al\nfinish"
    with live(source) as line:
        line.goto(40)
        digest = line.machine.digest()
        line.machine.parts.loop.boundary.on_console = fail
        with pytest.raises(KeyError):
            line.goto(203)
        line.machine.parts.loop.boundary.on_console = None
        line.goto(40)
        assert line.machine.digest() == digest
        line.forward()
        assert (line.machine.console, line.ending is not None) == (b"a", True)


def test_machine_of_a_time_line_is_not_recorded(path: Path) -> None:
    with (
        live(COUNT_TO_100) as line,
        pytest.raises(ConfigError, match="followed by a time line, already"),
    ):
        Recorder(line.machine, path)
