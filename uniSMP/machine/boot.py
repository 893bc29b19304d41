"""How an image gets into the machine, and the state in which its first instruction finds it."""

from collections.abc import Sequence
from pathlib import Path

from uniSMP.assembler.image import Image
from uniSMP.core import reset
from uniSMP.core.core import Core
from uniSMP.errors import ImageError
from uniSMP.machine.config import MachineConfig
from uniSMP.memory import boot_information, multiboot
from uniSMP.memory.image import MultibootImage
from uniSMP.memory.ram import Ram

FLAT_ORIGIN = 0x10_0000
"""Where bytes without a header are put for a direct start."""
_INFORMATION_AT = 0x98000
"""High in base memory, away from the low pages that guests use for AP trampolines."""
_PAGE_BYTES = 4096
_LONG_STACK_BYTES = 16 << 10
_LONG_TABLE_PAGES = 7
"""PML4, page-directory-pointer table, four page directories, GDT."""
_BIG_PAGE = 0x83
_TABLE = 0x3
_GDT = (0, 0x00AF_9B00_0000_FFFF, 0x00CF_9300_0000_FFFF)


def read_modules(
    modules: Sequence[str | Path | boot_information.Module],
) -> tuple[boot_information.Module, ...]:
    """Return modules with their contents.

    Raises:
        ImageError: one cannot be read.
    """
    return tuple(
        module if isinstance(module, boot_information.Module) else _read_module(module)
        for module in modules
    )


def load_multiboot(
    data: bytes,
    config: MachineConfig,
    modules: Sequence[boot_information.Module],
    ram: Ram,
    bsp: Core,
) -> MultibootImage:
    """Load a multiboot image and its modules; core 0 will enter it.

    Raises:
        ImageError: the image is damaged, or they do not fit.
    """
    image = multiboot.parse(data)
    information = boot_information.build_information(
        image,
        at=_information_address(image, modules),
        ram_size_bytes=ram.size_bytes,
        command_line=config.command_line,
        modules=modules,
    )
    for segment in image.segments:
        ram.write(segment.address, segment.data.ljust(segment.size_bytes, b"\0"))
    for address, content in information.writes:
        ram.write(address, content)
    reset.multiboot(bsp.engine, image.entry, information.address)
    return image


def _information_address(image: MultibootImage, modules: Sequence[boot_information.Module]) -> int:
    """Return where the boot information goes: low, unless the image itself is there."""
    low, end = _INFORMATION_AT, boot_information.LOW_MEMORY_END
    if not any(each.address < end and low < each.end for each in image.segments):
        return low
    pages = sum(-(-len(module.data) // _PAGE_BYTES) for module in modules)
    return (-(-max(image.end, FLAT_ORIGIN) // _PAGE_BYTES) + pages) * _PAGE_BYTES


def _read_module(module: str | Path) -> boot_information.Module:
    """Read "path arguments"; the whole text is the module's string."""
    text = str(module)
    name = text if isinstance(module, Path) else text.partition(" ")[0]
    try:
        return boot_information.Module(text, Path(name).read_bytes())
    except OSError as error:
        raise ImageError(f"cannot read module {name}: {error.strerror}") from error


def flat_image(data: bytes) -> Image:
    """Return flat code for address 0x100000 as an image without symbols."""
    return Image(data, FLAT_ORIGIN, {}, (), FLAT_ORIGIN, ())


def load_flat(image: Image, ram: Ram, cores: Sequence[Core]) -> None:
    """Load an image where it belongs; every core begins at its entry in 64-bit mode.

    The page tables (first 4 GiB identity-mapped with 2 MiB pages), the GDT and one stack of 16 KiB
    per core lie at the end of RAM.

    Raises:
        ImageError: the image does not fit RAM.
    """
    tables = ram.size_bytes - _LONG_TABLE_PAGES * _PAGE_BYTES
    stacks = tables - len(cores) * _LONG_STACK_BYTES
    end = image.origin + len(image.data)
    if image.origin < 0 or end > stacks or stacks < 0:
        raise ImageError(
            f"the image at {image.origin:#x} to {end:#x} does not fit: below {max(stacks, 0):#x} "
            f"RAM of {ram.size_bytes:#x} bytes is free beside page tables and stacks"
        )
    ram.write(image.origin, image.data)
    _write_long_tables(ram, tables)
    gdt = tables + (_LONG_TABLE_PAGES - 1) * _PAGE_BYTES
    places = reset.LongTables(tables, gdt, 8 * len(_GDT) - 1)
    for core in cores:
        stack = stacks + (core.core_id + 1) * _LONG_STACK_BYTES
        core.waits_for_start = False
        reset.long_mode(core.engine, image.entry, stack, core.core_id, places)


def _write_long_tables(ram: Ram, tables: int) -> None:
    pointers, directories = tables + _PAGE_BYTES, tables + 2 * _PAGE_BYTES
    gdt = tables + (_LONG_TABLE_PAGES - 1) * _PAGE_BYTES
    _write_quads(ram, tables, [pointers | _TABLE])
    _write_quads(ram, pointers, [directories + i * _PAGE_BYTES | _TABLE for i in range(4)])
    _write_quads(ram, directories, [i << 21 | _BIG_PAGE for i in range(4 * 512)])
    _write_quads(ram, gdt, list(_GDT))


def _write_quads(ram: Ram, address: int, values: Sequence[int]) -> None:
    ram.write(address, b"".join(value.to_bytes(8, "little") for value in values))


def read_image(path: Path) -> bytes:
    """Return the bytes of an image file.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
