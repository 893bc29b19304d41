"""Memory as a debugger reads and writes it: RAM and ROM only, without any effect on the guest.

Registers of devices are refused: reading some of them changes their state.
"""

from typing import TYPE_CHECKING

from uniSMP.errors import ConfigError

if TYPE_CHECKING:
    from uniSMP.replay.timeline import Timeline


class DebugMemory:
    """Memory of a target.

    Args:
        timeline: the target.

    Attributes:
        is_physical: whether addresses are physical ones, as QEMU's PhyMemMode.
    """

    def __init__(self, timeline: "Timeline") -> None:
        self._timeline = timeline
        self.is_physical = False

    def read(self, core_id: int, address: int, size_bytes: int) -> bytes:
        """Return bytes as core `core_id` sees them: as many as can be read, perhaps none."""
        if self.is_physical:
            return self.read_physical(address, size_bytes) or b""
        return self._timeline.machine.core(core_id).read(address, size_bytes)

    def read_physical(self, physical: int, size_bytes: int) -> bytes | None:
        """Return bytes of RAM or ROM; None where the range is not wholly inside one of them."""
        try:
            return self._timeline.machine.memory.read(physical, size_bytes)
        except ConfigError:
            return None

    def write(self, core_id: int, address: int, data: bytes) -> None:
        """Write all of `data`, or nothing.

        Raises:
            ConfigError: not all of it is mapped to RAM.
        """
        pieces = self._pieces(core_id, address, len(data))
        memory = self._timeline.machine.memory
        is_mapped = sum(size for _, size in pieces) == len(data)
        if not is_mapped or any(physical + size > memory.size_bytes for physical, size in pieces):
            raise ConfigError(f"{len(data)} bytes at {address:#x} are not all RAM")
        done = 0
        for physical, size in pieces:
            memory.write(physical, data[done : done + size])
            done += size

    def _pieces(self, core_id: int, address: int, size_bytes: int) -> list[tuple[int, int]]:
        """Return (physical, size in bytes) of the stretches of a range, as far as it is mapped."""
        if self.is_physical:
            return [(address, size_bytes)]
        return list(self._timeline.machine.core(core_id).pieces(address, size_bytes))
