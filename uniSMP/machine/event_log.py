"""Events of a traced run as columns: interrupts, exceptions, device accesses, modes, slices.

Chips, cores and the run loop tell what happens; each event gets the step and the virtual time of
its moment. The kinds and what their columns mean stand in docs/formats.md.
"""

from collections.abc import Callable, Sequence
from typing import Any

from uniSMP.arch.apic import DeliveryMode
from uniSMP.core import context as cx
from uniSMP.core.blocks import Instruction
from uniSMP.core.core import Core
from uniSMP.core.instructions import register_number
from uniSMP.devices.local_apic import LocalApic
from uniSMP.devices.messages import (
    A20Gate,
    ConsoleOutput,
    EndOfInterrupt,
    ExitRequest,
    InterruptMessage,
    IrqLine,
    Message,
    SystemReset,
)
from uniSMP.machine.virtual_clock import VirtualClock

_MOST_WAITING = 1 << 16
_MODE_NAMES = {
    DeliveryMode.FIXED: "fixed",
    DeliveryMode.LOWEST_PRIORITY: "lowest priority",
    DeliveryMode.SMI: "SMI",
    DeliveryMode.NMI: "NMI",
    DeliveryMode.INIT: "INIT",
    DeliveryMode.START_UP: "start-up",
    DeliveryMode.EXT_INT: "ExtINT",
}
_COLUMNS = (
    *("step", "ticks", "core", "kind", "rip", "vector", "source", "mode", "targets", "address"),
    *("size", "value", "error_code", "cr2", "detail"),
)
_PLACES = {name: number for number, name in enumerate(_COLUMNS)}
Row = list[Any]


