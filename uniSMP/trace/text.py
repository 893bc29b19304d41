"""A trace as plain text: one line per retired instruction, oldest first.

    step  core  rip               symbol+offset        instruction                source line

`step` counts the instructions retired by all cores before this one. An instruction that faults is
not retired and has no line.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from capstone import CS_ARCH_X86, CS_MODE_16, CS_MODE_32, CS_MODE_64, Cs

_MODES = {16: CS_MODE_16, 32: CS_MODE_32, 64: CS_MODE_64}
_FARTHEST_OFFSET = 1 << 20
"""An address farther than this from the symbol before it belongs to no symbol."""


class ExecutedBlock(Protocol):
    """A stretch of straight-line code as the cores decode it."""

    @property
    def address(self) -> int:
        """Linear address of the first byte."""

    @property
    def code(self) -> bytes:
        """Its bytes."""

    @property
    def bits(self) -> int:
        """Code width: 16, 32 or 64."""


class SymbolNames:
    """Names for addresses.

    Args:
        symbols: linear addresses by name; of several names for an address the first one counts.
    """

    def __init__(self, symbols: Mapping[str, int]) -> None:
        names: dict[int, str] = {}
        for name, address in symbols.items():
            names.setdefault(address, name)
        self._addresses = sorted(names)
        self._names = [names[address] for address in self._addresses]

    def describe(self, address: int) -> str:
        """Return `symbol+0x12`, or nothing where no symbol is near below."""
        below = bisect_right(self._addresses, address) - 1
        if below < 0 or address - self._addresses[below] > _FARTHEST_OFFSET:
            return ""
        offset = address - self._addresses[below]
        return f"{self._names[below]}+{offset:#x}" if offset else self._names[below]


def disassemble(code: bytes, address: int, bits: int) -> list[tuple[int, bytes, str]]:
    """Return (address, bytes, text) of each instruction; undecodable bytes are `.byte`."""
    decoder = Cs(CS_ARCH_X86, _MODES[bits])
    decoder.skipdata = True
    return [
        (place, code[place - address : place - address + size], f"{name} {operands}".rstrip())
        for place, size, name, operands in decoder.disasm_lite(code, address)
    ]


class TextTrace:
    """Writes what blocks did as lines of text.

    Args:
        write: takes text.
        symbols: linear addresses by name.
        source_line: returns `file:line` of an address, or nothing.
    """

    def __init__(
        self,
        write: Callable[[str], object],
        symbols: Mapping[str, int],
        source_line: Callable[[int], str],
    ) -> None:
        self._write = write
        self._names = SymbolNames(symbols)
        self._source_line = source_line
        self._lines: dict[tuple[int, bytes, int], list[str]] = {}

    def add(
        self, core_id: int, first_step: int, blocks: Sequence[tuple[ExecutedBlock, int]]
    ) -> None:
        """Write the executed part of each block.

        Args:
            core_id: who executed them.
            first_step: instructions retired by all cores before.
            blocks: (block, number of its instructions that were executed), in order.
        """
        step = first_step
        text = []
        for block, executed in blocks:
            for line in self._render(block)[:executed]:
                text.append(f"{step:>12} {core_id:>3} {line}\n")
                step += 1
        self._write("".join(text))

    def _render(self, block: ExecutedBlock) -> list[str]:
        key = (block.address, block.code, block.bits)
        lines = self._lines.get(key)
        if lines is None:
            lines = self._lines[key] = [
                self._line(address, text)
                for address, _code, text in disassemble(block.code, block.address, block.bits)
            ]
        return lines

    def _line(self, address: int, text: str) -> str:
        name = self._names.describe(address)
        return f"{address:016x} {name:<28} {text:<40} {self._source_line(address)}".rstrip()
