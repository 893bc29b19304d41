import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.checks.pmm_invariants import LONGEST_REPORT, check
from uniSMP.checks.pmm_layout import FRAME_BYTES, PmmLists, RangeNode, encode
from uniSMP.checks.pmm_model import PmmModel
from uniSMP.errors import ConfigError

HEADS = {"pmm_first_page": 0, "pmm_free_head": 4, "pmm_allocd_head": 8, "pmm_next_head": 12}
FIRST = 0x10
MANAGED = [range(FIRST, 0x40), range(0x80, 0x90)]
SPARE = tuple(range(6, 256))


class Guest:
    """Guest memory of 0x90 frames with the metadata that lists say."""

    def __init__(self, lists: PmmLists) -> None:
        pages, words = encode(lists)
        self.data = bytearray(MANAGED[-1].stop * FRAME_BYTES)
        for frame, page in pages.items():
            self.data[frame * FRAME_BYTES : (frame + 1) * FRAME_BYTES] = page
        for name, word in words.items():
            self.data[HEADS[name] : HEADS[name] + 4] = word.to_bytes(4, "little")

    def read(self, address: int, size_bytes: int) -> bytes:
        if address + size_bytes > len(self.data):
            raise ConfigError("outside")
        return bytes(self.data[address : address + size_bytes])

    def check(self) -> list[str]:
        return check(self.read, HEADS, MANAGED)


def lists(
    free: list[tuple[int, int, int]],
    allocated: list[tuple[int, int, int]],
    spare: tuple[int, ...] = SPARE,
) -> PmmLists:
    return PmmLists(
        free=tuple(RangeNode(*each) for each in free),
        allocated=tuple(RangeNode(*each) for each in allocated),
        spare=spare,
        metadata_frames=(FIRST,),
    )


FREE = [(2, 0x14, 4), (3, 0x20, 0x20), (4, 0x80, 0x10)]
ALLOCATED = [(1, 0x10, 4), (5, 0x18, 8)]


def test_manager_sound_violates_nothing() -> None:
    assert Guest(lists(FREE, ALLOCATED)).check() == []


@pytest.mark.parametrize(
    ("free", "allocated", "spare", "expected"),
    [
        (
            [(3, 0x20, 0x20), (2, 0x14, 4), (4, 0x80, 0x10)],
            ALLOCATED,
            SPARE,
            ["free: node 0x2 at frame 0x14 follows node 0x3 at frame 0x20: bases must ascend"],
        ),
        (
            FREE,
            [(1, 0x10, 4), (5, 0x18, 4), (6, 0x1C, 4)],
            SPARE[1:],
            ["allocd: nodes 0x5 and 0x6 touch at frame 0x1c: they must be one"],
        ),
        (
            [*FREE, (6, 0x95, 0)],
            ALLOCATED,
            SPARE[1:],
            ["free: node 0x6 at frame 0x95 has count 0"],
        ),
        (
            FREE,
            ALLOCATED,
            (7, 6, *SPARE[2:]),
            ["next: slot 0x6 follows slot 0x7: slots must ascend"],
        ),
        (
            [(2, 0x14, 5), (3, 0x20, 0x20), (4, 0x80, 0x10)],
            ALLOCATED,
            SPARE,
            ["frame 0x18 is in two ranges, one of them of node 0x5"],
        ),
        (
            [(2, 0x14, 4), (3, 0x10, 0x30), (4, 0x80, 0x10)],
            ALLOCATED,
            SPARE,
            [
                "free: node 0x3 at frame 0x10 follows node 0x2 at frame 0x14: bases must ascend",
                "frame 0x10 is in two ranges, one of them of node 0x3",
                "frame 0x14 is in two ranges, one of them of node 0x2",
                "frame 0x18 is in two ranges, one of them of node 0x5",
            ],
        ),
        (
            [(2, 0x14, 3), (3, 0x20, 0x1F), (4, 0x81, 0xE)],
            ALLOCATED,
            SPARE,
            [
                "frames 0x17 to 0x17 are lost: on neither list",
                "frames 0x3f to 0x3f are lost: on neither list",
                "frames 0x80 to 0x80 are lost: on neither list",
                "frames 0x8f to 0x8f are lost: on neither list",
            ],
        ),
        (
            [(2, 0x14, 4), (3, 0x20, 0x70)],
            ALLOCATED,
            (4, *SPARE),
            ["frames 0x40 to 0x7f are listed, but not managed"],
        ),
        (
            [(6, 0x5, 2), *FREE, (7, 0xFFFFFFFF, 0xFFFFFFFF)],
            ALLOCATED,
            SPARE[2:],
            [
                "frames 0x5 to 0x6 are listed, but not managed",
                "frames 0xffffffff to 0x1fffffffd are listed, but not managed",
            ],
        ),
        (
            [(1, 0x10, 8), *FREE[1:]],
            [(5, 0x18, 8)],
            (2, *SPARE),
            ["metadata page 0 (frame 0x10) is not an allocated range"],
        ),
    ],
)
def test_manager_damaged_is_reported(
    free: list[tuple[int, int, int]],
    allocated: list[tuple[int, int, int]],
    spare: tuple[int, ...],
    expected: list[str],
) -> None:
    assert Guest(lists(free, allocated, spare)).check() == expected


