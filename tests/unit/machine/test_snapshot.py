"""Snapshots: everything comes back, pages are kept once, and memory is bounded."""

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP import Machine, Outcome, RoundRobin, SeededRandom, assemble
from uniSMP.machine.snapshot import Snapshot, SnapshotStore, StoreIsFullError
from uniSMP.machine.written_pages import PAGE_BYTES, RamTracking

sys.path.insert(0, str(Path(__file__).parents[2]))
from kernel_preamble import PREAMBLE

RAM_BYTES = 1 << 20
PAGES = RAM_BYTES // PAGE_BYTES

BUSY = (
    PREAMBLE
    + """
_start:
    gate 0x40, on_timer
    gate 2, on_nmi
    gate 6, on_undefined
    lidt [rip + idt]
    mov esi, APIC
    mov dword ptr [rsi + 0xF0], 0x1FF
    mov dword ptr [rsi + 0x3E0], 0xB
    mov dword ptr [rsi + 0x320], 0x20040
    mov dword ptr [rsi + 0x380], 300
    mov rax, cr4
    or eax, 0x600
    mov cr4, rax
    fninit
    fld1
    sti
again:
    rdtsc
    cvtsi2sd xmm3, eax
    fadd st(0), st(0)
    mov ecx, 0xC0000102
    xor edx, edx
    wrmsr
    lock xadd [0x2000], eax
    lock inc dword ptr [0x2010]
    mov byte ptr [rip + patched + 1], al
patched:
    mov bl, 0
    mov al, 'x'
    out 0xE9, al
    pause
    test dword ptr [0x2010], 7
    jnz again
    mov dword ptr [rsi + 0x310], 0x01000000
    mov dword ptr [rsi + 0x300], 0x400
    ud2
    hlt
    jmp again
on_undefined:
    add qword ptr [rsp], 2
    iretq
on_timer:
    lock inc dword ptr [0x2020]
    mov dword ptr [rsi + 0xB0], 0
    iretq
on_nmi:
    lock inc dword ptr [0x2030]
    iretq
"""
)


def make(
    source: str = "_start: inc rax\njmp _start", cores: int = 1, memory_bytes: int = RAM_BYTES
) -> Machine:
    machine = Machine(cores=cores, boot="long", memory_bytes=memory_bytes)
    machine.load(assemble(source, origin=0x8000))
    return machine


def store_of(machine: Machine, memory_bytes: int = 0) -> SnapshotStore:
    """Return a store with room for the machine's RAM once, or for `memory_bytes`."""
    return SnapshotStore(machine.parts, RamTracking(machine.parts.ram), memory_bytes)


@pytest.fixture
def machine() -> Iterator[Machine]:
    """Return a machine with 1 MiB of RAM."""
    with make() as made:
        yield made


@pytest.fixture
def busy() -> Iterator[Machine]:
    """Return a machine of two cores with timers, NMIs, faults, HLT, FPU and changed code."""
    with make(BUSY, 2, 2 * RAM_BYTES) as made:
        yield made


def ram_of(machine: Machine) -> bytes:
    return machine.memory.read(0, RAM_BYTES)


# -- everything comes back -----------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 100, 533, 2000])
def test_machine_goes_on_from_a_snapshot_as_it_did(busy: Machine, steps: int) -> None:
    store = store_of(busy)
    busy.run(RoundRobin(37), max_instructions=steps)
    kept, digest = store.take(), busy.digest()
    first = busy.run(RoundRobin(41), max_instructions=3000)
    pauses = busy.parts.loop.pauses.tolist()
    store.restore(kept)
    assert (busy.digest(), busy.steps) == (digest, kept.step)
    assert busy.run(RoundRobin(41), max_instructions=3000) == first
    assert busy.parts.loop.pauses.tolist() == pauses
    assert first.cores[1].interrupts[2] > 0
    assert first.cores[0].exceptions[6] > 0


def test_machine_goes_on_from_any_of_many_snapshots_in_any_order(busy: Machine) -> None:
    store, chooser = store_of(busy), random.Random(2)
    kept, results = [store.take()], []
    for number in range(12):
        results.append(busy.run(SeededRandom(number, 50), max_instructions=700))
        kept.append(store.take())
    for number in chooser.choices(range(12), k=30):
        store.restore(kept[number])
        assert busy.run(SeededRandom(number, 50), max_instructions=700) == results[number]


