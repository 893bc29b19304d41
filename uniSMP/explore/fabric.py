"""Marks in the execution log for what is no access to memory: interrupts, HLT, devices.

They are records of kind RECORD_SYSTEM (see `core.native_state`) with addresses that no RAM has.
Like the pushes of a delivery each belongs to the next instruction its core retires.
"""

from typing import Any

from uniSMP.arch.apic import DeliveryMode
from uniSMP.checks.history import Event
from uniSMP.core import native_state as ns
from uniSMP.devices.messages import InterruptMessage, Message
from uniSMP.machine.event_log import EventLog
from uniSMP.machine.log_history import events_of
from uniSMP.machine.parts import MachineParts

MARKS = 1 << 60
"""Addresses from here on are marks."""
SENT = MARKS
"""+ 8 * core: an interrupt was sent to the core, or a delivery there is about to begin. `value` is
the vector that was sent, or NO_VECTOR; of a delivery the class of its core's priority."""
DELIVERY = MARKS | 1 << 20
"""+ 8 * core: a delivery; `value` is the vector, `linear` the interrupted address, `rip` the
physical address below which the handler's part of the stack lies, or -1."""
FRAME_BYTES = 40
"""That is so far above the stack pointer with which the handler begins."""
HALT = MARKS | 1 << 21
"""+ 8 * core: the instruction just retired was HLT."""
WINDOW = MARKS | 3 << 20
"""+ 8 * core: what the core accepts may change; `value` is its priority's class (PPR), 0-15."""
STEP = MARKS | 1 << 20 | 1 << 23
"""+ 8 * core: in no log: an instruction of a core of which every one counts as an event."""
PORT = MARKS | 1 << 22
"""+ port."""
DEVICE = MARKS | 1 << 58
"""+ physical address of the page of a device that all cores share."""
_MEMORY_KINDS = frozenset({"mmio_read", "mmio_write"})
_PAGE_MASK = 0xFFF
_APIC_PAGE = 0xFEE0_0000
_WITH_VECTOR = frozenset({DeliveryMode.FIXED, DeliveryMode.LOWEST_PRIORITY})
NO_VECTOR = 256
"""Sent, but nobody knows which vector."""


class Fabric(EventLog):
    """Told of what happens around the cores of one machine; writes marks into their log.

    Args:
        parts: the machine.

    Attributes:
        is_kept: whether events are kept, too.
        columns: events that were handed on.
    """

    def __init__(self, parts: MachineParts) -> None:
        self.columns: list[dict[str, list[Any]]] = []
        super().__init__(parts.clock, parts.cores, parts.board.local_apics, self.columns.append)
        self._log = parts.log
        self.is_kept = False

    def mark(
        self,
        core_id: int,
        address: int,
        *,
        is_write: bool,
        value: int = 0,
        linear: int = 0,
        rip: int = 0,
    ) -> None:
        """Append a mark of 8 bytes at `address`."""
        log = self._log
        if log.head[ns.LOG_COUNT] + 5 > log.head[ns.LOG_CAPACITY]:
            log.is_full()
        count = int(log.head[ns.LOG_COUNT])
        first = ns.RECORD_SYSTEM | (ns.RECORD_WRITE if is_write else 0) | 8 << 8 | core_id << 16
        log.words[count : count + 5] = (first, address, value, linear, rip)
        log.head[ns.LOG_COUNT] = count + 5

    def forget(self) -> None:
        """Keep no event of those told so far."""
        self.columns.clear()
        self._rows.clear()

    def events(self) -> list[Event]:
        """Return the events that were kept since they were forgotten last."""
        self.hand_on()
        return [event for columns in self.columns for event in events_of(columns)]

    def forget_after(self, step: int) -> None:
        """Forget the events behind a step: what caused them was taken back."""
        while self._rows and self._rows[-1][0] > step:
            self._rows.pop()

    # -- told by the machine ---------------------------------------------------------------------

    def add(self, kind: str, core_id: int | None = None, **values: Any) -> None:  # noqa: ANN401
        """Mark an access to a device, or HLT."""
        if self.is_kept:
            super().add(kind, core_id, **values)
        if core_id is None:
            return
        if kind in {"port_read", "port_write"}:
            address = PORT + (values["address"] & ~7)
            self.mark(core_id, address, is_write=True)
        elif kind in _MEMORY_KINDS:
            page = values["address"] & ~_PAGE_MASK
            if page != _APIC_PAGE:
                self.mark(core_id, DEVICE + page, is_write=True)
        elif kind == "eoi":
            self._mark_priority(core_id)
        elif kind == "halt":
            rip = self._cores[core_id].engine.context.linear_rip - 1  # HLT has one byte
            self.mark(core_id, HALT + 8 * core_id, is_write=True, rip=signed(rip))
        elif kind == "timer_fired":
            self.mark(core_id, SENT + 8 * core_id, is_write=False, value=NO_VECTOR)

    def task_priority_written(self, core_id: int) -> None:
        """Mark that a core may accept more, or less."""
        self._mark_priority(core_id)

    def _mark_priority(self, core_id: int) -> None:
        priority = self.priority(core_id)
        self.mark(core_id, WINDOW + 8 * core_id, is_write=True, value=priority)

    def priority(self, core_id: int) -> int:
        """Return the class of a core's priority, 0-15: it accepts interrupts of higher classes."""
        apic = self._apics[core_id]
        in_service = max(0, apic.state.isr.bit_length() - 1)
        return max(apic.tpr, in_service) >> 4

    def message_routed(self, message: Message, core_ids: tuple[int, ...]) -> None:
        """Mark an interrupt that was sent."""
        if self.is_kept:
            super().message_routed(message, core_ids)
        if isinstance(message, InterruptMessage):
            source = 0 if message.source is None else message.source
            vector = message.vector if message.delivery_mode in _WITH_VECTOR else NO_VECTOR
            for target in core_ids:
                self.mark(source, SENT + 8 * target, is_write=False, value=vector)


def signed(value: int) -> int:
    """Return a 64-bit number as the log holds it."""
    return value if value < 1 << 63 else value - (1 << 64)
