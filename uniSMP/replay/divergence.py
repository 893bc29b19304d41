"""What is known of the place at which a replay departs from its recording.

The recording is replayed twice more. Where these two replays differ from each other, the machine
itself is not deterministic, and the first instruction at which they differ is named. Where they
agree, the recording tells of another run: by its marks, within a few slices.
"""

from collections import deque
from collections.abc import Mapping, Sequence
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
    recording, position = replayer.recording, replayer.position
    history = replayer.history
    row = min(position.slice + (position == history.end_of(position.slice)), len(history) - 1)
    core_id = int(history.rows.core[max(row, 0)]) if len(history) else 0
    return Divergence(
        step=replayer.step,
        core_id=core_id,
        what=str(error),
        agreed_step=_agreed_step(replayer),
        registers=[
            {name: core.registers[name] for name in _REGISTERS} for core in replayer.machine.cores
        ],
        last=_last_instructions(recording, position),
        first_difference=_first_difference(recording, position),
    )


def _agreed_step(replayer: Replayer) -> int:
    """Return the step of the last mark or checkpoint before the departure."""
    history, row = replayer.history, replayer.position.slice
    marked = (row // MARK_INTERVAL) * MARK_INTERVAL - 1
    rows = [point.row - 1 for point in replayer.recording.checkpoints if point.row - 1 < row]
    last = max([marked, *rows]) if not replayer.differs_in_memory else max(rows, default=-1)
    return history.step_of(history.end_of(last))


def _go(replayer: Replayer, position: Position) -> None:
    """Go as far as the replay comes."""
    try:
        replayer.goto_position(position)
    except DivergenceError:
        return


def _last_instructions(recording: Recording, position: Position) -> list[list[tuple[int, int]]]:
    with Replayer(recording) as again:
        history = again.history
        start = history.first_at(max(0, history.step_of(position) - _LOOKED_AT_STEPS))
        sink = _LastInstructions(recording.config.cores)
        _go(again, min(start, position))
        again.trace(again.machine.make_tracer(sink))
        try:
            again.advance(position)
        except DivergenceError:
            pass
        finally:
            again.trace(None)
        return [list(queue) for queue in sink.last]


def _first_difference(recording: Recording, position: Position) -> tuple[int, int, int] | None:
    """Replay twice, side by side, and halve the distance until the first difference is found."""
    with Replayer(recording) as one, Replayer(recording) as other:
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
        core_id = one.next_core()
        return low, core_id, one.here(core_id).rip
