import struct
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.errors import ImageError
from uniSMP.memory import elf, multiboot
from uniSMP.memory.image import Segment

GLOBAL, LOCAL = 0x10, 0x00
NOTYPE, OBJECT, FUNCTION, SECTION = 0, 1, 2, 3


@dataclass
class Program:
    data: bytes = b"code" * 16
    linear: int = 0x100000
    physical: int = 0x100000
    memory_bytes: int | None = None
    type: int = 1
    offset: int | None = None
    file_bytes: int | None = None


@dataclass
class Elf:
    bits: int = 32
    entry: int = 0x100000
    programs: list[Program] = field(default_factory=lambda: [Program()])
    symbols: list[tuple[str, int, int, int]] = field(default_factory=list)
    multiboot_flags: int = 3
    fields: dict[str, int] = field(default_factory=dict)

    def build(self) -> bytes:
        is_64 = self.bits == 64
        header_bytes, program_bytes, section_bytes = (64, 56, 64) if is_64 else (52, 32, 40)
        program_at = header_bytes
        multiboot_at = program_at + program_bytes * len(self.programs)
        body = struct.pack(
            "<3I",
            0x1BADB002,
            self.multiboot_flags,
            -(0x1BADB002 + self.multiboot_flags) & 0xFFFFFFFF,
        )
        programs = b""
        for each in self.programs:
            at = multiboot_at + len(body) if each.offset is None else each.offset
            size = len(each.data) if each.file_bytes is None else each.file_bytes
            memory = len(each.data) if each.memory_bytes is None else each.memory_bytes
            programs += (
                struct.pack(
                    "<2I6Q", each.type, 7, at, each.linear, each.physical, size, memory, 4096
                )
                if is_64
                else struct.pack(
                    "<8I", each.type, at, each.linear, each.physical, size, memory, 7, 4096
                )
            )
            body += each.data
        strings, table = b"\0", bytes(24 if is_64 else 16)
        for name, value, info, section in self.symbols:
            table += (
                struct.pack("<IBBHQQ", len(strings), info, 0, section, value, 0)
                if is_64
                else struct.pack("<IIIBBH", len(strings), value, 0, info, 0, section)
            )
            strings += name.encode() + b"\0"
        table_at = multiboot_at + len(body)
        strings_at = table_at + len(table)
        sections_at = strings_at + len(strings)
        section_format = "<2I4Q2I2Q" if is_64 else "<10I"
        sections = bytes(section_bytes)
        entry_bytes = 24 if is_64 else 16
        sections += struct.pack(
            section_format, 0, 2, 0, 0, table_at, len(table), 2, 0, 8, entry_bytes
        )
        sections += struct.pack(section_format, 0, 3, 0, 0, strings_at, len(strings), 0, 0, 1, 0)
        values = {
            "type": 2,
            "machine": 62 if is_64 else 3,
            "version": 1,
            "entry": self.entry,
            "program_at": program_at,
            "sections_at": sections_at,
            "flags": 0,
            "header_bytes": header_bytes,
            "program_bytes": program_bytes,
            "program_count": len(self.programs),
            "section_bytes": section_bytes,
            "section_count": 3,
            "names": 0,
            "class": 2 if is_64 else 1,
            "order": 1,
            "ident_version": 1,
        } | self.fields
        *words, kind, order, version = values.values()
        ident = b"\x7fELF" + bytes([kind, order, version]) + bytes(9)
        head = ident + struct.pack("<HHIQQQI6H" if is_64 else "<HHIIIII6H", *words)
        return head + programs + body + table + strings + sections


BITS = pytest.mark.parametrize("bits", [32, 64])


@BITS
def test_executable_with_one_segment_is_loaded(bits: int) -> None:
    data = Elf(bits, programs=[Program(b"x" * 10, memory_bytes=30)]).build()

    image = multiboot.parse(data)

    assert image.segments == (Segment(0x100000, b"x" * 10, 30),)
    assert image.entry == 0x100000
    assert image.flags == 3


