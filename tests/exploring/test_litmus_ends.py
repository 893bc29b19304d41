"""DPOR ends the litmus programs in exactly the states that all their interleavings end in."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from interleavings import State, final_states
from litmus_models import MODELS

from uniSMP import Machine
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.explore.dpor import Dpor
from uniSMP.explore.scene import set_scene
from uniSMP.explore.strategy import Performer

MASK32 = 0xFFFF_FFFF
PROGRAMS = [
    *(("litmus_readers", cores) for cores in (2, 3, 4, 5)),
    *(("litmus_writers", cores) for cores in (2, 3, 4)),
    *(("litmus_lastzero", cores) for cores in (2, 3, 4, 5)),
    *(("litmus_independent", cores) for cores in (2, 4)),
    *(("litmus_increments", cores) for cores in (2, 3)),
    *(("litmus_locked", cores) for cores in (2, 3, 4)),
    *(("litmus_cas", cores) for cores in (2, 3)),
    ("litmus_store_buffering", 2),
    ("litmus_message_passing", 2),
    ("litmus_spin", 2),
    ("explore_ticket", 2),
]


def place(machine: Machine, cell: str) -> int:
    """Return the address of a cell: a label, or a label and an offset in bytes."""
    label, _, offset = cell.partition("+")
    return machine.symbols[label] + int(offset or 0)


def ends(name: str, cores: int, cells: list[str]) -> set[State]:
    """Return the cells that are not 0, and each core's eax, at the ends of all executions."""
    machine = Machine(cores=cores)
    machine.load(assemble_file(program_path(name)))
    performer = Performer(set_scene(machine))
    strategy = Dpor(performer.executor)
    found = set()
    while (execution := performer.perform(strategy)) is not None:
        if execution.is_complete:
            values = {cell: machine.memory.read_integer(place(machine, cell), 4) for cell in cells}
            memory = tuple(sorted((cell, value) for cell, value in values.items() if value))
            eax = tuple(core.registers["rax"] & MASK32 for core in machine.cores)
            found.add((memory, eax))
    return found


@pytest.mark.parametrize(("name", "cores"), PROGRAMS)
def test_dpor_ends_where_all_interleavings_end(name: str, cores: int) -> None:
    expected = final_states(MODELS[name](cores))
    cells = sorted({cell for memory, _ in expected for cell, _ in memory})
    sorted_ends = {(tuple(sorted(memory)), results) for memory, results in expected}
    assert ends(name, cores, cells) == sorted_ends
