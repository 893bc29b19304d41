"""What a core needs from the machine around it.

The core knows no chips: ports, device memory, model-specific registers outside the core, CPUID and
time are asked for through this interface, which `uniSMP.machine` implements.
"""

from typing import Protocol


class Platform(Protocol):
    """The machine as one core sees it. Values are unsigned; `None` means #GP."""

    @property
    def has_attention(self) -> bool:
        """Whether the last access changed something the machine must look at (then run ends)."""

    def read_port(self, port: int, size_bytes: int) -> int:
        """Read an I/O port, `size_bytes` 1, 2 or 4."""

    def write_port(self, port: int, value: int, size_bytes: int) -> None:
        """Write an I/O port."""

    def read_device(self, physical: int, size_bytes: int) -> int:
        """Read device memory or a physical hole."""

    def write_device(self, physical: int, value: int, size_bytes: int) -> None:
        """Write device memory or a physical hole."""

    def read_memory(self, physical: int, size_bytes: int) -> bytes:
        """Read physical memory of any kind; a hole reads all ones."""

    def write_memory(self, physical: int, data: bytes) -> None:
        """Write physical memory on the core's behalf; ROM and holes drop it."""

    def note_write(self, physical: int, size_bytes: int) -> None:
        """Take note of RAM written by compiled code on the core's behalf."""

    def read_msr(self, number: int) -> int | None:
        """Read an MSR that the core does not keep itself."""

    def write_msr(self, number: int, value: int) -> bool:
        """Write an MSR that the core does not keep itself; False is #GP."""

    def cpuid(self, leaf: int, subleaf: int) -> tuple[int, int, int, int]:
        """Return EAX, EBX, ECX, EDX."""

    def time_stamp(self) -> int:
        """Return this core's time-stamp counter at the current instruction."""

    def read_task_priority(self) -> int:
        """Return CR8, that is TPR bits 7:4."""

    def write_task_priority(self, cr8: int) -> None:
        """Set TPR to `cr8` << 4."""
