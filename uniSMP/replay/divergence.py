"""What is known of the place at which a replay departs from its recording.

The recording is replayed twice more. Where these two replays differ from each other, the machine
itself is not deterministic, and the first instruction at which they differ is named. Where they
agree, the recording tells of another run: by its marks, within a few slices.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from uniSMP.errors import DivergenceError
from uniSMP.replay.chunks import MARK_INTERVAL
from uniSMP.replay.history import Position
from uniSMP.replay.recording import Recording
from uniSMP.replay.replayer import Replayer
from uniSMP.trace.schema import Level

_LAST_INSTRUCTIONS = 6
_LOOKED_AT_STEPS = 5_000
_REGISTERS = (
    *("rip", "rflags", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp"),
    *(f"r{number}" for number in range(8, 16)),
    *("cr0", "cr2", "cr3", "cr4"),
)


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where and how a replay departed.

    Attributes:
        step: instructions retired by all cores before it was noticed.
        core_id: the core whose slice it was.
        what: what was recorded, and what happens now.
        agreed_step: up to here everything that is compared agrees.
        registers: of each core, by name.
        last: the last instructions of each core: (step, linear address).
        first_difference: (step, core, linear address) of the first instruction that two further
            replays do not execute alike; None where they agree.
    """

    step: int
    core_id: int
    what: str
    agreed_step: int
    registers: Sequence[Mapping[str, int]]
    last: Sequence[Sequence[tuple[int, int]]]
    first_difference: tuple[int, int, int] | None


class _LastInstructions:
    """Keeps the last instructions of each core."""

    level = Level.INSTRUCTIONS

    def __init__(self, cores: int) -> None:
        self.last: list[deque[tuple[int, int]]] = [
            deque(maxlen=_LAST_INSTRUCTIONS) for _ in range(cores)
        ]

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        """Take rows of a table."""
        if name == "instructions":
            rows = (columns[key].tolist() for key in ("step", "core", "rip"))
            for step, core, rip in zip(*rows, strict=True):
                self.last[core].append((step, rip & (1 << 64) - 1))


def explain(replayer: Replayer, error: DivergenceError) -> Divergence:
    """Return what can be found out about a replay that ended with `error`; this takes replays."""
    recording, history, position = replayer.recording, replayer.history, replayer.position
    if replayer.departed_row is not None:  # compiled code runs on behind a mark that differs
        position = min(position, history.end_of(replayer.departed_row))
    row = position.slice + (position == history.end_of(position.slice))
    if replayer.departed_row is not None or replayer.differs_in_memory:
        row = position.slice
    row = max(0, min(row, len(history) - 1))
    registers, last = _look_again(recording, position)
    return Divergence(
        step=history.step_of(position),
        core_id=int(history.rows.core[row]) if len(history) else 0,
        what=str(error),
        agreed_step=_agreed_step(replayer, position),
        registers=registers,
        last=last,
        first_difference=_first_difference(recording, position),
    )


def _agreed_step(replayer: Replayer, position: Position) -> int:
    """Return the step of the last mark or checkpoint before the departure."""
    history, row = replayer.history, position.slice
    agreed = [point.row - 1 for point in replayer.recording.checkpoints if point.row - 1 < row]
    if not replayer.differs_in_memory:
        agreed.append(row // MARK_INTERVAL * MARK_INTERVAL - 1)
    return history.step_of(history.end_of(max(agreed, default=-1)))


def _again(recording: Recording) -> Replayer:
    """Return a replayer that goes on where marks differ."""
    replayer = Replayer(recording)
    replayer.compares_marks = False
    return replayer


def _go(replayer: Replayer, position: Position) -> None:
    """Go as far as the replay comes."""
    with suppress(DivergenceError):
        replayer.goto_position(position)


def _look_again(
    recording: Recording, position: Position
) -> tuple[list[dict[str, int]], list[list[tuple[int, int]]]]:
    """Return the registers of each core at a moment, and its last instructions before."""
    with _again(recording) as again:
        history = again.history
        start = history.first_at(max(0, history.step_of(position) - _LOOKED_AT_STEPS))
        sink = _LastInstructions(recording.config.cores)
        _go(again, min(start, position))
        again.trace(again.machine.make_tracer(sink))
        try:
            with suppress(DivergenceError):
                again.advance(position)
        finally:
            again.trace(None)
        registers = [
            {name: core.registers[name] for name in _REGISTERS} for core in again.machine.cores
        ]
        return registers, [list(queue) for queue in sink.last]


def _first_difference(recording: Recording, position: Position) -> tuple[int, int, int] | None:
    """Replay twice, side by side, and halve the distance until the first difference is found."""
    with _again(recording) as one, _again(recording) as other:
        _go(one, position)
        _go(other, position)
        if one.step == other.step and one.machine.digest() == other.machine.digest():
            return None
        low, high = 0, min(one.step, other.step)
        while low + 1 < high:
            middle = (low + high) // 2
            one.goto(middle)
            other.goto(middle)
            if one.machine.digest() == other.machine.digest():
                low = middle
            else:
                high = middle
        one.goto(low)
        core_id = one.history.core_of(low)
        return low, core_id, one.here(core_id).rip
