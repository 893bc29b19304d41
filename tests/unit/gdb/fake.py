"""A time line that executes one instruction after the other, and goes back by beginning anew."""

from collections.abc import Callable, Sequence
from typing import Any

from uniSMP import Image, Machine, RoundRobin
from uniSMP.errors import ConfigError
from uniSMP.machine.outcome import Outcome, RunResult
from uniSMP.replay.conditions import Accessed, AccessedPhysical, AtAddress, Hit, Predicate
from uniSMP.schedule.policy import Slice


class _Only:
    """A schedule of one core, or of all in turn, one instruction each."""

    name = "only"

    def __init__(self, only: int | None) -> None:
        self._only = only
        self._turn = RoundRobin(1)

    def next_slice(self, runnable: list[int]) -> Slice:
        core = self._only if self._only is not None else self._turn.next_slice(runnable).core_id
        return Slice(core, 1)


class FakeTimeline:
    def __init__(self, image: Image, cores: int = 1, *, is_live: bool = True) -> None:
        self._image = image
        self._cores = cores
        self.is_live = is_live
        self._only: int | None = None
        self.ending: RunResult | None = None
        self._restart()

    def _restart(self) -> None:
        self.machine = Machine(cores=self._cores, memory_bytes=2 << 20, boot="long")
        self.machine.load(self._image)
        self.ending = None
        self._schedule = _Only(None)

    @property
    def only(self) -> int | None:
        return self._only

    @only.setter
    def only(self, value: int | None) -> None:
        if not self.is_live and value is not None:
            raise ConfigError("a recording cannot hold cores")
        self._only = value

    @property
    def step(self) -> int:
        return self.machine.steps

    @property
    def position(self) -> int:
        return self.machine.steps

    def _advance(self, until: Sequence[Any] = ()) -> Hit | None:
        """Execute one instruction; return what it met."""
        schedule: Any = self._schedule if self._only is None else _Only(self._only)
        before = [core.instructions for core in self.machine.cores]
        places = [core.linear_rip for core in self.machine.cores]
        seen = [self._bytes(each) for each in until]
        result = self.machine.run(schedule, max_instructions=1)
        if result.outcome is not Outcome.INSTRUCTION_LIMIT:
            self.ending = result
        after = [core.instructions for core in self.machine.cores]
        moved = next((at for at, old in enumerate(before) if after[at] != old), 0)
        for each, old in zip(until, seen, strict=True):
            if isinstance(each, Accessed | AccessedPhysical) and self._bytes(each) != old:
                return Hit(each, moved, self.step, places[moved])
            if isinstance(each, Predicate) and each.function(self.machine):
                return Hit(each, moved, self.step, places[moved])
            if isinstance(each, AtAddress):
                for core in self.machine.cores:
                    is_new = core.linear_rip != places[core.id] or core.id == moved
                    if is_new and core.linear_rip == each.linear:
                        return Hit(each, core.id, self.step, core.linear_rip)
        return None

    def _bytes(self, condition: Any) -> bytes:
        match condition:
            case Accessed(linear, size):
                return self.machine.memory.read(linear, size)
            case AccessedPhysical(physical, size):
                return self.machine.memory.read(physical, size)
        return b""

    def goto(self, step: int) -> None:
        self._restart()
        while self.step < step:
            if self.ending is not None:
                raise ConfigError(f"step {step}: the run ends at {self.step}")
            self._advance()

    def goto_position(self, position: int) -> None:
        self.goto(position)

    def forward(
        self,
        until: Sequence[Any] = (),
        *,
        is_interrupted: Callable[[], bool] | None = None,
        limit: int | None = None,
    ) -> Hit | None:
        while (
            self.step != limit and self.ending is None and not (is_interrupted and is_interrupted())
        ):
            hit = self._advance(until)
            if hit is not None:
                return hit
        return None

    def backward(
        self, until: Sequence[Any] = (), *, is_interrupted: Callable[[], bool] | None = None
    ) -> Hit | None:
        here = self.step
        self._restart()
        last = None
        while self.step < here and not (is_interrupted and is_interrupted()):
            before = self.step
            hit = self._advance(until)
            if hit is not None and isinstance(hit.condition, AtAddress) and self.step < here:
                last = (self.step, hit)
            elif hit is not None and not isinstance(hit.condition, AtAddress):
                last = (before, hit)
        self.goto(last[0] if last else 0)
        return last[1] if last else None

    def step_core(
        self, core_id: int, *, is_interrupted: Callable[[], bool] | None = None
    ) -> Hit | None:
        done = self.machine.core(core_id).instructions
        hit = self.forward(
            [Predicate(lambda m: m.core(core_id).instructions > done)],
            is_interrupted=is_interrupted,
        )
        return None if hit is None else Hit(None, core_id, self.step, hit.rip)

    def step_back(self, core_id: int | None = None) -> Hit | None:
        if core_id is None:
            if self.step == 0:
                return None
            self.goto(self.step - 1)
            return Hit(None, 0, self.step, self.machine.core(0).linear_rip)
        done = self.machine.core(core_id).instructions
        while done and self.machine.core(core_id).instructions == done:
            self.step_back()
        return Hit(None, core_id, self.step, 0) if done else None
