"""The scene of real programs: reached, or said why not."""

import pytest

from uniSMP import Machine, assemble
from uniSMP.assembler.assemble import assemble_file
from uniSMP.assembler.library import program_path
from uniSMP.errors import ConfigError
from uniSMP.explore.scene import set_scene
from uniSMP.explore.schedule import Slice, instructions


def _machine(source: str, cores: int = 2) -> Machine:
    machine = Machine(cores=cores, boot="long")
    machine.load(assemble(source))
    return machine


def test_all_cores_of_a_program_stand_at_explore_from() -> None:
    machine = Machine(cores=3)
    machine.load(assemble_file(program_path("pair_ticket")))
    executor = set_scene(machine)
    place = machine.symbols["explore_from"]
    assert [machine.core(core).registers["rip"] for core in range(3)] == [place] * 3
    assert executor.rests == [False] * 3
    assert executor.slices == []
    assert instructions(executor.boot_slices) == executor.steps


def test_a_guest_without_explore_from_begins_at_power_on() -> None:
    executor = set_scene(_machine("_start: hlt"))
    assert (executor.steps, executor.boot_slices) == (0, [])


def test_named_symbols_are_used() -> None:
    machine = _machine("_start: nop\nhere: nop\nthere: nop\nhlt")
    executor = set_scene(machine, "here", ["there"])
    assert executor.boot_slices == [Slice(0, 1), Slice(1, 1)]
    executor.run(1)
    assert executor.rests == [False, True]


@pytest.mark.parametrize(
    ("source", "first", "until", "message"),
    [
        ("_start: hlt", "nowhere", None, "the image has no symbol nowhere"),
        ("_start: hlt", None, ["nowhere"], "the image has no symbol nowhere"),
        (
            "_start: test edi, edi\nwait: jz wait\nexplore_from: hlt",
            None,
            None,
            r"get to explore_from, after 30,000 instructions: core 0 running at rip 0x100002",
        ),
        (
            "_start: test edi, edi\njz explore_from\nhlt\nexplore_from: hlt",
            None,
            None,
            r"not all cores get to explore_from, and nobody can go on: core 1 halted with IF=0",
        ),
        (
            "_start: xor eax, eax\nout 0xF4, al\nexplore_from: hlt",
            None,
            None,
            r"the run ended: the guest wrote 0 to the debug-exit port: core 0 .*; core 1 ",
        ),
    ],
)
def test_what_is_wrong_is_said(
    source: str, first: str | None, until: list[str] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        set_scene(_machine(source), first, until, most_instructions=30_000)
