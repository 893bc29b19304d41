"""Virtual time: retired instructions of all cores, times a constant, plus time spent idle.

One tick is one nanosecond. While a core runs, the time an instruction sees counts the instructions
retired before it.
"""

from collections.abc import Sequence

from uniSMP.core.core import Core


class VirtualClock:
    """The time of one machine.

    Args:
        cores: all cores.
        ticks_per_instruction: ticks per retired instruction.
    """

    def __init__(self, cores: Sequence[Core], ticks_per_instruction: int) -> None:
        self._cores = cores
        self._running = cores[0]
        self._others = sum(core.retired for core in cores[1:])
        self.ticks_per_instruction = ticks_per_instruction
        self.idle_ticks = 0

    def switch_to(self, core: Core) -> None:
        """Say which core runs from now on."""
        if core is not self._running:
            self._others += self._running.retired - core.retired
            self._running = core

    def resume(self, core: Core, steps: int) -> None:
        """Say that `core` runs, after compiled code ran several cores up to `steps`."""
        self._running = core
        self._others = steps - core.retired

    def restore(self, running: Core, idle_ticks: int) -> None:
        """Say which core ran last and how much time was idle, after the cores were put back."""
        self._running = running
        self._others = sum(core.retired for core in self._cores if core is not running)
        self.idle_ticks = idle_ticks

    @property
    def running(self) -> Core:
        """The core that runs, or ran last."""
        return self._running

    @property
    def steps(self) -> int:
        """Instructions retired by all cores."""
        return self._others + self._running.retired

    @property
    def now_ticks(self) -> int:
        """Ticks since power-on."""
        return self.steps * self.ticks_per_instruction + self.idle_ticks

    def jump_to(self, ticks: int) -> None:
        """Let idle time pass until `ticks`; time never goes back."""
        self.idle_ticks += max(0, ticks - self.now_ticks)

    def instructions_until(self, ticks: int) -> int:
        """Return after how many instructions the clock reaches `ticks`, at least 0."""
        missing = ticks - self.now_ticks
        return max(0, -(-missing // self.ticks_per_instruction))
