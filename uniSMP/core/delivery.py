"""Exceptions, software interrupts and external interrupts through the guest's IDT.

`deliver` makes one attempt after another: a fault met while delivering is delivered instead, or
becomes #DF, or, while delivering #DF, a shutdown. Each attempt works on the CPU state in place and
is undone when it faults, so that the next one sees the interrupted instruction.

Source: Intel SDM volume 3A, chapter "Interrupt and Exception Handling"; volume 2A, pseudo-code of
"INT n/INTO/INT3/INT1"; volume 3A, section "Interrupt 8 - Double Fault Exception".

Not modelled: virtual-8086 mode extensions (VME), shadow stacks, events through VMX.
"""

import struct
from dataclasses import dataclass
from enum import Enum, auto

from uniSMP.arch import descriptors as ds
from uniSMP.arch import paging
from uniSMP.arch.exceptions import (
    ERROR_EXT,
    ERROR_IDT,
    TRAPS,
    WITH_ERROR_CODE,
    Fault,
    Vector,
    makes_double_fault,
)
from uniSMP.arch.flags import Rflags
from uniSMP.core import context as cx
from uniSMP.core import native_state as ns
from uniSMP.core.engine import Engine
from uniSMP.core.fast_delivery import DECLINED, enter
from uniSMP.core.guest_memory import GuestMemory, is_canonical
from uniSMP.core.segmentation import Segmentation, is_inside, loaded
from uniSMP.core.task_switch import TaskSwitch

_IF, _TF, _RF, _VM, _NT = (
    int(flag) for flag in (Rflags.IF, Rflags.TF, Rflags.RF, Rflags.VM, Rflags.NT)
)
_AC = int(Rflags.AC)
_FRAME = {count: struct.Struct(f"<{count}Q") for count in (5, 6)}
_LEGACY_GATES = frozenset(
    {
        ds.TASK_GATE,
        ds.INTERRUPT_GATE_16,
        ds.TRAP_GATE_16,
        ds.INTERRUPT_GATE_32,
        ds.TRAP_GATE_32,
    }
)
_LONG_GATES = frozenset({ds.INTERRUPT_GATE_32, ds.TRAP_GATE_32})
_USER_LEVEL = 3


class Kind(Enum):
    """Where an event comes from; decides about EXT, gate DPL and RF."""

    EXCEPTION = auto()
    SOFTWARE = auto()
    EXTERNAL = auto()


@dataclass(frozen=True, slots=True)
class Event:
    """Something to deliver.

    Attributes:
        vector: 0-255.
        kind: exception, INT n/INT3/INTO, or external (interrupt, NMI, INT1).
        error_code: for exceptions that push one (ignored in real mode).
        return_rip: RIP to push where it is not the current one (after INT n).
    """

    vector: int
    kind: Kind
    error_code: int | None = None
    return_rip: int | None = None

    @property
    def external(self) -> int:
        """The EXT bit of error codes of faults met while delivering this event."""
        return 0 if self.kind is Kind.SOFTWARE else ERROR_EXT

    @property
    def sets_resume_flag(self) -> bool:
        """Whether the pushed flags have RF set: fault-class exceptions."""
        return (
            self.kind is Kind.EXCEPTION
            and self.vector not in TRAPS
            and self.vector not in (Vector.DF, Vector.MC)
        )


