"""The machine's RAM: one anonymous mapping, shared by all cores' engines and by the devices.

It begins at guest physical address 0, without holes; what a PC overlays on it (the VGA window, the
firmware's shadow) is decided by the machine's region map. The mapping is private, so that a forked
process goes on with a copy of its own.

*Not modelled*: ECC, refresh, wait states; RAM above 4 GiB.
"""

import mmap
from types import TracebackType
from typing import Self

import numpy as np

from uniSMP.errors import ConfigError
from uniSMP.memory.sizes import check_ram_size


class Ram:
    """`size_bytes` of zeroed RAM at guest physical address 0.

    Args:
        size_bytes: 1 MiB to 3 GiB, a multiple of 4 KiB.

    Raises:
        ConfigError: the size is not allowed, or the host has not that much memory.

    Attributes:
        size_bytes: how much there is.
        host_address: where the mapping begins in this process, page aligned; 0 once closed.
        bytes: the contents as a numpy array of uint8, writable, without a copy.
    """

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = check_ram_size(size_bytes)
        try:
            self._mapping = mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        except (OSError, ValueError, MemoryError) as error:
            raise ConfigError(
                f"the host refuses {size_bytes} bytes for the RAM: choose less ({error})"
            ) from error
        self.bytes = np.frombuffer(self._mapping, dtype=np.uint8)
        self.host_address = self.bytes.ctypes.data

    @property
    def view(self) -> memoryview:
        """The contents as a writable view of bytes, without a copy."""
        self._check_open()
        return memoryview(self._mapping)

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self.host_address == 0

    def read(self, address: int, size_bytes: int) -> bytes:
        """Return a copy of `size_bytes` bytes at guest physical `address`.

        Raises:
            ConfigError: any of them lies outside the RAM, or the RAM is closed.
        """
        self.check_range(address, size_bytes)
        return self._mapping[address : address + size_bytes]

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Store `data` at guest physical `address`.

        Raises:
            ConfigError: any byte lies outside the RAM, or the RAM is closed.
        """
        raw = bytes(data)
        self.check_range(address, len(raw))
        self._mapping[address : address + len(raw)] = raw

    def close(self) -> None:
        """Give the memory back to the host; a second call does nothing.

        Engines that map `host_address` must be closed before. Views that callers still hold stay
        valid: the mapping then lives until the last of them is gone.
        """
        if self.is_closed:
            return
        self.host_address = 0
        self.bytes = np.empty(0, dtype=np.uint8)
        try:
            self._mapping.close()
        except BufferError:
            return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_open(self) -> None:
        if self.is_closed:
            raise ConfigError("the RAM is closed: make a new machine")

    def check_range(self, address: int, size_bytes: int) -> None:
        """Raise ConfigError where a range does not lie in the RAM, or the RAM is closed."""
        self._check_open()
        if address < 0 or size_bytes < 0 or address + size_bytes > self.size_bytes:
            raise ConfigError(
                f"{size_bytes} bytes at {address:#x} lie outside the RAM of "
                f"{self.size_bytes:#x} bytes: use addresses below {self.size_bytes:#x}"
            )
