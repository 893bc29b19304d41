"""Tracing random code at every detail changes nothing, and its writes explain memory."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest

from uniSMP import Machine, SeededRandom
from uniSMP.trace.schema import Level

sys.path.insert(0, str(Path(__file__).parents[1]))
from tracing import KeptTrace, write_all

_BATCH = 25
_ROM = range(0xF_0000, 0x10_0000)
_PIECES = (
    *(b"\x89\x07", b"\x8b\x06", b"\xf0\x01\x07", b"\x50", b"\x5a", b"\xaa", b"\xf3\xa4"),
    *(b"\x87\x07", b"\x48\x01\x3c\x24", b"\x9c", b"\x11\x9b\x89\x07\x87\x07"),
)


def make(seed: int) -> Machine:
    rng = random.Random(seed)
    pieces = [rng.choice([*_PIECES, rng.randbytes(1), rng.randbytes(3)]) for _ in range(300)]
    machine = Machine(cores=2, boot="long", memory_bytes=2 << 20)
    machine.load(b"".join(pieces))
    for core in machine.cores:
        core.registers["rdi"], core.registers["rsi"] = 0x18_0000 + core.id, 0x18_1FF8
        core.registers["rcx"] = 5
    return machine


@pytest.mark.parametrize("first", range(0, 8 * _BATCH, _BATCH))
def test_traced_random_images_end_the_same_and_explain_their_memory(first: int) -> None:
    for seed in range(first, first + _BATCH):
        with make(seed) as machine:
            untraced = machine.run(SeededRandom(seed, 50), max_instructions=2000)
        kept = KeptTrace(Level.REGISTERS)
        with make(seed) as machine:
            ram = np.frombuffer(bytearray(machine.memory.read(0, 2 << 20)), dtype=np.uint8)
            traced = machine.run(SeededRandom(seed, 50), max_instructions=2000, trace=kept)
            final = np.frombuffer(machine.memory.read(0, 2 << 20), dtype=np.uint8)
        assert traced == untraced, seed
        assert len(kept.rows("instructions")) == traced.steps
        rows = [
            row
            for row in kept.rows("memory")
            if row["access"].endswith("write") and row["physical"] not in _ROM
        ]
        write_all(
            ram,
            np.array([row["physical"] for row in rows], np.uint64),
            np.array([row["size"] for row in rows], np.uint8),
            np.array([row["value"] for row in rows], np.uint64),
        )
        assert np.array_equal(ram, final), seed
