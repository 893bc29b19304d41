import struct

import pytest

from uniSMP.checks.pmm_layout import (
    FRAME_BYTES,
    NodeWords,
    PmmLists,
    RangeNode,
    Reader,
    encode,
    read_managed,
    read_page,
    read_word,
)
from uniSMP.errors import ConfigError

SYMBOLS = {"pmm_managed": 0x10, "pmm_managed_count": 0x8}


def memory(data: bytes) -> bytes:
    return data.ljust(0x2000, b"\0")


def reader(data: bytes) -> Reader:
    def read(address: int, size_bytes: int) -> bytes:
        if address + size_bytes > len(data):
            raise ConfigError(f"{address:#x} lies outside")
        return data[address : address + size_bytes]

    return read


def test_word_is_read_little_endian() -> None:
    assert read_word(reader(memory(b"\x01\x02\x03\x04")), {"x": 0}, "x") == 0x04030201


def test_symbol_missing_is_refused() -> None:
    with pytest.raises(ConfigError, match="no symbol pmm_free_head"):
        read_word(reader(memory(b"")), {}, "pmm_free_head")


def test_symbol_outside_ram_is_refused() -> None:
    with pytest.raises(ConfigError, match="x at 0x1ffe cannot be read"):
        read_word(reader(memory(b"")), {"x": 0x1FFE}, "x")


def test_symbol_read_too_short_is_refused() -> None:
    with pytest.raises(ConfigError, match="lies outside the RAM"):
        read_word(lambda _address, _size: b"\0", {"x": 0}, "x")


def test_managed_ranges_are_read_from_the_guest() -> None:
    data = memory(struct.pack("<QQ4Q", 0, 2, 0x100, 0x20, 0x200, 0x40))

    assert read_managed(reader(data), SYMBOLS) == (range(0x100, 0x120), range(0x200, 0x240))


def test_managed_ranges_of_garbage_are_refused() -> None:
    with pytest.raises(ConfigError, match="was the manager initialised"):
        read_managed(reader(memory(b"\xff" * 16)), SYMBOLS)


def test_page_outside_ram_is_none() -> None:
    assert read_page(reader(memory(b"")), 2) is None


def test_page_read_too_short_is_none() -> None:
    assert read_page(lambda _address, _size: b"\0" * 16, 0) is None


def test_page_holds_256_slots() -> None:
    page = read_page(reader(memory(struct.pack("<4I", 1, 2, 3, 4))), 0)

    assert page is not None
    assert len(page) == 256
    assert page[:2] == (NodeWords(1, 2, 3, 4), NodeWords(0, 0, 0, 0))


def test_encode_of_two_pages_chains_pages_and_lists() -> None:
    lists = PmmLists(
        free=(RangeNode(257, 50, 5), RangeNode(2, 60, 6)),
        allocated=(RangeNode(1, 7, 2),),
        spare=(3, 258),
        metadata_frames=(7, 8),
    )

    pages, words = encode(lists)

    first, second = (struct.unpack("<1024I", pages[frame]) for frame in (7, 8))
    assert words == {
        "pmm_first_page": 7,
        "pmm_free_head": 257,
        "pmm_allocd_head": 1,
        "pmm_next_head": 3,
    }
    assert first[:16] == (8, 0, 0, 0, 7, 2, 0, 1, 60, 6, 0, 2, 0, 0, 258, 3)
    assert second[:12] == (0, 1, 0, 0, 50, 5, 2, 257, 0, 0, 0, 258)
    assert [len(page) for page in pages.values()] == [FRAME_BYTES] * 2


def test_encode_of_empty_lists_has_zero_heads() -> None:
    _pages, words = encode(PmmLists((), (RangeNode(1, 7, 1),), (), (7,)))

    assert (words["pmm_free_head"], words["pmm_next_head"]) == (0, 0)
