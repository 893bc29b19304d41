"""One core on a bench: descriptor tables, handlers and code, written by the host.

Every vector has a handler of its own that halts, so that a test runs code, sees which handler was
entered, and looks at the frame on its stack.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from uniSMP import Machine, assemble
from uniSMP.core import context as cx
from uniSMP.core.core import Core, Stop

IDT = 0x2000
GDT = 0x4000
TSS = 0x5000
BITMAP = 0x100
TSS_END = 0x2200
SECOND_TSS = 0x8000
LDT = 0x8800
HANDLERS = 0xA000
HANDLER_BYTES = 16
IST_STACK = 0x31000
KERNEL_STACK = 0x38000
INNER_STACK = 0x39000
USER_STACK = 0x3F000
DATA = 0x50000
TABLES = 0x60000
CODE_16 = 0x20000
CODE = 0x10_0000
WINDOW = 0x80_0000_0000
"""A linear address of its own top-level entry, for `Lab.map_page`."""

CS64, DS, CS32 = 0x08, 0x10, 0x18
USER_CS32, USER_DS, USER_CS64 = 0x23, 0x2B, 0x33
TR = 0x38
CS16, DS16 = 0x48, 0x50
CONFORMING32, CONFORMING64 = 0x58, 0x60
TR2, LDTR = 0x68, 0x70
ABSENT_CODE, ABSENT_DATA = 0x78, 0x80
SMALL_CODE, READ_ONLY = 0x88, 0x90
CS_LEVEL_1, DS_LEVEL_1 = 0x98, 0xA0
EXPAND_DOWN = 0xA8
TR3 = 0xB0
SMALL_STACK = 0xB8
EXECUTE_ONLY = 0xC0
ABSENT_TSS, ABSENT_LDT, SHORT_TSS = 0xC8, 0xD0, 0xD8
LAST = 0xDF

INTERRUPT_16, TRAP_16, INTERRUPT_32, TRAP_32, TASK = 6, 7, 14, 15, 5
DPL_3 = 0x60


def descriptor(base: int, limit: int, access: int, flags: int) -> int:
    """Return a segment descriptor; `flags` are G, D, L, AVL."""
    low = (base & 0xFFFF) << 16 | limit & 0xFFFF
    high = (
        base >> 16 & 0xFF | access << 8 | (limit >> 16 & 15) << 16 | flags << 20 | base >> 24 << 24
    )
    return high << 32 | low


_TABLE = {
    CS64: descriptor(0, 0xFFFFF, 0x9B, 0xA),
    DS: descriptor(0, 0xFFFFF, 0x93, 0xC),
    CS32: descriptor(0, 0xFFFFF, 0x9B, 0xC),
    USER_CS32 & ~3: descriptor(0, 0xFFFFF, 0xFB, 0xC),
    USER_DS & ~3: descriptor(0, 0xFFFFF, 0xF3, 0xC),
    USER_CS64 & ~3: descriptor(0, 0xFFFFF, 0xFB, 0xA),
    TR: descriptor(TSS, TSS_END, 0x8B, 0),
    CS16: descriptor(0, 0xFFFF, 0x9B, 0),
    DS16: descriptor(0, 0xFFFF, 0x93, 0),
    CONFORMING32: descriptor(0, 0xFFFFF, 0x9E, 0xC),
    CONFORMING64: descriptor(0, 0xFFFFF, 0x9E, 0xA),
    TR2: descriptor(SECOND_TSS, 0x67, 0x89, 0),
    LDTR: descriptor(LDT, 0x3F, 0x82, 0),
    ABSENT_CODE: descriptor(0, 0xFFFFF, 0x1B, 0xC),
    ABSENT_DATA: descriptor(0, 0xFFFFF, 0x13, 0xC),
    SMALL_CODE: descriptor(0, 0x7FFF, 0x9B, 0x4),
    READ_ONLY: descriptor(0, 0xFFFFF, 0x91, 0xC),
    CS_LEVEL_1: descriptor(0, 0xFFFFF, 0xBB, 0xC),
    DS_LEVEL_1: descriptor(0, 0xFFFFF, 0xB3, 0xC),
    EXPAND_DOWN: descriptor(0, KERNEL_STACK - 9 >> 12, 0x97, 0xC),
    TR3: descriptor(SECOND_TSS, 0x2B, 0x81, 0),
    SMALL_STACK: descriptor(0, 0xFFF, 0x93, 0x4),
    EXECUTE_ONLY: descriptor(0, 0xFFFFF, 0x99, 0xC),
    ABSENT_TSS: descriptor(SECOND_TSS, 0x67, 0x09, 0),
    ABSENT_LDT: descriptor(LDT, 0x3F, 0x02, 0),
    SHORT_TSS: descriptor(SECOND_TSS, 0x66, 0x89, 0),
}
_WIDTH = {"real": 2, "protected": 4, "long": 8}


@dataclass(frozen=True)
class Entry:
    """A handler that was entered: its vector and the words on its stack, lowest address first."""

    vector: int
    frame: Sequence[int]


class Lab:
    """One core in real mode, in flat 32-bit protected mode without paging, or in 64-bit mode.

    Args:
        mode: "real", "protected" or "long".
        cores: cores of the machine; the test looks at core 0.
    """

    def __init__(self, mode: str = "long", cores: int = 1) -> None:
        self.mode = mode
        self.machine = Machine(cores=cores, boot="long", memory_bytes=2 << 20)
        self.machine.load(b"\xf4")
        self.memory = self.machine.memory
        self.registers = self.machine.core(0).registers
        self.core: Core = self.machine._cores[0]
        self.engine = self.core.engine
        self.context = self.engine.context
        self._next_table = TABLES
        self.memory.write(HANDLERS, b"\xf4" * (256 * HANDLER_BYTES))
        for selector, value in _TABLE.items():
            self.quad(GDT + selector, value)
        self._fill_task_segment()
        {"real": self._real, "protected": self._protected, "long": self._long}[mode]()

    # -- tables ------------------------------------------------------------------------------

    def quad(self, address: int, value: int) -> None:
        """Write 64 bits of memory."""
        self.memory.write_integer(address, value, 8)

    def double(self, address: int, value: int) -> None:
        """Write 32 bits of memory."""
        self.memory.write_integer(address, value, 4)

    def word(self, address: int, value: int) -> None:
        """Write 16 bits of memory."""
        self.memory.write_integer(address, value, 2)

    def _fill_task_segment(self) -> None:
        self.word(TSS + 0x66, BITMAP)
        self.memory.write(TSS + BITMAP, b"\xff" * (TSS_END - BITMAP + 1))
        if self.mode == "long":
            for level in range(3):
                self.quad(TSS + 4 + 8 * level, KERNEL_STACK + 0x100 * level)
            for index in range(1, 8):
                self.quad(TSS + 0x24 + 8 * (index - 1), IST_STACK + 0x100 * index)
        else:
            self.double(TSS + 4, KERNEL_STACK)
            self.double(TSS + 8, DS)
            self.double(TSS + 12, INNER_STACK)
            self.double(TSS + 16, DS_LEVEL_1 | 1)

    def gate(
        self,
        vector: int,
        kind: int = INTERRUPT_32,
        selector: int = 0,
        offset: int | None = None,
        ist: int = 0,
        access: int = 0x80,
    ) -> None:
        """Write an IDT entry; its handler is the halting one of its vector by default."""
        target = HANDLERS + vector * HANDLER_BYTES if offset is None else offset
        selector = selector or (CS64 if self.mode == "long" else CS32)
        low = target & 0xFFFF | selector << 16
        high = target & 0xFFFF_0000 | (access | kind) << 8 | ist
        if self.mode == "long":
            self.quad(IDT + 16 * vector, high << 32 | low)
            self.quad(IDT + 16 * vector + 8, target >> 32)
        else:
            self.quad(IDT + 8 * vector, high << 32 | low)

    def set_idt_limit(self, limit: int) -> None:
        """Set the limit of the IDT."""
        base = 0 if self.mode == "real" else IDT
        self.context.set_table(cx.IDT, cx.Segment(0, base, limit, 0))

    def _load_tables(self) -> None:
        self.context.set_table(cx.GDT, cx.Segment(0, GDT, LAST, 0))
        self.context.set_table(cx.TR, cx.Segment(TR, TSS, TSS_END, 0x8B00))
        self.context.set_table(cx.LDT, cx.Segment(LDTR, LDT, 0x3F, 0x8200))
        self.set_idt_limit(0xFFF)
        for vector in range(256):
            self.gate(vector)

    def _segment(self, selector: int) -> cx.Segment:
        value = _TABLE[selector & 0xFFF8]
        high = value >> 32
        limit = value & 0xFFFF | high & 0xF_0000
        limit = limit << 12 | 0xFFF if high >> 23 & 1 else limit
        base = value >> 16 & 0xFFFF | (high & 0xFF) << 16 | high & 0xFF00_0000
        return cx.Segment(selector, base, limit, high)

    def set_segment(self, number: int, selector: int) -> None:
        """Load a segment register from this bench's GDT."""
        self.context.set_segment(number, self._segment(selector))
        self.context.update_hflags()

    def set_segments(self, code: int, data: int) -> None:
        """Load CS and the five data segment registers."""
        for number in range(6):
            self.set_segment(number, code if number == cx.CS else data)

    # -- modes -------------------------------------------------------------------------------

    def _long(self) -> None:
        self._load_tables()
        self.set_segments(CS64, DS)
        self.context.set_register(cx.RSP, INNER_STACK)

    def _protected(self) -> None:
        self._load_tables()
        self._leave_long_mode(0x33)
        self.set_segments(CS32, DS)
        self.context.set_register(cx.RSP, INNER_STACK)

    def _real(self) -> None:
        self._leave_long_mode(0x32)
        for number in range(6):
            selector = CODE_16 >> 4 if number == cx.CS else 0
            kind = 0x9B00 if number == cx.CS else 0x9300
            segment = cx.Segment(selector, selector << 4, 0xFFFF, kind)
            self.context.set_segment(number, segment)
        self.context.set_register(cx.RSP, 0x9000)
        self.set_idt_limit(0x3FF)
        for vector in range(256):
            self.double(4 * vector, HANDLERS + vector * HANDLER_BYTES)
        self.context.update_hflags()

    def _leave_long_mode(self, cr0: int) -> None:
        self.context.set_quad(cx.CR0, cr0)
        self.context.set_quad(cx.CR4, 0x600)
        self.context.set_quad(cx.EFER, 0)
        self.context.update_hflags()
        self.engine.flush_tlb()

    def enter_user(self, code: int | None = None) -> None:
        """Make the core run at CPL 3."""
        if self.mode == "long":
            self.allow_user()
        self.set_segments(code or (USER_CS64 if self.mode == "long" else USER_CS32), USER_DS)
        self.context.set_register(cx.RSP, USER_STACK)

    def enter_virtual(self, io_level: int = 3) -> None:
        """Make the core run in virtual-8086 mode, at CODE_16, with its stack at 0x9000."""
        self.context.set_flags(0x2_0002 | io_level << 12)
        for number in range(6):
            selector = CODE_16 >> 4 if number == cx.CS else number
            segment = cx.Segment(selector, selector << 4, 0xFFFF, 0xF300)
            self.context.set_segment(number, segment)
        self.context.set_register(cx.RSP, 0x9000)
        self.context.update_hflags()

    def allow_user(self) -> None:
        """Let user code use the identity-mapped first 2 MiB."""
        top = self.context.quad(cx.CR3)
        for offset in (0, 0x1000, 0x2000):
            entry = self.memory.read_integer(top + offset, 8)
            self.quad(top + offset, entry | 4)
        self.engine.flush_tlb()

    def map_page(self, linear: int, entry: int) -> int:
        """Map one 4 KiB page with a leaf entry; return the leaf's physical address."""
        table = self.context.quad(cx.CR3)
        for shift in (39, 30, 21):
            place = table + 8 * (linear >> shift & 511)
            next_table = self.memory.read_integer(place, 8) & ~0xFFF
            if not next_table:
                next_table = self._next_table
                self._next_table += 0x1000
                self.quad(place, next_table | 7)
            table = next_table
        leaf = table + 8 * (linear >> 12 & 511)
        self.quad(leaf, entry)
        self.engine.flush_tlb()
        return leaf

    # -- running -----------------------------------------------------------------------------

    def code(self, source: str, at: int | None = None) -> dict[str, int]:
        """Assemble code for the core's present width, put it somewhere, and go there."""
        bits = self.context.bits
        origin = at or (CODE_16 if bits == 16 else CODE)
        image = assemble(f".code{bits}\n{source}", origin=origin)
        self.memory.write(origin, image.data)
        self.context.rip = origin - self.context.segment(cx.CS).base
        return dict(image.symbols)

    def run(self, source: str | None = None, budget: int = 1000) -> Stop:
        """Run core 0 alone for `budget` instructions, or until it halts or shuts down."""
        if source is not None:
            self.code(source)
        self.core.is_halted = False
        end = self.core.retired + budget
        while True:
            self.machine._platforms[0].begin_run()
            stop = self.core.run(end - self.core.retired)
            self.machine._loop.boundary.look_at_mail()
            if stop is not Stop.ATTENTION:
                return stop
            if self.core.retired >= end:
                return Stop.BUDGET

    def enter(self, source: str | None = None, words: int = 6) -> Entry:
        """Run to a handler's HLT; return its vector and the words on its stack."""
        assert self.run(source) is Stop.HALT
        return self.entry(words)

    def entry(self, words: int = 6, width: int | None = None) -> Entry:
        """Return which handler the core halted in."""
        linear = self.context.linear_rip - 1
        assert 0 <= linear - HANDLERS < 256 * HANDLER_BYTES, hex(linear)
        size = width or _WIDTH[self.mode]
        stack = self.context.segment(cx.SS)
        top = stack.base + self.context.register(cx.RSP)
        frame = [self.memory.read_integer(top + size * i, size) for i in range(words)]
        return Entry((linear - HANDLERS) // HANDLER_BYTES, frame)

    def output(self) -> bytes:
        """Return what was written to port 0xE9."""
        return bytes(self.machine._loop.boundary.console)