def test_end_console_and_idle_time_come_back(machine: Machine) -> None:
    source = """
    _start:
        mov al, 'a'
        out 0xE9, al
        mov al, 'b'
        out 0xE9, al
        xor eax, eax
        out 0xF4, al
    """
    with make(source) as other:
        store = store_of(other)
        other.run(max_instructions=2)
        kept = store.take()
        result = other.run()
        over = store.take()
        assert (result.outcome, result.console) == (Outcome.FINISHED, b"ab")
        store.restore(kept)
        assert other.console == b"a"
        assert other.run() == result
        store.restore(kept)
        store.restore(over)
        assert (other.console, other.run()) == (b"ab", result)
    assert machine.steps == 0


def test_chips_come_back(busy: Machine) -> None:
    store = store_of(busy)
    busy.run(RoundRobin(50), max_instructions=500)
    busy.receive_serial(b"abc")
    kept, digest = store.take(), busy.digest()
    deadline = busy.devices.deadline_ticks
    busy.run(RoundRobin(50), max_instructions=500)
    busy.receive_serial(b"defgh")
    store.restore(kept)
    assert (busy.digest(), busy.devices.deadline_ticks) == (digest, deadline)


def test_changed_code_is_executed_as_it_was(machine: Machine) -> None:
    store = store_of(machine)
    machine.run(max_instructions=10)
    kept = store.take()
    machine.memory.write(0x8000, b"\x48\xff\xcb")
    machine.run(max_instructions=10)
    assert machine.core(0).registers["rbx"] == (1 << 64) - 5
    store.restore(kept)
    machine.run(max_instructions=10)
    assert (machine.core(0).registers["rax"], machine.core(0).registers["rbx"]) == (10, 0)


def test_registers_that_the_host_set_come_back(machine: Machine) -> None:
    store = store_of(machine)
    kept = store.take()
    machine.core(0).registers["r8"] = 99
    store.restore(kept)
    assert machine.core(0).registers["r8"] == 0


# -- pages -----------------------------------------------------------------------------------------


def test_ram_that_was_filled_before_the_store_is_kept(machine: Machine) -> None:
    machine.memory.write(0x5_0000, b"early")
    store = store_of(machine)
    kept = store.take()
    machine.memory.write(0x5_0000, b"later")
    store.restore(kept)
    assert machine.memory.read(0x5_0000, 5) == b"early"


def test_pages_of_zeros_and_unchanged_pages_take_nothing(machine: Machine) -> None:
    store = store_of(machine)
    first = store.take()
    used = store.used_bytes
    assert 0 < used < 40 * PAGE_BYTES
    second = store.take()
    assert store.used_bytes == used
    assert np.array_equal(first.slots, second.slots)
    machine.memory.write(0x5_0000, bytes(8 * PAGE_BYTES))
    store.take()
    assert store.used_bytes == used
    machine.memory.write(0x5_0000, b"x")
    third = store.take()
    assert store.used_bytes == used + PAGE_BYTES
    machine.memory.write(0x5_0000, b"\0")
    assert store.take().slots[0x50] == 0
    store.drop(third)
    assert store.used_bytes == used


def test_page_that_becomes_zero_comes_back(machine: Machine) -> None:
    store = store_of(machine)
    machine.memory.write(0x5_0000, b"x")
    filled = store.take()
    machine.memory.write(0x5_0000, b"\0")
    zero = store.take()
    machine.memory.write(0x5_0000, b"y")
    store.restore(filled)
    assert machine.memory.read(0x5_0000, 1) == b"x"
    store.restore(zero)
    assert machine.memory.read(0x5_0000, 1) == b"\0"
    store.restore(filled)
    assert machine.memory.read(0x5_0000, 1) == b"x"


def test_dropping_everything_gives_everything_back_but_what_stands(machine: Machine) -> None:
    store = store_of(machine, 64 << 20)
    kept = []
    for number in range(20):
        machine.memory.write(0x5_0000 + PAGE_BYTES * number, bytes([number + 1]) * 3 * PAGE_BYTES)
        kept.append(store.take())
    highest = store.used_bytes
    for snapshot in kept:
        store.drop(snapshot)
    standing = int(np.count_nonzero(kept[-1].slots)) * PAGE_BYTES
    assert store.used_bytes == standing < highest
    assert store._users[0] >= 1


def fill(machine: Machine, value: int) -> None:
    """Fill all RAM above the code that is neither code nor tables."""
    machine.memory.write(0x1_0000, bytes([value]) * 0xC_0000)


def test_full_store_raises_and_changes_nothing(machine: Machine) -> None:
    store = store_of(machine)
    fill(machine, 1)
    first = store.take()
    fill(machine, 2)
    used = store.used_bytes
    with pytest.raises(StoreIsFullError):
        store.take()
    with pytest.raises(StoreIsFullError):
        store.take()
    assert store.used_bytes == used
    assert machine.memory.read(0x1_0000, 1) == b"\2"
    store.restore(first)
    assert machine.memory.read(0x1_0000, 1) == b"\1"


