"""ELF executables for x86: segments by physical address, the entry, and the symbol table.

Source: System V ABI, edition 4.1, chapters 4 "Object Files" and 5 "Program Loading"; its AMD64
supplement, version 1.0, chapter 4.

*Not modelled*: relocation (only `ET_EXEC` is loaded), interpreters, compressed sections, more than
65,534 program headers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import Final, NamedTuple

from uniSMP.errors import ImageError
from uniSMP.memory.image import Segment, ordered_segments

MAGIC = b"\x7fELF"
_LITTLE_ENDIAN = 1
_VERSION = 1
_EXECUTABLE = 2
_LOADABLE = 1
_SYMBOL_TABLE = 2
_UNDEFINED_SECTION = 0
_LAST_PLAIN_SYMBOL_TYPE = 2
"""Symbols of type NOTYPE, OBJECT and FUNC name addresses; SECTION, FILE and TLS do not."""
_TOO_MANY_HEADERS = 0xFFFF
_LONGEST_NAME = 1024


class _Header(NamedTuple):
    type: int
    machine: int
    version: int
    entry: int
    program_offset: int
    section_offset: int
    flags: int
    header_bytes: int
    program_bytes: int
    program_count: int
    section_bytes: int
    section_count: int
    names_section: int


class _Program(NamedTuple):
    type: int
    offset: int
    linear: int
    physical: int
    file_bytes: int
    memory_bytes: int


class _Section(NamedTuple):
    name: int
    type: int
    flags: int
    address: int
    offset: int
    size_bytes: int
    link: int
    info: int
    alignment: int
    entry_bytes: int


class _Symbol(NamedTuple):
    name: int
    value: int
    info: int
    section: int


@dataclass(frozen=True, slots=True)
class _Class:
    """The structures of ELF32 or ELF64; `*_order` says where each field of the tuple stands."""

    name: str
    machine: int
    header: Struct
    program: Struct
    program_order: tuple[int, ...]
    section: Struct
    symbol: Struct
    symbol_order: tuple[int, ...]


_ELF32 = _Class(
    name="ELF32",
    machine=3,
    header=Struct("<16xHHIIIIIHHHHHH"),
    program=Struct("<8I"),
    program_order=(0, 1, 2, 3, 4, 5),
    section=Struct("<10I"),
    symbol=Struct("<IIIBBH"),
    symbol_order=(0, 1, 3, 5),
)
_ELF64 = _Class(
    name="ELF64",
    machine=62,
    header=Struct("<16xHHIQQQIHHHHHH"),
    program=Struct("<II6Q"),
    program_order=(0, 2, 3, 4, 5, 6),
    section=Struct("<IIQQQQIIQQ"),
    symbol=Struct("<IBBHQQ"),
    symbol_order=(0, 4, 1, 3),
)
_CLASSES: Final = {1: _ELF32, 2: _ELF64}


def load(data: bytes) -> tuple[tuple[Segment, ...], int]:
    """Return the loadable segments of an x86 ELF executable and its physical entry address.

    The entry of the file is a linear address; it is translated by the segment that holds it. An
    entry that no segment holds by linear address is taken as a physical one.

    Raises:
        ImageError: the file is no such executable, is damaged, or its segments share bytes.
    """
    kind, header = _read_header(data)
    programs = [
        program
        for program in _read_programs(data, kind, header)
        if program.type == _LOADABLE and program.memory_bytes > 0
    ]
    for program in programs:
        _check_program(program, len(data))
    if sum(program.file_bytes for program in programs) > len(data):
        raise ImageError("the ELF program headers name the same bytes of the file more than once")
    segments = ordered_segments([_segment(data, program) for program in programs])
    return segments, _physical_entry(header.entry, programs)


def read_symbols(data: bytes) -> dict[str, int]:
    """Return the addresses (linear) of all defined symbols; damaged parts are left out.

    Of several symbols of one name, the first global one counts, else the first local one.
    """
    kind = _class_of(data)
    if kind is None or len(data) < kind.header.size:
        return {}
    header = _Header(*kind.header.unpack_from(data))
    sections = _read_sections(data, kind, header)
    table = next((section for section in sections if section.type == _SYMBOL_TABLE), None)
    if table is None or table.link >= len(sections):
        return {}
    strings = _contents(data, sections[table.link])
    symbols: dict[str, int] = {}
    local_names: dict[str, int] = {}
    for symbol in _defined_symbols(_contents(data, table), kind):
        name = _name_at(strings, symbol.name)
        is_local = symbol.info >> 4 == 0
        (local_names if is_local else symbols).setdefault(name, symbol.value)
    merged = local_names | symbols
    merged.pop("", None)
    return merged


def _class_of(data: bytes) -> _Class | None:
    is_elf = len(data) > len(MAGIC) and data.startswith(MAGIC)
    return _CLASSES.get(data[len(MAGIC)]) if is_elf else None


def _read_header(data: bytes) -> tuple[_Class, _Header]:
    kind = _class_of(data)
    if kind is None:
        raise ImageError("the image is no ELF32 or ELF64 file: its first five bytes say otherwise")
    if len(data) < kind.header.size:
        raise ImageError(
            f"the {kind.name} header is cut off: the file has {len(data):#x} bytes, the header "
            f"{kind.header.size:#x}"
        )
    header = _Header(*kind.header.unpack_from(data))
    if data[5] != _LITTLE_ENDIAN or data[6] != _VERSION or header.version != _VERSION:
        raise ImageError(f"the {kind.name} file is not little-endian of version 1")
    if header.machine != kind.machine:
        raise ImageError(
            f"the {kind.name} file is for machine {header.machine:#x}: build it for x86 "
            f"({kind.machine:#x})"
        )
    if header.type != _EXECUTABLE:
        raise ImageError(
            f"the {kind.name} file is of type {header.type:#x}: link it as an executable at fixed "
            "addresses (type 0x2, no PIE)"
        )
    return kind, header


def _read_programs(data: bytes, kind: _Class, header: _Header) -> Iterator[_Program]:
    count, stride = header.program_count, header.program_bytes
    if count == _TOO_MANY_HEADERS or (count and stride < kind.program.size):
        raise ImageError(
            f"the {kind.name} file has {count:#x} program headers of {stride:#x} bytes each: "
            f"expected fewer than {_TOO_MANY_HEADERS:#x}, of {kind.program.size:#x} bytes"
        )
    end = header.program_offset + count * stride
    if end > len(data):
        raise ImageError(
            f"the {kind.name} program headers end at {end:#x}, past the end of the file at "
            f"{len(data):#x}"
        )
    for index in range(count):
        fields = kind.program.unpack_from(data, header.program_offset + index * stride)
        yield _Program(*(fields[place] for place in kind.program_order))


def _check_program(program: _Program, image_bytes: int) -> None:
    where = f"the ELF segment for {program.physical:#x}"
    if program.file_bytes > program.memory_bytes:
        raise ImageError(
            f"{where} has {program.file_bytes:#x} bytes in the file, but only "
            f"{program.memory_bytes:#x} in memory"
        )
    if program.offset + program.file_bytes > image_bytes:
        raise ImageError(
            f"{where} ends at {program.offset + program.file_bytes:#x} of the file, past its end "
            f"at {image_bytes:#x}"
        )


def _segment(data: bytes, program: _Program) -> Segment:
    contents = data[program.offset : program.offset + program.file_bytes]
    return Segment(program.physical, contents, program.memory_bytes)


def _physical_entry(entry: int, programs: list[_Program]) -> int:
    for program in programs:
        if 0 <= entry - program.linear < program.memory_bytes:
            return program.physical + entry - program.linear
    for program in programs:
        if 0 <= entry - program.physical < program.memory_bytes:
            return entry
    raise ImageError(f"the ELF entry {entry:#x} lies in none of the segments")


def _read_sections(data: bytes, kind: _Class, header: _Header) -> list[_Section]:
    if header.section_bytes != kind.section.size:
        return []
    room = max(0, len(data) - header.section_offset) // kind.section.size
    return [
        _Section(*kind.section.unpack_from(data, header.section_offset + index * kind.section.size))
        for index in range(min(header.section_count, room))
    ]


def _contents(data: bytes, section: _Section) -> bytes:
    return data[section.offset : section.offset + section.size_bytes]


def _defined_symbols(table: bytes, kind: _Class) -> Iterator[_Symbol]:
    whole = len(table) - len(table) % kind.symbol.size
    for fields in kind.symbol.iter_unpack(table[:whole]):
        symbol = _Symbol(*(fields[place] for place in kind.symbol_order))
        is_plain = symbol.info & 0xF <= _LAST_PLAIN_SYMBOL_TYPE
        if is_plain and symbol.section != _UNDEFINED_SECTION:
            yield symbol


def _name_at(strings: bytes, offset: int) -> str:
    """Return the name at `offset` of a string table, empty when it is damaged."""
    end = strings.find(b"\0", offset, offset + _LONGEST_NAME)
    try:
        return strings[offset:end].decode() if end >= 0 else ""
    except UnicodeDecodeError:
        return ""
