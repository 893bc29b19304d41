"""The guest's physical memory manager against the Python reference model, operation by operation.

One core serves operations through `int VECTOR_PMM` (program `pmm_ops`); after each one its result
and every node of its three lists must be those of the model, and the invariants must hold.
"""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uniSMP import Image, Machine, Outcome
from uniSMP.checks import pmm_invariants
from uniSMP.checks.pmm_layout import PmmLists, read_managed
from uniSMP.checks.pmm_model import PmmModel
from uniSMP.checks.pmm_walk import walk

Program = Callable[[str], Image]
_ALLOC, _FREE, _EXIT = 0, 1, 2
_STEP_INSTRUCTIONS = 2_000
_MOST_STEPS = 3_000
_PAGE = 4096


class Guest:
    """Drives program `pmm_ops` through its mailbox."""

    def __init__(self, image: Image, memory_bytes: int) -> None:
        self.machine = Machine(cores=1, memory_bytes=memory_bytes)
        self.machine.load(image)
        self.symbols = image.symbols
        self.mailbox = image.symbols["mailbox"]
        self.read = self.machine.memory.read
        self.run_until(lambda: self.machine.core(0).state.startswith("running"))
        self.requests = 0

    def word(self, number: int) -> int:
        return self.machine.memory.read_integer(self.mailbox + 8 * number, 8)

    def run_until(self, is_done: Callable[[], bool]) -> None:
        self.machine.run(max_instructions=_STEP_INSTRUCTIONS)
        steps = 1
        while not is_done():
            self.machine.run(max_instructions=_STEP_INSTRUCTIONS)
            steps += 1
            assert steps < _MOST_STEPS, "the guest does not answer"

    def call(self, operation: int, first: int = 0, second: int = 0) -> int:
        self.requests += 1
        for number, value in enumerate((operation, first, second, 0, self.requests)):
            self.machine.memory.write_integer(self.mailbox + 8 * number, value, 8)
        self.run_until(lambda: self.word(5) == self.requests)
        return self.word(3)

    def lists(self) -> PmmLists:
        return walk(self.read, self.symbols, self.managed()).lists

    def managed(self) -> tuple[range, ...]:
        return read_managed(self.read, self.symbols)

    def violations(self) -> list[str]:
        return pmm_invariants.check(self.read, self.symbols, self.managed())


def start(program: Program, memory_bytes: int) -> tuple[Guest, PmmModel]:
    guest = Guest(program("pmm_ops"), memory_bytes)
    assert guest.call(_ALLOC, 0) == 0
    return guest, PmmModel(guest.managed())


def agree(guest: Guest, model: PmmModel) -> None:
    assert guest.lists() == model.lists()
    assert guest.violations() == []


def test_manager_after_start_has_the_lists_of_the_model(program: Program) -> None:
    agree(*start(program, 16 << 20))


def test_manager_given_wrong_arguments_returns_the_error_codes(program: Program) -> None:
    guest, model = start(program, 16 << 20)
    metadata = model.metadata_frames[0] * _PAGE
    block = guest.call(_ALLOC, 4)
    assert block == model.alloc(4)
    wrong = [(block + 1, 1), (block, 0), (block, 5), (block + 8 * _PAGE, 1), (metadata, 1)]
    wrong += [((1 << 64) - _PAGE, 1), (block, (1 << 64) - 1), (0, 1), (block, 1 << 52)]
    answers = [guest.call(_FREE, *each) for each in wrong]
    assert answers == [model.free(*each) for each in wrong]
    assert guest.call(_ALLOC, (1 << 64) - 1) == model.alloc((1 << 64) - 1) == 0
    agree(guest, model)


def test_manager_without_memory_leaves_its_lists_as_they_were(program: Program) -> None:
    guest, model = start(program, 4 << 20)
    largest = max(len(each) for each in model.free_ranges)
    assert guest.call(_ALLOC, largest + 1) == model.alloc(largest + 1) == 0
    assert guest.call(_ALLOC, largest) == model.alloc(largest) != 0
    assert guest.call(_ALLOC, 1) == model.alloc(1)
    agree(guest, model)


def test_manager_in_checkerboard_takes_more_metadata_pages(program: Program) -> None:
    guest, model = start(program, 8 << 20)
    frames = 560
    base = guest.call(_ALLOC, frames)
    assert base == model.alloc(frames)
    holes = range(base, base + frames * _PAGE, 2 * _PAGE)
    assert [guest.call(_FREE, hole, 1) for hole in holes] == [0] * len(holes)
    assert [int(model.free(hole, 1)) for hole in holes] == [0] * len(holes)
    agree(guest, model)
    assert len(model.metadata_frames) > 1


Operation = tuple[int, int, int]


@settings(
    derandomize=True,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(st.sampled_from([_ALLOC, _ALLOC, _FREE]), st.integers(0, 40), st.integers(0, 6)),
        min_size=10,
        max_size=60,
    )
)
def test_manager_does_any_operations_as_the_model_does(
    program: Program, operations: list[Operation]
) -> None:
    guest, model = start(program, 2 << 20)
    base = model.allocated_ranges[0].start
    for operation, place, count in operations:
        expected, actual = apply(guest, model, (operation, (base + place) * _PAGE, count))
        assert actual == expected
        assert guest.lists() == model.lists()
    assert guest.violations() == []


def apply(guest: Guest, model: PmmModel, operation: Operation) -> tuple[int, int]:
    kind, address, count = operation
    if kind == _ALLOC:
        return model.alloc(count), guest.call(_ALLOC, count)
    return int(model.free(address, count)), guest.call(_FREE, address, count)


def test_guest_told_to_exit_finishes(program: Program) -> None:
    guest, _model = start(program, 16 << 20)
    guest.call(_EXIT)
    result = guest.machine.run(max_instructions=100_000)
    assert result.outcome is Outcome.FINISHED


@pytest.mark.parametrize("cores", [1, 4])
def test_manager_after_pmm_smp_keeps_its_invariants(program: Program, cores: int) -> None:
    image = program("pmm_smp")
    with Machine(cores=cores) as machine:
        machine.load(image)
        machine.run()
        managed = read_managed(machine.memory.read, image.symbols)
        assert pmm_invariants.check(machine.memory.read, image.symbols, managed) == []
