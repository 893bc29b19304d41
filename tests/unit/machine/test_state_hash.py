"""The hash that costs only what changed: equal where a fresh one is, different where state is."""

import random
from collections.abc import Iterator

import pytest

from uniSMP import Machine, RoundRobin, assemble
from uniSMP.machine.state_hash import HASH_BYTES, StateHash, any_byte
from uniSMP.machine.written_pages import RamTracking

SPIN = "_start: inc dword ptr [0x2000]\nmov [rax + 0x10000], rax\nadd rax, 512\njmp _start"


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Return a machine of two cores that store all over their RAM."""
    with Machine(cores=2, boot="long", memory_bytes=2 << 20) as made:
        made.load(assemble(SPIN))
        yield made


@pytest.fixture
def tracking(machine: Machine) -> Iterator[RamTracking]:
    """Return what tracks its RAM."""
    made = RamTracking(machine.parts.ram)
    yield made
    made.close()


def test_hash_has_16_bytes_and_stays_while_nothing_happens(
    machine: Machine, tracking: RamTracking
) -> None:
    state = StateHash(machine.parts, tracking)
    assert len(state.take()) == HASH_BYTES == 16
    assert state.take() == state.take()


def test_hash_kept_up_to_date_is_that_of_a_fresh_look(
    machine: Machine, tracking: RamTracking
) -> None:
    kept = StateHash(machine.parts, tracking)
    hashes = []
    for _ in range(8):
        machine.run(RoundRobin(30), max_instructions=150)
        hashes.append(kept.take())
        fresh = StateHash(machine.parts, tracking)
        assert fresh.take() == hashes[-1]
        fresh.close()
    assert len(set(hashes)) == 8


def test_hash_does_not_depend_on_how_the_state_came_about(
    machine: Machine, tracking: RamTracking
) -> None:
    state, chooser = StateHash(machine.parts, tracking), random.Random(1)
    before = state.take()
    places = chooser.sample(range(0x10_1000, 0x1C_0000), 40)
    for place in places:
        machine.memory.write(place, b"\x55")
    between = state.take()
    for place in reversed(places):
        machine.memory.write(place, b"\0")
    assert between != before == state.take()


@pytest.mark.parametrize("place", [0, 0x2FFF, 0x10_0FFF, 0x1F_FFFF])
def test_every_byte_of_ram_counts(machine: Machine, tracking: RamTracking, place: int) -> None:
    state = StateHash(machine.parts, tracking)
    before = state.take()
    old = machine.memory.read(place, 1)
    machine.memory.write(place, bytes([old[0] ^ 1]))
    assert state.take() != before
    machine.memory.write(place, old)
    assert state.take() == before


def test_same_page_at_another_place_counts(machine: Machine, tracking: RamTracking) -> None:
    state, page = StateHash(machine.parts, tracking), bytes(range(256)) * 16
    machine.memory.write(0x15_0000, page)
    first = state.take()
    machine.memory.write(0x15_0000, bytes(4096))
    machine.memory.write(0x15_1000, page)
    assert state.take() != first


@pytest.mark.parametrize("name", ["rax", "r15", "rip", "rflags"])
def test_registers_of_every_core_count(machine: Machine, tracking: RamTracking, name: str) -> None:
    state = StateHash(machine.parts, tracking)
    before, registers = state.take(), machine.core(1).registers
    old = registers[name]
    registers[name] = old ^ 0x40
    assert state.take() != before
    registers[name] = old
    assert state.take() == before


def test_chips_count(machine: Machine, tracking: RamTracking) -> None:
    state = StateHash(machine.parts, tracking)
    before = state.take()
    machine.receive_serial(b"x")
    assert state.take() != before


@pytest.mark.parametrize("place", [0, 7, 8, 4095])
def test_page_with_one_byte_holds_something(place: int) -> None:
    page = bytearray(4096)
    assert not any_byte(memoryview(page))
    page[place] = 1
    assert any_byte(memoryview(page))
