"""The blocks one engine has met, the table its native code looks them up in, and the charges.

Numbers of blocks are stable: a block met again (same place, bytes and code width) keeps its number,
so that logs of executed blocks can be read later.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from uniSMP.arch.paging import PAGE_BYTES
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.blocks import Block, lay_out
from uniSMP.core.engine import Engine
from uniSMP.core.guest_memory import GuestMemory

_SLOT_MASK = ns.TABLE_ENTRIES - 1


class BlockStore:
    """Blocks of one core.

    Args:
        engine: the core's engine.
        memory: to fetch code bytes.
        on_code_pages: told the first and last physical address of each new block.
    """

    def __init__(
        self,
        engine: Engine,
        memory: GuestMemory,
        on_code_pages: Callable[[int, int], None],
    ) -> None:
        self._engine = engine
        self._state = engine.state
        self._table = engine.table
        self._memory = memory
        self._on_code_pages = on_code_pages
        self._blocks: list[Block] = []
        self._log: npt.NDArray[np.int64] = np.zeros((0, 2), dtype=np.int64)
        self._on_log_full: Callable[[], None] = self._drop_log
        self._singles: dict[tuple[int, int], int] = {}
        self._numbers: dict[tuple[int, bytes, int], int] = {}

    def _drop_log(self) -> None:
        self._state[ns.LOG_COUNT] = 0

    def current(self) -> Block | None:
        """Return the block charged last, or None."""
        number = int(self._state[ns.BLOCK])
        return self._blocks[number] if number >= 0 else None

    def block(self, number: int) -> Block:
        """Return a block by its number."""
        return self._blocks[number]

    def _intern(self, linear: int, code: bytes, bits: int) -> int:
        key = (linear, code, bits)
        number = self._numbers.get(key)
        if number is None:
            number = len(self._blocks)
            self._numbers[key] = number
            self._blocks.append(Block(linear, code, bits, lay_out(code, bits)))
        return number

    def learn(self, linear: int, size: int) -> None:
        """Enter the block of `size` bytes that the engine is about to run into the table."""
        context = self._engine.context
        bits = context.bits
        code = self._memory.fetch(linear, size)
        number = self._intern(linear, code, bits)
        layout = self._blocks[number].layout
        first = self._engine.translate_code(linear)
        last = self._engine.translate_code((linear + size - 1) & cx.MASK64)
        signed = linear if linear < 1 << 63 else linear - (1 << 64)
        entry = self._table[(signed ^ (signed >> ns.TABLE_BITS)) & _SLOT_MASK]
        entry[:] = (
            signed,
            size,
            context.double(cx.HFLAGS) & ns.MODE_MASK,
            self._state[ns.EPOCH],
            len(layout.offsets),
            layout.safe,
            layout.flags,
            number,
            first,
            last,
        )
        self._engine.protect_code_page(first // PAGE_BYTES)
        self._engine.protect_code_page(last // PAGE_BYTES)
        self._on_code_pages(first, last)

    def charge_one(self, linear: int, size: int) -> None:
        """Charge the single instruction at `linear`, which is executed outside its block."""
        code = self._memory.fetch(linear, size)
        self.charge_single(self._intern(linear, code, self._engine.context.bits))

    def single(self, number: int, index: int) -> int:
        """Return the number of the block made of instruction `index` of block `number` alone."""
        single = self._singles.get((number, index))
        if single is None:
            block = self._blocks[number]
            start = block.layout.offsets[index]
            code = block.code[start : start + block.size_of(index)]
            single = self._intern(block.address + start & cx.MASK64, code, block.bits)
            self._singles[number, index] = single
        return single

    def charge_single(self, number: int) -> None:
        """Charge the block of one instruction that `single` returned."""
        state = self._state
        state[ns.BLOCK] = number
        state[ns.CHARGED] = 1
        state[ns.REMAINING] -= 1
        state[ns.RETIRED] += 1
        if state[ns.LOG]:
            self._log_one(number)

    def refund(self, instructions: int) -> None:
        """Take back the charge of the last block's instructions that were not executed."""
        state = self._state
        state[ns.RETIRED] -= instructions
        state[ns.REMAINING] += instructions
        if state[ns.LOG]:
            self._log[int(state[ns.LOG_COUNT]) - 1, 1] -= instructions

    def start_log(self, capacity: int, on_full: Callable[[], None]) -> None:
        """Log each executed block from now on.

        Args:
            capacity: entries kept until `on_full` is called.
            on_full: must call `take_log`.
        """
        self._log = np.zeros((capacity, 2), dtype=np.int64)
        self._on_log_full = on_full
        self._state[ns.LOG] = self._log.ctypes.data
        self._state[ns.LOG_COUNT] = 0
        self._state[ns.LOG_CAPACITY] = capacity

    def stop_log(self) -> None:
        """Log no blocks from now on."""
        self._state[ns.LOG] = 0

    def take_log(self) -> list[tuple[Block, int]]:
        """Return and clear the log: (block, instructions executed of it), oldest first."""
        count = int(self._state[ns.LOG_COUNT])
        self._state[ns.LOG_COUNT] = 0
        return [(self._blocks[number], executed) for number, executed in self._log[:count].tolist()]

    def _log_one(self, number: int) -> None:
        state = self._state
        if state[ns.LOG_COUNT] >= state[ns.LOG_CAPACITY]:
            self._on_log_full()
        self._log[int(state[ns.LOG_COUNT])] = (number, 1)
        state[ns.LOG_COUNT] += 1

    def log_is_full(self) -> None:
        """Hand the log on, after the native code found no room in it."""
        self._on_log_full()
