"""What the host puts in is told, kept before the first run, and put into another machine."""

from collections.abc import Iterator

import pytest

from uniSMP import ConfigError, Machine, assemble
from uniSMP.machine.host_input import HostInput, MemoryInput, RegisterInput, SerialInput

SPIN = "_start: inc rax\njmp _start"
INPUTS: list[HostInput] = [
    MemoryInput(0x5000, b"abc"),
    MemoryInput(0x5008, b"\x07\0\0\0"),
    RegisterInput(1, "r9", 77),
    RegisterInput(0, "rip", 0x10_0000),
    SerialInput(b"xyz"),
]


def make() -> Machine:
    machine = Machine(cores=2, boot="long", memory_bytes=2 << 20)
    machine.load(assemble(SPIN))
    return machine


def put_in(machine: Machine) -> None:
    """Do with a machine what INPUTS say."""
    machine.memory.write(0x5000, bytearray(b"abc"))
    machine.memory.write_integer(0x5008, 7, 4)
    machine.core(1).registers["r9"] = 77
    machine.core(0).registers["rip"] = 0x10_0000
    machine.receive_serial(b"xyz")


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Return a machine of two cores."""
    with make() as made:
        yield made


def test_inputs_before_the_first_step_are_kept_in_order(machine: Machine) -> None:
    put_in(machine)
    assert machine.first_inputs == INPUTS


def test_loading_is_no_input(machine: Machine) -> None:
    assert machine.first_inputs == []


def test_inputs_behind_the_first_step_are_not_kept(machine: Machine) -> None:
    machine.memory.write(0x5000, b"first")
    machine.run(max_instructions=5)
    put_in(machine)
    assert machine.first_inputs == [MemoryInput(0x5000, b"first")]


def test_listener_is_told_instead_before_it_takes_effect(machine: Machine) -> None:
    told: list[tuple[HostInput, bytes]] = []
    machine.on_input = lambda given: told.append((given, machine.memory.read(0x5000, 3)))
    put_in(machine)
    assert [given for given, _memory in told] == INPUTS
    assert [memory for _given, memory in told] == [bytes(3), *[b"abc"] * 4]
    assert machine.first_inputs == []


def test_listener_may_refuse(machine: Machine) -> None:
    def refuse(_given: HostInput) -> None:
        raise ConfigError("no")

    before = machine.digest()
    machine.on_input = refuse
    with pytest.raises(ConfigError, match="no"):
        machine.memory.write(0x5000, b"a")
    with pytest.raises(ConfigError, match="no"):
        machine.core(0).registers["rax"] = 1
    with pytest.raises(ConfigError, match="no"):
        machine.receive_serial(b"a")
    assert machine.digest() == before


def test_input_that_cannot_be_is_not_told(machine: Machine) -> None:
    with pytest.raises(ConfigError):
        machine.memory.write(2 << 20, b"a")
    with pytest.raises(ConfigError):
        machine.memory.write_integer(0, 256, 1)
    with pytest.raises(ConfigError):
        machine.core(0).registers["cr3"] = 0
    with pytest.raises(ConfigError):
        machine.core(0).registers["rax"] = 1 << 64
    assert machine.first_inputs == []


def test_same_input_makes_the_same_machine(machine: Machine) -> None:
    put_in(machine)
    with make() as other:
        for given in INPUTS:
            other.put(given)
        assert other.first_inputs == INPUTS
        assert other.digest() == machine.digest()
        assert other.run(max_instructions=100) == machine.run(max_instructions=100)


@pytest.mark.parametrize(
    "given", [MemoryInput(2 << 20, b"a"), RegisterInput(2, "rax", 1), RegisterInput(0, "none", 1)]
)
def test_input_that_does_not_fit_is_an_error(machine: Machine, given: HostInput) -> None:
    with pytest.raises(ConfigError):
        machine.put(given)


def test_bytes_that_change_afterwards_stay_as_they_were_put_in(machine: Machine) -> None:
    data = bytearray(b"abc")
    machine.receive_serial(data)
    machine.memory.write(0x5000, data)
    data[:] = b"zzz"
    assert machine.first_inputs == [SerialInput(b"abc"), MemoryInput(0x5000, b"abc")]


def test_image_comes_before_input() -> None:
    with Machine(cores=1, boot="long", memory_bytes=2 << 20) as machine:
        machine.memory.write(0x5000, b"a")
        with pytest.raises(ConfigError, match="load the image before memory, registers or"):
            machine.load(assemble(SPIN))


def test_ends_of_runs_are_told(machine: Machine) -> None:
    told = []
    machine.on_run_end = told.append
    results = [machine.run(max_instructions=5), machine.run(max_instructions=6)]
    assert told == results
