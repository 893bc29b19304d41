"""Memory as a debugger reads and writes it."""

import pytest
from fake import FakeTimeline

from uniSMP import Image
from uniSMP.errors import ConfigError
from uniSMP.gdb.memory import DebugMemory

END = 0x20_0000


@pytest.fixture
def memory(count_image: Image) -> DebugMemory:
    return DebugMemory(FakeTimeline(count_image))


def test_bytes_are_written_over_the_end_of_a_page(memory: DebugMemory) -> None:
    memory.write(0, 0x1FFE, b"abcd")
    assert memory.read(0, 0x1FFE, 4) == b"abcd"
    assert memory.read_physical(0x2000, 2) == b"cd"


@pytest.mark.parametrize("address", [END - 2, END, 0xFEE0_0000, 0xFFFF_FFFE, 1 << 47])
@pytest.mark.parametrize("is_physical", [False, True])
def test_range_that_is_not_all_ram_is_not_written_at_all(
    memory: DebugMemory, address: int, *, is_physical: bool
) -> None:
    memory.is_physical = is_physical
    with pytest.raises(ConfigError, match=f"^4 bytes at {address:#x} are not all RAM$"):
        memory.write(0, address, b"abcd")
    assert memory.read_physical(END - 2, 2) == b"\0\0"


def test_physical_address_may_lie_where_no_linear_one_does(memory: DebugMemory) -> None:
    memory.is_physical = True
    memory.write(0, END - 4, b"abcd")
    assert memory.read(0, END - 4, 4) == b"abcd"
    assert memory.read(0, END - 2, 4) == b""
    assert memory.read(0, 1 << 64, 1) == b""


def test_rom_is_read_and_devices_are_not(memory: DebugMemory) -> None:
    assert len(memory.read(0, 0xFFFF_FFF0, 16)) == 16
    assert memory.read(0, 0xFEE0_0020, 4) == b""
    assert memory.read_physical(0xFEE0_0020, 4) is None
