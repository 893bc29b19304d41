"""One guest core: runs exact numbers of instructions and takes the events of its own making.

Source: Intel SDM volume 3A, chapter "Interrupt and Exception Handling".
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.flags import Dr6, Rflags
from uniSMP.core import context as cx
from uniSMP.core import native, native_flags, native_tlb
from uniSMP.core import native_state as ns
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.blocks import (
    LONGEST_INSTRUCTION_BYTES,
    Instruction,
    has_far_accesses,
    is_sensitive,
    is_undefined,
    is_undefined_encoding,
)
from uniSMP.core.core_events import CoreEvents
from uniSMP.core.delivery import Event, Kind, exception
from uniSMP.core.engine import FETCH_ERRORS, Engine
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.core.instructions import Effect
from uniSMP.core.native_interrupts import FRAME_BYTES
from uniSMP.core.platform import Platform
from uniSMP.core.stop import Stop
from uniSMP.errors import InternalError

__all__ = ["Core", "Stop"]

_TF = int(Rflags.TF)
_BS = int(Dr6.BS)
_DB = int(Vector.DB)
_DR6 = cx.DR + 8 * 6


class Core(CoreEvents):
    """One core: an engine, its guest-visible state beyond it, and the run loop."""

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
        super().__init__(core_id, engine, words, platform, on_code_pages, log, catalog)
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
            ns.STOPPED_SPIN: lambda: Stop.SPIN,
            ns.STOPPED_STEP: lambda: None,
            ns.STOPPED_DELIVERED: self._after_delivery,
        }

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
        words = self._words
        words[ns.REMAINING] = budget
        words[ns.WATCH_INTERRUPTS] = watch_interrupts
        words[ns.WATCH_IRET] = watch_iret
        self._follow_time()
        native_tlb.refresh(self._state)
        return self.resume(native.run(self._state))

    def run_faults(self, count: int) -> Stop:
        """Run until so many exceptions have been raised at this boundary, or something retires.

        Where `faults_in_place` has reached `count` then, the next instruction is the first one of
        the last one's handler. Returns as `run`.
        """
        self._most_faults = count
        self._allow_deliveries()
        try:
            return self.run(1)
        finally:
            self._most_faults = 0
            self._allow_deliveries()

    def resume(self, reason: int) -> Stop:
        """Go on with a run that compiled code began, and that stopped for `reason` (STOPPED_...).

        Returns:
            As `run`.
        """
        state, words = self._state, self._words
        while True:
            if self._log_registers is not None:
                self._log_changes()
            if self.observer is not None:
                self.observer.look_at_mode(self.core_id)
            stop = self._handle(reason)
            if stop is None and (
                words[ns.REMAINING] <= 0 or 0 < self._most_faults <= self.faults_in_place
            ):
                stop = Stop.BUDGET
            if stop is not None:
                if not words[ns.DELIVERS]:
                    self._allow_deliveries()
                return stop
            reason = native.run(state)

    def _handle(self, reason: int) -> Stop | None:
        if self._words[ns.ENGINE_ERROR]:
            return self._after_engine_error()
        if reason == ns.STOPPED_EXCEPTION and self._is_fault_ahead():
            stop = self._before_fault_ahead()
        else:
            stop = self._handlers[reason]()
        self._forget_block()
        return stop

    def _after_halt(self) -> Stop:
        self.is_halted = True
        return Stop.HALT

    def _after_delivery(self) -> None:
        """Make code count that the frame of a delivery has overwritten."""
        self.memory.note_write(self._words[ns.FRAME], FRAME_BYTES)

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
                native_flags.restore_flags(state)
                return self._step(linear, size)
        self.blocks.learn(linear, size)
        return None

    def _step(self, linear: int, size: int) -> Stop | None:
        """Let the engine execute exactly the instruction at RIP, and handle what comes of it."""
        self._charge_one(linear, size)
        self._state[ns.REASON] = ns.STOPPED_HALT
        return self._after_step(self._run_one())

    def _run_one(self) -> int:
        """Let the engine execute the one instruction that is charged; return the reason."""
        reason: int = native.run_one(self._state)
        self._log_changes()
        return reason

    def _step_undoing(self, linear: int, size: int) -> Stop | None:
        """Do the same for an instruction that a device access does not undo by itself."""
        state, saved = self._state, self._context.save()
        flags = native_flags.read_flags(state)
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
        if reason == ns.STOPPED_EXCEPTION and self._context.linear_rip == linear:
            self._context.set_flags(flags)
        return self._after_step(reason)

    def _after_step(self, reason: int) -> Stop | None:
        """Handle what came of the execution of a single instruction."""
        if self._words[ns.ENGINE_ERROR]:
            return self._after_engine_error()
        if reason == ns.STOPPED_EXCEPTION and self._is_fault_ahead():
            self._context.set_double(cx.OLD_EXCEPTION, -1)  # met again from the next instruction
            return None
        return self._handlers[reason]()

    def _after_sensitive(self) -> Stop | None:  # noqa: PLR0911 - as many kinds
        context = self._context
        if self.blocks.rests and self._is_rest(context.linear_rip):
            return Stop.REST
        self._words[ns.DELIVERS] = 0  # the platform may want attention after the next delivery
        linear, instruction = self._current_instruction()
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
        number, level = self.blocks.number_at(linear, instruction.size_bytes), self.level
        self._state[ns.DEVICES] += 1  # its effects may go beyond registers and memory
        try:
            effect = self._instructions.execute(instruction)
        except Fault as fault:
            return self._deliver_fault(fault)
        if self.observer is not None:
            self.observer.system_instruction(self.core_id, instruction)
        if effect is Effect.NATIVE:
            return self._step(linear, instruction.size_bytes)
        self.blocks.charge_single(number, level)
        if effect is Effect.ADVANCE:
            context.rip = self._next_rip(instruction)
        context.clear_shadow()
        context.clear_resume()
        if instruction.mnemonic == "wrmsr":
            self._follow_time()  # it may have set the counter
        self._state[ns.LOG_INDEX] = 0
        self._log_changes()
        return self._after_emulated()

    def _is_rest(self, linear: int) -> bool:
        is_passed = self._words[ns.PASSED] == self.retired
        return linear in self.blocks.rests and not is_passed

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
            return self._raise(Event(Vector.UD, Kind.EXCEPTION))
        return self._step(linear, len(code))

    def _after_emulated(self) -> Stop | None:
        """Raise the single-step trap of an instruction that the engine did not see."""
        context = self._context
        if context.double(cx.EFLAGS) & _TF:
            context.set_quad(_DR6, context.quad(_DR6) | _BS)
            stop = self._deliver(Event(Vector.DB, Kind.EXCEPTION))
            if stop is not None:
                return stop
        return Stop.ATTENTION if self._platform.has_attention else None

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
        code = context.double(cx.ERROR_CODE)
        event = exception(vector, code, is_protected=context.is_protected)
        if vector == _DB and is_stepping:
            return self._deliver(event)
        self._refund(context.linear_rip)
        return self._raise(event)

    def _after_invalid(self) -> Stop | None:
        self._refund(self._context.linear_rip)
        return self._raise(Event(Vector.UD, Kind.EXCEPTION))

    def _after_device_access(self) -> Stop | None:
        """Answer the device accesses of one instruction, then let the engine execute it."""
        linear = self._context.linear_rip
        block = self.blocks.current()
        if block is None:
            raise InternalError(f"core {self.core_id}: device access outside a block, {linear:#x}")
        self._refund(linear)
        words = self._words
        number = self.blocks.single(words[ns.BLOCK], block.nearest_index(linear))
        words[ns.MMIO_KNOWN] = 0
        while True:
            self._answer_device_access()
            self.blocks.charge_single(number, self.level)
            reason = self._run_one()
            if reason != ns.STOPPED_MMIO:
                break
            self.blocks.refund(1)
        words[ns.MMIO_KNOWN] = 0
        stop = self._after_step(reason)
        if stop is None and self._platform.has_attention:
            return Stop.ATTENTION
        return stop

    def _after_engine_error(self) -> Stop | None:
        """Treat code that cannot be fetched as all ones, which is an undefined opcode."""
        error = int(self._state[ns.ENGINE_ERROR])
        if error not in FETCH_ERRORS:
            raise InternalError(
                f"core {self.core_id}: engine error {error} at rip {self._context.rip:#x}, "
                f"step {self.retired}"
            )
        self._refund(self._context.linear_rip)
        stop = self._raise(Event(Vector.UD, Kind.EXCEPTION))
        self._forget_block()
        return stop
