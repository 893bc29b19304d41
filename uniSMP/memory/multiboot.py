"""Kernels of the multiboot protocol, version 1: finding the header, and what to load where.

Source: Multiboot Specification 0.6.96, sections 3.1 "OS image format" and 3.2 "Machine state".

*Not modelled*: the graphics request (flag bit 2 and its fields are accepted and ignored; the spec
makes them a wish).
"""

from dataclasses import dataclass
from enum import IntFlag
from struct import Struct

from uniSMP.errors import ImageError
from uniSMP.memory import elf
from uniSMP.memory.image import MultibootImage, Segment, ordered_segments

HEADER_MAGIC = 0x1BAD_B002
BOOT_MAGIC = 0x2BAD_B002
"""What EAX holds when the kernel is entered."""
SEARCH_BYTES = 8192
"""The header lies completely within this many bytes from the start of the file."""
_ALIGNMENT = 4
_U32 = 0xFFFF_FFFF
_FIXED = Struct("<3I")
_ADDRESSES = Struct("<5I")
_VIDEO = Struct("<4I")


class HeaderFlags(IntFlag):
    """Flags of the multiboot header; an unknown one among bits 0-15 must make a loader refuse."""

    PAGE_ALIGNED_MODULES = 1 << 0
    MEMORY_INFORMATION = 1 << 1
    VIDEO = 1 << 2
    ADDRESS_FIELDS = 1 << 16


_MANDATORY = 0xFFFF
_KNOWN = HeaderFlags.PAGE_ALIGNED_MODULES | HeaderFlags.MEMORY_INFORMATION | HeaderFlags.VIDEO


@dataclass(frozen=True, slots=True)
class _AddressFields:
    """The fields at offsets 12-31 of the header, all physical addresses."""

    header: int
    load: int
    load_end: int
    bss_end: int
    entry: int


def is_multiboot(data: bytes) -> bool:
    """Return whether `data` holds a multiboot header with a right checksum."""
    return _find_header(data) is not None


def parse(data: bytes) -> MultibootImage:
    """Return what a boot loader loads of the kernel file `data`, and where it enters it.

    The header's address fields count when flag bit 16 is set; else the file must be an ELF
    executable for x86, 32-bit or 64-bit. Symbols come from an ELF symbol table, when there is one.

    Raises:
        ImageError: no header, an unknown mandatory flag, or anything damaged or contradictory.
    """
    offset = _find_header(data)
    if offset is None:
        raise ImageError(
            "the image has no multiboot header: no 4-aligned 0x1badb002 with a right checksum "
            f"within its first {SEARCH_BYTES} bytes"
        )
    _magic, flags, _checksum = _FIXED.unpack_from(data, offset)
    unknown = flags & _MANDATORY & ~_KNOWN
    if unknown:
        raise ImageError(
            f"the multiboot header asks for {unknown:#x}, flags that this loader does not know"
        )
    _check_header_room(offset, flags, len(data))
    if flags & HeaderFlags.ADDRESS_FIELDS:
        fields = _AddressFields(*_ADDRESSES.unpack_from(data, offset + _FIXED.size))
        segments, entry = _load_by_addresses(data, offset, fields)
    else:
        segments, entry = _load_elf(data)
    return MultibootImage(segments, entry, flags, elf.read_symbols(data))


def _find_header(data: bytes) -> int | None:
    """Return the file offset of the first header whose checksum is right."""
    last = min(len(data), SEARCH_BYTES) - _FIXED.size
    for offset in range(0, last + 1, _ALIGNMENT):
        magic, flags, checksum = _FIXED.unpack_from(data, offset)
        if magic == HEADER_MAGIC and (magic + flags + checksum) & _U32 == 0:
            return offset
    return None


def _check_header_room(offset: int, flags: int, image_bytes: int) -> None:
    end = offset + _FIXED.size
    if flags & HeaderFlags.VIDEO:
        end += _ADDRESSES.size + _VIDEO.size
    elif flags & HeaderFlags.ADDRESS_FIELDS:
        end += _ADDRESSES.size
    limit = min(image_bytes, SEARCH_BYTES)
    if end > limit:
        raise ImageError(
            f"the multiboot header at {offset:#x} with flags {flags:#x} is cut off: it ends at "
            f"{end:#x}, and may end at {limit:#x} at most"
        )


def _load_by_addresses(
    data: bytes, offset: int, fields: _AddressFields
) -> tuple[tuple[Segment, ...], int]:
    """Return the one segment of an image with address fields, and its entry."""
    start = offset - (fields.header - fields.load)
    if fields.load > fields.header or start < 0:
        raise ImageError(
            f"the multiboot load address {fields.load:#x} does not fit the header address "
            f"{fields.header:#x}: the header is at {offset:#x} of the file"
        )
    load_end = fields.load_end or fields.load + len(data) - start
    _check_order(fields, load_end)
    contents = data[start : start + load_end - fields.load]
    if len(contents) < load_end - fields.load:
        raise ImageError(
            f"the multiboot header loads {load_end - fields.load:#x} bytes from {start:#x} of the "
            f"file, which has {len(data):#x}"
        )
    end = fields.bss_end or load_end
    if not fields.load <= fields.entry < end:
        raise ImageError(
            f"the multiboot entry {fields.entry:#x} lies outside the image, which is loaded at "
            f"{fields.load:#x} to {end:#x}"
        )
    return ordered_segments([Segment(fields.load, contents, end - fields.load)]), fields.entry


def _check_order(fields: _AddressFields, load_end: int) -> None:
    if load_end <= fields.load:
        raise ImageError(
            f"the multiboot load end {load_end:#x} is not above the load address {fields.load:#x}"
        )
    if fields.bss_end and fields.bss_end < load_end:
        raise ImageError(
            f"the multiboot bss end {fields.bss_end:#x} is below the load end {load_end:#x}"
        )


def _load_elf(data: bytes) -> tuple[tuple[Segment, ...], int]:
    if not data.startswith(elf.MAGIC):
        raise ImageError(
            "the multiboot header has no address fields (flag bit 16), and the file is no ELF "
            "executable: set the flag and the fields, or link an ELF file"
        )
    return elf.load(data)
