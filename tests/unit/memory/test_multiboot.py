import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.errors import ImageError
from uniSMP.memory import multiboot
from uniSMP.memory.image import Segment

MAGIC = 0x1BADB002
ADDRESS_FIELDS = 1 << 16


def header(flags: int = ADDRESS_FIELDS, *fields: int, checksum: int | None = None) -> bytes:
    right = -(MAGIC + flags) & 0xFFFFFFFF
    words = (MAGIC, flags, right if checksum is None else checksum, *fields)
    return struct.pack(f"<{len(words)}I", *words)


def flat(  # noqa: PLR0913 - the fields of the header
    *,
    at: int = 0,
    header_address: int = 0x100000,
    load: int = 0x100000,
    load_end: int = 0,
    bss_end: int = 0,
    entry: int = 0x100020,
    flags: int = ADDRESS_FIELDS,
    size_bytes: int = 0x40,
) -> bytes:
    fields = (header_address, load, load_end, bss_end, entry)
    return (bytes(at) + header(flags, *fields)).ljust(size_bytes, b"\x90")


def test_image_with_zero_ends_loads_the_whole_file() -> None:
    data = flat()

    image = multiboot.parse(data)

    assert image.segments == (Segment(0x100000, data, 0x40),)
    assert image.entry == 0x100020
    assert image.flags == ADDRESS_FIELDS
    assert image.symbols == {}


def test_image_with_ends_loads_part_of_the_file_and_clears_bss() -> None:
    data = flat(
        at=0x20,
        header_address=0x200010,
        load=0x200000,
        load_end=0x200038,
        bss_end=0x203000,
        entry=0x200030,
        size_bytes=0x100,
    )

    image = multiboot.parse(data)

    assert image.segments == (Segment(0x200000, data[0x10:0x48], 0x3000),)
    assert image.end == 0x203000


def test_image_with_zero_load_end_begins_where_the_header_says() -> None:
    data = flat(at=0x20, header_address=0x200010, load=0x200000, entry=0x200030, size_bytes=0x80)

    assert multiboot.parse(data).segments == (Segment(0x200000, data[0x10:], 0x70),)


@pytest.mark.parametrize("flags", [0x10000, 0x10001, 0x10003, 0xFFFF0003])
def test_flags_known_or_optional_are_accepted(flags: int) -> None:
    assert multiboot.parse(flat(flags=flags)).flags == flags


def test_flag_for_video_reserves_its_fields_and_is_accepted() -> None:
    assert multiboot.parse(flat(flags=0x10007)).flags == 0x10007


@pytest.mark.parametrize("bit", range(3, 16))
def test_flag_mandatory_but_unknown_is_refused(bit: int) -> None:
    with pytest.raises(ImageError, match=f"asks for {1 << bit:#x}, flags"):
        multiboot.parse(flat(flags=ADDRESS_FIELDS | 1 << bit))


@pytest.mark.parametrize("at", [0, 4, 0x1000, 8192 - 32])
def test_header_anywhere_within_8192_bytes_is_found(at: int) -> None:
    data = flat(at=at, header_address=0x100000 + at, size_bytes=0x4000)

    assert multiboot.is_multiboot(data)
    assert multiboot.parse(data).entry == 0x100020


def test_header_at_the_very_end_of_the_search_without_fields_is_found() -> None:
    assert multiboot.is_multiboot(bytes(8180) + header(0))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x02\xb0\xad\x1b",
        bytes(8192),
        bytes(2) + flat(),
        bytes(8184) + flat(),
        bytes(8192) + flat(),
        header(ADDRESS_FIELDS, 1, 2, 3, 4, 5, checksum=1),
        header(0)[:11],
    ],
)
def test_image_without_a_header_is_refused(data: bytes) -> None:
    assert not multiboot.is_multiboot(data)
    with pytest.raises(ImageError, match="no multiboot header"):
        multiboot.parse(data)


def test_header_with_a_wrong_checksum_is_passed_over() -> None:
    wrong = header(ADDRESS_FIELDS, checksum=0)
    data = wrong + flat(header_address=0x10000C, entry=0x10000C)

    assert multiboot.parse(data).segments[0].data == data


@pytest.mark.parametrize(
    "data",
    [
        flat()[:31],
        flat(flags=0x10007)[:47],
        header(4),
        flat(at=8192 - 28, header_address=0x200000, size_bytes=0x4000),
        flat(at=8192 - 44, header_address=0x200000, flags=0x10004, size_bytes=0x4000),
    ],
)
def test_header_cut_off_is_refused(data: bytes) -> None:
    assert multiboot.is_multiboot(data)
    with pytest.raises(ImageError, match="is cut off"):
        multiboot.parse(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (flat(load=0x100001), "load address 0x100001 does not fit the header address"),
        (flat(load=0xFFFFC), "does not fit the header address 0x100000: the header is at 0x0"),
        (flat(load_end=0x100000), "load end 0x100000 is not above"),
        (flat(load_end=0xFFFFF), "load end 0xfffff is not above"),
        (flat(load_end=0x100041), "loads 0x41 bytes from 0x0 of the file, which has 0x40"),
        (flat(load_end=0x100030, bss_end=0x10002F), "bss end 0x10002f is below the load end"),
        (flat(bss_end=0x10003F), "bss end 0x10003f is below the load end 0x100040"),
        (flat(entry=0xFFFFF), "entry 0xfffff lies outside"),
        (flat(entry=0x100040), "entry 0x100040 lies outside"),
        (flat(entry=0), "entry 0x0 lies outside"),
        (
            flat(header_address=0xFFFFFFE0, load=0xFFFFFFE0, entry=0xFFFFFFF0),
            "past 4 GiB",
        ),
        (header(0), "no address fields .* no ELF"),
    ],
)
def test_image_with_contradictory_fields_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        multiboot.parse(data)
    assert "\n" not in str(caught.value)


def parses_or_is_refused(data: bytes) -> bool:
    try:
        image = multiboot.parse(data)
    except ImageError as error:
        return "\n" not in str(error)
    return all(len(each.data) <= each.size_bytes for each in image.segments)


@settings(derandomize=True, deadline=None)
@given(st.binary(max_size=300))
def test_image_of_random_bytes_is_parsed_or_refused(data: bytes) -> None:
    assert parses_or_is_refused(data)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(
    flags=st.sampled_from([0, 1, 3, 7, 0x10000, 0x10003, 0x10007]),
    fields=st.lists(
        st.integers(0, 0xFFFFFFFF) | st.sampled_from([0, 0x100000, 0x100004, 0x100100, 0x100200]),
        min_size=5,
        max_size=5,
    ),
    padding=st.binary(max_size=600),
)
def test_image_of_random_fields_is_parsed_or_refused(
    flags: int, fields: list[int], padding: bytes
) -> None:
    assert parses_or_is_refused(header(flags, *fields) + padding)
