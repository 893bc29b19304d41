import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from uniSMP.checks import pmm_invariants
from uniSMP.checks.pmm_layout import FRAME_BYTES, RangeNode, encode
from uniSMP.checks.pmm_model import Node, PmmError, PmmModel
from uniSMP.errors import ConfigError

PAGE = FRAME_BYTES


def alone(frames: int = 64) -> PmmModel:
    return PmmModel([range(0x100, 0x100 + frames)])


def with_spare(model: PmmModel, *spare: int) -> PmmModel:
    """Return `model` with only the slots `spare` on `next`, as after much fragmentation."""
    model.spare_slots[:] = spare
    return model


def nodes(*triples: tuple[int, int, int]) -> tuple[RangeNode, ...]:
    return tuple(RangeNode(*each) for each in triples)


def test_start_takes_the_lowest_frame_as_metadata_page() -> None:
    lists = alone().lists()

    assert lists.metadata_frames == (0x100,)
    assert lists.allocated == nodes((1, 0x100, 1))
    assert lists.free == nodes((2, 0x101, 63))
    assert lists.spare == tuple(range(3, 256))


def test_start_sorts_joins_and_drops_empty_ranges() -> None:
    model = PmmModel([range(80, 90), range(7, 7), range(20, 40), range(10, 20), range(60, 61)])

    assert model.managed == (range(10, 40), range(60, 61), range(80, 90))
    assert model.lists().free == nodes((2, 11, 29), (3, 60, 1), (4, 80, 10))


def test_start_with_a_first_range_of_one_frame_leaves_nothing_of_it() -> None:
    model = PmmModel([range(5, 6), range(10, 12)])

    assert model.allocated_ranges == (range(5, 6),)
    assert model.free_ranges == (range(10, 12),)


def test_start_with_a_single_frame_has_no_free_memory() -> None:
    model = alone(1)

    assert model.free_ranges == ()
    assert model.alloc(1) == 0


