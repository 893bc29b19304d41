"""What one core has and is, apart from executing: its parts, its activity, its logs, its time.

Source: Intel SDM volume 3A, chapters "Processor Management and Initialization" and "Interrupt and
Exception Handling".
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uniSMP.arch.exceptions import Vector
from uniSMP.arch.flags import Cr4, Efer, Rflags
from uniSMP.arch.paging import ERROR_FETCH, PAGE_BYTES
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core import register_watch
from uniSMP.core import reset as states
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.block_store import BlockStore
from uniSMP.core.blocks import (
    LONGEST_INSTRUCTION_BYTES,
    Instruction,
    decode_instruction,
)
from uniSMP.core.delivery import Delivery
from uniSMP.core.engine import Engine
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.core.guest_memory import AccessLog, GuestMemory
from uniSMP.core.instructions import Instructions
from uniSMP.core.msrs import ModelSpecificRegisters
from uniSMP.core.platform import Platform
from uniSMP.core.port_io import PortIo
from uniSMP.core.segmentation import Segmentation
from uniSMP.errors import InternalError

if TYPE_CHECKING:
    from uniSMP.core.observer import CoreObserver

_IF = int(Rflags.IF)
_PF = int(Vector.PF)
_A20 = 1 << 20
_NXE = int(Efer.NXE)
_SMEP = int(Cr4.SMEP)
_PAGE_MASK = PAGE_BYTES - 1
_LONG_BITS = 64
_VECTORS = 256
_HALF_64 = 1 << 63
_VM = int(Rflags.VM)


@dataclass(frozen=True, slots=True)
class CoreImage:
    """A core's state as `CoreParts.save` returns it."""

    context: bytes
    retired: int
    activity: tuple[bool, bool, bool]
    exceptions: dict[int, int]
    msrs: dict[int, int]
    rows: tuple[int, int, int, int]


