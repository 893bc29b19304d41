"""Physical memory as the host reads and writes it between runs."""

from collections.abc import Callable

from uniSMP.errors import ConfigError
from uniSMP.machine.coherence import CodeCoherence
from uniSMP.machine.memory_map import MemoryMap


class PhysicalMemory:
    """RAM and ROM by physical address; code that the host writes is executed as written.

    >>> from uniSMP import Machine
    >>> machine = Machine(cores=1, boot="long")
    >>> machine.memory.write(0x2000, b"abc")
    >>> machine.memory.read(0x2001, 2)
    b'bc'
    >>> machine.memory.read_integer(0x2000, 4)
    6513249
    """

    def __init__(
        self,
        memory_map: MemoryMap,
        coherence: CodeCoherence,
        on_write: Callable[[int, bytes], None],
    ) -> None:
        self._map = memory_map
        self._coherence = coherence
        self._on_write = on_write

    @property
    def size_bytes(self) -> int:
        """Size of RAM."""
        return self._map.ram.size_bytes

    def read(self, physical: int, size_bytes: int) -> bytes:
        """Return `size_bytes` bytes of RAM or ROM.

        Raises:
            ConfigError: the range is not wholly inside one of them.
        """
        data = None
        if physical >= 0 and size_bytes >= 0:
            data = self._map.read(physical, size_bytes)
        if data is None:
            raise ConfigError(f"{size_bytes} bytes at {physical:#x} lie outside RAM and ROM")
        return data

    def write(self, physical: int, data: bytes) -> None:
        """Write bytes of RAM.

        Raises:
            ConfigError: the range is not wholly inside RAM.
        """
        ram = self._map.ram
        ram.check_range(physical, len(data))
        self._on_write(physical, bytes(data))
        ram.write(physical, data)
        self._coherence.synchronize()

    def read_integer(self, physical: int, size_bytes: int) -> int:
        """Return a little-endian unsigned integer."""
        return int.from_bytes(self.read(physical, size_bytes), "little")

    def write_integer(self, physical: int, value: int, size_bytes: int) -> None:
        """Write a little-endian unsigned integer of `size_bytes` bytes.

        Raises:
            ConfigError: the value does not fit, or the range is not wholly inside RAM.
        """
        if not 0 <= value < 1 << 8 * size_bytes:
            raise ConfigError(f"{value:#x} does not fit {size_bytes} bytes")
        self.write(physical, value.to_bytes(size_bytes, "little"))