def test_start_with_very_many_ranges_takes_more_metadata_pages() -> None:
    model = PmmModel([range(i * 4, i * 4 + 2) for i in range(600)])

    assert model.metadata_frames == [0, 1, 4]
    assert violations(model) == []


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ([], "at least one frame"),
        ([range(5, 5)], "at least one frame"),
        ([range(10), range(9, 12)], "overlap"),
        ([range(0, 10, 2)], "no range of 32-bit frame numbers"),
        ([range(-1, 10)], "no range of 32-bit frame numbers"),
        ([range(10, (1 << 32) + 1)], "no range of 32-bit frame numbers"),
    ],
)
def test_start_with_wrong_ranges_is_refused(ranges: list[range], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PmmModel(ranges)


def test_alloc_takes_the_head_of_the_first_range_that_fits() -> None:
    model = PmmModel([range(0x100, 0x103), range(0x200, 0x210), range(0x300, 0x304)])

    assert model.alloc(3) == 0x200 * PAGE
    assert model.alloc(2) == 0x101 * PAGE
    assert model.alloc(13) == 0x203 * PAGE
    assert model.alloc(5) == 0
    assert model.alloc(4) == 0x300 * PAGE


def test_alloc_touching_allocated_memory_grows_its_node() -> None:
    model = alone()

    assert model.alloc(3) == 0x101 * PAGE
    assert model.lists().allocated == nodes((1, 0x100, 4))
    assert model.lists().free == nodes((2, 0x104, 60))


def test_alloc_of_a_whole_range_releases_its_slot_first() -> None:
    model = PmmModel([range(0x100, 0x101), range(0x200, 0x202), range(0x300, 0x310)])

    assert model.alloc(2) == 0x200 * PAGE
    assert model.lists().allocated == nodes((1, 0x100, 1), (2, 0x200, 2))
    assert model.lists().free == nodes((3, 0x300, 16))
    assert model.spare_slots[0] == 4


def test_alloc_that_joins_both_neighbours_keeps_the_left_node() -> None:
    model = alone()
    model.alloc(10)
    model.free(0x104 * PAGE, 2)

    assert model.lists().allocated == nodes((1, 0x100, 4), (3, 0x106, 5))
    assert model.alloc(2) == 0x104 * PAGE
    assert model.lists().allocated == nodes((1, 0x100, 11))
    assert model.spare_slots[:2] == [3, 4]


def test_alloc_touching_only_the_range_behind_changes_its_node_in_place() -> None:
    model = PmmModel([range(0x100, 0x101), range(0x200, 0x204)])
    model.alloc(4)
    model.free(0x200 * PAGE, 2)

    assert model.alloc(2) == 0x200 * PAGE
    assert model.lists().allocated == nodes((1, 0x100, 1), (2, 0x200, 4))


@pytest.mark.parametrize("count", [0, -1])
def test_alloc_of_nothing_fails_and_changes_nothing(count: int) -> None:
    model = with_spare(alone(), 9)
    before = model.lists()

    assert model.alloc(count) == 0
    assert model.lists() == before


@pytest.mark.parametrize("count", [64, 1 << 32, (1 << 64) - 1])
def test_alloc_of_too_much_fails_and_changes_nothing(count: int) -> None:
    model = alone()
    before = model.lists()

    assert model.alloc(count) == 0
    assert model.lists() == before


def test_free_in_the_middle_splits_and_takes_two_slots_the_right_part_first() -> None:
    model = alone()
    model.alloc(20)

    assert model.free(0x108 * PAGE, 4) == 0
    assert model.lists().allocated == nodes((1, 0x100, 8), (3, 0x10C, 9))
    assert model.lists().free == nodes((4, 0x108, 4), (2, 0x115, 43))


def test_free_of_a_tail_joins_the_free_memory_behind_in_place() -> None:
    model = alone()
    model.alloc(20)

    assert model.free(0x111 * PAGE, 4) == 0
    assert model.lists().allocated == nodes((1, 0x100, 17))
    assert model.lists().free == nodes((2, 0x111, 47))


def test_free_of_a_head_grows_the_free_range_before() -> None:
    model = alone()
    model.alloc(20)
    model.free(0x108 * PAGE, 4)

    assert model.free(0x10C * PAGE, 2) == 0
    assert model.lists().allocated == nodes((1, 0x100, 8), (3, 0x10E, 7))
    assert model.lists().free == nodes((4, 0x108, 6), (2, 0x115, 43))


def test_free_of_a_whole_range_between_free_ones_releases_both_slots() -> None:
    model = alone()
    model.alloc(20)
    model.free(0x108 * PAGE, 4)

    assert model.free(0x10C * PAGE, 9) == 0
    assert model.lists().allocated == nodes((1, 0x100, 8))
    assert model.lists().free == nodes((4, 0x108, 56))
    assert model.spare_slots[:3] == [2, 3, 5]


def test_free_of_a_whole_range_alone_reuses_its_slot() -> None:
    model = PmmModel([range(0x100, 0x101), range(0x200, 0x202)])
    model.alloc(2)

    assert model.free(0x200 * PAGE, 2) == 0
    assert model.lists().free == nodes((2, 0x200, 2))


@pytest.mark.parametrize(
    ("base", "count", "expected"),
    [
        (0x101 * PAGE + 1, 0, PmmError.MISALIGNED),
        (0x101 * PAGE + 0x800, 1, PmmError.MISALIGNED),
        (1, 1, PmmError.MISALIGNED),
        (0x101 * PAGE, 0, PmmError.ZERO_COUNT),
        (0, 0, PmmError.ZERO_COUNT),
        (0, 1, PmmError.NOT_ALLOCATED),
        (0xFF * PAGE, 2, PmmError.NOT_ALLOCATED),
        (0x109 * PAGE, 3, PmmError.NOT_ALLOCATED),
        (0x10B * PAGE, 1, PmmError.NOT_ALLOCATED),
        (0x101 * PAGE, 11, PmmError.NOT_ALLOCATED),
        (0x100 * PAGE, 12, PmmError.NOT_ALLOCATED),
        (0x101 * PAGE, (1 << 64) - 1, PmmError.NOT_ALLOCATED),
        ((1 << 64) - PAGE, 1, PmmError.NOT_ALLOCATED),
        (1 << 45 | 0x101 * PAGE, 1, PmmError.NOT_ALLOCATED),
        (0x100 * PAGE, 1, PmmError.METADATA),
        (0x100 * PAGE, 11, PmmError.METADATA),
    ],
)
def test_free_of_a_wrong_range_fails_and_changes_nothing(
    base: int, count: int, expected: PmmError
) -> None:
    model = alone()
    model.alloc(10)
    with_spare(model, 9)
    before = model.lists()

    assert model.free(base, count) == expected
    assert model.lists() == before


def test_free_of_the_same_range_twice_fails() -> None:
    model = alone()
    page = model.alloc(2)

    assert model.free(page, 2) == 0
    assert model.free(page, 2) == PmmError.NOT_ALLOCATED


@pytest.mark.parametrize("spare", [(), (9,)])
def test_slots_running_low_make_the_lowest_free_frame_a_metadata_page(
    spare: tuple[int, ...],
) -> None:
    model = with_spare(alone(), *spare)

    assert model.alloc(2) == 0x102 * PAGE
    assert model.metadata_frames == [0x100, 0x101]
    assert model.lists().allocated == nodes((1, 0x100, 4))
    assert model.lists().spare == (*spare, *range(257, 512))


def test_slots_enough_take_no_metadata_page() -> None:
    model = with_spare(alone(), 9, 10)

    model.alloc(2)

    assert model.metadata_frames == [0x100]


def test_slots_none_left_give_the_new_page_one_of_its_own() -> None:
    model = with_spare(PmmModel([range(0x100, 0x101), range(0x200, 0x210)]))

    assert model.alloc(1) == 0x201 * PAGE
    assert model.lists().allocated == nodes((1, 0x100, 1), (257, 0x200, 2))


def test_slots_one_left_is_used_for_the_new_page() -> None:
    model = with_spare(PmmModel([range(0x100, 0x101), range(0x200, 0x210)]), 7)

    assert model.alloc(1) == 0x201 * PAGE
    assert model.lists().allocated == nodes((1, 0x100, 1), (7, 0x200, 2))
    assert model.spare_slots[0] == 257


def test_free_when_slots_run_low_takes_a_page_that_may_join_its_range() -> None:
    model = alone()
    page = model.alloc(10)
    with_spare(model, 9)

    assert model.free(page, 10) == 0
    assert model.metadata_frames == [0x100, 0x10B]
    assert model.free_ranges == (range(0x101, 0x10B), range(0x10C, 0x140))


def test_alloc_that_fails_may_still_have_taken_a_metadata_page() -> None:
    model = with_spare(alone(), 9)

    assert model.alloc(63) == 0
    assert model.metadata_frames == [0x100, 0x101]
    assert model.free_ranges == (range(0x102, 0x140),)


@pytest.mark.parametrize(
    ("spare", "page", "count", "expected"),
    [
        ((), 0x110, 4, PmmError.NO_MEMORY),
        ((9,), 0x110, 4, PmmError.NO_MEMORY),
        ((), 0x13F, 1, PmmError.NO_MEMORY),
        ((9,), 0x13F, 1, 0),
    ],
)
def test_free_without_free_frames_succeeds_when_slots_suffice(
    spare: tuple[int, ...], page: int, count: int, expected: int
) -> None:
    model = alone()
    model.alloc(63)
    with_spare(model, *spare)
    before = model.lists()

    assert model.free(page * PAGE, count) == expected
    assert (model.lists() == before) == (expected != 0)


def test_free_of_a_whole_range_without_any_slot_uses_its_own() -> None:
    model = PmmModel([range(0x100, 0x101), range(0x200, 0x202)])
    model.alloc(2)
    with_spare(model)

    assert model.free(0x200 * PAGE, 2) == 0
    assert model.lists().free == nodes((2, 0x200, 2))


def test_alloc_without_any_slot_takes_the_last_free_frame_as_metadata() -> None:
    model = with_spare(alone(2))

    assert model.alloc(1) == 0
    assert model.metadata_frames == [0x100, 0x101]


def test_slots_used_up_by_real_operations_are_renewed() -> None:
    model = alone(2000)
    pages = [model.alloc(1) for _ in range(1200)]
    results = [model.free(page, 1) for page in pages[::2]]

    assert set(results) == {0}
    assert len(model.metadata_frames) == 5
    assert violations(model) == []


def test_node_end_is_the_first_frame_behind() -> None:
    assert Node(1, 10, 5).end == 15


def violations(model: PmmModel) -> list[str]:
    pages, words = encode(model.lists())
    memory = {frame * PAGE: page for frame, page in pages.items()}
    symbols = {name: -1 - place for place, name in enumerate(words)}
    memory |= {symbols[name]: word.to_bytes(4, "little") for name, word in words.items()}
    return pmm_invariants.check(lambda address, _: memory[address], symbols, model.managed)


def expected_result(frames: set[int], owned: set[int], metadata: set[int]) -> int:
    """Return what freeing `frames` must answer, when memory for metadata is never short."""
    if not frames <= owned | metadata:
        return PmmError.NOT_ALLOCATED
    return PmmError.METADATA if frames & metadata else 0


class PmmMachine(RuleBasedStateMachine):
    """Compares the model with a table of frames and their owners, and checks its own encoding."""

    @initialize(
        gaps=st.lists(st.tuples(st.integers(1, 5), st.integers(1, 30)), min_size=1, max_size=8)
    )
    def start(self, gaps: list[tuple[int, int]]) -> None:
        ranges = []
        frame = 0
        for gap, length in gaps:
            ranges.append(range(frame + gap, frame + gap + length))
            frame = ranges[-1].stop
        self.model = PmmModel(ranges)
        self.owned: set[int] = set()

    @rule(count=st.integers(1, 12))
    def alloc(self, count: int) -> None:
        base = self.model.alloc(count) // PAGE
        frames = set(range(base, base + count)) if base else set()
        assert not frames & (self.owned | set(self.model.metadata_frames))
        assert all(any(frame in each for each in self.model.managed) for frame in frames)
        self.owned |= frames

    @rule(frame=st.integers(0, 250), count=st.integers(1, 12))
    def free(self, frame: int, count: int) -> None:
        frames = set(range(frame, frame + count))
        expected = expected_result(frames, self.owned, set(self.model.metadata_frames))
        result = self.model.free(frame * PAGE, count)
        assert result in {expected, expected or PmmError.NO_MEMORY}
        self.owned -= frames if result == 0 else set()

    @precondition(lambda self: len(self.model.metadata_frames) == 1)
    @rule(kept=st.integers(0, 2))
    def slots_become_rare(self, kept: int) -> None:
        """Pretend that other ranges hold nearly all slots (the encoding then misses them)."""
        del self.model.spare_slots[kept:]

    @invariant()
    def allocated_frames_are_the_owned_ones_and_the_metadata(self) -> None:
        allocated = {frame for each in self.model.allocated_ranges for frame in each}
        assert allocated == self.owned | set(self.model.metadata_frames)

    @invariant()
    def invariants_hold_but_for_the_slots_pretended_away(self) -> None:
        assert [each for each in violations(self.model) if "on no list" not in each] == []


PmmMachine.TestCase.settings = settings(
    derandomize=True, deadline=None, max_examples=60, stateful_step_count=40
)
TestPmmModel = PmmMachine.TestCase