@BITS
def test_segments_are_placed_by_physical_address_in_order(bits: int) -> None:
    programs = [
        Program(b"high", linear=0xC0200000, physical=0x200000),
        Program(b"note", type=4),
        Program(b"", memory_bytes=0),
        Program(b"", linear=0x300000, physical=0x300000, memory_bytes=64),
        Program(b"low", linear=0x100000, physical=0x100000),
    ]

    segments, entry = elf.load(Elf(bits, entry=0xC0200002, programs=programs).build())

    assert segments == (
        Segment(0x100000, b"low", 3),
        Segment(0x200000, b"high", 4),
        Segment(0x300000, b"", 64),
    )
    assert entry == 0x200002


@BITS
def test_entry_known_only_as_a_physical_address_is_taken_as_it_is(bits: int) -> None:
    data = Elf(bits, entry=0x100004, programs=[Program(linear=0xC0100000)]).build()

    assert elf.load(data)[1] == 0x100004


def test_entry_of_a_higher_half_64_bit_kernel_is_translated() -> None:
    linear = 0xFFFFFFFF80100000

    data = Elf(64, entry=linear + 8, programs=[Program(linear=linear)]).build()

    assert elf.load(data)[1] == 0x100008


@BITS
def test_address_fields_win_over_the_elf_headers(bits: int) -> None:
    data = bytearray(Elf(bits, multiboot_flags=0x10000, symbols=[("start", 5, GLOBAL, 1)]).build())
    at = data.index(struct.pack("<I", 0x1BADB002))
    struct.pack_into("<5I", data, at + 12, 0x200000, 0x200000, 0x200030, 0, 0x200020)

    image = multiboot.parse(bytes(data))

    assert image.segments == (Segment(0x200000, bytes(data[at : at + 0x30]), 0x30),)
    assert image.symbols == {"start": 5}


