"""One core as people, tests and debuggers look at it; looking changes nothing."""

from collections.abc import Callable, Iterator

from uniSMP.arch.paging import PAGE_BYTES
from uniSMP.core.blocks import LONGEST_INSTRUCTION_BYTES
from uniSMP.core.core import Core
from uniSMP.core.page_lookup import look_up
from uniSMP.core.registers import Registers
from uniSMP.machine import core_state
from uniSMP.machine.memory_map import MemoryMap
from uniSMP.trace.text import disassemble

_MASK64 = (1 << 64) - 1


class CoreView:
    """One core of a machine, for people and tests.

    Attributes:
        registers: its registers by name.
    """

    def __init__(
        self, core: Core, on_write: Callable[[int, str, int], None], memory: MemoryMap
    ) -> None:
        self._core = core
        self._memory = memory
        self.registers = Registers(core, on_write)

    @property
    def id(self) -> int:
        """Core id, the initial APIC ID."""
        return self._core.core_id

    @property
    def instructions(self) -> int:
        """Instructions retired since power-on."""
        return self._core.retired

    @property
    def state(self) -> str:
        """One line: whether it runs or waits, and where."""
        return core_state.describe(self._core)

    @property
    def code_bits(self) -> int:
        """Width of the code that is executed: 16, 32 or 64."""
        return self._core.engine.context.bits

    @property
    def linear_rip(self) -> int:
        """Linear address of the next instruction."""
        return self._core.engine.context.linear_rip

    @property
    def can_run(self) -> bool:
        """Whether it executes instructions: neither halted, nor waiting for a SIPI, nor dead."""
        return self._core.can_run

    def translate(self, linear: int) -> int | None:
        """Return the physical address behind a linear one; None where nothing is mapped.

        As its supervisor code would read it now; nothing changes, accessed bits neither.
        """
        return look_up(self._core.engine.context, self._core.memory.words, linear)

    def pieces(self, linear: int, size_bytes: int) -> Iterator[tuple[int, int]]:
        """Yield (physical, size in bytes) of each page of a range, up to one that is not mapped.

        Behind the last linear address comes the first one. What stands at the physical ones may be
        RAM, ROM, or neither.
        """
        done = 0
        while done < size_bytes:
            place = (linear + done) & _MASK64
            size = min(size_bytes - done, PAGE_BYTES - place % PAGE_BYTES)
            physical = self.translate(place)
            if physical is None:
                return
            yield physical, size
            done += size

    def read(self, linear: int, size_bytes: int) -> bytes:
        """Return memory at a linear address: as many bytes as are mapped to RAM or ROM.

        Registers of devices are not read: some change their state.
        """
        data = b""
        for physical, size in self.pieces(linear, size_bytes):
            part = self._memory.read(physical, size)
            if part is None:
                break
            data += part
        return data

    def disassemble(self, linear: int, count: int) -> list[tuple[int, bytes, str]]:
        """Return (linear address, bytes, text) of `count` instructions in the core's mode.

        They are fewer where memory ends before; bytes that are no instruction are `.byte`.
        """
        code = self.read(linear, LONGEST_INSTRUCTION_BYTES * count)
        return disassemble(code, linear, self.code_bits)[:count]
