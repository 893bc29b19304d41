"""Slices that are known already, run on a machine that is recorded."""

from pathlib import Path

import numpy as np
import pytest
from guests import BUSY, COUNT_TO_100, TWO_CORES, machine_with

from uniSMP import Outcome, Recorder, Recording, Replayer, SeededRandom
from uniSMP.errors import DivergenceError
from uniSMP.machine.outcome import Ending
from uniSMP.machine.slice_log import NMI, NO_VECTOR
from uniSMP.replay.exact_slices import end_run, raise_to_end, run_slices

HERE = Ending(Outcome.INSTRUCTION_LIMIT, "here")
TRIPLE_FAULT = "_start: lidt [rip + none]\nnop\nud2\nnone: .quad 0, 0"


def _rows(path: Path) -> list[tuple[int, int, int]]:
    rows = Recording.open(path).rows
    assert not rows.faults.any()
    return list(np.stack([rows.core, rows.instructions, rows.vector]).T.tolist())


@pytest.mark.parametrize(
    ("source", "cores", "seed", "vectors"),
    [
        (COUNT_TO_100, 1, 1, set()),
        (TWO_CORES, 2, 2, set()),
        (BUSY, 2, 3, {0x40, 0x41, NMI}),
    ],
)
def test_slices_of_a_recording_make_the_same_run(
    tmp_path: Path, source: str, cores: int, seed: int, vectors: set[int]
) -> None:
    first, second = tmp_path / "first.rec", tmp_path / "second.rec"
    machine = machine_with(source, cores)
    with Recorder(machine, first):
        wanted = machine.run(SeededRandom(seed, 40), max_instructions=30_000)
    slices = _rows(first)
    assert {vector for _, _, vector in slices} - {NO_VECTOR} == vectors
    machine = machine_with(source, cores)
    with Recorder(machine, second):
        run_slices(machine, slices)
        result = end_run(machine, Ending(wanted.outcome, wanted.reason))
    assert (result.digest, result.steps) == (wanted.digest, wanted.steps)
    with Replayer(second) as replayer:
        assert replayer.run() == result


def test_the_guest_s_own_ending_counts(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    machine = machine_with("_start: mov al, 3\nout 0xF4, al")
    with Recorder(machine, path):
        run_slices(machine, [(0, 1, NO_VECTOR), (0, 1, NO_VECTOR)])
        result = end_run(machine, HERE)
    assert (result.outcome, result.exit_value) == (Outcome.GUEST_FAILED, 3)
    with Replayer(path) as replayer:
        assert replayer.run() == result


def test_a_machine_that_is_not_recorded_runs_them_too() -> None:
    machine = machine_with(COUNT_TO_100)
    run_slices(machine, [(0, 2, NO_VECTOR), (0, 3, NO_VECTOR)])
    assert machine.memory.read_integer(0x2000, 4) == 2
    result = end_run(machine, HERE)
    assert (result.outcome, result.reason, result.steps) == (Outcome.INSTRUCTION_LIMIT, "here", 5)


def test_exceptions_end_the_run_without_an_instruction(tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    machine = machine_with(TRIPLE_FAULT)
    with Recorder(machine, path):
        run_slices(machine, [(0, 2, NO_VECTOR)])
        raise_to_end(machine, 0)
        result = end_run(machine, HERE)
    assert (result.outcome, result.steps) == (Outcome.TRIPLE_FAULT, 2)
    with Replayer(path) as replayer:
        assert replayer.run() == result


@pytest.mark.parametrize(
    ("source", "slices", "message"),
    [
        ("_start: hlt", [(0, 2, NO_VECTOR)], "can run no more after 1"),
        ("_start: nop\nhlt", [(0, 1, 0x41)], "core 0 took interrupt 0x41 here; none is due"),
        ("_start: out 0xF4, al\nhlt", [(0, 2, NO_VECTOR)], "the run ended early"),
        ("_start: cli\nhlt", [(0, 2, NO_VECTOR)] * 2, "the run ends here"),
    ],
)
def test_what_the_machine_cannot_do_is_an_error(
    source: str, slices: list[tuple[int, int, int]], message: str
) -> None:
    with pytest.raises(DivergenceError, match=message):
        run_slices(machine_with(source), slices)


def test_a_core_that_goes_on_does_not_end_the_run() -> None:
    machine = machine_with("_start: nop\nhlt")
    with pytest.raises(DivergenceError, match="core 0 goes on"):
        raise_to_end(machine, 0)
