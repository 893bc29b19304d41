"""The debug-exit device at ports 0xF4-0xF7: a write ends the run.

Source: QEMU, device `isa-debug-exit` with iobase=0xf4, iosize=4. There the host's exit status is
`value << 1 | 1`; which status a value becomes here is up to the machine. It has no state.
"""

from uniSMP.devices.messages import ExitRequest, Messages

DEBUG_EXIT_FIRST_PORT = 0xF4
"""First port of the device."""
DEBUG_EXIT_LAST_PORT = 0xF7
"""Last port of the device."""


class DebugExit:
    """Four ports; what is written to any of them is the guest's exit value."""

    widest_access_bytes = 4

    def read(self, offset: int, size_bytes: int) -> int:
        """Return 0."""
        del offset, size_bytes
        return 0

    def after_read(self, offset: int, size_bytes: int) -> Messages:
        """Do nothing."""
        del offset, size_bytes
        return ()

    def write(self, offset: int, value: int, size_bytes: int) -> Messages:
        """Ask for the end of the run with the low `size_bytes` of `value`."""
        del offset
        return (ExitRequest(value & ((1 << 8 * size_bytes) - 1)),)
