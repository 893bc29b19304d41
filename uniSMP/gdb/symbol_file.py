"""An ELF file that tells gdb the names and source lines of a guest.

It has no contents: gdb reads code from the target. Labels lie in sections of code or of data, for
gdb treats the two differently; which they are is seen from the directive behind the label.

Source: System V ABI, edition 4.1, chapter 4 "Object Files"; its AMD64 supplement, version 1.0.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from struct import pack

from uniSMP.assembler import library
from uniSMP.assembler.image import Image
from uniSMP.errors import AssemblyError
from uniSMP.gdb.line_table import debug_sections

_PROGBITS, _SYMTAB, _STRTAB, _NOBITS = 1, 2, 3, 8
_ALLOCATED, _WRITABLE, _EXECUTABLE = 2, 1, 4
_HEADER_BYTES, _SYMBOL_BYTES, _SECTION_BYTES = 64, 24, 64
_GLOBAL_OBJECT, _GLOBAL_FUNCTION = 0x11, 0x12
_MAGIC_64 = b"\x7fELF\x02"
_DATA_DIRECTIVE = re.compile(
    r"\s*(\w+:)?\s*\.(byte|[248]byte|short|word|hword|value|long|int|quad|ascii|asciz|string|fill"
    r"|skip|space|zero|incbin)\b"
)


@dataclass(frozen=True, slots=True)
class _Section:
    name: str
    type: int
    flags: int = 0
    address: int = 0
    data: bytes = b""
    size_bytes: int = 0
    link: int = 0
    info: int = 0
    entry_bytes: int = 0


def make(image: Image | bytes, labels: Mapping[str, int]) -> bytes | None:
    """Return a file with the symbols of a guest, or None where nothing is known.

    Args:
        image: an assembled image; or a file's bytes: a 64-bit ELF file is returned as it is.
        labels: addresses by name.
    """
    if isinstance(image, bytes) and image.startswith(_MAGIC_64):
        return image
    if not labels:
        return None
    if isinstance(image, bytes):
        places = sorted(labels.items(), key=lambda item: item[1])
        return _write(places, frozenset(), places[-1][1] + 1, {})
    places = [(name, labels[name]) for name in image.labels if name in labels]
    folder = str(library.guest_root()) if _is_of_library(image) else str(Path.cwd())
    debug = debug_sections(image.lines, image.end, folder) if image.lines else {}
    return _write(places, _data_labels(image, Path(folder)), image.end, debug)


def _is_of_library(image: Image) -> bool:
    """Return whether the first file is one of the library, which are called by relative paths."""
    if not image.lines:
        return False
    try:
        return (library.guest_root() / image.lines[0].file).is_file()
    except AssemblyError:
        return False


def _data_labels(image: Image, folder: Path) -> frozenset[str]:
    """Return the labels in front of data; none where the sources cannot be read."""
    sources: dict[str, list[str]] = {}
    found = set()
    for name in image.labels:
        line = image.line_at(image.symbols[name])
        if line is None:
            continue
        if line.file not in sources:
            sources[line.file] = _read_lines(folder / line.file)
        text = sources[line.file][line.line - 1 : line.line]
        if text and _DATA_DIRECTIVE.match(text[0]):
            found.add(name)
    return frozenset(found)


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _write(
    places: list[tuple[str, int]], data: frozenset[str], end: int, debug: Mapping[str, bytes]
) -> bytes:
    """Return the file; `places` ascend by address."""
    sections = [_Section("", 0)]
    symbols, names = bytearray(_SYMBOL_BYTES), bytearray(1)
    runs = [(key, list(run)) for key, run in groupby(places, lambda place: place[0] in data)]
    for index, (is_data, run) in enumerate(runs):
        start = run[0][1]
        stop = runs[index + 1][1][0][1] if index + 1 < len(runs) else end
        kind = _WRITABLE if is_data else _EXECUTABLE
        for name, address in run:
            symbol = _GLOBAL_OBJECT if is_data else _GLOBAL_FUNCTION
            symbols += pack("<IBBHQQ", len(names), symbol, 0, len(sections), address, 0)
            names += name.encode() + b"\0"
        sections.append(
            _Section(
                ".data" if is_data else ".text",
                _NOBITS,
                kind | _ALLOCATED,
                start,
                size_bytes=max(stop - start, 1),
            )
        )
    sections += [_Section(name, _PROGBITS, data=contents) for name, contents in debug.items()]
    strings = len(sections) + 1
    table = bytes(symbols)
    sections.append(
        _Section(".symtab", _SYMTAB, data=table, link=strings, info=1, entry_bytes=_SYMBOL_BYTES)
    )
    sections.append(_Section(".strtab", _STRTAB, data=bytes(names)))
    return _join(sections)


def _join(sections: list[_Section]) -> bytes:
    """Return the file of these sections, and of one more with their names."""
    names = b"".join(section.name.encode() + b"\0" for section in sections) + b".shstrtab\0"
    sections = [*sections, _Section(".shstrtab", _STRTAB, data=names)]
    contents, headers = b"", b""
    place = 0
    for section in sections:
        offset = _HEADER_BYTES + len(contents)
        size = section.size_bytes or len(section.data)
        headers += pack(
            "<IIQQQQIIQQ",
            place,
            section.type,
            section.flags,
            section.address,
            offset if section.type else 0,
            size,
            section.link,
            section.info,
            1 if section.type else 0,
            section.entry_bytes,
        )
        place += len(section.name.encode()) + 1
        contents += section.data
    identity = _MAGIC_64 + b"\x01\x01" + bytes(9)
    header = identity + pack(
        "<HHIQQQIHHHHHH",
        *(2, 62, 1, 0, 0, _HEADER_BYTES + len(contents), 0),
        *(_HEADER_BYTES, 0, 0, _SECTION_BYTES, len(sections), len(sections) - 1),
    )
    return header + contents + headers
