import struct

import pytest

from uniSMP.errors import ConfigError, ImageError
from uniSMP.memory.boot_information import (
    BootInformation,
    MemoryRange,
    MemoryType,
    Module,
    build_information,
    check_placement,
    memory_map,
)
from uniSMP.memory.image import MultibootImage, Segment

RAM = 16 << 20
AT = 0x9000
KERNEL = MultibootImage((Segment(0x100000, b"kernel", 0x2345),), 0x100000, 0)


def build(command_line: str = "", *modules: Module, ram: int = RAM) -> BootInformation:
    return build_information(
        KERNEL, at=AT, ram_size_bytes=ram, command_line=command_line, modules=modules
    )


class Memory:
    """Guest memory as the writes leave it."""

    def __init__(self, information: BootInformation) -> None:
        self.data = bytearray(RAM)
        for address, data in information.writes:
            self.data[address : address + len(data)] = data

    def words(self, address: int, count: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{count}I", self.data, address)

    def text(self, address: int) -> str:
        return self.data[address : self.data.index(0, address)].decode()


def test_structure_says_which_fields_are_valid_and_how_much_memory() -> None:
    information = build()

    flags, lower, upper, boot_device = Memory(information).words(information.address, 4)

    assert information.address == AT
    assert flags == 1 << 0 | 1 << 2 | 1 << 3 | 1 << 6 | 1 << 9
    assert (lower, upper, boot_device) == (639, 15 * 1024, 0)


def test_structure_points_to_the_texts() -> None:
    memory = Memory(build("console=ttyS0 ü"))

    assert memory.text(memory.words(AT + 16, 1)[0]) == "console=ttyS0 ü"
    assert memory.text(memory.words(AT + 64, 1)[0]) == "uniSMP"


def test_structure_fields_not_modelled_are_zero() -> None:
    memory = Memory(build())

    assert memory.words(AT + 28, 4) == (0,) * 4
    assert memory.words(AT + 52, 3) == (0,) * 3
    assert memory.words(AT + 68, 12) == (0,) * 12


def test_map_lists_the_memory_of_a_pc() -> None:
    memory = Memory(build())
    length, address = memory.words(AT + 44, 2)

    entries = list(struct.iter_unpack("<IQQI", memory.data[address : address + length]))

    assert entries == [
        (20, 0, 0x9FC00, 1),
        (20, 0x9FC00, 0x400, 2),
        (20, 0xF0000, 0x10000, 2),
        (20, 0x100000, RAM - 0x100000, 1),
    ]


def test_map_of_one_mebibyte_has_no_high_memory() -> None:
    assert memory_map(1 << 20)[-1] == MemoryRange(0xF0000, 0x100000, MemoryType.RESERVED)


def test_modules_follow_the_kernel_on_page_boundaries() -> None:
    information = build("", Module("first arg", b"a" * 4097), Module("second", b"bb"))
    memory = Memory(information)
    count, table = memory.words(AT + 20, 2)

    first, second = memory.words(table, 4), memory.words(table + 16, 4)

    assert count == 2
    assert information.writes[1:] == ((0x103000, b"a" * 4097), (0x105000, b"bb"))
    assert (first[0], first[1], memory.text(first[2]), first[3]) == (
        0x103000,
        0x104001,
        "first arg",
        0,
    )
    assert (second[0], second[1], memory.text(second[2]), second[3]) == (
        0x105000,
        0x105002,
        "second",
        0,
    )


def test_modules_without_any_are_counted_as_none() -> None:
    information = build()

    assert Memory(information).words(AT + 20, 1) == (0,)
    assert len(information.writes) == 1


def test_module_of_a_low_kernel_goes_above_one_mebibyte() -> None:
    low = MultibootImage((Segment(0x10000, b"x", 16),), 0x10000, 0)

    information = build_information(
        low, at=AT, ram_size_bytes=RAM, modules=[Module("disk", b"data")]
    )

    assert information.writes[1] == (0x100000, b"data")


def test_module_up_to_the_end_of_ram_fits() -> None:
    data = bytes(RAM - 0x103000)

    assert build("", Module("all", data)).writes[1] == (0x103000, data)


def test_module_too_big_for_ram_is_refused() -> None:
    with pytest.raises(ImageError, match="the module 'big' at 0x103000"):
        build("", Module("big", bytes(RAM - 0x103000 + 1)))


@pytest.mark.parametrize(
    ("at", "message"),
    [
        (-4, "does not fit usable memory"),
        (0x9FBFC, "does not fit usable memory"),
        (0xA0000, "does not fit usable memory"),
        (0xF0000, "does not fit usable memory"),
        (RAM, "does not fit usable memory"),
        (1 << 40, "does not fit usable memory"),
        (AT + 2, "is not aligned to 4 bytes"),
        (0x100000, "overlaps what is loaded at 0x100000 to 0x102345"),
        (0x102344, "overlaps what is loaded at 0x100000"),
        (0x102FFC, "overlaps what is loaded at 0x103000 to 0x103001"),
    ],
)
def test_structure_at_a_wrong_place_is_refused(at: int, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        build_information(KERNEL, at=at, ram_size_bytes=RAM, modules=[Module("m", b"x")])


def test_structure_right_behind_a_module_is_accepted() -> None:
    information = build_information(
        KERNEL, at=0x103004, ram_size_bytes=RAM, modules=[Module("m", b"1234")]
    )

    assert information.address == 0x103004


@pytest.mark.parametrize("address", [0x9FC00, 0x9FBFF, 0xB8000, 0xFFFFF, RAM - 0x1000, RAM])
def test_kernel_outside_usable_memory_is_refused(address: int) -> None:
    image = MultibootImage((Segment(address, b"", 0x1001),), address, 0)

    with pytest.raises(ImageError, match=f"the kernel's segment at {address:#x}"):
        check_placement(image, RAM)


def test_kernel_in_usable_memory_is_accepted() -> None:
    image = MultibootImage((Segment(0x1000, b"", 0x9EC00), Segment(0x100000, b"", 16)), 0x1000, 0)

    check_placement(image, RAM)


@pytest.mark.parametrize(("command_line", "name"), [("a\0b", "m"), ("", "m\0")])
def test_text_with_a_zero_byte_is_refused(command_line: str, name: str) -> None:
    with pytest.raises(ConfigError, match="holds a zero byte"):
        build(command_line, Module(name, b""))


def test_text_with_undecodable_bytes_is_passed_on() -> None:
    information = build("path\udcff")

    assert b"path\xff\0" in information.writes[0][1]
