"""What is told of the place at which a replay departs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from guests import COUNT_TO_100, TWO_CORES, address, record

from uniSMP import DivergenceError, Recording, Replayer, RoundRobin
from uniSMP.machine.board import Board
from uniSMP.replay.divergence import Divergence, explain

AGAIN = address(COUNT_TO_100, "again")
PORT = 0x70
PORT_IS_READ = """
_start:
    nop
    nop
bad:
    in al, 0x70
    mov [0x3000], al
    finish
"""


def departed(recording: Recording | Path) -> Divergence:
    """Replay up to where it departs, and return what is found out."""
    with Replayer(recording) as replayer:
        with pytest.raises(DivergenceError) as error:
            replayer.run()
        return explain(replayer, error.value)


@pytest.fixture
def at_a_mark(path: Path) -> Divergence:
    """Return what is told where the mark of row 31, behind step 160, is another one."""
    record(path, COUNT_TO_100, schedule=RoundRobin(5))
    recording = Recording.open(path)
    marks = recording.rows.mark.copy()
    marks[31] ^= 1
    return departed(replace(recording, rows=replace(recording.rows, mark=marks)))


def test_mark_that_differs_is_where_its_row_ends(at_a_mark: Divergence) -> None:
    assert (at_a_mark.step, at_a_mark.core_id) == (160, 0)
    assert at_a_mark.agreed_step == 80


def test_registers_are_those_where_the_row_ends(at_a_mark: Divergence) -> None:
    (registers,) = at_a_mark.registers
    assert (registers["rip"], registers["rcx"], registers["rdi"]) == (AGAIN, 47, 0)


def test_last_instructions_are_those_before_the_end_of_the_row(at_a_mark: Divergence) -> None:
    (last,) = at_a_mark.last
    turn = [AGAIN, AGAIN + 7, AGAIN + 9]
    assert last == list(zip(range(154, 160), turn * 2, strict=True))


def test_replays_that_agree_have_no_first_difference(at_a_mark: Divergence) -> None:
    assert at_a_mark.first_difference is None


def test_checkpoint_that_differs_leaves_the_one_before(path: Path) -> None:
    record(path, COUNT_TO_100, schedule=RoundRobin(5), limits=[100, 50, None])
    recording = Recording.open(path)
    points = list(recording.checkpoints)
    points[2] = replace(points[2], state_hash=bytes(16))
    found = departed(replace(recording, checkpoints=points))
    assert found.what == "the machine's state is not that of the checkpoint at row 30"
    assert (found.step, found.agreed_step, found.first_difference) == (150, 100, None)


def test_core_is_that_of_the_row_and_each_has_its_registers(path: Path) -> None:
    record(path, TWO_CORES, 2, RoundRobin(5))
    recording = Recording.open(path)
    marks = recording.rows.mark.copy()
    marks[15] ^= 1
    found = departed(replace(recording, rows=replace(recording.rows, mark=marks)))
    assert found.core_id == recording.rows.core[15] == 1
    assert [registers["rdi"] for registers in found.registers] == [0, 1]
    assert [len(last) for last in found.last] == [6, 6]


def test_first_difference_is_the_instruction_that_is_not_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(range(256))
    read = Board.read_port

    def answer(self: Board, port: int, size: int, now: int) -> Any:
        value, messages = read(self, port, size, now)
        return (next(answers) if port == PORT else value), messages

    monkeypatch.setattr(Board, "read_port", answer)
    record(path, PORT_IS_READ)
    found = departed(path)
    assert found.first_difference == (2, 0, address(PORT_IS_READ, "bad"))
