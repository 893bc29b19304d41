"""Marks in the execution log for what is no access to memory: interrupts, HLT, devices.

They are records of kind RECORD_SYSTEM (see `core.native_state`) with addresses that no RAM has. Like
the pushes of a delivery each belongs to the next instruction its core retires.
"""

from typing import Any

from uniSMP.core import native_state as ns
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.devices.messages import InterruptMessage, Message

MARKS = 1 << 60
"""Addresses from here on are marks."""
SENT = MARKS
"""+ 8 * core: an interrupt was sent to the core, or a delivery there is about to begin."""
DELIVERY = MARKS | 1 << 20
"""+ 8 * core: a delivery; `value` is the vector, `linear` the interrupted address, `rip` the
physical address below which the handler's part of the stack lies, or -1."""
HALT = MARKS | 1 << 21
"""+ 8 * core: the instruction just retired was HLT."""
PORT = MARKS | 1 << 22
"""+ port."""
DEVICE = MARKS | 1 << 58
"""+ physical address of the page of a device that all cores share."""
_LOCAL_APIC_KINDS = frozenset({"mmio_read", "mmio_write"})
_PAGE_MASK = 0xFFF
_APIC_PAGE = 0xFEE0_0000


class Fabric:
    """Told of what happens around the cores of one machine; writes marks into their log.

    Args:
        log: the log.

    Attributes:
        events: everything told, for checks; None: nobody wants it.
    """

    def __init__(self, log: ExecutionLog) -> None:
        self._log = log

    def mark(  # noqa: PLR0913 - the words of a record
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

    # -- told by the machine ---------------------------------------------------------------------

    def add(self, kind: str, core_id: int | None = None, **values: Any) -> None:  # noqa: ANN401
        """Mark an access to a device, or HLT."""
        if core_id is None:
            return
        if kind in {"port_read", "port_write"}:
            address = PORT + (values["address"] & ~7)
            self.mark(core_id, address, is_write=True)
        elif kind in _LOCAL_APIC_KINDS:
            page = values["address"] & ~_PAGE_MASK
            if page != _APIC_PAGE:
                self.mark(core_id, DEVICE + page, is_write=True)
        elif kind == "halt":
            self.mark(core_id, HALT + 8 * core_id, is_write=True)

    def message_routed(self, message: Message, core_ids: tuple[int, ...]) -> None:
        """Mark an interrupt that was sent."""
        if isinstance(message, InterruptMessage):
            source = 0 if message.source is None else message.source
            for target in core_ids:
                self.mark(source, SENT + 8 * target, is_write=False)

    def interrupt_accepted(self, core_id: int, vector: int, *, is_new: bool) -> None:
        """Leave it: it follows from what was sent."""

    def interrupt_ended(self, core_id: int, vector: int) -> None:
        """Leave it: only the core itself can tell."""

    def timer_programmed(self, core_id: int) -> None:
        """Leave it: only the core itself can tell."""

    def timer_fired(self, core_id: int) -> None:
        """Mark that an interrupt comes from the core's own timer."""
        self.mark(core_id, SENT + 8 * core_id, is_write=False)

    def pit_programmed(self, deadline_ticks: int | None) -> None:
        """Leave it: the access is marked."""

    def code_invalidated(self, physical: int, size_bytes: int) -> None:
        """Leave it: the stores are logged."""
