import pytest

from uniSMP.checks.pmm_layout import FRAME_BYTES, encode
from uniSMP.checks.pmm_model import PmmModel
from uniSMP.checks.pmm_walk import Walk, walk
from uniSMP.errors import ConfigError

HEADS = {"pmm_first_page": 0, "pmm_free_head": 4, "pmm_allocd_head": 8, "pmm_next_head": 12}
FIRST = 0x10
MANAGED = [range(FIRST, 0x600)]


class Guest:
    """Guest memory with the metadata of a model, to be damaged by tests."""

    def __init__(self, model: PmmModel) -> None:
        pages, words = encode(model.lists())
        self.data = bytearray(MANAGED[0].stop * FRAME_BYTES)
        for frame, page in pages.items():
            self.data[frame * FRAME_BYTES : (frame + 1) * FRAME_BYTES] = page
        for name, word in words.items():
            self.put(HEADS[name], word)

    def put(self, address: int, word: int) -> None:
        self.data[address : address + 4] = word.to_bytes(4, "little")

    def put_node(self, index: int, word: int, value: int, *, page: int = FIRST) -> None:
        self.put(page * FRAME_BYTES + index % 256 * 16 + word * 4, value)

    def chain(self, frames: range) -> None:
        for ordinal, frame in enumerate(frames):
            self.put_node(0, 0, frame + 1, page=frame)
            self.put_node(0, 1, ordinal, page=frame)

    def read(self, address: int, size_bytes: int) -> bytes:
        if address + size_bytes > len(self.data):
            raise ConfigError("outside")
        return bytes(self.data[address : address + size_bytes])

    def walk(self) -> Walk:
        return walk(self.read, HEADS, MANAGED)


def fragmented() -> PmmModel:
    """Return a model with two metadata pages and nodes 1-255 nearly all in use."""
    model = PmmModel(MANAGED)
    pages = [model.alloc(1) for _ in range(600)]
    for page in pages[::2]:
        model.free(page, 1)
    return model


def simple() -> Guest:
    """Return node 1 (frames 0x10-0x13) and 3 (from 0x16) on allocd, 4 and 2 on free."""
    model = PmmModel(MANAGED)
    page = model.alloc(9)
    model.free(page + 3 * FRAME_BYTES, 2)
    return Guest(model)


@pytest.mark.parametrize("model", [PmmModel(MANAGED), fragmented()])
def test_lists_of_a_sound_manager_are_those_of_the_model(model: PmmModel) -> None:
    walked = Guest(model).walk()

    assert walked.lists == model.lists()
    assert walked.violations == []


def test_lists_of_memory_never_written_are_empty() -> None:
    walked = walk(lambda _address, size_bytes: bytes(size_bytes), HEADS, MANAGED)

    assert walked.violations == ["metadata page 0 (frame 0x0) is not managed memory"]
    assert walked.lists.metadata_frames == ()


def test_metadata_page_outside_ram_is_reported() -> None:
    guest = simple()
    guest.put(0, 0x1000)

    walked = walk(guest.read, HEADS, [range(0x10, 0x2000)])

    assert walked.violations[0] == "metadata page 0 (frame 0x1000) cannot be read"


def test_metadata_page_chained_to_itself_is_reported() -> None:
    guest = simple()
    guest.put_node(0, 0, FIRST)

    assert guest.walk().violations == [
        "metadata page 1 (frame 0x10) was met before: the chain of metadata pages is a cycle"
    ]


def test_metadata_page_chained_to_foreign_memory_is_reported() -> None:
    guest = simple()
    guest.put_node(0, 0, 0xFFFFFFFF)

    assert guest.walk().violations == ["metadata page 1 (frame 0xffffffff) is not managed memory"]


def test_metadata_page_with_a_wrong_ordinal_is_reported() -> None:
    guest = simple()
    guest.put_node(0, 1, 9)

    assert guest.walk().violations == ["metadata page 0 (frame 0x10) has ordinal 0x9 in its slot 0"]


def test_metadata_chain_longer_than_the_memory_needs_is_cut() -> None:
    guest = simple()
    guest.chain(range(0x10, 0x30))

    walked = guest.walk()

    assert walked.violations[0] == (
        "metadata page 7 (frame 0x17) is one more than the managed memory can need"
    )
    assert len(walked.lists.metadata_frames) == 7


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (0x100, "free: node 0x100 lies outside the 1 metadata pages"),
        (0xFFFFFFFF, "free: node 0xffffffff lies outside the 1 metadata pages"),
        (4, "free: node 0x4 was met before: the list is a cycle"),
    ],
)
def test_link_of_the_free_list_damaged_is_reported(index: int, message: str) -> None:
    guest = simple()
    guest.put_node(4, 2, index)

    assert guest.walk().violations[0] == message


def test_link_to_a_reserved_slot_is_reported() -> None:
    guest = Guest(fragmented())
    guest.put(HEADS["pmm_free_head"], 0x100)

    assert guest.walk().violations[0] == "free: node 0x100 is a reserved slot"


def test_link_into_another_list_is_reported() -> None:
    guest = simple()
    guest.put_node(3, 2, 2)

    assert guest.walk().violations == ["allocd: node 0x2 is on list free too"]


def test_self_index_wrong_is_reported() -> None:
    guest = simple()
    guest.put_node(3, 3, 0x33)

    assert guest.walk().violations == ["allocd: node 0x3 has self_idx 0x33"]


def test_list_cut_short_loses_slots() -> None:
    guest = simple()
    guest.put_node(9, 2, 0)

    assert guest.walk().violations == ["246 metadata slots are on no list, the first is 0xa"]


@pytest.mark.parametrize("name", HEADS)
def test_symbol_missing_is_refused(name: str) -> None:
    symbols = {key: value for key, value in HEADS.items() if key != name}

    with pytest.raises(ConfigError, match=name):
        walk(simple().read, symbols, MANAGED)
