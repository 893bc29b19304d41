"""The machine: what users of the library hold in their hands."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypedDict, Unpack

from uniSMP.assembler.image import Image
from uniSMP.core.block_catalog import BlockCatalog
from uniSMP.core.core import Core
from uniSMP.core.engine import Engine
from uniSMP.core.execution_log import ExecutionLog
from uniSMP.errors import ConfigError
from uniSMP.machine import boot, core_state, firmware
from uniSMP.machine.board import Board
from uniSMP.machine.coherence import CodeCoherence
from uniSMP.machine.config import Boot, MachineConfig
from uniSMP.machine.core_platform import CorePlatform
from uniSMP.machine.core_view import CoreView
from uniSMP.machine.digest import digest
from uniSMP.machine.host_input import HostInput, MemoryInput, RegisterInput, SerialInput
from uniSMP.machine.memory_map import MemoryMap
from uniSMP.machine.outcome import CoreSummary, Ending, RunResult
from uniSMP.machine.parts import MachineParts
from uniSMP.machine.physical_memory import PhysicalMemory
from uniSMP.machine.run_loop import RunLoop
from uniSMP.machine.virtual_clock import VirtualClock
from uniSMP.memory.boot_information import Module
from uniSMP.memory.ram import Ram
from uniSMP.schedule.policy import Schedule
from uniSMP.schedule.round_robin import RoundRobin

if TYPE_CHECKING:
    from uniSMP.machine.tracer import TraceFilter, Tracer, TraceSink

DEFAULT_QUANTUM_INSTRUCTIONS = 10_000


class Settings(TypedDict, total=False):
    """The keyword arguments of `Machine`: the fields of `MachineConfig`."""

    cores: int
    memory_bytes: int
    boot: Boot
    ticks_per_instruction: int
    command_line: str
    modules: tuple[str | Path | Module, ...]
    serial_input: bytes


class Machine:
    """Cores, chips and memory of one PC.

    Args:
        config: what it is made of; or give the fields of `MachineConfig` by name.

    Raises:
        ConfigError: a setting is out of range.
        EngineError: the installed Unicorn is not the supported build.

    Attributes:
        config: what it is made of.
        devices: the chips.
        memory: physical memory.
        symbols: linear addresses by name, from the loaded image.
        image: what was loaded, or None.
        modules: the modules that were loaded with it.
        on_input: is told of everything the host puts into a loaded machine, before it takes effect,
            and may refuse it by an exception; or None.
        first_inputs: what the host put in before the first run, while nobody was told.
        on_run_end: is given the result of each call of `run`, or None.
        parts: what it is made of, for those who record and replay it.

    >>> from uniSMP import Machine, assemble
    >>> machine = Machine(cores=2, boot="long")
    >>> machine.load(assemble('''
    ... _start:
    ...     mov eax, edi            # EDI is the core id
    ...     lock inc dword ptr [0x2000]
    ... wait:
    ...     pause
    ...     cmp dword ptr [0x2000], 2
    ...     jne wait
    ...     xor eax, eax
    ...     out 0xF4, al            # the debug-exit port: 0 is success
    ... '''))
    >>> result = machine.run()
    >>> result.outcome, machine.memory.read_integer(0x2000, 4)
    (<Outcome.FINISHED: 'FINISHED'>, 2)
    """

    def __init__(self, config: MachineConfig | None = None, **settings: Unpack[Settings]) -> None:
        self.config = replace(config or MachineConfig(), **settings)
        config = self.config
        self._ram = Ram(config.memory_bytes)
        firmware.install(self._ram)
        self._map = MemoryMap(self._ram)
        self.devices = Board(config.cores, config.memory_bytes)
        self._coherence = CodeCoherence(self._map.words)
        self._catalog = BlockCatalog()
        self._log = ExecutionLog(self._catalog, config.memory_bytes)
        self._platforms = [
            CorePlatform(core_id, config.cores, self.devices, self._map, self._coherence)
            for core_id in range(config.cores)
        ]
        self._cores = [self._make_core(platform) for platform in self._platforms]
        self._coherence.watch([core.engine for core in self._cores])
        clock = VirtualClock(self._cores, config.ticks_per_instruction)
        for platform in self._platforms:
            platform.clock = clock
        for core in self._cores:
            core.keep_time(config.ticks_per_instruction)
        self._clock = clock
        self._loop = RunLoop(self._cores, self._platforms, self.devices, clock, self._coherence)
        self._views = tuple(
            CoreView(core, self._register_written, self._map) for core in self._cores
        )
        self.memory = PhysicalMemory(self._map, self._coherence, self._memory_written)
        self.symbols: Mapping[str, int] = {}
        self.image: Image | bytes | None = None
        self.modules: tuple[Module, ...] = ()
        self.on_input: Callable[[HostInput], None] | None = None
        self.first_inputs: list[HostInput] = []
        self.on_run_end: Callable[[RunResult], None] | None = None
        self.parts = MachineParts(
            ram=self._ram,
            cores=self._cores,
            board=self.devices,
            clock=clock,
            coherence=self._coherence,
            loop=self._loop,
            log=self._log,
            catalog=self._catalog,
        )
        self.devices.deliver(self.devices.uart.receive(config.serial_input))

    def _make_core(self, platform: CorePlatform) -> Core:
        engine = Engine(self._map.host_regions(), self._map.device_ranges())
        return Core(
            platform.core_id,
            engine,
            self._map.words,
            platform,
            self._coherence.add_code,
            self._log,
            self._catalog,
        )

    def core(self, core_id: int) -> CoreView:
        """Return core `core_id`.

        Raises:
            ConfigError: there is no such core.
        """
        if not 0 <= core_id < len(self._views):
            raise ConfigError(f"core {core_id}: this machine has cores 0 to {len(self._views) - 1}")
        return self._views[core_id]

    @property
    def cores(self) -> tuple[CoreView, ...]:
        """All cores."""
        return self._views

    @property
    def steps(self) -> int:
        """Instructions retired by all cores since power-on."""
        return self._clock.steps

    @property
    def console(self) -> bytes:
        """Everything the guest printed (COM1 and port 0xE9) since power-on."""
        return bytes(self._loop.boundary.console)

    def load(self, image: Image | bytes | str | Path) -> None:
        """Put an image into the machine.

        Args:
            image: what `assemble` returns; or the bytes of a multiboot image (of flat code for
                address 0x100000 with `boot="long"`); or the path of a file with such bytes.

        Raises:
            ImageError: it cannot be read, is damaged, has no multiboot header where one is needed,
                or does not fit RAM.
            ConfigError: the machine has an image already.
        """
        if self.first_inputs:
            raise ConfigError("load the image before memory, registers or the serial line are used")
        if self.image is not None:
            raise ConfigError("this machine has an image already: make a new machine")
        if isinstance(image, str | Path):
            image = boot.read_image(Path(image))
        if self.config.boot == "long":
            flat = image if isinstance(image, Image) else boot.flat_image(image)
            boot.load_flat(flat, self._ram, self._cores)
            self.symbols = flat.symbols
        else:
            data = image.data if isinstance(image, Image) else image
            modules = boot.read_modules(self.config.modules)
            loaded = boot.load_multiboot(data, self.config, modules, self._ram, self._cores[0])
            self.symbols = image.symbols if isinstance(image, Image) else loaded.symbols
            self.modules = modules
        self.image = image

    def run(
        self,
        schedule: Schedule | None = None,
        *,
        max_instructions: int | None = None,
        on_console: Callable[[bytes], None] | None = None,
        is_interrupted: Callable[[], bool] | None = None,
        trace: "TraceSink | None" = None,
        trace_filter: "TraceFilter | None" = None,
    ) -> RunResult:
        """Run until the guest ends, cannot go on, or a limit is reached; can be called again.

        A guest that ended (FINISHED, GUEST_FAILED, TRIPLE_FAULT) stays as it is.

        Args:
            schedule: who runs next, for how long; round robin with 10,000 instructions by default.
            max_instructions: most instructions that this call retires on all cores together.
            on_console: is given the guest's output as it appears.
            is_interrupted: asked at least every million instructions or so; True ends the run as
                HOST_TIMEOUT.
            trace: takes the rows of a trace of this call, a `TraceWriter` for one on disk.
            trace_filter: what of it is kept; everything by default.

        Raises:
            ConfigError: no image was loaded, or the limit is not positive.
        """
        if self.image is None:
            raise ConfigError("no image: call load first")
        if max_instructions is not None and max_instructions < 1:
            raise ConfigError(f"max_instructions = {max_instructions}: choose 1 or more")
        self._loop.boundary.on_console = on_console
        ending = self._loop.run(
            schedule or RoundRobin(DEFAULT_QUANTUM_INSTRUCTIONS),
            max_instructions=max_instructions,
            is_interrupted=is_interrupted,
            tracer=None if trace is None else self.make_tracer(trace, trace_filter),
        )
        result = self.result(ending)
        if self.on_run_end is not None:
            self.on_run_end(result)
        return result

    def result(self, ending: Ending) -> RunResult:
        """Return how things stand, as the result of a run that ended in this way."""
        return RunResult(
            outcome=ending.outcome,
            reason=ending.reason,
            exit_value=ending.exit_value,
            digest=self.digest(),
            steps=self._clock.steps,
            ticks=self._clock.now_ticks,
            console=bytes(self._loop.boundary.console),
            cores=tuple(self._summarize(core) for core in self._cores),
        )

    def make_tracer(self, sink: "TraceSink", chosen: "TraceFilter | None" = None) -> "Tracer":
        """Return a tracer of this machine that writes to `sink`, for `parts.loop`."""
        # Imported when it is needed: a run that is not traced starts faster.
        from uniSMP.machine.tracer import TraceFilter, Tracer  # noqa: PLC0415

        return Tracer(
            sink,
            chosen or TraceFilter(),
            log=self._log,
            catalog=self._catalog,
            cores=self._cores,
            board=self.devices,
            clock=self._clock,
            words=self._map.words,
        )

    def check_fresh(self) -> None:
        """Raise ConfigError unless an image is loaded, nothing has run, and nobody records it."""
        if self.image is None:
            raise ConfigError("no image: load one first")
        if self.on_input is not None:
            raise ConfigError("this machine is recorded, or followed by a time line, already")
        if self.steps or self._loop.boundary.ending is not None:
            raise ConfigError("this machine has run already: make a new one")

    def receive_serial(self, data: bytes) -> None:
        """Let bytes arrive at COM1; what its FIFO has no room for waits."""
        self._tell(SerialInput(bytes(data)))
        self.devices.deliver(self.devices.uart.receive(data))

    def _memory_written(self, physical: int, data: bytes) -> None:
        self._tell(MemoryInput(physical, data))

    def _register_written(self, core_id: int, name: str, value: int) -> None:
        self._tell(RegisterInput(core_id, name, value))

    def _tell(self, given: HostInput) -> None:
        if self.on_input is not None:
            self.on_input(given)
        elif not self.steps:
            self.first_inputs.append(given)

    def put(self, given: HostInput) -> None:
        """Put in what the host gave another machine."""
        match given:
            case MemoryInput(physical, data):
                self.memory.write(physical, data)
            case RegisterInput(core_id, name, value):
                self.core(core_id).registers[name] = value
            case SerialInput(data):
                self.receive_serial(data)

    def digest(self) -> str:
        """Return the SHA-256 (hex) over RAM, architectural state of each core, and the chips."""
        return digest(self._ram, self._cores, self.devices, self._clock.now_ticks)

    def _summarize(self, core: Core) -> CoreSummary:
        return CoreSummary(
            id=core.core_id,
            instructions=core.retired,
            interrupts=dict(sorted(self._loop.boundary.interrupts[core.core_id].items())),
            exceptions=dict(sorted(core.exceptions.items())),
            ipis_sent=self.devices.local_apics[core.core_id].ipis_sent,
            halted=not core.can_run,
            state=core_state.describe(core),
            rip=core.engine.context.rip,
        )

    def close(self) -> None:
        """Give engines and memory back; the machine must not be used afterwards."""
        for core in self._cores:
            core.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()