def test_full_store_has_room_again_once_others_are_dropped(machine: Machine) -> None:
    store = store_of(machine)
    fill(machine, 1)
    first = store.take()
    fill(machine, 2)
    with pytest.raises(StoreIsFullError):
        store.take()
    store.drop(first)
    second = store.take()
    fill(machine, 3)
    store.restore(second)
    assert machine.memory.read(0xC_0000, 1) == b"\2"


def test_memory_is_bounded(machine: Machine) -> None:
    limit = 2 * RAM_BYTES
    store, kept = store_of(machine, limit), []
    for number in range(30):
        fill(machine, number + 1)
        try:
            kept.append(store.take())
        except StoreIsFullError:
            store.drop(kept.pop(0))
        assert store.used_bytes <= limit
    assert len(kept) == 2


def test_restoring_after_close_of_another_store_still_works(machine: Machine) -> None:
    tracking = RamTracking(machine.parts.ram)
    one, other = SnapshotStore(machine.parts, tracking), SnapshotStore(machine.parts, tracking)
    kept = one.take()
    other.take()
    other.close()
    machine.memory.write(0x5_0000, b"x")
    one.restore(kept)
    assert machine.memory.read(0x5_0000, 1) == b"\0"
    one.close()


def test_two_stores_are_told_what_the_other_one_restored(machine: Machine) -> None:
    tracking = RamTracking(machine.parts.ram)
    one, other = SnapshotStore(machine.parts, tracking), SnapshotStore(machine.parts, tracking)
    empty, kept = one.take(), other.take()
    machine.memory.write(0x5_0000, b"x")
    filled = other.take()
    one.restore(empty)
    seen = other.take()
    other.restore(filled)
    assert machine.memory.read(0x5_0000, 1) == b"x"
    other.restore(seen)
    assert machine.memory.read(0x5_0000, 1) == b"\0"
    other.restore(kept)
    assert machine.memory.read(0x5_0000, 1) == b"\0"


operation = st.one_of(
    st.tuples(st.just("write"), st.integers(0x10, 0x20), st.integers(0, 3)),
    st.tuples(st.just("run"), st.integers(1, 50), st.just(0)),
    st.tuples(st.just("take"), st.just(0), st.just(0)),
    st.tuples(st.sampled_from(["restore", "drop"]), st.integers(0, 20), st.just(0)),
)


class Model:
    """A store beside a plain copy of the RAM for each snapshot."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.store = store_of(machine, RAM_BYTES)
        self.kept: list[tuple[Snapshot, bytes, int]] = []

    def do(self, name: str, first: int, second: int) -> None:
        getattr(self, f"_{name}")(first, second)

    def _write(self, page: int, value: int) -> None:
        self.machine.memory.write(page * PAGE_BYTES + 100, bytes([value]))

    def _run(self, steps: int, _none: int) -> None:
        self.machine.run(max_instructions=steps)

    def _take(self, _first: int, _second: int) -> None:
        rax = self.machine.core(0).registers["rax"]
        self.kept.append((self.store.take(), ram_of(self.machine), rax))

    def _restore(self, number: int, _none: int) -> None:
        for snapshot, ram, rax in self.kept[number : number + 1]:
            self.store.restore(snapshot)
            assert ram_of(self.machine) == ram
            assert self.machine.core(0).registers["rax"] == rax

    def _drop(self, number: int, _none: int) -> None:
        for snapshot, _ram, _rax in self.kept[number : number + 1]:
            self.store.drop(snapshot)
        del self.kept[number : number + 1]

    def check_pages(self) -> None:
        """Count the users of each kept page anew."""
        slots = np.stack([self.store._slots, *(snapshot.slots for snapshot, *_ in self.kept)])
        users = np.bincount(slots.ravel(), minlength=len(self.store._users))
        assert np.array_equal(users[1:], self.store._users[1:])
        free = np.nonzero(self.store._users[1:] == 0)[0] + 1
        assert sorted(self.store._free) == free.tolist()


@settings(deadline=None, max_examples=40)
@given(st.lists(operation, max_size=60))
def test_many_operations_do_what_a_model_says(operations: list[tuple[str, int, int]]) -> None:
    with make() as machine:
        model = Model(machine)
        for each in operations:
            model.do(*each)
        model.check_pages()
        for number in range(len(model.kept)):
            model.do("restore", number, 0)
        model.store.close()
