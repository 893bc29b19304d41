"""The debug console at port 0xE9: a byte written is a byte of the host's console.

Source: Bochs user manual, section "port_e9_hack": a read gives 0xE9, which is how a guest finds
the port. It has no state.
"""

from uniSMP.devices.messages import ConsoleOutput, Messages

DEBUG_CONSOLE_PORT = 0xE9
"""The only port."""


class DebugConsole:
    """One write-only byte port that says so when it is read."""

    widest_access_bytes = 1

    def read(self, offset: int, size_bytes: int) -> int:
        """Return the port's own number, 0xE9."""
        del offset, size_bytes
        return DEBUG_CONSOLE_PORT

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do nothing."""
        del offset, size_bytes
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Hand the low byte of `value` to the console."""
        del offset, size_bytes
        return (ConsoleOutput(bytes((value & 0xFF,))),)
