"""Two ways to run a few instructions: on the bare engine, and on a machine.

`raw` makes a Unicorn engine with nothing of uniSMP around it, so that a test pins what the library
itself does. `guest` runs source on a `Machine` with an IDT, a GDT with user segments and a TSS.
"""

import ctypes
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import pytest
import unicorn.unicorn_py3.unicorn as binding
from unicorn import UC_ARCH_X86, UC_MODE_64, Uc
from unicorn import x86_const as x86

from uniSMP import Machine, RunResult, Schedule, assemble
from uniSMP.core import context as cx

CONTEXT_HEADER_BYTES = 40
RAM_BYTES = 2 << 20
GDT, TSS, IDT = 0x5000, 0x5800, 0x6000
PAGE_TABLES = RAM_BYTES - 7 * 4096
RESULTS = 0x2000

PRELUDE = """
    jmp stop
record:                         # store the frame at RESULTS, lowest address first, and end
    pop qword ptr [0x2000]
    pop qword ptr [0x2008]
    pop qword ptr [0x2010]
    pop qword ptr [0x2018]
    pop qword ptr [0x2020]
    pop qword ptr [0x2028]
stop:
    mov al, 0
    out 0xF4, al
"""
GDT_ENTRIES = (
    0,
    0x00AF_9B00_0000_FFFF,  # 0x08 code, 64 bits
    0x00CF_9300_0000_FFFF,  # 0x10 data
    0x00CF_F300_0000_FFFF,  # 0x18 user data
    0x00AF_FB00_0000_FFFF,  # 0x20 user code, 64 bits
    0x0000_8B00_0000_0067 | (TSS & 0xFFFF) << 16,  # 0x28 TSS, busy
    0,
    0x00CF_9B00_0000_FFFF,  # 0x38 code, 32 bits
    0x0000_8900_0000_0067 | (TSS & 0xFFFF) << 16,  # 0x40 TSS, available
    0,
)


class RawState:
    """The bytes of a bare engine's saved context, behind its header."""

    def __init__(self, engine: Uc) -> None:
        self._engine = engine
        self._saved = engine.context_save()
        where = ctypes.cast(self._saved.context, ctypes.c_void_p).value or 0
        self._bytes = (ctypes.c_uint8 * cx.SIZE_BYTES).from_address(where + CONTEXT_HEADER_BYTES)

    def read(self, offset: int, size_bytes: int) -> int:
        """Return an unsigned integer."""
        return int.from_bytes(bytes(self._bytes[offset : offset + size_bytes]), "little")

    def write(self, offset: int, value: int, size_bytes: int) -> None:
        """Change the saved bytes and put them back into the engine."""
        data = (value & ((1 << 8 * size_bytes) - 1)).to_bytes(size_bytes, "little")
        self._bytes[offset : offset + size_bytes] = data
        self._engine.context_restore(self._saved)

    def set_user_mode(self) -> None:
        """Make the engine run at privilege level 3."""
        self.write(cx.SEGMENTS + 24 * cx.CS, 0x23, 4)
        self.write(cx.SEGMENTS + 24 * cx.SS, 0x1B, 4)
        self.write(cx.HFLAGS, self.read(cx.HFLAGS, 4) | 3, 4)


@dataclass(frozen=True)
class Guest:
    """A machine that has run, and how the run ended."""

    machine: Machine
    result: RunResult

    def word(self, index: int) -> int:
        """Return 64-bit word `index` at RESULTS."""
        return self.machine.memory.read_integer(RESULTS + 8 * index, 8)

    def label(self, name: str) -> int:
        """Return the address of a label."""
        return self.machine.symbols[name]

    def register(self, name: str, core_id: int = 0) -> int:
        """Return a register."""
        return self.machine.core(core_id).registers[name]


@pytest.fixture
def raw() -> Callable[..., Uc]:
    """Return a maker of bare 64-bit engines: code at 0x1000, RSP 0x9000, no end address."""

    def make(source: str = "hlt", *, origin: int = 0x1000, memory: int | None = None) -> Uc:
        engine = Uc(UC_ARCH_X86, UC_MODE_64)
        if memory is None:
            engine.mem_map(0, RAM_BYTES)
        else:
            engine.mem_map_ptr(0, RAM_BYTES, 7, memory)
        engine.mem_write(origin, assemble(source, origin=origin).data)
        engine.reg_write(x86.UC_X86_REG_RSP, 0x9000)
        engine.ctl_exits_enabled(True)  # noqa: FBT003 - the library's signature
        engine.ctl_set_exits([])
        return engine

    return make


