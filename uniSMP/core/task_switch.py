"""Hardware task switches that the harness starts: an event through a task gate.

Task switches by far jumps, calls and IRET run natively in the engine.

Source: Intel SDM volume 3A, chapter "Task Management", sections "Task Switching" and "Task-State
Segment (TSS)".

Not modelled: the debug trap (T) bit of the TSS; the commit point (a fault found while loading the
new task is reported in the old task's registers).
"""

from typing import NamedTuple

from uniSMP.arch import descriptors as ds
from uniSMP.arch.exceptions import Fault, Vector
from uniSMP.arch.flags import Cr0, Rflags
from uniSMP.core import context as cx
from uniSMP.core.engine import Engine
from uniSMP.core.guest_memory import GuestMemory
from uniSMP.core.segmentation import Segmentation, is_inside, loaded

_LOCAL_TABLE = 4
_RPL = 3
_NT = int(Rflags.NT)
_VM = int(Rflags.VM)
_TS = int(Cr0.TS)
_PG = int(Cr0.PG)
_AVAILABLE = frozenset({ds.TSS_16_AVAILABLE, ds.TSS_32_AVAILABLE})


class _Format(NamedTuple):
    """Where the fields of a TSS lie."""

    word: int
    registers: int
    segments: int
    segment_count: int
    minimum_limit: int


_TSS_32 = _Format(4, 0x20, 0x48, 6, 0x67)
_TSS_16 = _Format(2, 0x0E, 0x22, 4, 0x2B)
_CR3 = 0x1C
_LDT_32 = 0x60
_LDT_16 = 0x2A


def _format(flags: int) -> _Format:
    return _TSS_32 if flags >> 8 & 8 else _TSS_16


