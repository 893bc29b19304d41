"""What a multiboot loader leaves in memory for the kernel: modules, memory map, command line.

Source: Multiboot Specification 0.6.96, section 3.3 "Boot information format"; the memory map is
that of a PC whose BIOS keeps 1 KiB below 640 KiB and 64 KiB below 1 MiB.

*Not modelled*: boot device, symbol and section headers, drives, ROM configuration table, APM, VBE
and framebuffer fields (their flags are clear, their bytes zero).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from struct import Struct

from uniSMP.errors import ConfigError, ImageError
from uniSMP.memory.image import MultibootImage
from uniSMP.memory.sizes import PAGE_BYTES

BOOT_LOADER_NAME = "uniSMP"
LOW_MEMORY_END = 0x9FC00
VIDEO_MEMORY = 0xA0000
FIRMWARE = 0xF0000
HIGH_MEMORY = 0x10_0000
_KIB_SHIFT = 10
_ALIGNMENT = 4
_INFORMATION = Struct("<18I44x")
"""The fields up to boot_loader_name and apm_table; all later ones up to offset 116 are zero."""
_MAP_ENTRY = Struct("<IQQI")
_MAP_ENTRY_SIZE_FIELD = _MAP_ENTRY.size - 4
"""The size field of a map entry does not count itself."""
_MODULE_ENTRY = Struct("<4I")


class InformationFlags(IntFlag):
    """Which fields of the boot information are valid."""

    MEMORY = 1 << 0
    COMMAND_LINE = 1 << 2
    MODULES = 1 << 3
    MEMORY_MAP = 1 << 6
    BOOT_LOADER_NAME = 1 << 9


class MemoryType(IntEnum):
    """Type of a memory map entry."""

    USABLE = 1
    RESERVED = 2


@dataclass(frozen=True, slots=True)
class MemoryRange:
    """Physical `start` up to, not including, `end`."""

    start: int
    end: int
    type: MemoryType


@dataclass(frozen=True, slots=True)
class Module:
    """A boot module: a file for the kernel, and the text that goes with it."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class BootInformation:
    """What to write where, and what to hand to the kernel.

    Attributes:
        address: physical address of the information structure, for EBX.
        writes: physical addresses and bytes, disjoint: the structure, then every module.
    """

    address: int
    writes: tuple[tuple[int, bytes], ...]


def memory_map(ram_size_bytes: int) -> tuple[MemoryRange, ...]:
    """Return the memory map of a PC with `ram_size_bytes` (1 MiB to 3 GiB), ascending."""
    ranges = (
        MemoryRange(0, LOW_MEMORY_END, MemoryType.USABLE),
        MemoryRange(LOW_MEMORY_END, VIDEO_MEMORY, MemoryType.RESERVED),
        MemoryRange(FIRMWARE, HIGH_MEMORY, MemoryType.RESERVED),
        MemoryRange(HIGH_MEMORY, ram_size_bytes, MemoryType.USABLE),
    )
    return tuple(each for each in ranges if each.start < each.end)


def check_placement(image: MultibootImage, ram_size_bytes: int) -> None:
    """Make sure that every segment of `image` lies in usable memory.

    Raises:
        ImageError: one does not.
    """
    for segment in image.segments:
        _check_usable("the kernel's segment", segment.address, segment.size_bytes, ram_size_bytes)


def build_information(
    image: MultibootImage,
    *,
    at: int,
    ram_size_bytes: int,
    command_line: str = "",
    modules: Sequence[Module] = (),
) -> BootInformation:
    """Return the boot information for `image`.

    Modules go to whole pages above the kernel's end, in order, never below 1 MiB.

    Args:
        image: the kernel that the information is for.
        at: where the information structure and its strings go, a multiple of 4.
        ram_size_bytes: size of the RAM, 1 MiB to 3 GiB.
        command_line: text for the kernel.
        modules: files for the kernel.

    Raises:
        ConfigError: a text holds a zero byte.
        ImageError: the kernel, a module or the structure does not fit, or two of them overlap.
    """
    check_placement(image, ram_size_bytes)
    placed = _place_modules(image, modules, ram_size_bytes)
    block = _information_block(at, ram_size_bytes, command_line, placed)
    _check_usable("the boot information", at, len(block), ram_size_bytes)
    if at % _ALIGNMENT:
        raise ImageError(f"the boot information at {at:#x} is not aligned to {_ALIGNMENT} bytes")
    taken = [(segment.address, segment.end) for segment in image.segments]
    taken += [(address, address + len(module.data)) for address, module in placed]
    for start, end in taken:
        if max(start, at) < min(end, at + len(block)):
            raise ImageError(
                f"the boot information at {at:#x} to {at + len(block):#x} overlaps what is loaded "
                f"at {start:#x} to {end:#x}"
            )
    return BootInformation(
        at, ((at, block), *((address, module.data) for address, module in placed))
    )


def _place_modules(
    image: MultibootImage, modules: Sequence[Module], ram_size_bytes: int
) -> list[tuple[int, Module]]:
    placed = []
    address = _next_page(max(image.end, HIGH_MEMORY))
    for module in modules:
        _check_usable(f"the module {module.name!r}", address, len(module.data), ram_size_bytes)
        placed.append((address, module))
        address = _next_page(address + len(module.data))
    return placed


def _information_block(
    at: int, ram_size_bytes: int, command_line: str, placed: Sequence[tuple[int, Module]]
) -> bytes:
    """Return the structure for address `at`, then map, module table and strings behind it."""
    ranges = memory_map(ram_size_bytes)
    map_at = at + _INFORMATION.size
    modules_at = map_at + len(ranges) * _MAP_ENTRY.size
    strings_at = modules_at + len(placed) * _MODULE_ENTRY.size
    strings = b""
    places = []
    for text in (command_line, BOOT_LOADER_NAME, *(module.name for _address, module in placed)):
        places.append(strings_at + len(strings))
        strings += _encode(text) + b"\0"
    command_line_at, loader_name_at, *names_at = places
    fields = [0] * 18
    fields[0] = sum(InformationFlags)
    fields[1] = LOW_MEMORY_END >> _KIB_SHIFT
    fields[2] = ram_size_bytes - HIGH_MEMORY >> _KIB_SHIFT
    fields[4] = command_line_at
    fields[5:7] = len(placed), modules_at
    fields[11:13] = len(ranges) * _MAP_ENTRY.size, map_at
    fields[16] = loader_name_at
    block = _INFORMATION.pack(*(field & 0xFFFF_FFFF for field in fields))
    for each in ranges:
        length = each.end - each.start
        block += _MAP_ENTRY.pack(_MAP_ENTRY_SIZE_FIELD, each.start, length, each.type)
    for (address, module), name_at in zip(placed, names_at, strict=True):
        end = address + len(module.data)
        block += _MODULE_ENTRY.pack(address, end, name_at & 0xFFFF_FFFF, 0)
    return block + strings


def _encode(text: str) -> bytes:
    raw = text.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise ConfigError(f"the text {text!r} for the kernel holds a zero byte: leave it out")
    return raw


def _next_page(address: int) -> int:
    return (address + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES


def _check_usable(what: str, address: int, size_bytes: int, ram_size_bytes: int) -> None:
    for each in memory_map(ram_size_bytes):
        is_inside = each.start <= address and address + size_bytes <= each.end
        if is_inside and each.type is MemoryType.USABLE:
            return
    raise ImageError(
        f"{what} at {address:#x} to {address + size_bytes:#x} does not fit usable memory: "
        f"0 to {LOW_MEMORY_END:#x}, and {HIGH_MEMORY:#x} to {ram_size_bytes:#x}"
    )
