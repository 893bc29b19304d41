"""Which instructions a history executed: one row for each address, decoded from memory.

Code is taken to be identity mapped: the bytes at physical address RIP as they were when RIP was
executed for the first time. A mode event says how wide code is; without one it is 64-bit code.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from capstone import CS_ARCH_X86, CS_MODE_16, CS_MODE_32, CS_MODE_64, Cs

from uniSMP.checks.history import Bytes, History, Signed
from uniSMP.checks.memory_at import PAGE_BYTES, PAGE_SHIFT, MemoryAt

_LONGEST = 15
_MODES = {16: CS_MODE_16, 32: CS_MODE_32, 64: CS_MODE_64}
_BITS_BY_MODE = {"real": 16, "virtual-8086": 16, "protected": 32, "compatibility": 32, "64-bit": 64}
IRETS = frozenset({"iret", "iretd", "iretq"})
CALLS = frozenset({"call", "lcall"})
PUSHES = CALLS | {"push", "pushf", "pushfd", "pushfq", "pushaw", "pushal", "enter"}
"""Mnemonics of instructions that write below the stack pointer."""


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction: its size in bytes, and how Capstone writes it, without prefixes."""

    size_bytes: int
    mnemonic: str
    operands: str


_UNKNOWN = Instruction(1, "", "")


@functools.lru_cache(maxsize=1 << 16)
def decode(code: bytes, bits: int) -> Instruction:
    """Return the instruction that bytes begin with; of unknown bytes, one without a mnemonic."""
    for _, size, mnemonic, operands in _decoder(bits).disasm_lite(code, 0, 1):
        return Instruction(size, mnemonic.rpartition(" ")[2], operands)
    return _UNKNOWN


@functools.cache
def _decoder(bits: int) -> Cs:
    return Cs(CS_ARCH_X86, _MODES[bits])


class ExecutedCode:
    """The instructions of one history.

    Attributes:
        rips: linear address of each, ascending.
        instructions: what is there, in the same order.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self.rips, first = np.unique(history.rip, return_index=True)
        code = _code(MemoryAt(history), self.rips.tolist(), (first + history.first_step).tolist())
        bits = _bits(history, first).tolist()
        self.instructions = list(map(decode, code, bits))

    def addresses(self, mnemonics: frozenset[str]) -> Signed:
        """Return the addresses of instructions with one of these mnemonics."""
        chosen = [each.mnemonic in mnemonics for each in self.instructions]
        return self.rips[np.array(chosen, dtype=np.bool_)]

    def rows(self, mnemonics: frozenset[str]) -> Signed:
        """Return the rows of the history that executed one; add `first_step` for steps."""
        found: Signed = np.nonzero(np.isin(self._history.rip, self.addresses(mnemonics)))[0]
        return found

    def bytes_executed(self) -> tuple[Signed, Signed]:
        """Return the addresses of all executed bytes, ascending, and the RIP each belongs to."""
        sizes = np.array([each.size_bytes for each in self.instructions], dtype=np.int64)
        owner = np.repeat(self.rips, sizes)
        begins = np.repeat(np.cumsum(sizes) - sizes, sizes)
        places = owner + np.arange(len(owner)) - begins
        places, first = np.unique(places, return_index=True)
        return places, owner[first]


@functools.lru_cache(maxsize=1)
def executed_code(history: History) -> ExecutedCode:
    """Return the instructions of a history; several checks of the same one share them."""
    return ExecutedCode(history)


def _code(memory: MemoryAt, rips: Sequence[int], steps: Sequence[int]) -> Iterator[bytes]:
    """Return the bytes at each address as they were at a step."""
    pages: dict[int, bytes | None] = {}
    for rip, step in zip(rips, steps, strict=True):
        page, offset = rip >> PAGE_SHIFT, rip & PAGE_BYTES - 1
        if page not in pages:
            pages[page] = memory.constant_page(page)
        content = pages[page]
        if content is None or offset + _LONGEST > PAGE_BYTES:
            yield memory.read(rip, _LONGEST, step)
        else:
            yield content[offset : offset + _LONGEST]


def _bits(history: History, rows: Signed) -> Bytes:
    """Return how wide the code of these rows is."""
    bits = np.full(len(rows), 64, dtype=np.uint8)
    steps, cores = rows + history.first_step, history.core[rows]
    for event in history.events:
        if event.kind == "mode" and event.detail in _BITS_BY_MODE:
            later = (cores == event.core) & (steps >= event.step)
            bits[later] = _BITS_BY_MODE[event.detail]
    return bits