class Delivery:
    """Delivers events to one core."""

    def __init__(self, engine: Engine, memory: GuestMemory, segmentation: Segmentation) -> None:
        self._engine = engine
        self._context = engine.context
        self._environment = int(engine.state[ns.ENV])
        self._memory = memory
        self._segmentation = segmentation
        self._tasks = TaskSwitch(engine, memory, segmentation)

    def deliver(self, event: Event) -> bool:
        """Enter the guest's handler for `event`.

        Returns:
            False where the processor shuts down (triple fault), else True.
        """
        context = self._context
        flags = self._engine.full_flags()
        if self._enter_fast(event, flags):
            return True
        context.clear_shadow()
        self._memory.accesses.is_delivering = True
        try:
            return self._deliver(event, flags)
        finally:
            self._memory.accesses.is_delivering = False

    def _deliver(self, event: Event, flags: int) -> bool:
        """Make attempts until one succeeds, or the processor shuts down."""
        context = self._context
        while True:
            saved = context.save()
            try:
                self._attempt(event, flags)
            except Fault as fault:
                context.restore(saved)
                if fault.cr2 is not None:
                    context.set_quad(cx.CR2, fault.cr2)
                if event.vector == Vector.DF and event.kind is Kind.EXCEPTION:
                    return False
                event = self._successor(event, fault)
            else:
                context.set_double(cx.OLD_EXCEPTION, -1)
                return True

    def _enter_fast(self, event: Event, flags: int) -> bool:
        """Take the compiled way where it is open; return whether it was."""
        rip = self._context.rip if event.return_rip is None else event.return_rip
        frame = enter(
            self._memory.words,
            self._environment,
            event.vector,
            flags | _RF if event.sets_resume_flag else flags,
            rip if rip < 1 << 63 else rip - (1 << 64),
            -1 if event.error_code is None else event.error_code,
            self._memory.accesses.head,
            self._memory.accesses.core_id,
        )
        if frame == DECLINED:
            return False
        self._memory.note_write(frame, _FRAME[6].size)
        return True

    def _successor(self, event: Event, fault: Fault) -> Event:
        """Return what is delivered instead of `event` after `fault`."""
        if event.kind is Kind.EXCEPTION and makes_double_fault(event.vector, fault.vector):
            return Event(Vector.DF, Kind.EXCEPTION, 0)
        return Event(fault.vector, Kind.EXCEPTION, fault.error_code)

    def _attempt(self, event: Event, flags: int) -> None:
        context = self._context
        if not context.is_protected:
            self._deliver_real(event, flags)
            return
        if event.sets_resume_flag:
            flags |= _RF
        if context.is_long_mode:
            self._deliver_long(event, flags)
            return
        gate = self._gate(event, 8, _LEGACY_GATES)
        if gate.gate_type == ds.TASK_GATE:
            rip = context.rip if event.return_rip is None else event.return_rip
            self._tasks.enter_through_gate(gate.selector, rip, flags, event.external)
            self._push_task_error(event)
            return
        self._deliver_protected(event, gate, flags)

    def _gate(self, event: Event, size_bytes: int, valid: frozenset[int]) -> ds.Gate:
        """Read and check the IDT entry of an event."""
        table = self._context.table(cx.IDT)
        offset = event.vector * size_bytes
        error = event.vector * 8 + ERROR_IDT
        if offset + size_bytes - 1 > table.limit:
            raise Fault(Vector.GP, error + event.external)
        gate = ds.decode_gate(self._memory.read(table.base + offset, size_bytes))
        if gate.gate_type not in valid:
            raise Fault(Vector.GP, error + event.external)
        if event.kind is Kind.SOFTWARE and gate.dpl < self._context.cpl:
            raise Fault(Vector.GP, error)
        if not gate.is_present:
            raise Fault(Vector.NP, error + event.external)
        return gate

    def _target(self, gate: ds.Gate, event: Event) -> tuple[ds.Descriptor, int]:
        """Check a gate's code segment; return its descriptor and the new privilege level."""
        external = event.external
        if not gate.selector & 0xFFFC:
            raise Fault(Vector.GP, external)
        error = (gate.selector & 0xFFFC) | external
        descriptor = self._segmentation.descriptor(gate.selector, Vector.GP, external)
        cpl = self._context.cpl
        if not descriptor.is_code or descriptor.dpl > cpl:
            raise Fault(Vector.GP, error)
        if not descriptor.is_present:
            raise Fault(Vector.NP, error)
        if self._context.is_long_mode and (
            not descriptor.high & ds.LONG or descriptor.high & ds.BIG
        ):
            raise Fault(Vector.GP, error)
        level = cpl if descriptor.high & ds.CONFORMING else descriptor.dpl
        return descriptor, level

    def _enter(self, gate: ds.Gate, descriptor: ds.Descriptor, level: int, flags: int) -> None:
        """Load CS:RIP and the flags of the handler."""
        context = self._context
        self._segmentation.mark_accessed(gate.selector, descriptor)
        context.set_segment(cx.CS, loaded((gate.selector & 0xFFFC) | level, descriptor))
        context.rip = gate.offset
        cleared = _TF | _RF | _NT | _VM
        context.set_flags(flags & ~(cleared if gate.is_trap else cleared | _IF))
        context.update_hflags()

    def _deliver_long(self, event: Event, flags: int) -> None:
        """Deliver in IA-32e mode (SDM: "Interrupt and exception handling in 64-bit mode")."""
        context = self._context
        external = event.external
        gate = self._gate(event, 16, _LONG_GATES)
        descriptor, level = self._target(gate, event)
        is_inner = level < context.cpl
        old_ss, old_rsp = context.segment(cx.SS).selector, context.register(cx.RSP)
        if gate.ist:
            rsp = self._segmentation.stack_from_long_tss(gate.ist + 3, external)
        elif is_inner:
            rsp = self._segmentation.stack_from_long_tss(level, external)
        else:
            rsp = old_rsp
        if not is_canonical(gate.offset):
            raise Fault(Vector.GP, external)
        rip = context.rip if event.return_rip is None else event.return_rip
        frame = [rip, context.segment(cx.CS).selector, flags, old_rsp, old_ss]
        if event.error_code is not None:
            frame.insert(0, event.error_code)
        rsp = (rsp & ~15) - 8 * len(frame) & cx.MASK64
        if not is_canonical(rsp) or not is_canonical(rsp + 8 * len(frame) - 1):
            raise Fault(Vector.SS, external)
        access = paging.ERROR_USER if level == _USER_LEVEL else 0
        self._memory.write(rsp, _FRAME[len(frame)].pack(*frame), access)
        context.set_register(cx.RSP, rsp)
        if is_inner:
            context.set_segment(cx.SS, cx.Segment(level, 0, 0, level << 13))
        self._enter(gate, descriptor, level, flags)

    def _deliver_protected(self, event: Event, gate: ds.Gate, flags: int) -> None:
        """Deliver through a 16- or 32-bit gate in protected or virtual-8086 mode."""
        context = self._context
        external = event.external
        descriptor, level = self._target(gate, event)
        is_virtual = bool(flags & _VM)
        if is_virtual and (level != 0 or descriptor.high & ds.CONFORMING):
            raise Fault(Vector.GP, (gate.selector & 0xFFFC) | external)
        if gate.offset > descriptor.limit:
            raise Fault(Vector.GP, external)
        rip = context.rip if event.return_rip is None else event.return_rip
        frame = [rip, context.segment(cx.CS).selector, flags]
        if event.error_code is not None:
            frame.insert(0, event.error_code)
        if level < context.cpl:
            selector, pointer = self._segmentation.stack_from_tss(level, external)
            stack = self._segmentation.load_stack(selector, level, external)
            frame += [context.register(cx.RSP), context.segment(cx.SS).selector]
            if is_virtual:
                frame += [context.segment(s).selector for s in (cx.ES, cx.DS, cx.FS, cx.GS)]
            stack_error = (selector & 0xFFFC) | external
        else:
            stack, pointer = context.segment(cx.SS), context.register(cx.RSP)
            stack_error = external
        size_bytes = 4 if gate.is_32_bit else 2
        self._push(stack, pointer, frame, size_bytes, level, stack_error)
        context.set_segment(cx.SS, stack)
        if is_virtual:
            for number in (cx.ES, cx.DS, cx.FS, cx.GS):
                context.set_segment(number, cx.Segment(0, 0, 0, 0))
        self._enter(gate, descriptor, level, flags)

    def _push(
        self,
        stack: cx.Segment,
        pointer: int,
        values: list[int],
        size_bytes: int,
        level: int,
        error_code: int,
    ) -> None:
        """Push values (lowest address first) on a 16- or 32-bit stack and set (E)SP."""
        is_big = stack.flags & ds.BIG
        mask = cx.MASK32 if is_big else 0xFFFF
        top = (pointer - size_bytes * len(values)) & mask
        if not is_inside(stack, top, top + size_bytes * len(values) - 1):
            raise Fault(Vector.SS, error_code)
        limit = (1 << 8 * size_bytes) - 1
        data = b"".join((value & limit).to_bytes(size_bytes, "little") for value in values)
        access = paging.ERROR_USER if level == _USER_LEVEL else 0
        self._memory.write(stack.base + top & cx.MASK32, data, access)
        rsp = top if is_big else (pointer & 0xFFFF_0000) | top
        self._context.set_register(cx.RSP, rsp)

    def _push_task_error(self, event: Event) -> None:
        """Push the error code on the new task's stack, as wide as the task."""
        if event.error_code is None:
            return
        context = self._context
        stack = context.segment(cx.SS)
        is_32_bit = context.table(cx.TR).flags >> 8 & 8
        size_bytes = 4 if is_32_bit else 2
        pointer = context.register(cx.RSP)
        self._push(stack, pointer, [event.error_code], size_bytes, context.cpl, ERROR_EXT)

    def _deliver_real(self, event: Event, flags: int) -> None:
        """Deliver through the interrupt vector table of real mode."""
        context = self._context
        table = context.table(cx.IDT)
        if event.vector * 4 + 3 > table.limit:
            raise Fault(Vector.GP)
        entry = self._memory.read_integer(table.base + event.vector * 4, 4)
        rip = context.rip if event.return_rip is None else event.return_rip
        frame = [rip, context.segment(cx.CS).selector, flags]
        self._push(context.segment(cx.SS), context.register(cx.RSP), frame, 2, 0, 0)
        old = context.segment(cx.CS)
        selector = entry >> 16
        context.set_segment(cx.CS, cx.Segment(selector, selector << 4, old.limit, old.flags))
        context.rip = entry & 0xFFFF
        context.set_flags(flags & ~(_IF | _TF | _RF | _AC))


def exception(vector: int, error_code: int, *, is_protected: bool) -> Event:
    """Return the event of a processor exception; real mode pushes no error code."""
    has_code = is_protected and vector in WITH_ERROR_CODE
    return Event(vector, Kind.EXCEPTION, error_code if has_code else None)
