"""The one shape of every device."""

from typing import Protocol, runtime_checkable

from uniSMP.devices.messages import Messages


@runtime_checkable
class Device(Protocol):
    """A chip behind a range of ports or physical addresses.

    `offset` counts from the start of the range. The bus splits accesses wider than
    `widest_access_bytes` into pieces of that width, lowest address first. A read is a query: it
    changes nothing, so that a debugger may look; `after_read` does what a guest's read causes.
    """

    widest_access_bytes: int

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the value at `offset`, `size_bytes` wide, without any side effect."""

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do what a guest's read of `offset` causes (pop a FIFO, acknowledge); return messages."""

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Take a guest's write of `value`, `size_bytes` wide, to `offset`; return messages."""


@runtime_checkable
class TimedDevice(Device, Protocol):
    """A device whose state moves with virtual time (absolute, in TSC ticks since power-on).

    The machine calls `advance(now)` at the tick of `deadline_ticks()`, and before each access, so
    that `read` may use the time of the last `advance`.
    """

    def advance(self, now_ticks: int) -> Messages:
        """Let time pass until `now_ticks` (never less than before); return what happened."""

    def deadline_ticks(self) -> int | None:
        """Return the absolute tick of the next thing that happens by itself, or None."""
