"""One guest core: runs exact numbers of instructions and takes the events of its own making.

Source: Intel SDM volume 3A, chapter "Interrupt and Exception Handling".
"""

import importlib
from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.flags import Cr4, Dr6, Efer, Rflags
from uniSMP.arch.paging import ERROR_FETCH, PAGE_BYTES
from uniSMP.core import context as cx
from uniSMP.core import native, native_tlb, register_watch
from uniSMP.core import native_state as ns
from uniSMP.core import reset as states
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.block_store import BlockStore
from uniSMP.core.blocks import (
    LONGEST_INSTRUCTION_BYTES,
    Instruction,
    decode_instruction,
    has_far_accesses,
    is_sensitive,
    is_undefined,
    is_undefined_encoding,
)
from uniSMP.core.delivery import Delivery, Event, Kind, exception
from uniSMP.core.engine import FETCH_ERRORS, Engine
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.core.guest_memory import AccessLog, GuestMemory
from uniSMP.core.instructions import Effect, Instructions
from uniSMP.core.msrs import ModelSpecificRegisters
from uniSMP.core.platform import Platform
from uniSMP.core.port_io import PortIo
from uniSMP.core.segmentation import Segmentation
from uniSMP.errors import InternalError

if TYPE_CHECKING:
    from uniSMP.core.observer import CoreObserver

_TF = int(Rflags.TF)
_IF = int(Rflags.IF)
_BS = int(Dr6.BS)
_DB = int(Vector.DB)
_PF = int(Vector.PF)
_DR6 = cx.DR + 8 * 6
_EXCEPTIONS_IN_A_ROW = 10_000
_A20 = 1 << 20
_NXE = int(Efer.NXE)
_SMEP = int(Cr4.SMEP)
_PAGE_MASK = PAGE_BYTES - 1
_LONG_BITS = 64
_HALF_64 = 1 << 63
_VM = int(Rflags.VM)


class Stop(Enum):
    """Why `Core.run` came back."""

    BUDGET = auto()
    """The instructions asked for are retired."""
    HALT = auto()
    """HLT was executed."""
    WINDOW = auto()
    """The next instruction boundary accepts maskable interrupts, or an NMI handler returned."""
    PAUSE = auto()
    """PAUSE was executed, and the caller asked to stop there."""
    ATTENTION = auto()
    """An access changed something outside the core that the caller must look at."""
    SHUTDOWN = auto()
    """Triple fault: the core is dead until INIT or reset."""
    STUCK = auto()
    """Exceptions follow each other for ever without an instruction retired between them."""


