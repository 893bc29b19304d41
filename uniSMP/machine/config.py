"""What a machine is made of, checked once."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from uniSMP.errors import ConfigError
from uniSMP.memory.boot_information import Module
from uniSMP.memory.sizes import check_ram_size

Boot = Literal["multiboot", "long"]
DEFAULT_MEMORY_BYTES = 64 << 20
MOST_CORES = 255
MOST_TICKS_PER_INSTRUCTION = 1 << 20


@dataclass(frozen=True, slots=True)
class MachineConfig:
    """Everything about a machine that does not change while it runs.

    Attributes:
        cores: number of cores, 1 to 255.
        memory_bytes: RAM from physical address 0, a multiple of 4 KiB.
        boot: "multiboot": core 0 enters a multiboot image as a loader would, the others wait for
            INIT and SIPI. "long": every core begins at `_start` in 64-bit mode.
        ticks_per_instruction: virtual nanoseconds per retired instruction.
        command_line: text handed to a multiboot image.
        modules: files handed to a multiboot image, each may be "path arguments"; or their contents.
        serial_input: bytes that arrive at COM1 from the start.

    Raises:
        ConfigError: a value is out of range.
    """

    cores: int = 1
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    boot: Boot = "multiboot"
    ticks_per_instruction: int = 1
    command_line: str = ""
    modules: tuple[str | Path | Module, ...] = ()
    serial_input: bytes = b""

    def __post_init__(self) -> None:
        if not 1 <= self.cores <= MOST_CORES:
            raise ConfigError(f"cores = {self.cores}: choose 1 to {MOST_CORES}")
        check_ram_size(self.memory_bytes)
        if self.boot not in get_args(Boot):
            raise ConfigError(f"boot = {self.boot!r}: choose one of {', '.join(get_args(Boot))}")
        if not 1 <= self.ticks_per_instruction <= MOST_TICKS_PER_INSTRUCTION:
            raise ConfigError(
                f"ticks per instruction = {self.ticks_per_instruction}: "
                f"choose 1 to {MOST_TICKS_PER_INSTRUCTION}"
            )
        if "\0" in self.command_line:
            raise ConfigError("the command line must not contain a zero byte")