class CoreParts:
    """The base of `Core`.

    Attributes:
        core_id: number and initial APIC ID.
        engine: the engine; its `context` is the architectural state.
        is_halted: HLT was executed, nothing has woken the core yet.
        waits_for_start: INIT was taken, the core waits for a SIPI.
        is_shut_down: a triple fault stopped it.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of a core
        self,
        core_id: int,
        engine: Engine,
        words: npt.NDArray[np.uint64],
        platform: Platform,
        on_code_pages: Callable[[int, int], None],
        log: ExecutionLog,
        catalog: BlockCatalog,
    ) -> None:
        self.core_id = core_id
        self.engine = engine
        self.is_halted = False
        self.waits_for_start = core_id > 0
        self.is_shut_down = False
        self._platform = platform
        self._context = engine.context
        self._state = engine.state
        self._words = engine.words
        self._raised: npt.NDArray[np.int64] = np.zeros(_VECTORS, dtype=np.int64)
        self._words[ns.RAISED] = self._raised.ctypes.data
        self._state[ns.CORE_ID] = core_id
        self._log = log
        accesses = AccessLog(core_id, log)
        self.memory = GuestMemory(engine.context, words, platform, accesses, engine.translate_code)
        self.blocks = BlockStore(engine, self.memory, on_code_pages, log, catalog)
        self.msrs = ModelSpecificRegisters(engine, platform)
        ports = PortIo(engine, self.memory, platform)
        self._instructions = Instructions(engine, platform, self.msrs, ports)
        segmentation = Segmentation(engine.context, self.memory)
        self._delivery = Delivery(engine, self.memory, segmentation)
        self._faults = self._faults_at = self._most_faults = 0
        self._observer: CoreObserver | None = None
        self._log_registers: Callable[..., None] | None = None
        self._allow_deliveries()
        self.power_on()

    @property
    def observer(self) -> "CoreObserver | None":
        """Who is told of exceptions and of accesses to registers of the system, or None."""
        return self._observer

    @observer.setter
    def observer(self, observer: "CoreObserver | None") -> None:
        self._observer = observer
        self._allow_deliveries()

    def _allow_deliveries(self) -> None:
        """Let compiled code deliver software interrupts unless somebody wants to be told."""
        is_alone = self._observer is None and self._log_registers is None
        self._words[ns.DELIVERS] = is_alone and not self._most_faults

    @property
    def exceptions(self) -> dict[int, int]:
        """Count of exceptions and software interrupts delivered, by vector."""
        raised = self._raised
        return {vector: int(raised[vector]) for vector in np.flatnonzero(raised).tolist()}

    @property
    def retired(self) -> int:
        """Instructions retired since power-on."""
        return self._words[ns.RETIRED]

    @property
    def faults_in_place(self) -> int:
        """Exceptions raised since an instruction last retired, or an interrupt was delivered.

        With `retired` it tells boundaries apart that have the same count of instructions.
        """
        return self.faults_at(self.retired)

    def faults_at(self, retired: int) -> int:
        """Return what `faults_in_place` was when so many instructions were retired, at the end."""
        return self._faults if self._faults_at == retired else 0

    @property
    def mode(self) -> str:
        """Operating mode: real, virtual-8086, protected, compatibility, or 64-bit (SDM 3A)."""
        context = self._context
        if not context.is_protected:
            return "real"
        if context.is_long_mode:
            return "64-bit" if context.bits == _LONG_BITS else "compatibility"
        return "virtual-8086" if context.double(cx.EFLAGS) & _VM else "protected"

    @property
    def can_run(self) -> bool:
        """Whether the core would execute instructions now."""
        return not (self.is_halted or self.waits_for_start or self.is_shut_down)

    @property
    def accepts_interrupts(self) -> bool:
        """Whether a maskable interrupt can be accepted at this boundary."""
        return self._context.accepts_interrupts

    @property
    def has_interrupts_enabled(self) -> bool:
        """Whether IF is set."""
        return bool(self._context.double(cx.EFLAGS) & _IF)

    @property
    def accepts_nmi(self) -> bool:
        """Whether an NMI can be accepted at this boundary."""
        return not (self._context.is_nmi_blocked or self._context.is_shadowed)

    @property
    def is_shadowed(self) -> bool:
        """Whether STI or MOV SS was executed just before this boundary."""
        return self._context.is_shadowed

    def power_on(self) -> None:
        """Put the core into its state after power-on; all but core 0 wait for SIPI."""
        states.reset(self.engine)
        self.msrs.reset()
        self.is_halted = self.is_shut_down = False
        self.waits_for_start = self.core_id > 0
        self._forget_block()

    def init(self) -> None:
        """Take an INIT: reset state, FPU and MSRs kept; all but core 0 then wait for SIPI."""
        states.reset(self.engine, keeps_fpu=True)
        self.is_halted = self.is_shut_down = False
        self.waits_for_start = self.core_id > 0
        self._forget_block()
        self._log_system_changes()

    def start_up(self, vector: int) -> None:
        """Take a SIPI, which only a core that waits for one notices."""
        if self.waits_for_start:
            self.waits_for_start = False
            states.start_up(self.engine, vector)
            self._forget_block()
            self._log_system_changes()

    def set_a20(self, *, is_enabled: bool) -> None:
        """Let address line 20 through, or hold it at 0."""
        mask = cx.MASK32 if is_enabled else cx.MASK32 & ~_A20
        self._context.set_double(cx.A20_MASK, mask)
        self.engine.flush_tlb()

    def save(self) -> CoreImage:
        """Return a copy of everything that decides how the core goes on, but its TLB."""
        words = self._words
        return CoreImage(
            context=self._context.save(),
            retired=self.retired,
            activity=(self.is_halted, self.waits_for_start, self.is_shut_down),
            exceptions=self.exceptions,
            msrs=dict(self.msrs.stored),
            rows=(words[ns.IN_A_ROW], words[ns.ROW_BEGAN], self._faults, self._faults_at),
        )

    def restore(self, image: CoreImage, *, keeps_tlb: bool = False) -> None:
        """Put back what `save` returned; the TLB is empty then, unless the caller can keep it."""
        self._context.restore(image.context)
        self._state[ns.RETIRED] = image.retired
        self._state[ns.NEXT_LOOK] = 0
        self.is_halted, self.waits_for_start, self.is_shut_down = image.activity
        self._raised[:] = 0
        for vector, count in image.exceptions.items():
            self._raised[vector] = count
        self.msrs.stored = dict(image.msrs)
        words = self._words
        words[ns.IN_A_ROW], words[ns.ROW_BEGAN], self._faults, self._faults_at = image.rows
        self._forget_block()
        if not keeps_tlb:
            self.engine.flush_tlb()

    # -- tracing -----------------------------------------------------------------------------

    def watch(self, *, logs_accesses: bool, logs_registers: bool) -> None:
        """Log what is executed from now on, as the log was started.

        Args:
            logs_accesses: whether each access to memory is logged.
            logs_registers: whether each change of a register is; the first look gives all values.
        """
        self._state[ns.LOG] = self._log.head.ctypes.data
        if not (logs_accesses or logs_registers):
            return
        # Compiled when it is needed: a run that is not traced starts faster.
        trace = importlib.import_module("uniSMP.core.native_trace")
        self.engine.watch_instructions(trace.on_instruction, trace.on_load, trace.on_store)
        if logs_registers:
            self._log_registers = trace.log_registers
            self.log_all_registers()

    def log_all_registers(self) -> None:
        """Log every register that is watched, whether it changed or not."""
        if self._log_registers is not None:
            self._watched = register_watch.make()
            self._state[ns.LOG_REGISTERS] = self._watched.ctypes.data
            self._allow_deliveries()
            self._log_system_changes()

    def watch_spins(self, table: int) -> None:
        """Stop where the core comes back with equal registers, or do not.

        Args:
            table: host address of a table as in `native_spin`, or 0.
        """
        self._words[ns.SPINS] = table

    def unwatch(self) -> None:
        """Log nothing from now on."""
        self._state[ns.LOG] = self._state[ns.LOG_REGISTERS] = 0
        self._log_registers = None
        self._allow_deliveries()
        self.engine.unwatch_instructions()

    def _log_changes(self) -> None:
        """Log the changes that the instruction executed last made."""
        if self._log_registers is not None:
            self._log_registers(self._state, int(self._state[ns.LOG_INDEX]), 0)

    def _log_system_changes(self) -> None:
        """Log the changes that no instruction made."""
        if self._log_registers is not None:
            self._log_registers(self._state, self.core_id, ns.RECORD_DELIVERY)

    def keep_time(self, ticks_per_instruction: int) -> None:
        """Read the time-stamp counter in compiled code from now on; it advances at this rate."""
        self._state[ns.TICKS] = ticks_per_instruction

    def _follow_time(self) -> None:
        """Note what the time-stamp counter is now; instructions of this core advance it."""
        words = self._words
        if words[ns.TICKS] and not words[ns.LOG]:  # where there is a log, Python is asked
            base = self._platform.time_stamp() - words[ns.RETIRED] * words[ns.TICKS]
            words[ns.TIME_BASE] = (base + _HALF_64 & cx.MASK64) - _HALF_64

    def yield_on_pause(self, *, enabled: bool) -> None:
        """Choose whether `run` stops after PAUSE."""
        self._words[ns.YIELD_ON_PAUSE] = enabled

    def _forget_block(self) -> None:
        """Say that no block is being executed: what the engine enters next is a fresh one."""
        words = self._words
        words[ns.BLOCK] = -1
        words[ns.BLOCK_START] = words[ns.BLOCK_END] = 0
        words[ns.CHARGED] = 0
        words[ns.PASS] = words[ns.STOP_NEXT] = 0
        words[ns.MMIO_KNOWN] = 0

    def _refund(self, linear: int) -> None:
        """Give back what was charged for the current block from the instruction at `linear` on."""
        words = self._words
        charged = words[ns.CHARGED]
        if words[ns.PASS]:
            retired: int | None = 0  # the piece that was charged never began
        else:
            block = self.blocks.current()
            retired = None if block is None else block.index_of(linear)
        if retired is None or retired >= charged:
            return
        self.blocks.refund(charged - retired)
        words[ns.CHARGED] = retired

    @property
    def level(self) -> int:
        """CPL and IF as block records of the execution log hold them."""
        flag = ns.RECORD_IF if self._context.double(cx.EFLAGS) & _IF else 0
        return self._context.cpl << 2 | flag

    def _charge_one(self, linear: int, size: int) -> None:
        """Charge the single instruction at `linear`, which is executed outside its block."""
        self.blocks.charge_single(self.blocks.number_at(linear, size), self.level)

    def _current_instruction(self) -> tuple[int, Instruction | None]:
        """Return the linear address of the instruction at RIP, and the instruction."""
        linear = self._context.linear_rip
        code = self.memory.fetch(linear, LONGEST_INSTRUCTION_BYTES)
        return linear, decode_instruction(code, self._context.bits)

    def _next_rip(self, instruction: Instruction) -> int:
        context = self._context
        rip = context.rip + instruction.size_bytes
        return rip & {64: cx.MASK64, 32: cx.MASK32, 16: 0xFFFF}[context.bits]

    def _is_fault_ahead(self) -> bool:
        """Return whether code behind the page of RIP gave a page fault.

        The engine translates a block to its end before it executes any of it, and so meets a page
        that cannot be fetched before it has executed the instructions in front of that page.
        """
        state, context = self._state, self._context
        linear = context.linear_rip
        if state[ns.VECTOR] != _PF or context.double(cx.IS_SOFTWARE_INTERRUPT):
            return False
        if context.quad(cx.CR2) != (linear | _PAGE_MASK) + 1:
            return False
        if context.quad(cx.EFER) & _NXE or context.quad(cx.CR4) & _SMEP:
            return bool(context.double(cx.ERROR_CODE) & ERROR_FETCH)
        block = self.blocks.current()
        index = None if block is None else block.index_of(linear)
        return index is None or index >= state[ns.CHARGED]

    def _answer_device_access(self) -> None:
        words = self._words
        known = words[ns.MMIO_KNOWN]
        if known >= ns.ANSWER_COUNT:
            raise InternalError(f"core {self.core_id}: too many device accesses in one instruction")
        physical, size = words[ns.MMIO_ADDRESS], words[ns.MMIO_SIZE]
        value = 0
        if words[ns.MMIO_IS_WRITE]:
            mask = (1 << 8 * size) - 1
            self._platform.write_device(physical, words[ns.MMIO_VALUE] & mask, size)
        else:
            value = self._platform.read_device(physical, size)
        words[ns.ANSWERS + known] = value if value < 1 << 63 else value - (1 << 64)
        words[ns.MMIO_KNOWN] = known + 1
