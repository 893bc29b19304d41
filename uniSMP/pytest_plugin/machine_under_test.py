"""The machine of a test: it takes more kinds of guests, and is recorded or replayed."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from uniSMP.assembler import library
from uniSMP.assembler.assemble import assemble
from uniSMP.assembler.image import Image
from uniSMP.errors import ImageError, InternalError
from uniSMP.machine.machine import Machine
from uniSMP.machine.outcome import RunResult
from uniSMP.machine.target import Target
from uniSMP.pytest_plugin.replay import Replay, departures_fail
from uniSMP.pytest_plugin.settings import Settings
from uniSMP.replay.recorder import Recorder
from uniSMP.schedule.policy import Schedule
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.schedule.seeded_random import SeededRandom

if TYPE_CHECKING:
    from uniSMP.machine.config import Boot
    from uniSMP.machine.tracer import TraceFilter, TraceSink


class MachineUnderTest(Machine):
    """The machine of one test item.

    Args:
        settings: what the test's markers say.
        seed: of the schedule; None is round robin.
        folder: where files of guests are looked for first: that of the test.

    Attributes:
        seed: of the schedule of this item, or None.
        last_result: of the last `run`, or None where it did not end.
        has_run: whether `run` was called.
    """

    def __init__(self, settings: Settings, seed: int | None, folder: Path) -> None:
        super().__init__(settings.config)
        self.seed = seed
        self.last_result: RunResult | None = None
        self.has_run = False
        self._settings = settings
        self._folder = folder
        self._schedule = _schedule(settings, seed)
        self._recording: tuple[Path, str] | None = None
        self._replay: Replay | None = None
        self._open = ExitStack()

    @property
    def quantum(self) -> int:
        """Instructions of a slice of this item's schedule; with a seed at most."""
        return self._settings.quantum

    @property
    def labels(self) -> Mapping[str, int]:
        """Linear addresses of code and data by name, without plain constants."""
        return {} if self.image is None else Target("", self.image).labels

    def record_to(self, path: Path, test: str) -> None:
        """Record from `load` on; the node id `test` is noted in the recording."""
        self._recording = path, test

    def follow(self, replay: "Replay") -> None:
        """Do what a recording says from `load` on."""
        self._replay = replay

    def load(self, image: Image | bytes | str | Path) -> None:
        """Put a guest into the machine; it is recorded from here on.

        Args:
            image: what `assemble` returns; bytes as for `Machine`; a path of a source (`.asm`,
                `.s`) or an image; or a text: one with a space, a colon or a line break is
                assembled, another is the name of a guest program or of a file. Files are looked
                for beside the test, then in the working folder.

        Raises:
            AssemblyError: a source cannot be assembled.
            ImageError: there is no such file, or it is not fit for this machine.
            ConfigError: the machine has an image already.
        """
        guest = _resolve(image, self._folder)
        if self._settings.boot is None and self.image is None:
            boot: Boot = "multiboot" if guest.is_multiboot else "long"
            self.config = replace(self.config, boot=boot)
        super().load(guest.image)
        if self._replay is not None:
            self._replay.check_machine(self)
        if self._recording is not None:
            path, test = self._recording
            facts = {"seed": self.seed, "quantum": self.quantum, "name": self._schedule.name}
            recorder = Recorder(self, path, facts={"test": test}, schedule=facts)
            self._open.enter_context(recorder)

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
        """Run as `Machine.run` does; several runs go on with one schedule.

        Args:
            schedule: another one than that of the item's seed; a replay follows its recording.
            max_instructions: instead of what the marker says, or 100,000,000.
            on_console: as for `Machine.run`, and so are the others.
            is_interrupted: ends the run from outside.
            trace: takes the rows of a trace.
            trace_filter: what of it is kept.

        Raises:
            ConfigError: nothing was loaded, or the limit is not positive.
        """
        if self._replay is not None:
            schedule = self._replay.schedule
        if max_instructions is None:
            max_instructions = self._settings.max_instructions
        self.last_result = None
        self.has_run = self.image is not None
        with departures_fail():
            self.last_result = super().run(
                schedule or self._schedule,
                max_instructions=max_instructions,
                on_console=on_console,
                is_interrupted=is_interrupted,
                trace=trace,
                trace_filter=trace_filter,
            )
        return self.last_result

    def end_recording(self) -> None:
        """End the recording: what happens from now on is not in it."""
        if self.has_run and self.last_result is None:
            # Inside a slice nothing can be completed: it stays what it was at a checkpoint.
            error = InternalError("the run did not end")
            self._open.__exit__(InternalError, error, None)
        else:
            self._open.close()

    def close(self) -> None:
        """Complete the recording, and give engines and memory back."""
        try:
            self.end_recording()
        finally:
            super().close()


def _schedule(settings: Settings, seed: int | None) -> Schedule:
    if seed is None:
        return RoundRobin(settings.quantum)
    return SeededRandom(seed, settings.quantum)


def _resolve(image: Image | bytes | str | Path, folder: Path) -> Target:
    if isinstance(image, Image | bytes):
        return Target("", image)
    if isinstance(image, str) and set(image) & set(" :\n\t"):
        return Target("", assemble(image, include_paths=[folder]))
    path = _find(Path(image), folder)
    if not path.exists() and isinstance(image, str) and image in library.programs():
        return Target.of_program(image)
    if not path.exists():
        raise ImageError(f"no guest program and no file is called {image}")
    return Target.of_file(path)


def _find(path: Path, folder: Path) -> Path:
    """Return the path beside the test if there is something, else in the working folder."""
    return folder / path if (folder / path).exists() else path
