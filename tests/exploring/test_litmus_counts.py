"""DPOR runs as many executions of the litmus programs as they have traces."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from comparing import explore

from uniSMP import Machine
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.explore.scene import set_scene

COUNTS = [
    *(("litmus_readers", 1 + n, 2**n) for n in (1, 2, 3, 4)),
    ("litmus_writers", 2, 2),
    ("litmus_writers", 3, 6),
    ("litmus_writers", 4, 24),
    ("litmus_lastzero", 2, 2),
    ("litmus_lastzero", 3, 5),
    ("litmus_lastzero", 4, 12),
    ("litmus_lastzero", 5, 28),
    ("litmus_independent", 2, 1),
    ("litmus_independent", 4, 1),
    ("litmus_store_buffering", 2, 3),
    ("litmus_message_passing", 2, 3),
    ("litmus_increments", 2, 4),
    ("litmus_increments", 3, 36),
    ("litmus_locked", 4, 24),
    ("litmus_spin", 2, 4),  # each core looks in vain once, or not at all
    ("litmus_cas", 2, 4),
    ("litmus_cas", 3, 66),
    ("explore_ticket", 2, 4),
]


@pytest.mark.parametrize(("name", "cores", "count"), COUNTS)
def test_each_trace_of_a_litmus_program_is_executed_once(name: str, cores: int, count: int) -> None:
    machine = Machine(cores=cores)
    machine.load(assemble_file(program_path(name)))
    explored = explore(set_scene(machine))
    assert (len(explored.traces), len(set(explored.traces))) == (count, count)