def test_manager_without_any_range_loses_all_memory() -> None:
    violations = Guest(lists([], [], (1, 2, 3, 4, 5, *SPARE))).check()

    assert violations == [
        "frames 0x10 to 0x3f are lost: on neither list",
        "frames 0x80 to 0x8f are lost: on neither list",
        "metadata page 0 (frame 0x10) is not an allocated range",
    ]


def test_report_too_long_is_cut_and_counted() -> None:
    nodes = [(index, 0x200, 0) for index in range(6, 206)]

    violations = Guest(lists([*FREE, *nodes], ALLOCATED, tuple(range(206, 256)))).check()

    assert len(violations) == LONGEST_REPORT + 1
    assert violations[-1] == f"and {200 + 199 - LONGEST_REPORT} more violations"


def test_violation_of_the_walk_is_reported_too() -> None:
    guest = Guest(lists(FREE, ALLOCATED))
    guest.data[HEADS["pmm_next_head"]] = 7

    assert guest.check() == ["1 metadata slots are on no list, the first is 0x6"]


@settings(derandomize=True, deadline=None)
@given(
    slot=st.integers(1, 5),
    word=st.integers(0, 3),
    value=st.integers(0, 0xFFFFFFFF) | st.integers(0, 0x100),
)
def test_word_of_a_used_node_changed_is_always_reported(slot: int, word: int, value: int) -> None:
    guest = Guest(lists(FREE, ALLOCATED))
    at = FIRST * FRAME_BYTES + slot * 16 + word * 4
    before = bytes(guest.data[at : at + 4])
    guest.data[at : at + 4] = value.to_bytes(4, "little")

    violations = guest.check()

    assert (violations == []) == (guest.data[at : at + 4] == before)


@pytest.mark.parametrize("seed", range(20))
def test_metadata_of_garbage_is_survived_and_reported(seed: int) -> None:
    guest = Guest(PmmModel(MANAGED).lists())
    noise = random.Random(seed)
    at = FIRST * FRAME_BYTES
    guest.data[at + 4 : at + FRAME_BYTES] = noise.randbytes(FRAME_BYTES - 4)

    violations = guest.check()

    assert violations
    assert all("\n" not in each for each in violations)


def perform(model: PmmModel, operations: list[tuple[bool, int, int]]) -> None:
    for is_alloc, count, frame in operations:
        if is_alloc:
            model.alloc(count)
        else:
            model.free(frame * FRAME_BYTES, count)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    operations=st.lists(
        st.tuples(st.booleans(), st.integers(1, 6), st.integers(0, 0x90)), max_size=40
    )
)
def test_manager_after_any_operations_violates_nothing(
    operations: list[tuple[bool, int, int]],
) -> None:
    model = PmmModel(MANAGED)

    perform(model, operations)

    assert Guest(model.lists()).check() == []