@BITS
@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"class": 3}, "no ELF32 or ELF64 file"),
        ({"order": 2}, "not little-endian of version 1"),
        ({"ident_version": 0}, "not little-endian of version 1"),
        ({"version": 2}, "not little-endian of version 1"),
        ({"machine": 40}, "for machine 0x28: build it for x86"),
        ({"type": 1}, "of type 0x1: link it as an executable"),
        ({"type": 3}, "of type 0x3: link it as an executable"),
        ({"program_count": 0}, "loads nothing"),
        ({"program_count": 0xFFFF}, "has 0xffff program headers"),
        ({"program_count": 0xFFFE}, "program headers end at .* past the end of the file"),
        ({"program_at": 0xFFFFFFF0}, "program headers end at"),
        ({"program_bytes": 8}, "program headers of 0x8 bytes each"),
        ({"entry": 0x100040}, "entry 0x100040 lies in none of the segments"),
        ({"entry": 0}, "entry 0x0 lies in none"),
    ],
)
def test_header_damaged_is_refused(bits: int, fields: dict[str, int], message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        multiboot.parse(Elf(bits, fields=fields).build())
    assert "\n" not in str(caught.value)


@BITS
@pytest.mark.parametrize(
    ("program", "message"),
    [
        (Program(file_bytes=65), "0x41 bytes in the file, but only 0x40 in memory"),
        (Program(offset=0xFFFFFF00), "of the file, past its end"),
        (Program(file_bytes=0x10000, memory_bytes=0x10000), "of the file, past its end"),
        (Program(physical=0xFFFFFFF0, linear=0x100000), "past 4 GiB"),
        (Program(type=0), "loads nothing"),
    ],
)
def test_program_header_damaged_is_refused(bits: int, program: Program, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        multiboot.parse(Elf(bits, programs=[program]).build())


def test_segment_above_4_gib_of_a_64_bit_file_is_refused() -> None:
    with pytest.raises(ImageError, match="past 4 GiB"):
        elf.load(Elf(64, programs=[Program(physical=1 << 63)]).build())


@BITS
def test_segments_overlapping_in_memory_are_refused(bits: int) -> None:
    programs = [Program(), Program(physical=0x10003F)]

    with pytest.raises(ImageError, match="0x10003f overlaps the segment at 0x100000"):
        elf.load(Elf(bits, programs=programs).build())


@BITS
def test_segments_sharing_the_bytes_of_the_file_are_refused(bits: int) -> None:
    shared = [
        Program(offset=0, file_bytes=400, memory_bytes=400, physical=0x100000 + place * 0x1000)
        for place in range(20)
    ]

    with pytest.raises(ImageError, match="more than once"):
        elf.load(Elf(bits, programs=shared).build())


@pytest.mark.parametrize(
    "data", [b"", b"\x7fEL", b"\x7fELF", b"\x7fELF\x01", b"\x7fELF\x02\1\1", b"MZ" + bytes(90)]
)
def test_file_too_short_or_foreign_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        elf.load(data)
    assert elf.read_symbols(data) == {}


@BITS
def test_symbols_defined_are_read(bits: int) -> None:
    symbols = [
        ("start", 0x100000, GLOBAL | NOTYPE, 1),
        ("table", 0x100010, GLOBAL | OBJECT, 1),
        ("work", 0x100020, LOCAL | FUNCTION, 1),
        ("constant", 7, GLOBAL | NOTYPE, 0xFFF1),
        (".text", 0x100000, LOCAL | SECTION, 1),
        ("missing", 0, GLOBAL | NOTYPE, 0),
    ]

    assert elf.read_symbols(Elf(bits, symbols=symbols).build()) == {
        "start": 0x100000,
        "table": 0x100010,
        "work": 0x100020,
        "constant": 7,
    }


@BITS
def test_symbols_of_one_name_prefer_global_then_first(bits: int) -> None:
    symbols = [
        ("both", 1, LOCAL, 1),
        ("local", 2, LOCAL, 1),
        ("local", 3, LOCAL, 1),
        ("both", 4, GLOBAL, 1),
    ]

    assert elf.read_symbols(Elf(bits, symbols=symbols).build()) == {"both": 4, "local": 2}


@BITS
@pytest.mark.parametrize(
    "fields",
    [
        {"section_count": 0},
        {"section_count": 2},
        {"section_bytes": 8},
        {"sections_at": 0xFFFFFF00},
    ],
)
def test_symbols_of_a_damaged_section_table_are_left_out(bits: int, fields: dict[str, int]) -> None:
    data = Elf(bits, symbols=[("start", 1, GLOBAL, 1)], fields=fields).build()

    assert multiboot.parse(data).symbols == {}


def test_symbols_with_damaged_names_are_left_out() -> None:
    symbols = [("good", 1, GLOBAL, 1), ("bad", 2, GLOBAL, 1), ("last", 3, GLOBAL, 1)]
    data = Elf(symbols=symbols).build()

    damaged = data.replace(b"bad\0", b"\xff\xfe\xfd\0").replace(b"last\0", b"last!")

    assert elf.read_symbols(damaged) == {"good": 1}


def patched(data: bytes, changes: list[tuple[int, bytes]]) -> bytes:
    for at, patch in changes:
        data = data[:at] + patch + data[at + len(patch) :]
    return data


def parses_or_is_refused(data: bytes) -> bool:
    elf.read_symbols(data)
    try:
        multiboot.parse(data)
    except ImageError as error:
        return "\n" not in str(error)
    return True


@settings(derandomize=True, deadline=None, max_examples=600)
@given(
    bits=st.sampled_from([32, 64]),
    changes=st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=8)), max_size=4),
    cut=st.integers(0, 700),
)
def test_file_damaged_anywhere_is_parsed_or_refused(
    bits: int, changes: list[tuple[int, bytes]], cut: int
) -> None:
    symbols = [("start", 0x100000, GLOBAL, 1), ("work", 0x100020, LOCAL, 1)]
    data = patched(Elf(bits, symbols=symbols).build(), changes)

    assert parses_or_is_refused(data)
    assert parses_or_is_refused(data[:cut])