class Core:
    """One core: an engine, its guest-visible state beyond it, and the run loop.

    Attributes:
        core_id: number and initial APIC ID.
        engine: the engine; its `context` is the architectural state.
        is_halted: HLT was executed, nothing has woken the core yet.
        waits_for_start: INIT was taken, the core waits for a SIPI.
        is_shut_down: a triple fault stopped it.
        exceptions: count of exceptions and software interrupts delivered, by vector.
        observer: who is told of exceptions and of accesses to registers of the system, or None.
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
        self.exceptions: dict[int, int] = {}
        self._platform = platform
        self._context = engine.context
        self._state = engine.state
        self._state[ns.CORE_ID] = core_id
        self._log = log
        self.memory = GuestMemory(engine.context, words, platform, AccessLog(core_id, log))
        self.blocks = BlockStore(engine, self.memory, on_code_pages, log, catalog)
        self.msrs = ModelSpecificRegisters(engine, platform)
        ports = PortIo(engine, self.memory, platform)
        self._instructions = Instructions(engine, platform, self.msrs, ports)
        segmentation = Segmentation(engine.context, self.memory)
        self._delivery = Delivery(engine, self.memory, segmentation)
        self._row = self._row_began = 0
        self.observer: CoreObserver | None = None
        self._log_registers: Callable[..., None] | None = None
        self._handlers: dict[int, Callable[[], Stop | None]] = {
            ns.STOPPED_HALT: self._after_halt,
            ns.STOPPED_UNKNOWN: self._after_unknown,
            ns.STOPPED_SENSITIVE: self._after_sensitive,
            ns.STOPPED_EXCEPTION: self._after_exception,
            ns.STOPPED_INVALID: self._after_invalid,
            ns.STOPPED_MMIO: self._after_device_access,
            ns.STOPPED_LOG_FULL: self._after_log_full,
            ns.STOPPED_BUDGET: lambda: Stop.BUDGET,
            ns.STOPPED_WINDOW: lambda: Stop.WINDOW,
            ns.STOPPED_IRET: lambda: Stop.WINDOW,
            ns.STOPPED_PAUSE: lambda: Stop.PAUSE,
            ns.STOPPED_STEP: lambda: None,
        }
        self.power_on()

    @property
    def retired(self) -> int:
        """Instructions retired since power-on."""
        return int(self._state[ns.RETIRED])

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
        return bool(self._context.double(cx.EFLAGS) & _IF) and not self._context.is_shadowed

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

    # -- events from outside -----------------------------------------------------------------

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

    def start_up(self, vector: int) -> None:
        """Take a SIPI, which only a core that waits for one notices."""
        if self.waits_for_start:
            self.waits_for_start = False
            states.start_up(self.engine, vector)
            self._forget_block()

    def deliver_interrupt(self, vector: int) -> Stop | None:
        """Enter the handler of an external interrupt that was just acknowledged."""
        self.is_halted = False
        return self._deliver(Event(vector, Kind.EXTERNAL), counts=False)

    def deliver_nmi(self) -> Stop | None:
        """Enter the NMI handler and block further NMIs until IRET."""
        self.is_halted = False
        self._context.block_nmi()
        return self._deliver(Event(Vector.NMI, Kind.EXTERNAL), counts=False)

    def set_a20(self, *, is_enabled: bool) -> None:
        """Let address line 20 through, or hold it at 0."""
        mask = cx.MASK32 if is_enabled else cx.MASK32 & ~_A20
        self._context.set_double(cx.A20_MASK, mask)
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
            self._watched = register_watch.make()
            self._log_registers = trace.log_registers
            self._state[ns.LOG_REGISTERS] = self._watched.ctypes.data
            self._log_system_changes()

    def unwatch(self) -> None:
        """Log nothing from now on."""
        self._state[ns.LOG] = self._state[ns.LOG_REGISTERS] = 0
        self._log_registers = None
        self.engine.unwatch_instructions()

    def _log_changes(self) -> None:
        """Log the changes that the instruction executed last made."""
        if self._log_registers is not None:
            self._log_registers(self._state, int(self._state[ns.LOG_INDEX]), 0)

    def _log_system_changes(self) -> None:
        """Log the changes that no instruction made."""
        if self._log_registers is not None:
            self._log_registers(self._state, self.core_id, ns.RECORD_DELIVERY)

    # -- running -----------------------------------------------------------------------------

    def run(self, budget: int, *, watch_interrupts: bool = False, watch_iret: bool = False) -> Stop:
        """Run until `budget` instructions are retired or something needs the caller.

        Args:
            budget: instructions, at least 1.
            watch_interrupts: stop at the first boundary that accepts a maskable interrupt.
            watch_iret: stop after an IRET.

        Returns:
            Why it stopped. Exactly the retired instructions are counted in `retired`.
        """
        state = self._state
        state[ns.REMAINING] = budget
        state[ns.WATCH_INTERRUPTS] = watch_interrupts
        state[ns.WATCH_IRET] = watch_iret
        self._follow_time()
        native_tlb.refresh(state)
        return self.resume(native.run(state))

    def resume(self, reason: int) -> Stop:
        """Go on with a run that compiled code began, and that stopped for `reason` (STOPPED_...).

        Returns:
            As `run`.
        """
        state = self._state
        while True:
            self._log_changes()
            if self.observer is not None:
                self.observer.look_at_mode(self.core_id)
            stop = self._handle(reason)
            if self.retired != self._row_began:
                self._row = 0
                self._row_began = self.retired
            if stop is not None:
                return stop
            if state[ns.REMAINING] <= 0:
                return Stop.BUDGET
            reason = native.run(state)

    def keep_time(self, ticks_per_instruction: int) -> None:
        """Read the time-stamp counter in compiled code from now on; it advances at this rate."""
        self._state[ns.TICKS] = ticks_per_instruction

    def _follow_time(self) -> None:
        """Note what the time-stamp counter is now; instructions of this core advance it."""
        state = self._state
        if state[ns.TICKS]:
            base = self._platform.time_stamp() - self.retired * int(state[ns.TICKS])
            state[ns.TIME_BASE] = (base + _HALF_64 & cx.MASK64) - _HALF_64

    def yield_on_pause(self, *, enabled: bool) -> None:
        """Choose whether `run` stops after PAUSE."""
        self._state[ns.YIELD_ON_PAUSE] = enabled

    def _handle(self, reason: int) -> Stop | None:
        state = self._state
        if state[ns.ENGINE_ERROR]:
            return self._after_engine_error()
        if reason == ns.STOPPED_EXCEPTION and self._is_fault_ahead():
            stop = self._before_fault_ahead()
        else:
            stop = self._handlers[reason]()
        self._forget_block()
        return stop

    def _forget_block(self) -> None:
        """Say that no block is being executed: what the engine enters next is a fresh one."""
        state = self._state
        state[ns.BLOCK] = -1
        state[ns.BLOCK_START] = state[ns.BLOCK_END] = 0
        state[ns.CHARGED] = 0
        state[ns.PASS] = state[ns.STOP_NEXT] = 0
        state[ns.MMIO_KNOWN] = 0

    def _refund(self, linear: int) -> None:
        """Give back what was charged for the current block from the instruction at `linear` on."""
        state = self._state
        charged = int(state[ns.CHARGED])
        if state[ns.PASS]:
            retired: int | None = 0  # the piece that was charged never began
        else:
            block = self.blocks.current()
            retired = None if block is None else block.index_of(linear)
        if retired is None or retired >= charged:
            return
        self.blocks.refund(charged - retired)
        state[ns.CHARGED] = retired

    def _after_halt(self) -> Stop:
        self.is_halted = True
        return Stop.HALT

    def _after_log_full(self) -> None:
        self._log.is_full()

    def _after_unknown(self) -> Stop | None:
        """Learn a new block; run alone a store that the engine repeats (self-modifying code)."""
        state = self._state
        linear = int(state[ns.UNKNOWN_ADDRESS]) & cx.MASK64
        size = int(state[ns.UNKNOWN_SIZE])
        block = self.blocks.current()
        if block is not None:
            index = block.index_of(linear)
            if index is not None and index + 1 < state[ns.CHARGED] and block.size_of(index) == size:
                self.blocks.refund(int(state[ns.CHARGED]) - index)
                return self._step(linear, size)
        self.blocks.learn(linear, size)
        return None

    def _step(self, linear: int, size: int) -> Stop | None:
        """Let the engine execute exactly the instruction at RIP, and handle what comes of it."""
        self._charge_one(linear, size)
        self._state[ns.REASON] = ns.STOPPED_HALT
        return self._after_step(self._run_one())

    def _charge_one(self, linear: int, size: int) -> None:
        """Charge the single instruction at `linear`, which is executed outside its block."""
        self.blocks.charge_single(self.blocks.number_at(linear, size), self._context.cpl)

    def _run_one(self) -> int:
        """Let the engine execute the one instruction that is charged; return the reason."""
        reason: int = native.run_one(self._state)
        self._log_changes()
        return reason

    def _step_undoing(self, linear: int, size: int) -> Stop | None:
        """Do the same for an instruction that a device access does not undo by itself."""
        state, saved = self._state, self._context.save()
        state[ns.MMIO_KNOWN] = 0
        self._charge_one(linear, size)
        reason = self._run_one()
        while reason == ns.STOPPED_MMIO:
            self._context.restore(saved)
            self.blocks.refund(1)
            self._answer_device_access()
            self._charge_one(linear, size)
            reason = self._run_one()
        state[ns.MMIO_KNOWN] = 0
        return self._after_step(reason)

    def _after_step(self, reason: int) -> Stop | None:
        """Handle what came of the execution of a single instruction."""
        if self._state[ns.ENGINE_ERROR]:
            return self._after_engine_error()
        if reason == ns.STOPPED_EXCEPTION and self._is_fault_ahead():
            self._context.set_double(cx.OLD_EXCEPTION, -1)  # met again from the next instruction
            return None
        return self._handlers[reason]()

    def _current_instruction(self) -> tuple[int, Instruction | None]:
        """Return the linear address of the instruction at RIP, and the instruction."""
        linear = self._context.linear_rip
        code = self.memory.fetch(linear, LONGEST_INSTRUCTION_BYTES)
        return linear, decode_instruction(code, self._context.bits)

    def _after_sensitive(self) -> Stop | None:
        linear, instruction = self._current_instruction()
        context = self._context
        if instruction is None:
            return self._undecodable(linear)
        step = self._native_step(instruction)
        if step is not None:
            return step(linear, instruction.size_bytes)
        if instruction.mnemonic in ("int1", "icebp"):
            self._charge_one(linear, instruction.size_bytes)
            return_rip = self._next_rip(instruction)
            return self._deliver(Event(Vector.DB, Kind.EXTERNAL, None, return_rip))
        # Found before it runs: what it changes may hide its own code.
        number, cpl = self.blocks.number_at(linear, instruction.size_bytes), context.cpl
        try:
            effect = self._instructions.execute(instruction)
        except Fault as fault:
            return self._deliver_fault(fault)
        if self.observer is not None:
            self.observer.system_instruction(self.core_id, instruction)
        if effect is Effect.NATIVE:
            return self._step(linear, instruction.size_bytes)
        self.blocks.charge_single(number, cpl)
        if effect is Effect.ADVANCE:
            context.rip = self._next_rip(instruction)
        context.clear_shadow()
        context.clear_resume()
        if instruction.mnemonic == "wrmsr":
            self._follow_time()  # it may have set the counter
        self._state[ns.LOG_INDEX] = 0
        self._log_changes()
        return self._after_emulated()

    def _native_step(self, instruction: Instruction) -> Callable[[int, int], Stop | None] | None:
        """Return how the engine executes an instruction alone; None where Python emulates it."""
        words = (instruction.mnemonic, instruction.operands)
        if is_undefined(*words, instruction.prefixes):
            return None
        if has_far_accesses(*words):
            return self._step_undoing
        # The engine raises #NM or #UD before it has read the whole instruction.
        return None if is_sensitive(*words) else self._step

    def _undecodable(self, linear: int) -> Stop | None:
        """Let the engine try what Capstone does not know, unless it is undefined for certain."""
        code = self.memory.fetch(linear, LONGEST_INSTRUCTION_BYTES)
        if not code or is_undefined_encoding(code, self._context.bits):
            return self._deliver(Event(Vector.UD, Kind.EXCEPTION))
        return self._step(linear, len(code))

    def _next_rip(self, instruction: Instruction) -> int:
        context = self._context
        rip = context.rip + instruction.size_bytes
        return rip & {64: cx.MASK64, 32: cx.MASK32, 16: 0xFFFF}[context.bits]

    def _after_emulated(self) -> Stop | None:
        """Raise the single-step trap of an instruction that the engine did not see."""
        context = self._context
        if context.double(cx.EFLAGS) & _TF:
            context.set_quad(_DR6, context.quad(_DR6) | _BS)
            stop = self._deliver(Event(Vector.DB, Kind.EXCEPTION))
            if stop is not None:
                return stop
        return Stop.ATTENTION if self._platform.has_attention else None

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

    def _before_fault_ahead(self) -> Stop | None:
        """Execute the next instruction alone; deliver the fault where it lies across both pages."""
        state = self._state
        if self._current_instruction()[1] is None:
            return self._after_exception()
        self._context.set_double(cx.OLD_EXCEPTION, -1)
        if state[ns.REMAINING] <= 0:
            return Stop.BUDGET
        if state[ns.WATCH_INTERRUPTS] and self.accepts_interrupts:
            return Stop.WINDOW
        return self._after_sensitive()

    def _after_exception(self) -> Stop | None:
        state, context = self._state, self._context
        vector = int(state[ns.VECTOR])
        if context.double(cx.IS_SOFTWARE_INTERRUPT):
            return_rip = context.rip
            block = self.blocks.current()
            if block is not None:
                last = block.address + block.layout.offsets[int(state[ns.CHARGED]) - 1]
                context.rip = last - context.segment(cx.CS).base
            return self._deliver(Event(vector, Kind.SOFTWARE, None, return_rip))
        # BS stays set until the guest clears it, so it does not tell alone.
        is_stepping = context.quad(_DR6) & _BS and context.double(cx.EFLAGS) & _TF
        if not (vector == _DB and is_stepping):
            self._refund(context.linear_rip)
        code = context.double(cx.ERROR_CODE)
        return self._deliver(exception(vector, code, is_protected=context.is_protected))

    def _after_invalid(self) -> Stop | None:
        self._refund(self._context.linear_rip)
        return self._deliver(Event(Vector.UD, Kind.EXCEPTION))

    def _after_device_access(self) -> Stop | None:
        """Answer the device accesses of one instruction, then let the engine execute it."""
        linear = self._context.linear_rip
        block = self.blocks.current()
        if block is None:
            raise InternalError(f"core {self.core_id}: device access outside a block, {linear:#x}")
        self._refund(linear)
        state = self._state
        number = self.blocks.single(int(state[ns.BLOCK]), block.nearest_index(linear))
        state[ns.MMIO_KNOWN] = 0
        while True:
            self._answer_device_access()
            self.blocks.charge_single(number, self._context.cpl)
            reason = self._run_one()
            if reason != ns.STOPPED_MMIO:
                break
            self.blocks.refund(1)
        state[ns.MMIO_KNOWN] = 0
        stop = self._after_step(reason)
        if stop is None and self._platform.has_attention:
            return Stop.ATTENTION
        return stop

    def _answer_device_access(self) -> None:
        state = self._state
        known = int(state[ns.MMIO_KNOWN])
        if known >= ns.ANSWER_COUNT:
            raise InternalError(f"core {self.core_id}: too many device accesses in one instruction")
        physical, size = int(state[ns.MMIO_ADDRESS]), int(state[ns.MMIO_SIZE])
        value = 0
        if state[ns.MMIO_IS_WRITE]:
            mask = (1 << 8 * size) - 1
            self._platform.write_device(physical, int(state[ns.MMIO_VALUE]) & mask, size)
        else:
            value = self._platform.read_device(physical, size)
        state[ns.ANSWERS + known] = value if value < 1 << 63 else value - (1 << 64)
        state[ns.MMIO_KNOWN] = known + 1

    def _after_engine_error(self) -> Stop | None:
        """Treat code that cannot be fetched as all ones, which is an undefined opcode."""
        error = int(self._state[ns.ENGINE_ERROR])
        if error not in FETCH_ERRORS:
            raise InternalError(
                f"core {self.core_id}: engine error {error} at rip {self._context.rip:#x}, "
                f"step {self.retired}"
            )
        self._refund(self._context.linear_rip)
        stop = self._deliver(Event(Vector.UD, Kind.EXCEPTION))
        self._forget_block()
        return stop

    def _deliver_fault(self, fault: Fault) -> Stop | None:
        if fault.cr2 is not None:
            self._context.set_quad(cx.CR2, fault.cr2)
        code = fault.error_code or 0
        return self._deliver(exception(fault.vector, code, is_protected=self._context.is_protected))

    def _tell_of(self, event: Event) -> None:
        """Tell the observer of an exception or a software interrupt before it is delivered."""
        assert self.observer is not None
        if event.kind is Kind.SOFTWARE:
            self.observer.software_interrupt(self.core_id, event.vector)
            return
        cr2 = self._context.quad(cx.CR2) if event.vector == _PF else None
        self.observer.exception(self.core_id, event.vector, event.error_code, cr2)

    def _deliver(self, event: Event, *, counts: bool = True) -> Stop | None:
        """Deliver an event; SHUTDOWN or STUCK where the core does not go on."""
        if counts:
            self.exceptions[event.vector] = self.exceptions.get(event.vector, 0) + 1
        self._row += 1
        if self._row > _EXCEPTIONS_IN_A_ROW:
            return Stop.STUCK
        if self.observer is not None and counts:
            self._tell_of(event)
        delivered = self._delivery.deliver(event)
        self._forget_block()
        self._log_system_changes()
        if not delivered:
            self.is_shut_down = True
            return Stop.SHUTDOWN
        return Stop.ATTENTION if self._platform.has_attention else None
