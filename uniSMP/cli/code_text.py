"""Code as people read it: names of addresses, source lines, instructions, a backtrace."""

from collections.abc import Iterator

from uniSMP.machine.machine import Machine
from uniSMP.machine.target import Target
from uniSMP.trace.text import SymbolNames, disassemble

_LONGEST_RETURN = 7
_STACK_QUADS = 512
_MOST_FRAMES = 32


class CodeText:
    """Tells of the code of one guest on one machine.

    Args:
        machine: where it runs.
        guest: for names and lines.
    """

    def __init__(self, machine: Machine, guest: Target) -> None:
        self._machine = machine
        self._guest = guest
        self._names = SymbolNames(guest.labels)
        addresses = guest.labels.values()
        self._first, self._last = min(addresses, default=0), max(addresses, default=0)

    def place(self, address: int) -> str:
        """Return `name+0x12 (file:line)`, as far as they are known, or the plain address."""
        name = self._names.describe(address) or f"{address:#x}"
        line = self._guest.source_line(address)
        return f"{name} ({line})" if line else name

    def instructions(self, core_id: int, linear: int, count: int) -> Iterator[tuple[int, str, str]]:
        """Return (address, bytes in hexadecimal, text) of the next instructions of a core."""
        for address, part, text in self._machine.core(core_id).disassemble(linear, count):
            yield address, part.hex(" "), text

    def instruction(self, core_id: int, linear: int) -> str:
        """Return the text of one instruction."""
        return next((text for _, _, text in self.instructions(core_id, linear, 1)), "(unmapped)")

    def backtrace(self, core_id: int) -> list[int]:
        """Return addresses on the stack that stand behind a call in the guest's code.

        There is no frame information: what looks like a return address is one.
        """
        core = self._machine.core(core_id)
        size = core.code_bits // 8
        stack = core.read(core.registers["rsp"], size * _STACK_QUADS)
        found = []
        for at in range(0, len(stack) - size + 1, size):
            value = int.from_bytes(stack[at : at + size], "little")
            if self._first <= value <= self._last + 4096 and self._is_behind_call(core_id, value):
                found.append(value)
        return found[:_MOST_FRAMES]

    def _is_behind_call(self, core_id: int, address: int) -> bool:
        bits = self._machine.core(core_id).code_bits
        for size in range(2, _LONGEST_RETURN + 1):
            code = self._machine.core(core_id).read(address - size, size)
            decoded = disassemble(code, address - size, bits)
            if len(decoded) == 1 and decoded[0][2].startswith("call"):
                return True
        return False
