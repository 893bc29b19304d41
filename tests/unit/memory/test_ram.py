import ctypes
import mmap
from collections.abc import Iterator

import numpy as np
import pytest

from uniSMP.errors import ConfigError
from uniSMP.memory.ram import Ram

SIZE = 1 << 20


@pytest.fixture
def ram() -> Iterator[Ram]:
    with Ram(SIZE) as made:
        yield made


def test_ram_new_is_zero_everywhere(ram: Ram) -> None:
    assert ram.size_bytes == SIZE
    assert ram.read(0, SIZE) == bytes(SIZE)


def test_host_address_is_page_aligned(ram: Ram) -> None:
    assert ram.host_address % 4096 == 0


def test_write_is_read_back(ram: Ram) -> None:
    ram.write(0x1234, b"hello")

    assert ram.read(0x1233, 7) == b"\0hello\0"


@pytest.mark.parametrize("data", [bytearray(b"xy"), memoryview(b"xy")])
def test_write_of_any_buffer_stores_its_bytes(ram: Ram, data: bytearray | memoryview) -> None:
    ram.write(8, data)

    assert ram.read(8, 2) == b"xy"


def test_views_all_show_the_same_memory(ram: Ram) -> None:
    ram.write(100, b"\x11\x22")
    ram.bytes[102] = 0x33
    ram.view[103] = 0x44

    assert ctypes.string_at(ram.host_address + 100, 4) == b"\x11\x22\x33\x44"
    assert ram.bytes.dtype == np.uint8
    assert ram.bytes.size == len(ram.view) == SIZE


@pytest.mark.parametrize("address", [0, SIZE - 4, SIZE])
def test_access_of_nothing_or_up_to_the_end_succeeds(ram: Ram, address: int) -> None:
    data = b"abcd"[: SIZE - address]

    ram.write(address, data)

    assert ram.read(address, len(data)) == data


@pytest.mark.parametrize(
    ("address", "size_bytes"), [(-1, 1), (SIZE, 1), (SIZE - 3, 4), (0, -1), (1 << 64, 1)]
)
def test_read_outside_is_refused(ram: Ram, address: int, size_bytes: int) -> None:
    with pytest.raises(ConfigError, match="outside the RAM of 0x100000 bytes"):
        ram.read(address, size_bytes)


@pytest.mark.parametrize("address", [-1, SIZE - 3, SIZE])
def test_write_outside_changes_nothing(ram: Ram, address: int) -> None:
    with pytest.raises(ConfigError, match="outside the RAM"):
        ram.write(address, b"abcd")
    assert not ram.bytes.any()


@pytest.mark.parametrize("size_bytes", [0, 4096, SIZE + 1])
def test_ram_of_a_wrong_size_is_refused(size_bytes: int) -> None:
    with pytest.raises(ConfigError):
        Ram(size_bytes)


def test_ram_the_host_refuses_is_a_config_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_options: object) -> mmap.mmap:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(mmap, "mmap", refuse)

    with pytest.raises(ConfigError, match="the host refuses 1048576 bytes"):
        Ram(SIZE)


def test_close_twice_leaves_it_closed() -> None:
    ram = Ram(SIZE)

    ram.close()
    ram.close()

    assert ram.is_closed
    assert ram.bytes.size == 0


def test_access_after_close_is_refused() -> None:
    ram = Ram(SIZE)
    ram.close()

    with pytest.raises(ConfigError, match="closed"):
        ram.read(0, 1)
    with pytest.raises(ConfigError, match="closed"):
        ram.write(0, b"x")
    with pytest.raises(ConfigError, match="closed"):
        _ = ram.view


def test_view_held_over_close_stays_valid() -> None:
    ram = Ram(SIZE)
    view, array = ram.view, ram.bytes
    ram.write(5, b"\x77")

    ram.close()

    assert ram.is_closed
    assert view[5] == array[5] == 0x77