class TaskSwitch:
    """Switches one core to the task a task gate names."""

    def __init__(self, engine: Engine, memory: GuestMemory, segmentation: Segmentation) -> None:
        self._engine = engine
        self._context = engine.context
        self._memory = memory
        self._segmentation = segmentation

    def enter_through_gate(self, selector: int, rip: int, flags: int, external: int) -> None:
        """Save the current task, nest the new one (NT, back link) and load its state.

        Args:
            selector: TSS selector in the gate.
            rip: EIP to save for the old task.
            flags: EFLAGS to save for the old task.
            external: EXT bit of error codes.

        Raises:
            Fault: #GP, #NP, #TS or #PF as the table "Exception Conditions Checked During a Task
                Switch" says.
        """
        new = self._new_task(selector, external)
        old = self._context.table(cx.TR)
        layout = _format(new.flags)
        state = self._memory.read(new.base, layout.minimum_limit + 1)
        self._save(old, rip, flags)
        self._memory.write(new.base, (old.selector & 0xFFFF).to_bytes(2, "little"))
        self._segmentation.set_busy(selector, busy=True)
        self._context.set_table(cx.TR, new)
        self._context.set_quad(cx.CR0, self._context.quad(cx.CR0) | _TS)
        self._load(state, layout, external)

    def _new_task(self, selector: int, external: int) -> cx.Segment:
        error = (selector & 0xFFFC) | external
        if selector & _LOCAL_TABLE or not selector & 0xFFFC:
            raise Fault(Vector.GP, error)
        descriptor = self._segmentation.descriptor(selector, Vector.GP, external)
        if descriptor.high & ds.NOT_SYSTEM or descriptor.system_type not in _AVAILABLE:
            raise Fault(Vector.GP, error)
        if not descriptor.is_present:
            raise Fault(Vector.NP, error)
        if descriptor.limit < _format(descriptor.high).minimum_limit:
            raise Fault(Vector.TS, error)
        high = descriptor.high | ds.TSS_BUSY
        return cx.Segment(selector, descriptor.base, descriptor.limit, high)

    def _save(self, old: cx.Segment, rip: int, flags: int) -> None:
        """Write the dynamic fields of the old task's TSS."""
        context = self._context
        layout = _format(old.flags)
        values = [rip, flags, *(context.register(number) for number in range(8))]
        selectors = [context.segment(number).selector for number in range(layout.segment_count)]
        mask = (1 << 8 * layout.word) - 1
        data = b"".join((v & mask).to_bytes(layout.word, "little") for v in values + selectors)
        self._memory.write(old.base + layout.registers, data)

    def _load(self, state: bytes, layout: _Format, external: int) -> None:
        context = self._context
        word = layout.word

        def field(offset: int, size: int = word) -> int:
            return int.from_bytes(state[offset : offset + size], "little")

        is_32_bit = layout is _TSS_32
        if is_32_bit and context.quad(cx.CR0) & _PG:
            context.set_quad(cx.CR3, field(_CR3))
            self._engine.flush_tlb()
        context.rip = field(layout.registers)
        flags = field(layout.registers + word) | _NT
        for number in range(8):
            value = field(layout.registers + word * (2 + number))
            context.set_register(number, value if is_32_bit else value | 0xFFFF_0000)
        selectors = [field(layout.segments + word * n, 2) for n in range(layout.segment_count)]
        selectors += [0] * (6 - layout.segment_count)
        context.set_flags(flags)
        self._load_local_table(field(_LDT_32 if is_32_bit else _LDT_16, 2), external)
        if flags & _VM:
            self._load_virtual(selectors)
        else:
            self._load_segments(selectors, external)
        context.update_hflags()
        if not is_inside(context.segment(cx.CS), context.rip, context.rip):
            raise Fault(Vector.GP, external)

    def _load_virtual(self, selectors: list[int]) -> None:
        for number, selector in enumerate(selectors):
            segment = cx.Segment(selector, selector << 4, 0xFFFF, 0xF300)
            self._context.set_segment(number, segment)

    def _load_local_table(self, selector: int, external: int) -> None:
        error = (selector & 0xFFFC) | external
        if not selector & 0xFFFC:
            self._context.set_table(cx.LDT, cx.Segment(0, 0, 0, 0))
            return
        if selector & _LOCAL_TABLE:
            raise Fault(Vector.TS, error)
        descriptor = self._segmentation.descriptor(selector, Vector.TS, external)
        if descriptor.high & ds.NOT_SYSTEM or descriptor.system_type != ds.LDT:
            raise Fault(Vector.TS, error)
        if not descriptor.is_present:
            raise Fault(Vector.TS, error)
        self._context.set_table(cx.LDT, loaded(selector, descriptor))

    def _load_segments(self, selectors: list[int], external: int) -> None:
        level = selectors[cx.CS] & _RPL
        self._context.set_segment(cx.CS, self._code(selectors[cx.CS], external))
        stack = self._segmentation.load_stack(selectors[cx.SS], level, external)
        self._context.set_segment(cx.SS, stack)
        for number in (cx.ES, cx.DS, cx.FS, cx.GS):
            self._context.set_segment(number, self._data(selectors[number], level, external))

    def _code(self, selector: int, external: int) -> cx.Segment:
        error = (selector & 0xFFFC) | external
        if not selector & 0xFFFC:
            raise Fault(Vector.TS, external)
        descriptor = self._segmentation.descriptor(selector, Vector.TS, external)
        rpl = selector & _RPL
        is_conforming = descriptor.high & ds.CONFORMING
        if not descriptor.is_code or (
            descriptor.dpl > rpl if is_conforming else descriptor.dpl != rpl
        ):
            raise Fault(Vector.TS, error)
        if not descriptor.is_present:
            raise Fault(Vector.NP, error)
        self._segmentation.mark_accessed(selector, descriptor)
        return loaded(selector, descriptor)

    def _data(self, selector: int, level: int, external: int) -> cx.Segment:
        error = (selector & 0xFFFC) | external
        if not selector & 0xFFFC:
            return cx.Segment(selector, 0, 0, 0)
        descriptor = self._segmentation.descriptor(selector, Vector.TS, external)
        is_readable = descriptor.high & ds.READABLE_OR_WRITABLE or not descriptor.is_code
        if not descriptor.high & ds.NOT_SYSTEM or not is_readable:
            raise Fault(Vector.TS, error)
        is_checked = not (descriptor.is_code and descriptor.high & ds.CONFORMING)
        if is_checked and descriptor.dpl < max(level, selector & _RPL):
            raise Fault(Vector.TS, error)
        if not descriptor.is_present:
            raise Fault(Vector.NP, error)
        self._segmentation.mark_accessed(selector, descriptor)
        return loaded(selector, descriptor)
