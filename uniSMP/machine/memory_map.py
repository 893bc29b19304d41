"""Guest-physical memory: RAM, ROM, and the rest, which is devices and holes.

    0 .. size          RAM, with the ROM over 0xF0000-0xFFFFF
    0xFFFF0000 .. 4 G  the same ROM once more
    everything else    device registers; where there is none, a hole: reads give all ones

*Not modelled*: RAM above 4 GiB, the VGA window (0xA0000-0xBFFFF is RAM), cache attributes.
"""

import numpy as np
import numpy.typing as npt

from uniSMP.core.engine import HostRegion
from uniSMP.machine import firmware
from uniSMP.memory.ram import Ram

_GIB_4 = 1 << 32
_PHYSICAL_END = 1 << 52
_ABOVE_ROM = firmware.ROM_LOW + firmware.ROM_BYTES


class MemoryMap:
    """The memory of one machine.

    Attributes:
        ram: all of RAM; the ROM's bytes lie in it at 0xF0000.
        words: RAM as unsigned 64-bit words.
    """

    def __init__(self, ram: Ram) -> None:
        self.ram = ram
        self.words: npt.NDArray[np.uint64] = ram.bytes.view(np.uint64)
        self._view = ram.view

    def host_regions(self) -> tuple[HostRegion, ...]:
        """Return what engines map as memory."""
        host, size = self.ram.host_address, self.ram.size_bytes
        rom = host + firmware.ROM_LOW
        regions = [
            HostRegion(0, firmware.ROM_LOW, host),
            HostRegion(firmware.ROM_LOW, firmware.ROM_BYTES, rom, is_read_only=True),
            HostRegion(firmware.ROM_HIGH, firmware.ROM_BYTES, rom, is_read_only=True),
        ]
        if size > _ABOVE_ROM:
            regions.append(HostRegion(_ABOVE_ROM, size - _ABOVE_ROM, host + _ABOVE_ROM))
        return tuple(regions)

    def device_ranges(self) -> tuple[tuple[int, int], ...]:
        """Return (physical, size in bytes) of everything that is no memory."""
        size = self.ram.size_bytes
        return ((size, firmware.ROM_HIGH - size), (_GIB_4, _PHYSICAL_END - _GIB_4))

    def is_memory(self, physical: int) -> bool:
        """Return whether RAM or ROM stands at `physical`."""
        return physical < self.ram.size_bytes or firmware.ROM_HIGH <= physical < _GIB_4

    def read(self, physical: int, size_bytes: int) -> bytes | None:
        """Read RAM or ROM; None where the range is not wholly inside one of them."""
        if physical + size_bytes <= self.ram.size_bytes:
            return self._view[physical : physical + size_bytes].tobytes()
        if physical >= firmware.ROM_HIGH and physical + size_bytes <= _GIB_4:
            return self.read(physical - firmware.ROM_HIGH + firmware.ROM_LOW, size_bytes)
        return None

    def write(self, physical: int, data: bytes) -> bool:
        """Write RAM and drop writes to ROM; False where the range is not wholly inside either."""
        end = physical + len(data)
        if end <= firmware.ROM_LOW or (physical >= _ABOVE_ROM and end <= self.ram.size_bytes):
            self._view[physical:end] = data
            return True
        if end <= self.ram.size_bytes:
            for offset, byte in enumerate(data):
                if not firmware.ROM_LOW <= physical + offset < _ABOVE_ROM:
                    self._view[physical + offset] = byte
            return True
        return physical >= firmware.ROM_HIGH and end <= _GIB_4
