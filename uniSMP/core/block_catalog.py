"""The blocks that any core has met, each under one number that all cores share.

Logs of executed code name blocks by number; compiled code finds their instructions here. A block
met again (same place, bytes and code width) keeps its number; changed code has one of its own.
"""

import numpy as np
import numpy.typing as npt

from uniSMP.core import native_state as ns
from uniSMP.core.blocks import Block, lay_out
from uniSMP.core.operands import OPERAND_WORDS, operands_of

Words = npt.NDArray[np.int64]


class BlockCatalog:
    """Blocks by number.

    Attributes:
        blocks: the blocks; the number is the index.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._numbers: dict[tuple[int, bytes, int], int] = {}
        self._indexed = 0
        self._first: list[int] = [0]
        self._addresses: list[int] = []
        self._locked: list[bool] = []
        self._arrays: tuple[Words, Words, npt.NDArray[np.bool_]] | None = None
        self._head: Words | None = None
        self._operands: Words = np.zeros(1 << 12, dtype=np.int64)
        self._starts: Words = np.zeros(1 << 10, dtype=np.int64)
        self._described = 0

    def intern(self, linear: int, code: bytes, bits: int) -> int:
        """Return the number of the block of `code` bytes, `bits` wide, at a linear address."""
        key = (linear, code, bits)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.blocks)
            self.blocks.append(Block(linear, code, bits, lay_out(code, bits)))
            if self._head is not None:
                self._describe()
        return number

    def keep_operands(self, head: Words | None) -> None:
        """Keep a table of all instructions' operands for compiled code, or stop to.

        Args:
            head: of the log; its words LOG_FIRST and LOG_OPERANDS follow the table.
        """
        self._head = head
        if head is not None:
            self._describe()

    def _describe(self) -> None:
        """Add the blocks that are new to the table of operands."""
        for number in range(self._described, len(self.blocks)):
            words = operands_of(self.blocks[number])
            begin = int(self._starts[number]) * OPERAND_WORDS
            self._operands = _grown(self._operands, begin + len(words))
            self._operands[begin : begin + len(words)] = words
            self._starts = _grown(self._starts, number + 2)
            self._starts[number + 1] = self._starts[number] + self.blocks[number].count
        self._described = len(self.blocks)
        assert self._head is not None
        self._head[ns.LOG_FIRST] = self._starts.ctypes.data
        self._head[ns.LOG_OPERANDS] = self._operands.ctypes.data

    def arrays(self) -> tuple[Words, Words, npt.NDArray[np.bool_]]:
        """Return (first, addresses, locked) of all blocks.

        The instructions of block b are first[b] to first[b + 1] - 1 in the other two: their linear
        addresses (signed), and whether their memory accesses are locked.
        """
        if self._indexed < len(self.blocks) or self._arrays is None:
            for block in self.blocks[self._indexed :]:
                self._index(block)
            self._indexed = len(self.blocks)
            self._arrays = (
                np.array(self._first, dtype=np.int64),
                np.array(self._addresses, dtype=np.int64),
                np.array(self._locked, dtype=np.bool_),
            )
        return self._arrays

    def _index(self, block: Block) -> None:
        mask = (1 << 64) - 1 if block.bits == 64 else 0xFFFF_FFFF  # noqa: PLR2004 - code width
        for offset in block.layout.offsets:
            address = (block.address + offset) & mask
            self._addresses.append(address if address < 1 << 63 else address - (1 << 64))
        self._locked.extend(index in block.layout.locked for index in range(block.count))
        self._first.append(len(self._addresses))


def _grown(array: Words, size: int) -> Words:
    """Return the array, or a copy of at least twice its size where `size` does not fit."""
    if size <= len(array):
        return array
    return np.concatenate([array, np.zeros(max(size, 2 * len(array)) - len(array), dtype=np.int64)])
