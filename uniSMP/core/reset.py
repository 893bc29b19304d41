"""States a core starts from.

Source: Intel SDM volume 3A, chapter "Processor Management and Initialization", table "IA-32 and
Intel 64 Processor States Following Power-up, Reset, or INIT"; section "MP Initialization Protocol"
for SIPI; Multiboot Specification 0.6.96, section "Machine state".
"""

from uniSMP.core import context as cx
from uniSMP.core.cpuid import SIGNATURE
from uniSMP.core.engine import Engine

_CR0_ET = 0x10
_CR0_CACHE = 0x6000_0000
"""CD and NW: set by a reset, kept by INIT."""
_REAL_CODE = 0x9B00
_REAL_DATA = 0x9300
_LDT_FLAGS = 0x8200
_TSS_FLAGS = 0x8B00
_FLAT_CODE_32 = 0x00CF_9B00
_FLAT_DATA = 0x00CF_9300
_FLAT_CODE_64 = 0x00AF_9B00
_DR6_RESET = 0xFFFF_0FF0
_DR7_RESET = 0x400
_MULTIBOOT_MAGIC = 0x2BAD_B002
_CR0_PAGED = 0x8000_0033
"""PG, NE, ET, MP, PE."""
_CR4_LONG = 0x620
"""OSXMMEXCPT, OSFXSR, PAE."""
_EFER_LONG = 0xD01
"""NXE, LMA, LME, SCE."""
_EFER_MSR = 0xC000_0080


def reset(engine: Engine, *, keeps_fpu: bool = False) -> None:
    """Put a core into the state after power-on, or after INIT (`keeps_fpu`)."""
    context = engine.context
    for number in range(16):
        context.set_register(number, 0)
    context.set_register(cx.RDX, SIGNATURE)
    context.set_flags(2)
    for number in (cx.ES, cx.SS, cx.DS, cx.FS, cx.GS):
        context.set_segment(number, cx.Segment(0, 0, 0xFFFF, _REAL_DATA))
    context.set_segment(cx.CS, cx.Segment(0xF000, 0xFFFF_0000, 0xFFFF, _REAL_CODE))
    context.rip = 0xFFF0
    context.set_table(cx.LDT, cx.Segment(0, 0, 0xFFFF, _LDT_FLAGS))
    context.set_table(cx.TR, cx.Segment(0, 0, 0xFFFF, _TSS_FLAGS))
    context.set_table(cx.GDT, cx.Segment(0, 0, 0xFFFF, 0))
    context.set_table(cx.IDT, cx.Segment(0, 0, 0xFFFF, 0))
    for number, value in ((0, 0), (1, 0), (2, 0), (3, 0), (6, _DR6_RESET), (7, _DR7_RESET)):
        context.set_quad(cx.DR + 8 * number, value)
    cache_bits = context.quad(cx.CR0) & _CR0_CACHE if keeps_fpu else _CR0_CACHE
    _set_control(engine, _CR0_ET | cache_bits, 0, 0)
    context.set_quad(cx.CR2, 0)
    context.set_quad(cx.CR3, 0)
    if not keeps_fpu:
        engine.reset_extended_state()
    context.set_double(cx.HFLAGS2, cx.HF2_GIF)
    context.set_double(cx.OLD_EXCEPTION, -1)
    context.set_double(cx.HFLAGS, 0)
    context.update_hflags()
    engine.flush_tlb()


def _set_control(engine: Engine, cr0: int, cr4: int, efer: int) -> None:
    context = engine.context
    context.set_quad(cx.CR0, cr0)
    context.set_quad(cx.CR4, cr4)
    context.set_quad(cx.EFER, efer)


def start_up(engine: Engine, vector: int) -> None:
    """Send a core that waits for SIPI to real-mode address vector * 4096."""
    context = engine.context
    context.set_segment(cx.CS, cx.Segment(vector << 8, vector << 12, 0xFFFF, _REAL_CODE))
    context.rip = 0
    context.update_hflags()


def multiboot(engine: Engine, entry: int, information: int) -> None:
    """Put the BSP into the state in which a multiboot loader enters an image.

    Args:
        engine: the BSP's engine, just reset.
        entry: physical entry address.
        information: physical address of the boot information structure.
    """
    context = engine.context
    _set_flat(engine, _FLAT_CODE_32)
    _set_control(engine, _CR0_ET | 1, 0, 0)
    context.set_register(cx.RAX, _MULTIBOOT_MAGIC)
    context.set_register(cx.RBX, information)
    context.set_register(cx.RDX, 0)
    context.rip = entry
    context.update_hflags()


def long_mode(engine: Engine, entry: int, stack: int, core_id: int, tables: "LongTables") -> None:
    """Put a core directly into 64-bit mode at CPL 0 with IF = 0.

    Args:
        engine: the core's engine, just reset.
        entry: RIP.
        stack: RSP.
        core_id: value of EDI.
        tables: where the caller put page tables and GDT.
    """
    context = engine.context
    _set_flat(engine, _FLAT_CODE_64)
    context.set_table(cx.GDT, cx.Segment(0, tables.gdt, tables.gdt_limit, 0))
    context.set_table(cx.IDT, cx.Segment(0, 0, 0, 0))
    _set_control(engine, _CR0_PAGED, _CR4_LONG, _EFER_LONG)
    context.set_quad(cx.CR3, tables.page_tables)
    context.set_register(cx.RDX, 0)
    context.set_register(cx.RSP, stack)
    context.set_register(cx.RDI, core_id)
    context.rip = entry
    context.set_double(cx.HFLAGS, _HF_OSFXSR | _HF_MP)
    context.update_hflags()
    engine.flush_tlb()


_HF_OSFXSR = 1 << 22
_HF_MP = 1 << 9


def _set_flat(engine: Engine, code: int) -> None:
    context = engine.context
    for number in range(6):
        is_code = number == cx.CS
        segment = cx.Segment(8 if is_code else 16, 0, cx.MASK32, code if is_code else _FLAT_DATA)
        context.set_segment(number, segment)


class LongTables:
    """Addresses of the structures a direct start in long mode uses.

    Attributes:
        page_tables: physical address of the PML4.
        gdt: linear address of the GDT (null, 64-bit code, data).
        gdt_limit: its limit.
    """

    __slots__ = ("gdt", "gdt_limit", "page_tables")

    def __init__(self, page_tables: int, gdt: int, gdt_limit: int) -> None:
        self.page_tables = page_tables
        self.gdt = gdt
        self.gdt_limit = gdt_limit