def _page(engine: Uc, entries: Mapping[int, int]) -> None:
    for table, below in ((0x10000, 0x11007), (0x11000, 0x12007), (0x12000, 0x13007)):
        engine.mem_write(table, below.to_bytes(8, "little"))
    for page in range(512):
        entry = entries.get(page, page << 12 | 7)
        engine.mem_write(0x13000 + 8 * page, entry.to_bytes(8, "little"))
    engine.reg_write(x86.UC_X86_REG_CR3, 0x10000)
    engine.reg_write(x86.UC_X86_REG_CR4, 0x620)
    engine.reg_write(x86.UC_X86_REG_MSR, (0xC000_0080, 0xD01))
    engine.reg_write(x86.UC_X86_REG_CR0, 0x8001_0033)


@pytest.fixture
def raw_tables() -> Callable[..., None]:
    """Return what switches paging on in a bare engine; see `raw_paged`."""
    return _page


@pytest.fixture
def raw_paged(raw: Callable[..., Uc]) -> Callable[..., Uc]:
    """Return a maker of bare engines with paging: 2 MiB identity-mapped in 4 KiB pages.

    `entries` replaces page-table entries by page number. Tables: 0x10000 to 0x13FFF.
    """

    def make(source: str, entries: Mapping[int, int] | None = None) -> Uc:
        engine = raw(source)
        _page(engine, entries or {})
        return engine

    return make


@pytest.fixture
def raw_state() -> type[RawState]:
    """Return the class that opens a bare engine's CPU state."""
    return RawState


@pytest.fixture
def raw_library() -> ctypes.CDLL:
    """Return the engine's C library."""
    return binding.uclib


@pytest.fixture
def shared_ram() -> Iterator[ctypes.Array[ctypes.c_char]]:
    """Return page-aligned host memory that several engines can map."""
    import mmap  # noqa: PLC0415 - used here only

    memory = mmap.mmap(-1, RAM_BYTES)
    return (ctypes.c_char * RAM_BYTES).from_buffer(memory)


def _gate(address: int, *, dpl: int, ist: int) -> bytes:
    low = address & 0xFFFF | 8 << 16 | ist << 32 | (0x8E | dpl << 5) << 40
    return (low | (address >> 16 & 0xFFFF) << 48 | (address >> 32) << 64).to_bytes(16, "little")


def _prepare(machine: Machine, handlers: Mapping[int, str], ist: Mapping[int, int]) -> None:
    for index, entry in enumerate(GDT_ENTRIES):
        machine.memory.write_integer(GDT + 8 * index, entry, 8)
    machine.memory.write_integer(TSS + 4, 0x9000, 8)
    machine.memory.write_integer(TSS + 0x24, 0xA000, 8)
    machine.memory.write_integer(TSS + 0x66, 0x68, 2)
    for vector, name in handlers.items():
        gate = _gate(machine.symbols[name], dpl=3, ist=ist.get(vector, 0))
        machine.memory.write(IDT + 16 * vector, gate)
    for core in machine._cores:
        context = core.engine.context
        context.set_table(cx.GDT, cx.Segment(0, GDT, 8 * len(GDT_ENTRIES) - 1, 0))
        context.set_table(cx.IDT, cx.Segment(0, IDT, 0xFFF, 0))
        context.set_table(cx.TR, cx.Segment(0x28, TSS, 0x67, 0x8B00))


def _allow_user(machine: Machine) -> None:
    """Make every page accessible at privilege level 3."""
    for address in range(PAGE_TABLES, PAGE_TABLES + 6 * 4096, 8):
        entry = machine.memory.read_integer(address, 8)
        machine.memory.write_integer(address, entry | (entry & 1) << 2, 8)


@pytest.fixture
def guest() -> Iterator[Callable[..., Guest]]:
    """Return a runner of source on a machine that boots into 64-bit mode.

    `handlers` names a label per vector (gates of DPL 3); falling off the end of the source is
    FINISHED; the handler `record` stores its frame at RESULTS.
    """
    machines: list[Machine] = []

    def run(  # noqa: PLR0913 - each is a separate property of a machine
        source: str,
        handlers: Mapping[int, str] | None = None,
        *,
        ist: Mapping[int, int] | None = None,
        cores: int = 1,
        user_pages: bool = False,
        schedule: Schedule | None = None,
        max_instructions: int = 20_000,
        ticks_per_instruction: int = 1,
        before: Callable[[Machine], None] | None = None,
    ) -> Guest:
        machine = Machine(
            cores=cores,
            boot="long",
            memory_bytes=RAM_BYTES,
            ticks_per_instruction=ticks_per_instruction,
        )
        machines.append(machine)
        machine.load(assemble(source + PRELUDE))
        _prepare(machine, handlers or {}, ist or {})
        if user_pages:
            _allow_user(machine)
        if before is not None:
            before(machine)
        return Guest(machine, machine.run(schedule, max_instructions=max_instructions))

    yield run
    for machine in machines:
        machine.close()
