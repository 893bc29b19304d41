"""The packets that read and write registers and memory.

Source: GDB manual, appendix "GDB Remote Serial Protocol", section "Packets".
"""

from typing import TYPE_CHECKING

from uniSMP.errors import ConfigError
from uniSMP.gdb import words
from uniSMP.gdb.memory import DebugMemory
from uniSMP.gdb.packets import PACKET_SIZE_BYTES
from uniSMP.gdb.registers import NUMBER, RegisterFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from uniSMP.replay.timeline import Timeline

OK = b"OK"
MALFORMED = b"E16"
"""EINVAL in hexadecimal."""
BAD_ADDRESS = b"E0e"
"""EFAULT in hexadecimal."""
_MOST_BYTES = PACKET_SIZE_BYTES // 2 - 16


class Contents:
    """Registers and memory of one target.

    Args:
        timeline: the target.
        memory: its memory.

    Attributes:
        core_id: the core that gdb looks at.
        commands: what answers a packet, by its first letter; each is given the rest, and raises
            ValueError where that is odd and ConfigError where it cannot be done.
    """

    def __init__(self, timeline: "Timeline", memory: DebugMemory) -> None:
        self._timeline = timeline
        self._memory = memory
        self.core_id = 0
        self.commands: Mapping[bytes, Callable[[bytes], bytes]] = {
            b"g": lambda _rest: words.to_hex(self._registers().read_all()),
            b"G": self._write_registers,
            b"p": self._read_register,
            b"P": self._write_register,
            b"m": self._read_memory,
            b"M": self._write_memory,
            b"X": self._write_binary,
        }

    def jump(self, address: int) -> None:
        """Set RIP of the core that gdb looks at.

        Raises:
            ConfigError: the target cannot be changed.
        """
        self._must_be_live()
        self._registers().write(NUMBER["rip"], address.to_bytes(8, "little"))

    def _registers(self) -> RegisterFile:
        return RegisterFile(self._timeline.machine, self.core_id)

    def _must_be_live(self) -> None:
        if not self._timeline.is_live:
            raise ConfigError("a recording cannot be changed: registers and memory are read-only")

    def _write_registers(self, rest: bytes) -> bytes:
        self._must_be_live()
        self._registers().write_all(words.from_hex(rest))
        return OK

    def _read_register(self, rest: bytes) -> bytes:
        return words.to_hex(self._registers().read(words.number(rest)))

    def _write_register(self, rest: bytes) -> bytes:
        self._must_be_live()
        number, value = words.split(rest, b"=")
        self._registers().write(words.number(number), words.from_hex(value))
        return OK

    def _read_memory(self, rest: bytes) -> bytes:
        address, size = map(words.number, words.split(rest, b","))
        data = self._memory.read(self.core_id, address, min(size, _MOST_BYTES))
        return words.to_hex(data) if data or not size else BAD_ADDRESS

    def _write_memory(self, rest: bytes) -> bytes:
        where, digits = words.split(rest, b":")
        return self._write(where, words.from_hex(digits))

    def _write_binary(self, rest: bytes) -> bytes:
        return self._write(*words.split(rest, b":"))

    def _write(self, where: bytes, data: bytes) -> bytes:
        address, size = map(words.number, words.split(where, b","))
        if len(data) != size:
            return MALFORMED
        if size:
            self._must_be_live()
            self._memory.write(self.core_id, address, data)
        return OK