class EventLog:
    """Collects events and hands them on in groups.

    Args:
        clock: steps and virtual time.
        cores: all cores.
        apics: their local APICs.
        hand_on: takes columns by name.
        core_ids: cores whose events are kept; None keeps all.
    """

    def __init__(
        self,
        clock: VirtualClock,
        cores: Sequence[Core],
        apics: Sequence[LocalApic],
        hand_on: Callable[[dict[str, list[Any]]], None],
        core_ids: frozenset[int] | None = None,
    ) -> None:
        self._clock = clock
        self._cores = cores
        self._apics = apics
        self._hand_on = hand_on
        self._core_ids = core_ids
        self._rows: list[Row] = []
        self._source: str | None = None
        self._modes: list[str | None] = [None] * len(cores)

    def add(self, kind: str, core_id: int | None = None, **values: Any) -> None:  # noqa: ANN401
        """Add an event; `values` by column name. An event of a core has that core's RIP."""
        if core_id is not None and self._core_ids is not None and core_id not in self._core_ids:
            return
        row: Row = [None] * len(_COLUMNS)
        row[0], row[1] = self._clock.steps, self._clock.now_ticks
        row[2], row[3] = core_id, kind
        if core_id is not None:
            row[4] = self._cores[core_id].engine.context.linear_rip
        for name, value in values.items():
            row[_PLACES[name]] = value
        self._rows.append(row)
        if len(self._rows) >= _MOST_WAITING:
            self.hand_on()

    def hand_on(self) -> None:
        """Hand on what was collected."""
        if self._rows:
            columns = list(map(list, zip(*self._rows, strict=True)))
            self._rows = []
            self._hand_on(dict(zip(_COLUMNS, columns, strict=True)))

    # -- told by the chips ---------------------------------------------------------------------

    def message_routed(self, message: Message, core_ids: tuple[int, ...]) -> None:
        """Note what a chip sent."""
        match message:
            case InterruptMessage():
                self._note_interrupt(message, core_ids)
            case IrqLine(irq, is_high):
                self._source = f"irq {irq}"
                if is_high:
                    self.add("interrupt_raised", source=self._source)
            case EndOfInterrupt(vector):
                self.add("eoi_broadcast", vector=vector)
            case ConsoleOutput(data):
                self.add("console", detail=data.decode("utf-8", "backslashreplace"))
            case ExitRequest(value):
                self.add("exit", value=value)
            case SystemReset():
                self.add("reset")
            case A20Gate(is_enabled):
                self.add("a20", value=int(is_enabled))

    def _note_interrupt(self, message: InterruptMessage, core_ids: tuple[int, ...]) -> None:
        mode = _MODE_NAMES[message.delivery_mode]
        values: dict[str, Any] = {
            "vector": message.vector,
            "mode": mode,
            "targets": list(core_ids),
        }
        if message.source is None:
            self.add("interrupt_raised", source=self._source or "io apic", **values)
            return
        self._source = f"core {message.source}"
        self.add("ipi_sent", message.source, source=self._source, **values)

    def interrupt_accepted(self, core_id: int, vector: int, *, is_new: bool) -> None:
        """Note that a local APIC took a request into IRR."""
        kind = "interrupt_accepted" if is_new else "interrupt_merged"
        self.add(kind, core_id, vector=vector, source=self._source)

    def interrupt_ended(self, core_id: int, vector: int) -> None:
        """Note an EOI."""
        self.add("eoi", core_id, vector=vector)

    def task_priority_written(self, core_id: int) -> None:
        """Note nothing: the access itself is an event."""

    def timer_programmed(self, core_id: int) -> None:
        """Note when a local APIC's timer will fire, in ticks; 0: it is stopped or masked."""
        deadline = self._apics[core_id].deadline_ticks()
        self.add("timer_programmed", core_id, source="apic timer", value=deadline or 0)

    def timer_fired(self, core_id: int) -> None:
        """Note an expiry."""
        self._source = "apic timer"
        self.add("timer_fired", core_id, source=self._source)

    def pit_programmed(self, deadline_ticks: int | None) -> None:
        """Note when the 8254 next changes IRQ 0, in ticks; 0: never."""
        self.add("timer_programmed", source="pit", value=deadline_ticks or 0)

    # -- told by cores and the run loop --------------------------------------------------------

    def look_at_mode(self, core_id: int) -> None:
        """Note the operating mode of a core where it changed."""
        mode = self._cores[core_id].mode
        if mode != self._modes[core_id]:
            self._modes[core_id] = mode
            self.add("mode", core_id, mode=mode)

    def exception(self, core_id: int, vector: int, error_code: int | None, cr2: int | None) -> None:
        """Note an exception."""
        self.add("exception", core_id, vector=vector, error_code=error_code, cr2=cr2)

    def software_interrupt(self, core_id: int, vector: int) -> None:
        """Note INT n, INT3 or INTO."""
        self.add("software_interrupt", core_id, vector=vector)

    def system_instruction(self, core_id: int, instruction: Instruction) -> None:
        """Note an access to an MSR or a control register."""
        context = self._cores[core_id].engine.context
        name, operands = instruction.mnemonic, instruction.operands
        if name in ("rdmsr", "wrmsr"):
            value = context.register(cx.RDX) << 32 | context.register(cx.RAX) & cx.MASK32
            kind = "msr_read" if name == "rdmsr" else "msr_write"
            address = context.register(cx.RCX) & cx.MASK32
            self.add(kind, core_id, address=address, size=8, value=value & cx.MASK64)
        elif name == "mov" and operands.startswith("cr"):
            register = operands.partition(",")[0]
            value = context.register(register_number(operands.rpartition(" ")[2]))
            self.add("control_register_write", core_id, detail=register, size=8, value=value)

    def slice_ended(self, core_id: int, instructions: int, why: str) -> None:
        """Note how many instructions a slice retired, and what ended it."""
        self.add("slice_end", core_id, value=instructions, detail=why.lower())

    def code_invalidated(self, physical: int, size_bytes: int) -> None:
        """Note that translations of changed code were dropped."""
        self.add("code_invalidated", address=physical, value=size_bytes)
