"""What somebody who watches the interrupt hardware is told. Chips never wait for an answer."""

from typing import Protocol

from uniSMP.devices.messages import Message


class InterruptObserver(Protocol):
    """Told of what happens, in the order in which it happens."""

    def message_routed(self, message: Message, core_ids: tuple[int, ...]) -> None:
        """A message was sent on its way; `core_ids` are the targets of an interrupt message."""

    def interrupt_accepted(self, core_id: int, vector: int, *, is_new: bool) -> None:
        """A local APIC set an IRR bit; without `is_new` it was set already, and two became one."""

    def interrupt_ended(self, core_id: int, vector: int) -> None:
        """An EOI took the highest vector in service out of service."""

    def task_priority_written(self, core_id: int) -> None:
        """The task priority of a local APIC was written: in its page, as an MSR, or as CR8."""

    def timer_programmed(self, core_id: int) -> None:
        """A register of a local APIC's timer was written."""

    def timer_fired(self, core_id: int) -> None:
        """A local APIC's timer expired."""
