"""The blocks one engine has met, the table its native code looks them up in, and the charges.

The blocks themselves stand in the catalog that all cores share.
"""

from collections.abc import Callable

from uniSMP.arch.paging import PAGE_BYTES
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.blocks import Block, Layout
from uniSMP.core.engine import Engine
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.core.guest_memory import GuestMemory

_SLOT_MASK = ns.TABLE_ENTRIES - 1


class BlockStore:
    """Blocks of one core.

    Args:
        engine: the core's engine.
        memory: to fetch code bytes.
        on_code_pages: told the first and last physical address of each new block.
        log: what is executed is logged there while it is on.
        catalog: the blocks of all cores.

    Attributes:
        rests: linear addresses that the core stops at.
    """

    def __init__(
        self,
        engine: Engine,
        memory: GuestMemory,
        on_code_pages: Callable[[int, int], None],
        log: ExecutionLog,
        catalog: BlockCatalog,
    ) -> None:
        self._engine = engine
        self._state = engine.state
        self._words = engine.words
        self._table = engine.table
        self._memory = memory
        self._on_code_pages = on_code_pages
        self._log = log
        self._catalog = catalog
        self._blocks = catalog.blocks
        self._singles: dict[tuple[int, int], int] = {}
        self.rests: frozenset[int] = frozenset()

    def rest_at(self, addresses: frozenset[int]) -> None:
        """Stop before instructions at these linear addresses; drops what is known of blocks."""
        self.rests = addresses
        self._table[:, ns.ENTRY_SIZE] = 0

    def current(self) -> Block | None:
        """Return the block charged last, or None."""
        number = self._words[ns.BLOCK]
        return self._blocks[number] if number >= 0 else None

    def block(self, number: int) -> Block:
        """Return a block by its number."""
        return self._blocks[number]

    def learn(self, linear: int, size: int) -> None:
        """Enter the block of `size` bytes that the engine is about to run into the table."""
        context = self._engine.context
        bits = context.bits
        code = self._memory.fetch(linear, size)
        number = self._catalog.intern(linear, code, bits)
        layout = self._blocks[number].layout
        safe = self._until_rest(self._blocks[number])
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
            safe,
            layout.flags | (ns.HAS_REST if safe < layout.safe else 0),
            number,
            first,
            last,
            _plain(layout, safe),
        )
        self._engine.protect_code_page(first // PAGE_BYTES)
        self._engine.protect_code_page(last // PAGE_BYTES)
        self._on_code_pages(first, last)

    def _until_rest(self, block: Block) -> int:
        """Return how many instructions may run before one that is sensitive, or a rest."""
        layout = block.layout
        if not self.rests:
            return layout.safe
        places = (index for index in range(layout.safe) if self._is_rest(block, index))
        return next(places, layout.safe)

    def _is_rest(self, block: Block, index: int) -> bool:
        return block.address + block.layout.offsets[index] & cx.MASK64 in self.rests

    def number_at(self, linear: int, size: int) -> int:
        """Return the number of the block made of the one instruction at `linear`."""
        code = self._memory.fetch(linear, size)
        return self._catalog.intern(linear, code, self._engine.context.bits)

    def single(self, number: int, index: int) -> int:
        """Return the number of the block made of instruction `index` of block `number` alone."""
        single = self._singles.get((number, index))
        if single is None:
            block = self._blocks[number]
            start = block.layout.offsets[index]
            code = block.code[start : start + block.size_of(index)]
            single = self._catalog.intern(block.address + start & cx.MASK64, code, block.bits)
            self._singles[number, index] = single
        return single

    def charge_single(self, number: int, level: int) -> None:
        """Charge a block of one instruction, which is executed at `level`, see `ExecutionLog`."""
        words = self._words
        if self._log.is_on:  # first, since a full log is handed on with what is retired so far
            self._log.add_block(words[ns.CORE_ID], level, number)
        words[ns.BLOCK] = number
        words[ns.CHARGED] = 1
        words[ns.REMAINING] -= 1
        words[ns.RETIRED] += 1

    def refund(self, instructions: int) -> None:
        """Take back the charge of the last block's instructions that were not executed."""
        words = self._words
        words[ns.RETIRED] -= instructions
        words[ns.REMAINING] += instructions
        if self._log.is_on:
            self._log.refund(instructions)


def _plain(layout: Layout, safe: int) -> int:
    """Return the number of instructions of a block that can only run whole, else 0.

    One instruction alone may be a store that the engine repeats.
    """
    count = len(layout.offsets)
    return count if count > 1 and safe == count and not layout.flags else 0
