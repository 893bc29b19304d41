"""Moves the time line as gdb asks: continue, step, both backwards, cores held or not.

gdb steps over a breakpoint with all others held. Where the core stands at an instruction that is
next anyway, nobody has to be held: the run goes as it would without a debugger.

Source: GDB manual, appendix "GDB Remote Serial Protocol", sections "Packets" (vCont, bc, bs) and
"Stop Reply Packets".
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uniSMP.errors import UniSMPError
from uniSMP.gdb.breakpoints import Points
from uniSMP.replay.conditions import AtAddress

if TYPE_CHECKING:
    from uniSMP.replay.conditions import Hit
    from uniSMP.replay.history import Position
    from uniSMP.replay.timeline import Timeline

INTERRUPT, TRAP = 2, 5
"""gdb's numbers of SIGINT and SIGTRAP."""
_NO_PAST, _NO_FUTURE = "replaylog:begin;", "replaylog:end;"
_CANNOT_HOLD = (
    "a recording goes its way: other cores move until this one has done its instruction\n"
)


@dataclass(frozen=True, slots=True)
class Action:
    """What one core is to do: go on, or step; a step goes on within a range of addresses."""

    steps: bool
    within: range = range(0)


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the target stands: a signal, the core it is about, and a reason in gdb's words."""

    signal: int
    core_id: int
    reason: str = ""


class Motion:
    """Moves one time line.

    Args:
        timeline: it.
        points: breakpoints and watchpoints.
        say: prints a text in gdb.

    Attributes:
        last: why it stands now.
        is_interrupted: asked now and then while it moves; True stops it.
    """

    def __init__(self, timeline: "Timeline", points: Points, say: Callable[[str], None]) -> None:
        self._timeline = timeline
        self._points = points
        self._say = say
        self._standing: tuple[int, Position] | None = None
        self._was_interrupted = False
        self._has_explained = False
        self._shown = 0
        self.last = Stop(TRAP, 0)
        self.is_interrupted: Callable[[], bool] = lambda: False

    def forward(self, actions: Mapping[int, Action]) -> Stop:
        """Move as `vCont` says; cores without an action stand still.

        Args:
            actions: by core id, not empty.
        """
        stepper = next((core_id for core_id, each in actions.items() if each.steps), None)
        with self._failures(), self._holding(actions, stepper):
            if stepper is None:
                self._note(self._continue())
            else:
                self._step_within(stepper, actions[stepper].within)
        return self.last

    def back(self) -> Stop:
        """Go back to the last moment at which a condition was met, or to the start."""
        with self._failures():
            conditions = self._points.conditions()
            hit = self._timeline.backward(conditions, is_interrupted=self._ask)
            self._note(hit, _NO_PAST)
        return self.last

    def step_back(self, core_id: int) -> Stop:
        """Go back to before the last instruction of a core."""
        with self._failures():
            hit = self._timeline.step_back(core_id)
            self._stand(Stop(TRAP, core_id, "" if hit is not None else _NO_PAST))
        return self.last

    def _ask(self) -> bool:
        self._was_interrupted = self._was_interrupted or self.is_interrupted()
        return self._was_interrupted

    def _continue(self) -> "Hit | None":
        conditions = self._points.conditions()
        return self._timeline.forward(conditions, is_interrupted=self._ask)

    def _step_within(self, core_id: int, within: range) -> None:
        """Step once, and further while the core stays in a range and nothing else stops it."""
        while True:
            hit = self._step(core_id)
            if hit is None or hit.condition is not None:
                self._note(hit)
                return
            self._stand(Stop(TRAP, core_id))
            rip = self._timeline.machine.core(core_id).linear_rip
            if rip not in within:
                return
            if self._ask():
                self._stand(Stop(INTERRUPT, core_id))
                return

    def _step(self, core_id: int) -> "Hit | None":
        """Let a core retire one instruction; return a hit without a condition where it did.

        A core that never retires one again lets all others go on.
        """
        line = self._timeline
        before, step = line.position, line.step
        hit = line.step_core(core_id, is_interrupted=self._ask)
        if hit is None:
            return None if self._was_interrupted else self._continue()
        conditions = self._points.conditions()
        if not self._points.has_watchpoints and line.step == step + 1:
            return hit
        after = line.position
        line.goto_position(before)
        found = line.forward(conditions, is_interrupted=self._ask, limit=after)
        is_done = found is None and not self._was_interrupted
        return hit if is_done else found

    @contextmanager
    def _holding(self, actions: Mapping[int, Action], stepper: int | None) -> Iterator[None]:
        """Hold the cores without an action, as far as that can be done and is needed."""
        timeline = self._timeline
        is_all = len(actions) == len(timeline.machine.cores)
        if is_all or self._stands_at(stepper):
            yield
        elif not timeline.is_live:
            if not self._has_explained:
                self._say(_CANNOT_HOLD)
            self._has_explained = True
            yield
        else:
            timeline.only = next(iter(actions)) if stepper is None else stepper
            try:
                yield
            finally:
                timeline.only = None

    def _stands_at(self, core_id: int | None) -> bool:
        """Return whether the next instruction of all is this core's, as far as is known."""
        return core_id is not None and self._standing == (core_id, self._timeline.position)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Say what went wrong, and stand where the time line stands."""
        self._was_interrupted = False
        try:
            yield
        except UniSMPError as error:
            self._say(f"unismp: {error}\n")
            self.last = Stop(TRAP, self.last.core_id)
        self._show_console()

    def _show_console(self) -> None:
        """Print what the guest has printed and was not shown yet; nothing is shown twice."""
        console = self._timeline.machine.console
        if len(console) > self._shown:
            self._say(console[self._shown :].decode("utf-8", "backslashreplace"))
            self._shown = len(console)

    def _note(self, hit: "Hit | None", end: str = _NO_FUTURE) -> None:
        """Keep why the time line has stopped."""
        core_id = self.last.core_id
        if hit is not None:
            self._stand(Stop(TRAP, hit.core_id, self._reason(hit)))
            if isinstance(hit.condition, AtAddress):
                self._standing = hit.core_id, self._timeline.position
        elif self._was_interrupted:
            self._stand(Stop(INTERRUPT, core_id))
        else:
            self._stand(Stop(TRAP, core_id, end))
            if end == _NO_FUTURE:
                self._tell_ending()

    def _reason(self, hit: "Hit") -> str:
        return "" if hit.condition is None else self._points.reason(hit.condition)

    def _stand(self, stop: Stop) -> None:
        self.last = stop
        self._standing = None

    def _tell_ending(self) -> None:
        """Say how the run ended, each time that it does."""
        self._show_console()
        ending = self._timeline.ending
        if ending is not None:
            self._say(f"{ending.outcome}: {ending.reason}\n")
