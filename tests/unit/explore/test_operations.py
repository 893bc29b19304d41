"""What instructions are spent on, against a slow reading of the events and registers of a trace."""

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uniSMP import Image, Machine, RoundRobin
from uniSMP.errors import ConfigError
from uniSMP.explore import operations as ops
from uniSMP.explore.cost_counter import CostCounter
from uniSMP.explore.operations import Operations
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[2]))
from tracing import KeptTrace

Program = Callable[[str], Image]
DELIVERIES = ("software_interrupt", "interrupt_delivered", "exception")


@dataclass
class SlowPiece:
    kind: int
    core: int
    end: int = -1
    steps: list[int] = field(default_factory=list)
    pauses: list[int] = field(default_factory=list)
    """Places in `steps`; -1 where the handler begins."""
    longest_off: int = 0
    locked: int = 0

    def waits(self) -> list[tuple[int, int]]:
        """Return (instructions, steps) from the first PAUSE to the last before the handler."""
        groups: list[list[int]] = [[]]
        for place in self.pauses:
            groups = [*groups, []] if place < 0 else [*groups[:-1], [*groups[-1], place]]
        return [
            (group[-1] - group[0] + 1, self.steps[group[-1]] - self.steps[group[0]] + 1)
            for group in groups
            if group
        ]

    def row(self) -> list[int]:
        waits = self.waits()
        return [
            *(self.kind, self.core, self.steps[0], self.end, len(self.steps)),
            *(sum(count for count, _ in waits), max((steps for _, steps in waits), default=0)),
            *(self.longest_off, self.locked),
        ]


class SlowOperations:
    """Reads deliveries from events, IF from the register changes, and code by its bytes."""

    def __init__(self, trace: KeptTrace, image: Image) -> None:
        self.image = image
        self.pieces: list[SlowPiece] = []
        self.stacks: dict[int, list[SlowPiece | None]] = defaultdict(list)
        self.open: dict[int, SlowPiece] = {}
        self.is_off: dict[int, bool] = defaultdict(lambda: True)
        self.stretch: dict[int, list[SlowPiece | None]] = defaultdict(list)
        self.vectors: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for row in trace.rows("events"):
            if row["kind"] in DELIVERIES:
                self.vectors[row["core"]].append((row["step"], row["vector"]))
        delivered = {(step, core) for core, rows in self.vectors.items() for step, _ in rows}
        self.flags: dict[int, list[tuple[int, bool]]] = defaultdict(list)
        for row in trace.rows("registers"):
            if row["register"] == "rflags":  # a delivery's hold at once, others behind the step
                step = row["step"] + ((row["step"], row["core"]) not in delivered)
                self.flags[row["core"]].append((step, not row["value"] & 0x200))
        self.locked = {
            row["step"] for row in trace.rows("memory") if row["access"] == "locked write"
        }
        for row in trace.rows("instructions"):
            self.follow(row["step"], row["core"], row["rip"])

    def follow(self, step: int, core: int, rip: int) -> None:
        symbols, stack = self.image.symbols, self.stacks[core]
        if self.vectors[core] and self.vectors[core][0][0] <= step:
            stack.append(self.entered(self.vectors[core].pop(0)[1], core))
        elif rip == symbols["pmm_call"] and not stack:
            self.open[core] = self.begin(ops.OPERATION, core)
        piece = stack[-1] if stack else self.open.get(core)
        code = self.image.data[rip - self.image.origin :][:2] if rip >= self.image.origin else b""
        if piece is not None:
            self.count(piece, step, rip, code)
        self.count_off(step, core, piece)
        if code == b"\x48\xcf" and stack:
            stack.pop()
            if piece is not None and piece.kind == ops.SERVICE:
                piece.end = step
        elif rip == symbols["pmm_call_done"] and piece is not None:
            piece.end = step
            del self.open[core]

    def entered(self, vector: int, core: int) -> SlowPiece | None:
        if vector == self.image.symbols["VECTOR_PROTOCOL"]:
            return self.begin(ops.SERVICE, core)
        is_call = vector == self.image.symbols["VECTOR_PMM"] and not self.stacks[core]
        return self.open[core] if is_call else None

    def begin(self, kind: int, core: int) -> SlowPiece:
        self.pieces.append(SlowPiece(kind, core))
        return self.pieces[-1]

    def count(self, piece: SlowPiece, step: int, rip: int, code: bytes) -> None:
        piece.steps.append(step)
        piece.locked += step in self.locked
        if code == b"\xf3\x90":
            piece.pauses.append(len(piece.steps) - 1)
        elif rip == self.image.symbols["pmm_enter"]:
            piece.pauses.append(-1)

    def count_off(self, step: int, core: int, piece: SlowPiece | None) -> None:
        stretch = self.stretch[core]
        while self.flags[core] and self.flags[core][0][0] <= step:
            self.is_off[core] = self.flags[core].pop(0)[1]
            if not self.is_off[core]:
                stretch.clear()
        if self.is_off[core]:
            stretch.append(piece)
        if stretch and stretch[0] is not None:
            stretch[0].longest_off = max(stretch[0].longest_off, len(stretch))


class Both:
    """Hands a trace to the counter and keeps it."""

    level = Level.REGISTERS

    def __init__(self, counter: CostCounter) -> None:
        self.counter = counter
        self.kept = KeptTrace(Level.REGISTERS)

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        self.counter.add(name, columns)
        self.kept.add(name, columns)


@pytest.mark.parametrize(
    ("protocol", "cores"),
    [("swap_return", 2), ("delegate", 3), ("freeze_ordered", 3), ("tas_irqon", 2), ("mcs", 3)],
)
def test_pieces_are_as_a_slow_reading_of_the_trace_has_them(
    program: Program, protocol: str, cores: int
) -> None:
    image = program(f"lock_{protocol}")
    with Machine(cores=cores) as machine:
        machine.load(image)
        sink = Both(CostCounter(image, cores, machine.config.memory_bytes))
        machine.run(RoundRobin(20), max_instructions=160_000, trace=sink)
    slow = [piece.row() for piece in SlowOperations(sink.kept, image).pieces]
    assert len(slow) >= 15
    assert sink.counter.operations.pieces[:, : ops.LOCKED + 1].tolist() == slow


def test_program_without_a_memory_manager_is_refused(program: Program) -> None:
    image = program("hello")
    with pytest.raises(ConfigError, match="no symbol pmm_enter, pmm_call, pmm_call_done"):
        Operations(1, image.symbols, image.origin, len(image.data))


def test_chunks_of_any_length_give_the_same_pieces(program: Program) -> None:
    image = program("lock_tas")
    call, done = image.symbols["pmm_call"], image.symbols["pmm_call_done"]
    rip = np.array([0, call, call + 2, done, done, call, done, call], dtype=np.int64)
    core, flag = np.zeros((2, len(rip)), dtype=np.uint8)
    whole = Operations(1, image.symbols, image.origin, len(image.data))
    single = Operations(1, image.symbols, image.origin, len(image.data))
    piece = whole.take(100, core, rip, flag)
    parts = [single.take(100 + at, core[:1], rip[at : at + 1], flag[:1])[0] for at in range(8)]
    assert piece.tolist() == parts == [-1, 0, 0, 0, -1, 1, 1, 2]
    assert whole.pieces.tolist() == single.pieces.tolist()
    assert whole.pieces[:, ops.BEGIN : ops.INSTRUCTIONS + 1].tolist() == [
        [101, 103, 3],
        [105, 106, 2],
        [107, -1, 1],
    ]
